"""Checks the rows of a file against its profile and passes them on.

Half an import is worse than none: a file that cannot be read to its end exactly as its profile says is refused with
the line and what to change, and what is stored stays. Names of columns are told only where no column is hidden:
with a wrong ``header_row`` the "names" are values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from kbm.errors import ConnectorRefused, did_you_mean
from kbm_connectors import text_file, workbook
from kbm_connectors.profile import Profile
from kbm_connectors.refusals import refused
from kbm_connectors.text_file import Line

SUFFIXES = text_file.SUFFIXES | workbook.SUFFIXES


class Table:
    """The rows below the header of one file; iterate once."""

    def __init__(self, path: Path, profile: Profile) -> None:
        self._path, self._profile = path, profile
        self._is_workbook = path.suffix.lower() in workbook.SUFFIXES
        self.columns: list[str] = []
        """Names in the header, ``""`` for a column without one; known once iteration has begun."""

    def __iter__(self) -> Iterator[Line]:
        """Yield every row that is not blank, as wide as the header.

        Raises:
            ConnectorRefused: the file does not fit the profile.
            ConnectorUnavailable: it vanished or could not be read.
        """
        read = workbook.lines if self._is_workbook else text_file.lines
        with closing(read(self._path, self._profile)) as lines:
            row = self._profile.header_row
            _, header = next(lines, (row, None))
            if header is None:
                raise refused(self._path, "ends before the header", row, "see profile.header_row")
            self._read_header(header)
            yield from self._rows(lines)

    def formulas_without_value(self) -> int:
        """Count cells that read as empty because a formula's result was never stored."""
        return workbook.formulas_without_value(self._path, self._profile) if self._is_workbook else 0

    def _rows(self, lines: Iterator[Line]) -> Iterator[Line]:
        width, unnamed = len(self.columns), [at for at, name in enumerate(self.columns) if not name]
        stop_at = self._profile.stop_at
        # "Summe" stops at "Summe:" and "Summe EUR", not at the article "Summenzähler".
        stop = re.compile(re.escape(stop_at) + r"(?!\w)") if stop_at else None
        for number, cells in lines:
            first = next((cell for cell in cells if cell), None)
            if first is None:
                continue
            if stop and stop.match(first):
                return
            # A sheet leaves out empty cells at the end of a row; a text file that does so is cut or misread.
            if any(cells[width:]) or (len(cells) < width and not self._is_workbook):
                why = f"{len(cells)} cells, but the header has {width}"
                hint = "a separator in a value needs quotes, and a total line profile.stop_at; see profile.delimiter"
                raise refused(self._path, why, number, hint)
            cells = cells[:width] + [""] * (width - len(cells))
            if any(cells[at] for at in unnamed):
                why = "a cell is filled in a column that has no name in the header"
                raise refused(self._path, why, number, "name the column, or see profile.header_row")
            yield number, cells
        if stop:
            why = f"ends without a row that starts with profile.stop_at = {stop_at!r}, so it may be cut off"
            raise refused(self._path, why, hint="export it again, or take stop_at out of the profile")

    def _read_header(self, header: list[str]) -> None:
        names = [" ".join(name.split()) for name in header]
        while names and not names[-1]:
            names.pop()
        self.columns = names
        line, named = self._profile.header_row, [name for name in names if name]
        missing = [name for name in self._profile.columns() if name not in names]
        if missing:
            raise self._missing(missing, named)
        twice = sorted({name for name in named if names.count(name) > 1})
        if twice:
            which = "" if self._profile.hides else f": {', '.join(twice)}"
            raise refused(self._path, f"columns of the same name{which}", line, "rename them in the export")

    def _missing(self, missing: list[str], named: list[str]) -> ConnectorRefused:
        there = "" if self._profile.hides else f": {', '.join(named[:30])}"
        hint = did_you_mean(missing[0], named)
        if not hint and len(named) == 1:
            marks = [mark for mark in ";,\t|" if mark in named[0]]
            hint = f"the line is split by {marks[0]!r}: set profile.delimiter" if marks else ""
        why = f"no column {', '.join(map(repr, missing))} among the {len(named)} of the header{there}"
        hint = hint or "see profile.header_row, delimiter and encoding"
        return refused(self._path, why, self._profile.header_row, hint)
