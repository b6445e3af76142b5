"""The process a detector runs in. It has a window, a pipe to ask over, and nothing of kbm that changes anything.

Attempts to reach a network, a database or another program, and to write files but its own, fail here for good. That
keeps an honest detector honest and a careless one harmless; what none of them can get is an object that applies
something, for there is none here.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys
import tempfile
from collections.abc import Sequence
from typing import Any, Literal, cast

from kbm.detecting import wire
from kbm.domain.identity import ChunkId
from kbm.domain.review import Near, Pair
from kbm.ports import Detector, Vectors

_REFUSED = (
    "socket.connect",
    "socket.bind",
    "socket.getaddrinfo",
    "socket.sendto",
    "sqlite3.connect",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.forkpty",
    "os.kill",
    "os.killpg",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
    "os.chown",
)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def main(channel_fd: int) -> None:
    """Serve: review one window with each detector asked for, until the pipe ends."""
    channel = Channel(socket.socket(fileno=channel_fd))
    window = wire.WINDOW.validate_python(channel.receive()["window"])
    lookup = RemoteLookup(channel)
    _refuse(os.path.join(os.path.realpath(tempfile.gettempdir()), ""))
    channel.send({"started": True})
    while True:
        try:
            order = channel.receive()
        except EOFError:
            return
        try:
            detector = load(order["detector"])
            findings = detector.review(window, lookup)
            channel.send({"findings": wire.FINDINGS.dump_python(findings, mode="json")})
        except Exception as error:
            channel.send({"failed": f"{type(error).__name__}: {error}"[:500]})


class Channel:
    """One end of the pipe."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, message: wire.Message) -> None:
        """Send a message whole."""
        self._connection.sendall(wire.pack(message))

    def receive(self) -> wire.Message:
        """Wait for a message.

        Raises:
            EOFError: the other end is gone.
        """
        (size,) = wire.HEAD.unpack(self._exactly(wire.HEAD.size))
        if size > wire.LARGEST:
            raise EOFError("a message is too large")
        return wire.unpack(self._exactly(size))

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            got = self._connection.recv(min(1 << 20, size - len(parts)))
            if not got:
                raise EOFError("the other end is gone")
            parts += got
        return bytes(parts)


class RemoteLookup:
    """A :class:`~kbm.ports.Lookup` at the other end of the pipe."""

    def __init__(self, channel: Channel) -> None:
        self._ask = _Asking(channel)

    def nearest(self, questions: Sequence[str], k: int) -> list[list[Near]]:
        """See the port."""
        return wire.NEAREST.validate_python(self._ask("nearest", questions=list(questions), k=k))

    def pairs(self, cosine: float) -> list[Pair]:
        """See the port."""
        return wire.PAIRS.validate_python(self._ask("pairs", cosine=cosine))

    def vectors(self, chunks: Sequence[ChunkId]) -> Vectors:
        """See the port."""
        return wire.vectors_from_json(self._ask("vectors", chunks=list(chunks)))

    def embed(self, texts: Sequence[str], purpose: Literal["passage", "question"]) -> Vectors:
        """See the port."""
        return wire.vectors_from_json(self._ask("embed", texts=list(texts), purpose=purpose))

    def weights(self, words: Sequence[str]) -> list[float]:
        """See the port."""
        return [float(one) for one in self._ask("weights", words=list(words))]

    def complete(self, prompt: str, *, max_tokens: int) -> str | None:
        """See the port."""
        return cast(str | None, self._ask("complete", prompt=prompt, max_tokens=max_tokens))


class _Asking:
    """Asks and waits; Any is JSON."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __call__(self, what: str, **arguments: Any) -> Any:
        self._channel.send({"ask": what, "with": arguments})
        answer = self._channel.receive()
        if "failed" in answer:
            raise RuntimeError(answer["failed"])
        return answer["answer"]


def load(path: str) -> Detector:
    """Make the detector named ``module:Class``."""
    module, _, name = path.partition(":")
    return cast(Detector, getattr(importlib.import_module(module), name)())


def _refuse(own: str) -> None:
    """Refuse what changes anything outside the folder *own*, for good; the folder goes with the process."""
    sys.dont_write_bytecode = True

    def is_own(path: object) -> bool:
        if isinstance(path, int):
            return True  # what is open already
        name = os.path.realpath(os.fsdecode(cast(str, path)))
        return name.startswith(own) or name == os.devnull

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:  # Any: whatever the event brings along
        writes = event == "open" and bool(arguments[2] & _WRITES)
        if (writes or event in _REFUSED) and not (_names_files(event) and is_own(arguments[0])):
            raise PermissionError(f"detectors look and propose; {event} is refused")

    sys.addaudithook(refuse)


def _names_files(event: str) -> bool:
    return event in ("open", "os.remove", "os.rmdir", "os.truncate", "os.chmod")
