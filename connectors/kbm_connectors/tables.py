"""Checks the rows of a table against its profile and passes them on.

Half an import is worse than none: a table that cannot be read to its end exactly as its profile says is refused with
the line and what to change, and what is stored stays. Names of columns are told only where no column is hidden:
with a wrong ``header_row`` the "names" are values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain

from kbm.errors import ConnectorRefused, did_you_mean
from kbm_connectors.profile import Profile
from kbm_connectors.refusals import refused
from kbm_connectors.text_file import Line


@dataclass(slots=True, kw_only=True)
class Table:
    """The rows below the header of one file or view; iterate once.

    ``name`` is what errors call it, ``unit`` what its rows are counted by. ``lines`` yields the header and the rows,
    or with ``header_row = 0`` the rows alone. ``pads`` tells that empty cells at the end of a row may be left out.
    """

    name: str
    profile: Profile
    lines: Callable[[], Generator[Line]]
    unit: str = "line"
    pads: bool = False
    columns: list[str] = field(default_factory=list)
    """Names in the header, ``""`` for a column without one; known once iteration has begun."""

    def __iter__(self) -> Iterator[Line]:
        """Yield every row that is not blank, as wide as the header.

        Raises:
            ConnectorRefused: the table does not fit the profile.
            ConnectorUnavailable: it vanished or could not be read.
        """
        with closing(self.lines()) as lines:
            yield from self._rows(self._below_header(lines))

    def _below_header(self, lines: Iterator[Line]) -> Iterator[Line]:
        profile = self.profile
        if profile.header_row == 0:
            self.columns = list(profile.spans or profile.columns)
            return lines
        at, header = next(lines, (profile.header_row, None))
        if header is None:
            raise self._refused("ends before the header", at, "see profile.header_row")
        self._read_header([cell or "" for cell in header], at)
        skipped = (line for line in lines if line[0] >= profile.first_row)
        first = next(skipped, None)
        return chain([first], skipped) if first else iter(())

    def _rows(self, lines: Iterator[Line]) -> Iterator[Line]:
        width, unnamed = len(self.columns), [at for at, name in enumerate(self.columns) if not name]
        stop_at = self.profile.stop_at
        # "Summe" stops at "Summe:" and "Summe EUR", not at the article "Summenzähler".
        stop = re.compile(re.escape(stop_at) + r"(?!\w)") if stop_at else None
        for number, cells in lines:
            first = next((cell for cell in cells if cell), None)
            if first is None:
                continue
            if stop and stop.match(first):
                return
            # A sheet leaves out empty cells at the end of a row; a text file that does so is cut or misread.
            if any(cells[width:]) or (len(cells) < width and not self.pads):
                against = (
                    f"the header has {width}" if self.profile.header_row else f"there are {width} columns"
                )
                why = f"{len(cells)} cells, but {against}"
                hint = "a separator in a value needs quotes, and a total line profile.stop_at; see profile.delimiter"
                raise self._refused(why, number, hint)
            cells = cells[:width] + [""] * (width - len(cells))
            if any(cells[at] for at in unnamed):
                why = "a cell is filled in a column that has no name in the header"
                raise self._refused(why, number, "name the column, or see profile.header_row")
            yield number, cells
        if stop:
            why = f"ends without a row that starts with profile.stop_at = {stop_at!r}, so it may be cut off"
            raise self._refused(why, 0, "export it again, or take stop_at out of the profile")

    def _read_header(self, header: list[str], line: int) -> None:
        names = [" ".join(name.split()) for name in header]
        while names and not names[-1]:
            names.pop()
        self.columns = names
        named = [name for name in names if name]
        confirmed = self.profile.columns
        missing = [name for name in self.profile.named() if name not in names]
        if missing and not confirmed:
            raise self._missing(missing, named, line)
        twice = sorted({name for name in named if names.count(name) > 1})
        if twice:
            which = "" if self.profile.hides else f": {', '.join(twice)}"
            hint = "rename them, or name all columns by place: header_row = 0, first_row and columns"
            raise self._refused(f"columns of the same name{which}", line, hint)
        if confirmed:
            self._compare(confirmed, named, line)

    def _compare(self, confirmed: tuple[str, ...], named: list[str], line: int) -> None:
        """Refuse a header that is not the confirmed one: a new column may hold what nobody is to read."""
        gone = [name for name in confirmed if name not in named]
        new = [name for name in named if name not in confirmed]
        if not (gone or new):
            return
        told = [f"{', '.join(map(repr, gone))} is gone"] if gone else []
        if new:
            which = f"{len(new)} columns" if self.profile.hides else ", ".join(map(repr, new[:30]))
            told.append(f"{which} new")
        why = f"the header is not the confirmed one: {'; '.join(told)}"
        hint = "if that is meant, change profile.columns and look whether the new columns may be shown"
        raise self._refused(why, line, hint)

    def _missing(self, missing: list[str], named: list[str], line: int) -> ConnectorRefused:
        there = "" if self.profile.hides else f": {', '.join(named[:30])}"
        hint = did_you_mean(missing[0], named)
        if not hint and len(named) == 1:
            marks = [mark for mark in ";,\t|" if mark in named[0]]
            hint = f"the line is split by {marks[0]!r}: set profile.delimiter" if marks else ""
        why = f"no column {', '.join(map(repr, missing))} among the {len(named)} of the header{there}"
        hint = hint or "see profile.header_row, delimiter and encoding"
        return self._refused(why, line, hint)

    def _refused(self, why: str, line: int, hint: str) -> ConnectorRefused:
        return refused(self.name, why, line, hint, unit=self.unit)
