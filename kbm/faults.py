"""Named places where a test may kill the process or make the disk fail. Inert everywhere else.

Every step that leaves something behind goes through :func:`fault_point`; tests kill a run before and after
each of them, and fails the n-th one for every n. Armed by the environment alone::

    KBM_FAULT=publish.pointer:before:kill      SIGKILL before the pointer moves
    KBM_FAULT=seal.manifest:after:kill         SIGKILL once the manifest is written
    KBM_FAULT=*:17:ENOSPC                      the 17th step that is reached finds the disk full
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

POINTS = frozenset(
    {
        "canary.start",
        "canary.rebase",
        "canary.end",
        "raw.write",
        "raw.name",
        "parse.record",
        "build.chunks",
        "seal.name",
        "sync.plan",
        "sync.approve",
        "sync.decide",
        "job.begin",
        "job.end",
        "build.vectors",
        "build.segment",
        "build.known",
        "build.sweep",
        "seal.again",
        "seal.bitmap",
        "seal.manifest",
        "database.upgrade",
        "golden.store",
        "review.gaps",
        "review.gap",
        "review.suggestions",
        "review.preview",
        "review.states",
        "decide.store",
        "decide.applied",
        "keys.create",
        "keys.end",
        "keys.use",
        "build.record",
        "publish.review",
        "publish.gate",
        "publish.pointer",
        "rollback.pointer",
        "sync.store",
        "sync.remove",
        "sync.readers",
        "sync.cursor",
        "sync.again",
        "report.write",
        "report.send",
        "lease.fence",
        "lease.take",
        "lease.renew",
        "lease.release",
        "journal.record",
        "journal.feedback",
        "journal.forget",
        "journal.drop",
        "journal.import",
        "journal.redact",
        "secret.write",
        "secret.name",
        "merge.write",
        "merge.commit",
        "merge.refit",
        "merge.sweep",
        "compact.evict",
        "connect.write",
        "compact.purge",
        "compact.vectors",
        "compact.vacuum",
        "rebuild.seal",
        "rebuild.vectors",
        "erase.withdraw",
        "erase.list",
        "erase.rows",
        "erase.text",
        "erase.raw",
        "erase.vectors",
        "erase.journal",
        "erase.releases",
        "erase.vacuum",
        "erase.certificate",
        "erase.forget",
        "export.write",
        "pack.write",
        "import.store",
        "import.show",
        "backup.databases",
        "backup.files",
        "backup.publish",
        "restore.unpack",
        "restore.erasures",
        "restore.aside",
        "restore.publish",
    }
)
"""Every place, as ``use case.step``; a test asserts that each is reached."""


@dataclass(slots=True)
class _Armed:
    point: str
    when: str  # before | after | a number: at that step, whichever it is
    action: str  # kill, or the name of an error number
    trail: list[str] = field(default_factory=list)  # the steps that were reached, in order


_armed: _Armed | None = None


def arm(fault: str) -> None:
    """Arm this process with ``point:when:action``; an empty text disarms it.

    Raises:
        ValueError: there is no such point, or the text has another form.
    """
    global _armed
    if not fault:
        _armed = None
        return
    point, when, action = fault.split(":")
    if point != "*" and point not in POINTS:
        raise ValueError(f"no fault point named {point!r}; there is: {', '.join(sorted(POINTS))}")
    _armed = _Armed(point, when, action)


@contextmanager
def fault_point(point: str) -> Iterator[None]:
    """Mark a step that leaves something behind: on disk, in a database, or at another process."""
    if _armed is None:
        yield
        return
    _reach(_armed, point, "before")
    yield
    _reach(_armed, point, "after")


def steps_reached() -> list[str]:
    """Name the steps an armed process came to, in order, each as often as it did."""
    return list(_armed.trail) if _armed else []


def _reach(armed: _Armed, point: str, when: str) -> None:
    if point not in POINTS:
        raise ValueError(f"fault point {point!r} is not in POINTS")
    if when == "before":
        armed.trail.append(point)
    if armed.point == "*":
        if when == "before" and armed.when == str(len(armed.trail)):
            _act(armed.action, point)
    elif (armed.point, armed.when) == (point, when):
        _act(armed.action, point)


def _act(action: str, point: str) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    number = getattr(errno, action)
    raise OSError(number, os.strerror(number), point)


if os.environ.get("KBM_FAULT"):
    arm(os.environ["KBM_FAULT"])
