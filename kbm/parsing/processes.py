"""One worker process as its parent sees it: started clean, watched while it works, killed with all it started.

Killing the process group is not enough, since a child can leave its group; so the environment of a worker carries
a mark that its descendants inherit, and the kill is repeated until no process with the mark is left.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from kbm.parsing import wire
from kbm.parsing.limits import Limits

_TICK_S = 0.1
_PAGE = os.sysconf("SC_PAGE_SIZE")
_BOOT = (
    "import json,sys;a=json.loads(sys.argv[1]);"
    "sys.path[:0]=[p for p in a['path'] if p not in sys.path];"
    "from kbm.parsing.worker import main;main(a['channel'],a['settings'],a['parent'])"
)
_MARK = "KBM_PARSING_WORKER"
_FROM_PARENT = (
    *("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SYSTEMROOT", "LD_LIBRARY_PATH"),
    "TESSDATA_PREFIX",
)
"""All a worker gets of the environment: keys and passwords stay out of the reach of a hostile document."""


class WorkerDied(Exception):
    """The process ended; ``status`` as in ``subprocess``, ``output`` the last lines it wrote."""

    def __init__(self, status: int, output: str) -> None:
        self.status, self.output = status, output
        super().__init__(f"status {status}")


class WorkerTooSlow(Exception):
    """No answer in time."""


class WorkerTooLarge(Exception):
    """The session took more memory than allowed."""


class WorkerSpawning(Exception):
    """The session started more processes than allowed."""


class Worker:
    """A running worker process."""

    def __init__(self, limits: Limits, told: Mapping[str, str] | None = None) -> None:
        """Start it; *told* is what parsers find in their environment besides."""
        self._limits = limits
        self._told = dict(told or {})
        self.documents = 0
        self.peak_bytes = 0
        self._token = secrets.token_hex(16)
        self._folder = Path(tempfile.mkdtemp(prefix="kbm-parse-"))
        self._output = self._folder / "output"
        ours, theirs = socket.socketpair()
        self._channel = ours
        settings = {key: int(value) for key, value in asdict(limits).items()}
        order = {
            "path": _import_path(),
            "channel": theirs.fileno(),
            "settings": settings,
            "parent": os.getpid(),
        }
        try:
            with theirs, self._output.open("ab") as output:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-c", _BOOT, json.dumps(order)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=self._folder,
                    env=self._environment(),
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
        except BaseException:
            ours.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    @property
    def pid(self) -> int:
        """Give the process id, which is also its session's."""
        return self._process.pid

    def memory(self) -> int:
        """Give the resident bytes of the worker itself."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text("ascii").split()[1]) * _PAGE
        except (OSError, IndexError, ValueError):
            return 0

    def send(self, head: wire.Head, body: bytes, deadline: float) -> None:
        """Send a request.

        Raises:
            WorkerDied, WorkerTooSlow: it cannot take it.
        """
        try:
            self._channel.settimeout(max(0.01, deadline - time.monotonic()))
            self._channel.sendall(wire.pack(head, body))
            self._channel.sendall(body)
        except TimeoutError as error:
            raise WorkerTooSlow from error
        except OSError as error:
            raise self._death() from error

    def receive(self, deadline: float) -> tuple[wire.Head, bytes]:
        """Wait for one frame, watching the worker meanwhile.

        Raises:
            WorkerDied, WorkerTooSlow, WorkerTooLarge, WorkerSpawning: and the worker must be killed.
            wire.BadFrame: it sent something else; likewise.
        """
        limit = self._limits.result_bytes + (1 << 20)
        head_size, body_size = wire.lengths(self._exactly(wire.LENGTHS_SIZE, deadline), limit)
        head = wire.unpack_head(self._exactly(head_size, deadline))
        return head, self._exactly(body_size, deadline)

    def kill(self) -> None:
        """End the process and everything it started; safe to repeat."""
        self._channel.close()
        quiet = 0
        while quiet < 2:
            if self._process.returncode is None:
                # Once it is reaped its number may belong to somebody else; the mark still finds its children.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)
            marked = list(_processes_with(f"{_MARK}={self._token}"))
            for pid in marked:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            quiet = 0 if marked else quiet + 1
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _exactly(self, size: int, deadline: float) -> bytes:
        data = bytearray()
        while len(data) < size:
            left = deadline - time.monotonic()
            if left <= 0:
                raise WorkerTooSlow
            try:
                self._channel.settimeout(min(left, _TICK_S))
                part = self._channel.recv(min(size - len(data), 1 << 20))
            except TimeoutError:
                self._watch()
                continue
            except OSError as error:
                raise self._death() from error
            if not part:
                raise self._death()
            data += part
        return bytes(data)

    def _watch(self) -> None:
        """Look at the memory and the number of processes of the whole session."""
        total, count = 0, 0
        for _, resident in _session(self.pid):
            total, count = total + resident, count + 1
        self.peak_bytes = max(self.peak_bytes, total)
        if total > self._limits.memory_bytes:
            raise WorkerTooLarge
        if count > self._limits.processes:
            raise WorkerSpawning

    def _death(self) -> WorkerDied:
        try:
            status = self._process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            # It closed the channel but lives on.
            status = 0
        try:
            output = self._output.read_bytes()[-2000:].decode("utf-8", "replace")
        except OSError:
            output = ""
        return WorkerDied(status, "\n".join(output.strip().split("\n")[-5:]))

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _FROM_PARENT if name in os.environ}
        folder = str(self._folder)
        # One thread per worker: several workers share the machine with the embedder, and every thread of a
        # numeric library reserves a stack and an arena of its own.
        threads = dict.fromkeys(
            ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
        )
        own = {
            "HOME": folder,
            "TMPDIR": folder,
            "DO_NOT_TRACK": "1",
            "SCARF_NO_ANALYTICS": "true",
            _MARK: self._token,
        }
        return {**kept, **threads, **self._told, **own}


def _import_path() -> list[str]:
    """Give the parent's import path, absolute, so that plug-ins load in the worker too."""
    return [os.path.abspath(entry or os.curdir) for entry in sys.path]


def _session(session: int) -> Iterator[tuple[int, int]]:
    """List (process id, resident bytes) of a session's processes."""
    for pid in _pids():
        try:
            # The name in brackets may hold anything, so fields are counted from its end.
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        if len(fields) > 21 and int(fields[3]) == session and fields[0] != b"Z":
            yield pid, int(fields[21]) * _PAGE


def _processes_with(mark: str) -> Iterator[int]:
    """List the living processes whose environment at start held *mark*."""
    wanted = mark.encode("ascii")
    for pid in _pids():
        try:
            if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                yield pid
        except OSError:
            continue


def _pids() -> Iterator[int]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            yield int(name)
