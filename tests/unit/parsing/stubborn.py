"""Parsers that misbehave, each on the text of the blob; a worker loads them by import path as it does plug-ins."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
import time
import urllib.request
from typing import ClassVar

from kbm.domain.documents import Blob, Element, ElementKind, ParsedDocument

STUBBORN = "application/x-stubborn"
MARK = "kbm-stubborn-sleeper"


class StubbornParser:
    """Does what the blob says."""

    name: ClassVar[str] = "stubborn"
    version: ClassVar[str] = "1"
    media_types: ClassVar[frozenset[str]] = frozenset({STUBBORN, "application/vnd.kbm.stubborn"})

    def parse(self, blob: Blob, media_type: str) -> ParsedDocument:
        command, _, argument = blob.data.decode().partition(" ")
        text = str(getattr(self, f"do_{command}")(argument))
        return ParsedDocument(elements=(Element(kind=ElementKind.TEXT, text=text),))

    def do_say(self, argument: str) -> str:
        return argument

    def do_pid(self, _: str) -> int:
        return os.getpid()

    def do_sleep(self, argument: str) -> str:
        time.sleep(float(argument))
        return "rested"

    def do_spin(self, _: str) -> str:
        while True:
            pass

    def do_hog(self, _: str) -> int:
        """Grow in small steps, as a parser does that keeps every cell."""
        kept = []
        while True:
            kept.append(bytearray(8 * 1024 * 1024))

    def do_map(self, argument: str) -> str:
        """Fill shared memory, which no limit on private memory counts."""
        import mmap

        area = mmap.mmap(-1, int(argument) * 1024 * 1024)
        for at in range(0, len(area), 4096):
            area[at] = 1
        time.sleep(30)
        return "mapped"

    def do_fork(self, _: str) -> str:
        """Start sleepers that leave the session, faster and faster."""
        while True:
            if os.fork() == 0:
                os.setsid()
                os.execv(sys.executable, [sys.executable, "-c", f"import time; time.sleep(60) # {MARK}"])  # noqa: S606 - the point
            time.sleep(0.01)

    def do_orphan(self, _: str) -> str:
        subprocess.Popen(
            [sys.executable, "-c", f"import time; time.sleep(60) # {MARK}"], start_new_session=True
        )
        time.sleep(60)
        return "left"

    def do_crash(self, _: str) -> str:
        sys.stdout.write("about to read address zero\n")
        sys.stdout.flush()
        return ctypes.string_at(0).decode()

    def do_exit(self, argument: str) -> str:
        os._exit(int(argument))

    def do_raise(self, argument: str) -> str:
        raise ValueError(argument)

    def do_noise(self, argument: str) -> str:
        sys.stdout.write("noise on standard output\n")
        sys.stderr.write("noise on standard error\n")
        os.write(1, b"noise under python")
        return argument

    def do_environment(self, _: str) -> str:
        return " ".join(f"{name}={value}" for name, value in sorted(os.environ.items()))

    def do_connect(self, argument: str) -> str:
        host, _, port = argument.partition(":")
        socket.create_connection((host, int(port)), timeout=2).close()
        return "connected"

    def do_fetch(self, argument: str) -> str:
        urllib.request.urlopen(argument, timeout=2)  # noqa: S310 - refused, that is the test
        return "fetched"

    def do_dial(self, argument: str) -> str:
        """Let another program reach for the network, as a converter would."""
        order = f"import socket; socket.create_connection(('127.0.0.1', {int(argument)}), 2)"
        done = subprocess.run([sys.executable, "-c", order], capture_output=True, text=True, check=False)
        return done.stderr or "connected"

    def do_write(self, argument: str) -> int:
        with open("big", "wb") as file:
            for _ in range(int(argument)):
                file.write(bytes(1024 * 1024))
        return 0

    def do_many(self, argument: str) -> str:
        return "x" * int(argument)

    def do_nonsense(self, _: str) -> str:
        """Write into the channel as a taken-over worker would."""
        for name in os.listdir("/proc/self/fd"):
            try:
                os.fstat(int(name))
                if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                    os.write(int(name), b"\xff" * 64)
            except OSError:
                continue
        time.sleep(30)
        return "sent"
