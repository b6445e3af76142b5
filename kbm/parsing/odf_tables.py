"""Tables of OpenDocument as rows of cells: repeats written out within bounds, spans spread out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Node = Any
"""An element of lxml, which has no types of its own here."""

_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_SPAN = 1_000
_EMPTY_CELLS = 100
"""Sheets end in one cell repeated to the last column; a gap between filled columns is never as wide."""


def rows_of(table: Node, text_of: Callable[[Node], str], left: int) -> tuple[list[list[str]], bool | None]:
    """Read a table of at most *left* cells: its rows, and whether the first names the columns (None: unknown).

    An empty row stands for any number of them.
    """
    found: list[list[str]] = []
    below: dict[tuple[int, int], str] = {}
    header: bool | None = None
    for row, is_header in _rows(table, in_header=False):
        line: list[str] = []
        for cell in row:
            if cell.tag == _TABLE + "covered-table-cell":
                at = (len(found), len(line))
                line += [below.pop(at, "")] + [""] * (
                    _count(cell, "number-columns-repeated", _EMPTY_CELLS) - 1
                )
            elif cell.tag == _TABLE + "table-cell":
                text = text_of(cell)
                across, down = _count(cell, "number-columns-spanned"), _count(cell, "number-rows-spanned")
                if text and across * down > 1:
                    for y in range(down):
                        below |= {(len(found) + y, len(line) + x): text for x in range(across)}
                line += [text] * _count(cell, "number-columns-repeated", _SPAN if text else _EMPTY_CELLS)
        while line and not line[-1]:
            line.pop()
        for _ in range(_count(row, "number-rows-repeated") if line else 1):
            left -= len(line)
            if left < 0:
                return found, header
            found.append(list(line))
        if header is None and len(found) == 1 and is_header:
            header = True
    return found, header


def _rows(node: Node, *, in_header: bool) -> Iterator[tuple[Node, bool]]:
    for child in node:
        if child.tag == _TABLE + "table-row":
            if child.get(_TABLE + "visibility") not in ("collapse", "filter"):
                yield child, in_header
        elif child.tag in (_TABLE + "table-header-rows", _TABLE + "table-rows", _TABLE + "table-row-group"):
            yield from _rows(child, in_header=child.tag == _TABLE + "table-header-rows")


def _count(node: Node, name: str, most: int = _SPAN) -> int:
    value = node.get(_TABLE + name, "1")
    return max(1, min(int(value), most)) if value.isdigit() and len(value) < 10 else 1
