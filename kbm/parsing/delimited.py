"""CSV and TSV as they come out of old systems: any of three encodings, any separator, rows of any length."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator

from kbm.domain.documents import Reason
from kbm.errors import ParseFailed

_SEPARATORS = ",;\t|"
_SAMPLE_ROWS = 50
CELLS = 5_000_000
"""More cells than this are a database, not a document."""


def separator_of(text: str) -> str:
    """Give the separator that cuts the beginning into the most even rows of at least two cells; else a comma."""
    best, best_score = ",", 0.0
    sample = "\n".join(text.split("\n", _SAMPLE_ROWS + 1)[:_SAMPLE_ROWS])
    for candidate in _SEPARATORS:
        widths = [len(row) for row in csv.reader(io.StringIO(sample), delimiter=candidate) if row]
        if not widths:
            continue
        width, agreeing = Counter(widths).most_common(1)[0]
        if width < 2:
            continue
        # Agreement first, then the number of columns: "1,5;2,5" has two even readings, and the wider is right
        # only when it is not a decimal comma, which the semicolon of such files tells.
        score = agreeing / len(widths) + 0.01 * min(width, 20) + (0.05 if candidate in ";\t" else 0.0)
        if score > best_score:
            best, best_score = candidate, score
    return best


def rows_of(text: str, separator: str) -> list[list[str]]:
    """Read all rows that hold anything.

    Raises:
        ParseFailed: there are too many cells.
    """
    rows: list[list[str]] = []
    cells = 0
    for row in _reader(text, separator):
        cells += len(row)
        if cells > CELLS:
            raise ParseFailed(
                Reason.TOO_LARGE,
                f"The table has more than {CELLS:,} cells: connect it as a `rows` source, which reads it in parts.",
            )
        if any(cell.strip() for cell in row):
            rows.append(row)
    return rows


def _reader(text: str, separator: str) -> Iterator[list[str]]:
    csv.field_size_limit(16 * 1024 * 1024)
    try:
        yield from csv.reader(io.StringIO(text.replace("\0", "")), delimiter=separator)
    except csv.Error as error:
        raise ParseFailed(Reason.DAMAGED, f"The table cannot be read ({error}): export it again.") from error


def even(rows: list[list[str]]) -> tuple[list[list[str]], int]:
    """Pad short rows with empty cells; the number tells how many rows differed from the usual width."""
    usual = Counter(len(row) for row in rows).most_common(1)[0][0]
    # A trailing separator gives every row one empty cell more; such a column says nothing.
    width = max(len(row) for row in rows)
    while width > 1 and not any(len(row) >= width and row[width - 1].strip() for row in rows):
        width -= 1
    ragged = sum(1 for row in rows if len(row) != usual and len(row) <= width and any(row))
    return [[*row[:width], *([""] * (width - len(row)))] for row in rows], ragged
