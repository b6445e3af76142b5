"""Collect the elements of one document, with the path of headings above each.

Every parser says only what it found, in order; the rules that must be alike for all formats live here: how levels
nest, what is too long for a heading, how a table becomes text, how a long table is cut.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kbm.domain.documents import Element, ElementKind, looks_like_header, table_text
from kbm.domain.parse_quality import Quality
from kbm.parsing import tidy

HEADING_CHARS = 200
"""A longer "heading" is a paragraph somebody formatted as one."""
ROWS_PER_TABLE = 200
"""Longer tables become several elements, each with the header row again, so that no element grows without bound."""
PICTURE_CHARS = 300
_OF_FILES = re.compile(r"\.(?:png|jpe?g|gif|bmp|tiff?|webp|svg|emf|wmf)$", re.I)
_BY_PROGRAMS = re.compile(
    r"(?:image|picture|bild|grafik|grafikobjekt|graphic|graphique|img|photo|foto|figure|abbildung|objekt|object|objet"
    r"|rahmen|frame|cadre|shape|form|logo|icon|screenshot|dsc|scan|untitled|unbenannt|inhaltsplatzhalter"
    r"|content placeholder|google shape)?[\s_\-;:.()\d]*(?:p\d+)?",
    re.I,
)
_BY_MACHINES = re.compile(
    r"\s*(?:(?:description|beschreibung)?\s*automatically generated|automatisch generierte beschreibung"
    r"|description generated[^.]*|description générée automatiquement|ai-generated content may be incorrect"
    r"|ki-generierte inhalte können fehlerhaft sein)\.?\s*$",
    re.I,
)


class DocumentBuilder:
    """Takes findings in reading order; ``elements`` is the result so far."""

    def __init__(self) -> None:
        self.elements: list[Element] = []
        self.warnings: list[str] = []
        self.page: int | None = None
        self.strategy = ""
        self.n_pages = 0
        self.n_empty_pages = 0
        self.n_pictures = 0
        self.n_left_out = 0
        self.truncated = False
        self._path: list[tuple[int, str]] = []

    @property
    def quality(self) -> Quality:
        """Give what is known about the reading; the worker measures the text itself."""
        return Quality(
            strategy=self.strategy,
            n_pages=self.n_pages,
            n_empty_pages=self.n_empty_pages,
            n_pictures=self.n_pictures,
            n_left_out=self.n_left_out,
            truncated=self.truncated,
        )

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

    def picture(self, described: str, name: str = "") -> None:
        """Note a picture that is no decoration: by its description, else by a name that tells something."""
        self.n_pictures += 1
        if words := picture_words(described) or picture_words(_OF_FILES.sub("", name).replace("_", " ")):
            self._add(ElementKind.TEXT, f"[Image: {words}]")

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


def picture_words(told: str) -> str:
    """Give what is told about a picture if a person told it: at least two words, not the number of a program."""
    words = tidy.one_line(_BY_MACHINES.sub("", told))
    if _BY_PROGRAMS.fullmatch(words) or _OF_FILES.search(words):
        return ""
    if sum(len(word) > 2 and word.isalpha() for word in re.split(r"\W+", words)) < 2:
        return ""
    return words if len(words) <= PICTURE_CHARS else words[:PICTURE_CHARS].rsplit(" ", 1)[0] + " …"
