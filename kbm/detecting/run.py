"""Run detectors one after another in a process of their own, each with a time limit.

One that fails, hangs or dies is noted, and the next goes on, in a fresh process if need be. What comes back is
checked against the types before anything looks at it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any

import structlog
from pydantic import ValidationError

from kbm.detecting import wire
from kbm.domain.identity import ChunkId
from kbm.domain.review import Findings, ReviewWindow
from kbm.ports import Lookup, Stage

log = structlog.get_logger()

TIME_LIMIT_S = 300.0
MEMORY_BYTES = 3 << 30

_BOOT = (
    "import json,sys;a=json.loads(sys.argv[1]);"
    "sys.path[:0]=[p for p in a['path'] if p not in sys.path];"
    "import resource;resource.setrlimit(resource.RLIMIT_DATA,(a['memory'],a['memory']));"
    "from kbm.detecting.worker import main;main(a['channel'])"
)
_FROM_PARENT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH")
"""All a detector gets of the environment: keys and passwords stay out of its reach."""


def detect(
    detectors: Mapping[str, str],
    window: ReviewWindow,
    lookup: Lookup,
    stage: Stage,
    *,
    time_limit_s: float = TIME_LIMIT_S,
) -> tuple[dict[str, Findings], dict[str, str]]:
    """Let each of *detectors*, ``module:Class`` by name, look at *window*. None of them is loaded in this process.

    Gives what they found, by name, and why some did not come to an end.
    """
    found: dict[str, Findings] = {}
    problems: dict[str, str] = {}
    process: _Process | None = None
    try:
        for name, path in sorted(detectors.items()):
            try:
                process = process or _Process(window)
                found[name] = process.review(path, lookup, time_limit_s)
            except _Refused as error:
                problems[name] = str(error)
            except (_Gone, OSError) as error:
                problems[name] = str(error)
                if process is not None:
                    process.kill()
                process = None
            if name in problems:
                log.warning("detector_failed", detector=name, gpt=window.gpt, why=problems[name])
            stage.advance(1, name)
    finally:
        if process is not None:
            process.kill()
    return found, problems


class _Refused(Exception):
    """The detector ended with an error, or gave back something else than findings. Its process goes on."""


class _Gone(Exception):
    """The process is of no use any more."""


class _Process:
    """A process with the window in it."""

    def __init__(self, window: ReviewWindow) -> None:
        self._folder = tempfile.mkdtemp(prefix="kbm-detect-")
        ours, theirs = socket.socketpair()
        self._channel = ours
        order = {
            "path": [os.path.abspath(entry or os.curdir) for entry in sys.path],
            "channel": theirs.fileno(),
            "memory": MEMORY_BYTES,
        }
        kept = {name: os.environ[name] for name in _FROM_PARENT if name in os.environ}
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        own = {"HOME": self._folder, "TMPDIR": self._folder, "JOBLIB_MULTIPROCESSING": "0"}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _BOOT, json.dumps(order)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=self._folder,
                env={**kept, **threads, **own},
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self._deadline = time.monotonic() + TIME_LIMIT_S
        try:
            self._send({"window": wire.WINDOW.dump_python(window, mode="json")})
            self._receive()  # it has started: from now on the time is a detector's
        except BaseException:
            self.kill()
            raise

    def review(self, path: str, lookup: Lookup, time_limit_s: float) -> Findings:
        """Let one detector look."""
        self._deadline = time.monotonic() + time_limit_s
        self._send({"detector": path})
        while True:
            message = self._receive()
            if "findings" in message:
                try:
                    return wire.FINDINGS.validate_python(message["findings"])
                except ValidationError as error:
                    raise _Refused(
                        f"what it gave back are no findings: {error.error_count()} errors"
                    ) from None
                except RecursionError:
                    raise _Refused("what it gave back are no findings: nested too deeply") from None
            if "failed" in message:
                raise _Refused(str(message["failed"])[:500])
            self._send(_answered(lookup, message))

    def kill(self) -> None:
        """End it, and all it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._channel.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _send(self, message: wire.Message) -> None:
        self._channel.settimeout(self._left())
        try:
            self._channel.sendall(wire.pack(message))
        except TimeoutError:
            raise _Gone("it did not listen in time") from None
        except OSError as error:
            raise _Gone(f"its process ended: {error.strerror}") from None

    def _receive(self) -> wire.Message:
        (size,) = wire.HEAD.unpack(self._exactly(wire.HEAD.size))
        if size > wire.LARGEST_BACK:
            raise _Gone("it sent too much")
        try:
            return wire.unpack(self._exactly(size))
        except ValueError as error:
            raise _Gone(f"it sent something else than a message: {error}") from None

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            self._channel.settimeout(self._left())
            try:
                got = self._channel.recv(min(1 << 20, size - len(parts)))
            except TimeoutError:
                raise _Gone("it took too long") from None
            except OSError as error:
                raise _Gone(f"its process ended: {error.strerror}") from None
            if not got:
                raise _Gone(f"its process ended with {self._process.wait()}")
            parts += got
        return bytes(parts)

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise _Gone("it took too long")
        return left


def _answered(lookup: Lookup, message: wire.Message) -> wire.Message:
    """Look up what a detector asks; a question that cannot be answered is its own fault, not the night's."""
    arguments: Any = message.get("with")  # Any: JSON of a process that is not trusted
    try:
        match message.get("ask"):
            case "nearest":
                questions = [str(one) for one in arguments["questions"]]
                near = lookup.nearest(questions, int(arguments["k"]))
                return {"answer": wire.NEAREST.dump_python(near, mode="json")}
            case "pairs":
                pairs = lookup.pairs(float(arguments["cosine"]))
                return {"answer": wire.PAIRS.dump_python(pairs, mode="json")}
            case "vectors":
                ids = [ChunkId(str(one)) for one in arguments["chunks"]]
                return {"answer": wire.vectors_to_json(lookup.vectors(ids))}
            case "embed":
                texts = [str(one) for one in arguments["texts"]]
                asks = arguments["purpose"] == "question"
                vectors = lookup.embed(texts, "question" if asks else "passage")
                return {"answer": wire.vectors_to_json(vectors)}
            case "weights":
                return {"answer": lookup.weights([str(one) for one in arguments["words"]])}
            case "complete":
                limit = min(2_000, int(arguments["max_tokens"]))
                return {"answer": lookup.complete(str(arguments["prompt"]), max_tokens=limit)}
    except Exception as error:  # whatever a detector asks for must not end the night
        return {"failed": f"{type(error).__name__}: {error}"}
    return {"failed": "there is no such question"}
