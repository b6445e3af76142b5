"""Exchanges two folders in one step, so that at no moment one of the names is missing.

Linux does it (``renameat2`` with ``RENAME_EXCHANGE``) on the file systems a data folder may lie on; Python has no
name for it.
"""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

from kbm.errors import StorageFailed

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def exchange(one: Path, other: Path) -> bool:
    """Let two folders swap their names; False says that this file system cannot, and nothing was changed.

    Raises:
        OSError: one of them is missing, or may not be renamed.
    """
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
        return False
    raise OSError(number, os.strerror(number), str(one))


def restoring(folder: Path) -> Path:
    """Name the place where a restore unpacks what takes the place of a data folder."""
    return folder.with_name(f".{folder.name}.restoring")


def ensure_not_half_restored(folder: Path) -> None:
    """Refuse to begin anew where a restore died that could not swap two folders in one step.

    Raises:
        StorageFailed: the data folder is set aside, and what takes its place is not there yet.
    """
    aside = sorted(folder.parent.glob(f"{folder.name}.before-*"))
    if aside and not folder.exists() and restoring(folder).exists():
        raise StorageFailed(
            f"a restore of {folder} was cut short, so there is no data folder now; nothing is lost",
            hint=f"run the same kbm restore again, or go back: mv {aside[-1]} {folder}",
        )
