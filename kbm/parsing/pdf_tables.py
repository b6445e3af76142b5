"""Tables of a PDF: lines one under another whose pieces begin, or end, at the same places.

Only what is plainly a table becomes one; whatever is doubtful stays lines. A row whose first column is empty goes
on with the row above, since cells wrap.
"""

from __future__ import annotations

from collections.abc import Sequence

from kbm.parsing.pdf_lines import Cell, Line
from kbm.parsing.prose import BULLET, join_two

_NEAR = 6.0
"""Points by which edges of a column may differ."""
_CELL_CHARS = 70
"""Wider cells on average are two columns of text, not a table."""


def end_of_table(lines: Sequence[Line], start: int) -> int:
    """Give where the table that begins at *start* ends; *start* itself when there is none."""
    if len(lines[start].cells) < 2 or BULLET.match(lines[start].text):
        return start
    columns = lines[start].cells
    end, rows = start + 1, 1
    while end < len(lines) and _follows(lines[end - 1], lines[end]):
        cells = lines[end].cells
        if len(cells) >= 2 and _fits(cells, columns):
            rows += 1
            columns = cells if len(cells) > len(columns) else columns
        elif not (len(cells) < len(columns) and _column(cells[0], columns) not in (0, None)):
            break
        end += 1
    texts = [cell.text for line in lines[start:end] for cell in line.cells]
    if rows < 2 or sum(map(len, texts)) > _CELL_CHARS * len(texts):
        return start
    return end


def rows_of(lines: Sequence[Line]) -> list[list[str]]:
    """Give the cells of a table's lines, each row as wide as the widest."""
    columns = max((line.cells for line in lines), key=len)
    rows: list[list[str]] = []
    for line in lines:
        row = [""] * len(columns)
        for place, cell in enumerate(line.cells):
            column = place if len(line.cells) == len(columns) else _column(cell, columns)
            # A cell under no column belongs to the one before it.
            at = column if column is not None else min(place, len(columns) - 1)
            row[at] = join_two(row[at], cell.text)
        if rows and not row[0] and len(line.cells) < len(columns):
            rows[-1] = [join_two(above, cell) for above, cell in zip(rows[-1], row, strict=True)]
        else:
            rows.append(row)
    return rows


def _follows(above: Line, line: Line) -> bool:
    down = above.middle - line.middle
    return 0 < down < 3.5 * max(above.size, line.size) and abs(above.size - line.size) <= 0.15 * above.size


def _fits(cells: Sequence[Cell], columns: Sequence[Cell]) -> bool:
    """Tell whether at least two cells, and most of them, stand under columns."""
    standing = sum(1 for cell in cells if _column(cell, columns) is not None)
    return standing >= 2 and standing >= 0.6 * min(len(cells), len(columns))


def _column(cell: Cell, columns: Sequence[Cell]) -> int | None:
    """Give the column the cell stands in: aligned left, right or centred, or lying within it."""
    for at, column in enumerate(columns):
        if (
            abs(cell.left - column.left) <= _NEAR
            or abs(cell.right - column.right) <= _NEAR
            or abs((cell.left + cell.right) - (column.left + column.right)) <= 2 * _NEAR
        ):
            return at
    return None
