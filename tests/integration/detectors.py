"""Detectors that go wrong, each in its way, and one that does its work beside them."""

from __future__ import annotations

import gc
import importlib
import os
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kbm.domain.fixes import AttachSource, OutOfScope
from kbm.domain.review import Findings, ReviewWindow
from kbm.domain.suggestions import Proposal
from kbm.ports import Lookup

LEAST_OBJECTS = 5_000
POWERS = (
    *("approve", "apply", "publish", "decide", "withdraw", "write_bytes_to", "roll_back", "settle", "erase"),
    *("begin", "commit", "execute", "revoke", "come_into_effect", "set_state", "bring_about"),
)
APPLICATION = ("kbm.services", "kbm.store", "kbm.bootstrap", "kbm.entrypoints", "kbm.config", "kbm.providers")


class Honest:
    """Proposes one thing."""

    def review(self, window: ReviewWindow, lookup: Lookup) -> Findings:
        """Look."""
        near = lookup.nearest(["press"], 1)
        return Findings(
            proposals=(Proposal(fix=OutOfScope(), why="test"),),
            figures={"questions": len(window.questions), "near": len(near[0])},
        )


class Raising:
    """Falls over."""

    def review(self, window: ReviewWindow, lookup: Lookup) -> Findings:
        """Fail."""
        raise ZeroDivisionError("by hand")


class Hanging:
    """Never comes back."""

    def review(self, window: ReviewWindow, lookup: Lookup) -> Findings:
        """Wait."""
        threading.Event().wait()
        return Findings()


class Dying:
    """Ends its process."""

    def review(self, window: ReviewWindow, lookup: Lookup) -> Findings:
        """End."""
        os._exit(7)


class Greedy:
    """Takes memory without end."""

    def review(self, window: ReviewWindow, lookup: Lookup) -> Findings:
        """Take."""
        held = []
        while True:
            held.append(bytearray(1 << 26))


class Babbling:
    """Writes what is no message to every descriptor it has."""

    def review(self, window: ReviewWindow, lookup: Lookup) -> Findings:
        """Write."""
        sys.stdout.write("garbage")
        sys.stderr.write("garbage")
        for channel in _sockets():
            channel.sendall(b"\xff" * 64)
        return Findings()


class Nesting:
    """Sends JSON that is nested too deeply to be read."""

    def review(self, window: ReviewWindow, lookup: Lookup) -> Findings:
        """Send."""
        body = b"[" * 200_000
        for channel in _sockets():
            channel.sendall(len(body).to_bytes(8, "little") + body)
        return Findings()


class Boasting:
    """Announces more than anybody would read."""

    def review(self, window: ReviewWindow, lookup: Lookup) -> Findings:
        """Announce."""
        for channel in _sockets():
            channel.sendall((1 << 29).to_bytes(8, "little"))
        return Findings()


class Mistaken:
    """Gives back something else than findings."""

    def review(self, window: ReviewWindow, lookup: Lookup) -> Any:  # Any: that is the point
        """Give a word."""
        return "all is well"


class Inventing:
    """Gives back a fix that is none of the list."""

    def review(self, window: ReviewWindow, lookup: Lookup) -> Any:  # Any: that is the point
        """Give a fix of its own."""
        return Findings(proposals=(Proposal(fix="publish", why="because"),))  # type: ignore[arg-type]


class Asking:
    """Asks what cannot be answered, and goes on."""

    def review(self, window: ReviewWindow, lookup: Lookup) -> Findings:
        """Ask."""
        refused = 0
        ask = lookup._ask  # type: ignore[attr-defined]
        for what, more in (
            ("approve", {"id": "1"}),
            ("nearest", {"questions": ["x"], "k": float("inf")}),
            ("nearest", {"questions": None, "k": "many"}),
            ("vectors", {"chunks": ["no such chunk"]}),
            ("complete", {}),
        ):
            try:
                ask(what, **more)
            except RuntimeError:
                refused += 1
        return Findings(figures={"refused": refused})


class Reaching:
    """Tries what only others may do, and tells what it got."""

    def review(self, window: ReviewWindow, lookup: Lookup) -> Findings:
        """Try."""
        tries = {
            "network": lambda: socket.create_connection(("127.0.0.1", 9), timeout=1),
            "names": lambda: socket.getaddrinfo("example.org", 443),
            "database": lambda: sqlite3.connect(":memory:"),
            "program": lambda: subprocess.run(["/bin/true"], check=False),
            "shell": lambda: os.system("true"),  # noqa: S605, S607
            "fork": os.fork,
            "parent": lambda: os.kill(os.getppid(), 0),
            "file": lambda: Path("/var/tmp/kbm-detector-was-here").write_text("x"),  # noqa: S108
            "code": lambda: os.open(__file__, os.O_APPEND | os.O_WRONLY),
            "gone": lambda: os.remove("/var/tmp/kbm-nothing"),  # noqa: S108
            "moved": lambda: os.rename("/var/tmp/kbm-nothing", "/var/tmp/kbm-other"),  # noqa: S108
        }
        own = Path("mine.txt")
        own.write_text("what it writes for itself is its own business")
        return Findings(figures={name: float(_comes_off(act)) for name, act in tries.items()})


class Forking:
    """Multiplies."""

    def review(self, window: ReviewWindow, lookup: Lookup) -> Findings:
        """Fork, and fork again."""
        while True:
            os.fork()


class Searching:
    """Looks through every object it can get hold of for one that changes something."""

    def review(self, window: ReviewWindow, lookup: Lookup) -> Findings:
        """Search."""
        found: dict[str, float] = {}
        seen = 0
        for one in _within_reach(window, lookup):
            seen += 1
            kind = type(one)
            module = str(getattr(kind, "__module__", ""))
            names = (module, str(getattr(one, "__module__", "") or ""))
            if any(name == top or name.startswith(f"{top}.") for name in names for top in APPLICATION):
                found[f"object of {module}.{kind.__qualname__}"] = 1.0
            if module.split(".")[0] in ("kbm", "kbm_agents") and any(hasattr(one, power) for power in POWERS):
                found[f"power of {module}.{kind.__qualname__}"] = 1.0
        for name in sys.modules:
            if any(name == top or name.startswith(f"{top}.") for top in APPLICATION):
                found[f"module {name}"] = 1.0
        if seen < LEAST_OBJECTS:
            found["too few objects seen"] = float(seen)
        return Findings(figures=found)


class Importing:
    """Loads what decides, and searches then."""

    def review(self, window: ReviewWindow, lookup: Lookup) -> Findings:
        """Load and search."""
        importlib.import_module("kbm.services.decide")
        return Searching().review(window, lookup)


def _within_reach(*begin: object) -> Iterator[object]:
    """Give all that hangs together with some objects, with all that is alive, and with all modules."""
    waiting: list[object] = [*begin, *gc.get_objects(), *sys.modules.values()]
    waiting.append(sys._getframe())
    seen: set[int] = set()
    kept = []  # an id holds only as long as its object lives
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        kept.append(one)
        yield one
        waiting += gc.get_referents(one)
        for name in ("__self__", "__closure__", "__wrapped__", "__globals__", "__dict__", "f_back"):
            try:
                more = getattr(one, name, None)
            except Exception:  # noqa: S112 - properties may do anything
                continue
            if more is not None:
                waiting.append(more)


def _sockets() -> list[socket.socket]:
    return [one for one in gc.get_objects() if isinstance(one, socket.socket)]


def _comes_off(act: Any) -> bool:
    """Tell whether something was not refused."""
    try:
        act()
    except PermissionError:
        return False
    except OSError:
        return True
    return True


class Attaching:
    """Proposes what is none of the company's sources."""

    def review(self, window: ReviewWindow, lookup: Lookup) -> Findings:
        """Propose drafts, another assistant's overlays, and a source nobody has."""
        names = ("@drafts.helper", "@overlays.clerk", "nowhere")
        fixes = tuple(Proposal(fix=AttachSource(source=name), why="test") for name in names)
        return Findings(proposals=fixes)
