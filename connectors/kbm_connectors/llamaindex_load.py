"""Run a LlamaIndex reader in a process of its own, and keep what it loads on disk.

A reader is foreign code: it may print, hang, exhaust memory or pass over what it cannot read with a line on its
output. In a process of its own it can be ended after a time, its output is read for such lines, and its documents go
straight into a file without a name, which is gone with this process. Here, only ids and hashes are kept in memory.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from kbm.domain.sync import Json
from kbm.errors import ConnectorError, ConnectorRefused, ConnectorUnavailable, did_you_mean

CHILD = Path(__file__).with_name("llamaindex_child.py")
OUTPUT_CHARS = 200_000
SHOWN_CHARS = 200

_TROUBLE = re.compile(
    r"\bfailed\b|\berror\b.{0,40}\b(?:load|read|process|fetch|pars|open)|\bcould(?: not|n't)\b|\bunable to\b"
    r"|\bskipping\b|\btraceback\b",
    re.IGNORECASE,
)
_QUIET = {"ANONYMIZED_TELEMETRY": "False", "DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
_ACCOUNT = re.compile(r"(?<=//)[^/@\s]+@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What to run: an import path ``module:Class``, keys with their secrets, and bounds."""

    source: str
    path: str
    arguments: Mapping[str, Json]
    load: Mapping[str, Json]
    folder: Path  # relative paths among the arguments start here
    timeout_s: float
    max_bytes: int
    hide: Callable[[str], str]  # takes the secrets out of a text


@dataclass(frozen=True, slots=True)
class Record:
    """A document as the reader gave it; ``given`` tells that somebody chose its id. Any: metadata of any kind."""

    id: str
    given: bool
    text: str
    metadata: Mapping[str, Any]


@dataclass(slots=True, weakref_slot=True)
class Loaded:
    """The documents of one run, on disk; ``trouble`` is what the reader said about those it passed over."""

    file: IO[bytes]
    trouble: str = ""
    n: int = 0
    offsets: dict[str, list[int]] = field(default_factory=dict)  # by item; filled by who names them

    def records(self) -> Iterator[tuple[int, Record]]:
        """Read all documents, each with its place; others may be read in between."""
        at = 0
        for _ in range(self.n):
            self.file.seek(at)
            line = self.file.readline()
            yield at, _record(line)
            at += len(line)

    def at(self, offset: int) -> Record:
        """Read one document again."""
        self.file.seek(offset)
        return _record(self.file.readline())


def load(reader: Reader) -> Loaded:
    """Run the reader.

    Raises:
        ConnectorUnavailable: it failed, died or took too long.
        ConnectorRefused: it is not installed, or does not take what it is given.
    """
    # Neither file has a name: nothing is left behind, however this ends.
    with ExitStack() as stack:
        output = stack.enter_context(tempfile.TemporaryFile(prefix="kbm-llamaindex-"))
        documents = stack.enter_context(tempfile.TemporaryFile(prefix="kbm-llamaindex-"))
        status = _run(reader, documents.fileno(), output)
        match _last_line(documents):
            case {"end": int(n), "told": list(told)}:
                trouble = _trouble(reader, [str(one) for one in told], _head(output))
                stack.pop_all()
                output.close()
                loaded = Loaded(documents, trouble, n)
                weakref.finalize(loaded, documents.close)
                return loaded
            case {"fault": str(word), "said": str(text)}:
                raise _error(reader, word, reader.hide(text))
    how = f"signal {-status}" if status < 0 else f"status {status}"
    raise ConnectorUnavailable(f"source {reader.source}: the reader {reader.path} died ({how})")


def _run(reader: Reader, documents: int, output: IO[bytes]) -> int:
    spec = {
        "path": [os.path.abspath(one) for one in sys.path],
        "reader": reader.path,
        "arguments": dict(reader.arguments),
        "load": dict(reader.load),
        "max_bytes": reader.max_bytes,
    }
    process = subprocess.Popen(
        # -P: the folder of the file holds modules named like some of the standard library.
        [sys.executable, "-P", str(CHILD), str(documents)],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        pass_fds=[documents],
        cwd=reader.folder,
        env={**os.environ, **_QUIET},
        start_new_session=True,
    )
    try:
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(spec).encode() + b"\n")
            process.stdin.flush()
        return process.wait(reader.timeout_s)
    except subprocess.TimeoutExpired:
        raise ConnectorUnavailable(
            f"source {reader.source}: the reader {reader.path} did not end within {reader.timeout_s:.0f} seconds",
            hint="raise timeout_s, or let it load less",
        ) from None
    finally:
        # Whatever the reader started ends with it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        with suppress(BrokenPipeError):
            if process.stdin is not None:
                process.stdin.close()


def _error(reader: Reader, word: str, said: str) -> ConnectorError:
    said = _short(said)
    module, _, name = reader.path.partition(":")
    match word:
        case "no_module":
            why, hint = (
                f"there is no module {module}",
                f"install {_package(module)} beside kbm; no other path is read",
            )
        case "no_package":
            why, hint = f"it needs the package {said}, which is not installed", "install it beside kbm"
        case "no_class":
            choices = said.split(", ") if said else []
            why = f"{module} has no reader {name}; there is: {said or 'none'}"
            hint = did_you_mean(name, choices)
        case "import":
            why, hint = f"it cannot be imported: {said}", "install what it needs beside kbm"
        case "arguments":
            why, hint = (
                f"it does not take what it is given: {said}",
                "see its documentation for arguments and load",
            )
        case "too_large":
            why, hint = (
                f"it loads more than {reader.max_bytes / 1e6:.0f} MB",
                "raise max_mb, or let it load less",
            )
        case _:
            return ConnectorUnavailable(f"source {reader.source}: the reader {reader.path} failed: {said}")
    return ConnectorRefused(f"source {reader.source}: {reader.path}: {why}", hint=hint)


def _package(module: str) -> str:
    parts = module.split(".")
    return "-".join(parts[:3]).replace("_", "-") if parts[0] == "llama_index" else parts[0]


def _trouble(reader: Reader, logged: list[str], said: str) -> str:
    for line in (*logged, *said.splitlines()):
        if line.startswith("error: ") or _TROUBLE.search(line):
            return _short(reader.hide(line.removeprefix("error: ")))
    return ""


def _short(text: str) -> str:
    text = _ACCOUNT.sub("", " ".join(text.split()))
    return text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 1]}…"


def _head(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read(OUTPUT_CHARS).decode("utf-8", "replace")


def _last_line(file: IO[bytes]) -> Json:
    """Read the last line of a file if it is whole."""
    end = file.seek(0, os.SEEK_END)
    at = max(0, end - 20_000)  # longer than what a run may say in the end
    file.seek(at)
    tail = file.read()
    if not tail.endswith(b"\n"):
        return None
    try:
        line: Json = json.loads(tail[:-1].rpartition(b"\n")[2])
    except ValueError:
        return None
    return line


def _record(line: bytes) -> Record:
    read = json.loads(line)
    return Record(read["id"], read["given"], read["text"], read["metadata"])
