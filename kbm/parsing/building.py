"""Collect the elements of one document, with the path of headings above each.

Every parser says only what it found, in order; the rules that must be alike for all formats live here: how levels
nest, what is too long for a heading, how a table becomes text, how a long table is cut.
"""

from __future__ import annotations

from collections.abc import Sequence

from kbm.domain.documents import Element, ElementKind, looks_like_header, table_text
from kbm.parsing import tidy

HEADING_CHARS = 200
"""A longer "heading" is a paragraph somebody formatted as one."""
ROWS_PER_TABLE = 200
"""Longer tables become several elements, each with the header row again, so that no element grows without bound."""


class DocumentBuilder:
    """Takes findings in reading order; ``elements`` is the result so far."""

    def __init__(self) -> None:
        self.elements: list[Element] = []
        self.warnings: list[str] = []
        self.page: int | None = None
        self._path: list[tuple[int, str]] = []

    @property
    def first_heading(self) -> str:
        """Give the first title, for documents that do not name themselves."""
        return next((element.text for element in self.elements if element.kind is ElementKind.TITLE), "")

    def heading(self, text: str, level: int) -> None:
        """Add a title; it ends all open ones of its *level* (1 is outermost) or deeper."""
        text = tidy.one_line(text)
        if not text:
            return
        if len(text) > HEADING_CHARS:
            self._add(ElementKind.TEXT, text)
            return
        while self._path and self._path[-1][0] >= level:
            self._path.pop()
        self._add(ElementKind.TITLE, text)
        self._path.append((level, text))

    def leave_headings(self) -> None:
        """Forget the open titles, as at the start of the next slide."""
        self._path.clear()

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._add(ElementKind.TEXT, tidy.one_line(text))

    def lines(self, text: str) -> None:
        """Add text whose line breaks carry meaning, without knowing its cells."""
        self._add(ElementKind.TABLE, tidy.lines(text))

    def list_item(self, text: str) -> None:
        """Add an item of a list."""
        self._add(ElementKind.LIST_ITEM, tidy.one_line(text))

    def code(self, text: str) -> None:
        """Add lines that are shown as they are."""
        self._add(ElementKind.CODE, tidy.lines(text))

    def table(self, rows: Sequence[Sequence[str]], *, header: bool | None = None) -> None:
        """Add a table; *header* tells whether the first row names the columns, None when nobody knows."""
        clean = [tuple(tidy.one_line(cell) for cell in row) for row in rows]
        clean = [row for row in clean if any(row)]
        if not clean:
            return
        if len(clean) == 1 and sum(map(bool, clean[0])) == 1:
            # A frame around a paragraph.
            self.text("".join(clean[0]))
            return
        named = looks_like_header(clean) if header is None else header and len(clean) > 1
        head, body = (clean[:1], clean[1:]) if named else ([], clean)
        for start in range(0, len(body), ROWS_PER_TABLE):
            block = [*head, *body[start : start + ROWS_PER_TABLE]]
            self._add(ElementKind.TABLE, table_text(block, header=named), tuple(block))

    def _add(self, kind: ElementKind, text: str, cells: tuple[tuple[str, ...], ...] = ()) -> None:
        if text:
            path = tuple(title for _, title in self._path)
            self.elements.append(Element(kind=kind, text=text, headings=path, page=self.page, cells=cells))
