"""One process at a time works on a data folder.

An ``flock`` on ``work.lock``: the system gives it free when its holder dies, so there is nothing to clean up after a
``kill -9``. The file's content names the holder for people; it is not the lock.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kbm.errors import Busy
from kbm.ports import Clock


@contextmanager
def work_lock(folder: Path, work: str, clock: Clock) -> Iterator[None]:
    """Hold the data folder for a piece of work.

    Raises:
        Busy: another process holds it; the message names it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / "work.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 500, 0).decode("utf-8", "replace").strip() or "unknown"
            raise Busy(
                f"another process works on {folder}: {holder}",
                hint="wait until it is done and run the command again; nothing was changed",
            ) from None
        os.ftruncate(handle, 0)
        since = clock.now().isoformat(timespec="seconds")
        os.pwrite(
            handle, f"{work}, process {os.getpid()} on {socket.gethostname()} since {since}".encode(), 0
        )
        yield
    finally:
        os.close(handle)
