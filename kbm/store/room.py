"""Whether the disk of the data folder has room for what is about to be written.

A full disk in the middle of a build costs nothing that was finished, but it is the wrong moment to find out: the
databases that answers are read from lie on the same disk, and SQLite cannot even open one there without some room for
its log. So a reserve stays free, and a piece of work that would eat into it is refused before it begins.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from kbm.errors import DiskFull

MB = 1_000_000


class Room:
    """The free room on the disk of a data folder."""

    def __init__(self, folder: Path, reserve_mb: int) -> None:
        self._folder, self._reserve_mb = folder, reserve_mb

    def need(self, n_bytes: int, what: str) -> None:
        """Make sure that *n_bytes* fit twice, and in any case that the reserve is free; *what* needs them.

        Twice, because logs, copies aside and the side index of vectors take about as much again.

        Raises:
            DiskFull: they do not.
        """
        needed = max(self._reserve_mb * MB, 2 * n_bytes)
        free = shutil.disk_usage(self._folder).free
        if free < needed:
            raise DiskFull(
                f"to {what}, {_mb(needed)} MB must be free on the disk of {self._folder}, and {_mb(free)} MB are",
                hint="make room, then run the same command again; what answers now goes on answering "
                "(kbm.reserve_mb sets the least)",
            )


def _mb(n_bytes: int) -> str:
    return f"{n_bytes / MB:,.1f}" if n_bytes < 10 * MB else f"{n_bytes / MB:,.0f}"
