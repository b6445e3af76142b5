"""HTML tables to rows of cells, spans spread out.

Both the tables of web pages and those ``unstructured`` writes for office formats pass here, so a cell that spans
two columns, or three rows, stands in each of them: a row quoted by itself then still names what it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree

CELLS = 1_000_000
_SPAN = 1_000
_BLOCKS = frozenset(
    {"p", "div", "li", "br", "tr", "table", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "dt", "dd"}
)

Node = Any
"""An element of lxml, which has no types of its own here."""


def rows_of_html(html: str) -> tuple[list[list[str]], bool | None]:
    """Read the first table in *html*; the bool as in :func:`rows_of`."""
    parser = etree.HTMLParser(no_network=True, huge_tree=False, remove_comments=True, remove_pis=True)
    root = etree.fromstring(html, parser)
    table = None if root is None else root.find(".//table")
    return ([], None) if table is None else rows_of(table)


def rows_of(table: Node) -> tuple[list[list[str]], bool | None]:
    """Read a table element: its rows, and whether the first names the columns (None: it does not say)."""
    grid: list[list[str]] = []
    pending: dict[int, tuple[int, str]] = {}
    cells = 0
    header: bool | None = None
    for row in _rows(table):
        line: list[str] = []
        kinds: set[str] = set()
        for cell in row:
            if cell.tag not in ("td", "th"):
                continue
            _spread(pending, line)
            kinds.add(cell.tag)
            text = cell_text(cell)
            below = _span(cell.get("rowspan")) - 1
            for _ in range(_span(cell.get("colspan"))):
                if below > 0:
                    pending[len(line)] = (below, text)
                line.append(text)
        _spread(pending, line)
        cells += len(line)
        if cells > CELLS:
            break
        if not grid and kinds:
            header = True if kinds == {"th"} else None
        if line:
            grid.append(line)
    return grid, header


def cell_text(cell: Node) -> str:
    """Give the text of a cell; pieces that stand under each other are parted by a space."""
    return " ".join("".join(_pieces(cell)).split())


def _pieces(node: Node) -> Iterator[str]:
    if not isinstance(node.tag, str) or node.tag in ("script", "style"):
        return
    block = node.tag in _BLOCKS
    if block:
        yield " "
    yield node.text or ""
    for child in node:
        yield from _pieces(child)
        yield child.tail or ""
    if block:
        yield " "


def _rows(table: Node) -> Iterator[Node]:
    for child in table:
        if child.tag == "tr":
            yield child
        elif child.tag in ("thead", "tbody", "tfoot"):
            yield from (row for row in child if row.tag == "tr")


def _spread(pending: dict[int, tuple[int, str]], line: list[str]) -> None:
    """Fill the next columns of *line* from cells above that reach down into it."""
    while (reaching := pending.get(len(line))) is not None:
        left, text = reaching
        if left == 1:
            del pending[len(line)]
        else:
            pending[len(line)] = (left - 1, text)
        line.append(text)


def _span(value: str | None) -> int:
    try:
        return min(max(int(value or 1), 1), _SPAN)
    except ValueError:
        return 1
