"""One process at a time in a folder, by a lock of the operating system.

A file with a process id in it would outlive a killed process, and the number may belong to another one by then. An
``flock`` goes with its process, however that ends; the id inside only serves to name the holder.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from kbm.errors import Busy


class FolderLock:
    """Holds ``LOCK`` in a folder until :meth:`release`."""

    def __init__(self, folder: Path, doing: str) -> None:
        """Take the lock at once or not at all; *doing* says what its holder does there.

        Raises:
            Busy: another process, or another part of this one, holds it.
        """
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "LOCK", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            raise Busy(
                f"process {holder} {doing} in {folder}; nothing was changed",
                hint="wait until it has finished; the lock goes with its process",
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._handle: int | None = handle

    def release(self) -> None:
        """Give the folder free; doing it again does nothing."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
