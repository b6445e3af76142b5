"""Reads sheets of a workbook, each cell as its author sees it (``number_format``).

openpyxl is used in its streaming mode, with the results that were stored for formulas: nothing is computed here.
It raises whatever its XML and zip readers raise, so any exception of it means that the workbook cannot be read; of
its text only the kind of fault is told.
"""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import openpyxl

from kbm.errors import ConnectorRefused, did_you_mean
from kbm_connectors.number_format import shown
from kbm_connectors.profile import Profile
from kbm_connectors.refusals import refused, unreadable
from kbm_connectors.text_file import Line, one_line

SUFFIXES = frozenset({".xlsx", ".xlsm"})

MAX_UNPACKED = 1 << 30
"""A workbook is a zip; one that unpacks to more than this is not opened."""


def lines(path: Path, profile: Profile) -> Generator[Line]:
    """Yield the rows of the profile's sheet from the header on.

    Raises:
        ConnectorRefused: it is no workbook, or has no such sheet.
        ConnectorUnavailable: it vanished or the disk failed.
    """
    with closing(_opened(path, values=True)) as book:
        rows = _sheet(path, profile, book).iter_rows()
        for number in itertools.count(1):
            try:
                row = next(rows, None)
            except Exception as error:
                raise _no_workbook(path, error) from None
            if row is None:
                return
            if number >= (profile.header_row or profile.first_row or 1):
                yield number, [_text(cell, profile.decimal) for cell in row]


def sheet_names(path: Path) -> list[str]:
    """List the sheets that hold cells.

    Raises:
        ConnectorRefused: it is no workbook.
        ConnectorUnavailable: it vanished or the disk failed.
    """
    with closing(_opened(path, values=True)) as book:
        return [sheet.title for sheet in book.worksheets]


def formulas_without_value(path: Path, profile: Profile) -> int:
    """Count cells that hold a formula whose result was never stored; they read as empty."""
    with closing(_opened(path, values=True)) as values, closing(_opened(path, values=False)) as formulas:
        rows = zip(
            _sheet(path, profile, values).iter_rows(),
            _sheet(path, profile, formulas).iter_rows(),
            strict=False,
        )
        return sum(
            formula.value is not None and formula.data_type == "f" and value.value is None
            for left, right in rows
            for value, formula in zip(left, right, strict=False)
        )


# openpyxl's read-only classes are not typed: Any for a book, its sheets and cells.


def _text(cell: Any, decimal: str) -> str:
    # An empty cell has no format.
    return "" if cell.value is None else one_line(shown(cell.value, cell.number_format, decimal))


def _opened(path: Path, *, values: bool) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_UNPACKED:
                raise refused(path, "unpacks to more than 1 GB", hint="export it as CSV")
        return openpyxl.load_workbook(path, read_only=True, data_only=values)
    except ConnectorRefused:
        raise
    except OSError as error:
        raise unreadable(path, error) from error
    except Exception as error:
        raise _no_workbook(path, error) from None


def _no_workbook(path: Path, error: Exception) -> ConnectorRefused:
    hint = "one with a password, or an old .xls under a new name, must be saved as .xlsx"
    return refused(path, f"is no workbook that can be read ({type(error).__name__})", hint=hint)


def _sheet(path: Path, profile: Profile, book: Any) -> Any:
    sheets = {sheet.title: sheet for sheet in book.worksheets}
    names = list(sheets)
    wanted = profile.sheet if profile.sheet is not None else 1
    if isinstance(wanted, int) and wanted <= len(names):
        wanted = names[wanted - 1]
    if wanted not in sheets:
        there = ", ".join(names) or "none with cells"
        raise refused(path, f"no sheet {wanted!r}; there is: {there}", hint=did_you_mean(str(wanted), names))
    # A sheet may claim any size; without this, every row is padded to what it claims.
    sheets[wanted].reset_dimensions()
    return sheets[wanted]
