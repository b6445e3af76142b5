"""OpenDocument (odt, ods, odp), read from its one part ``content.xml``.

``unstructured`` reads odt only, through a 155 MB converter. The format says plainly what things are: headings with
their level, lists, tables with spans, and for cells of sheets the text as it is shown. Tracked deletions, comments,
tables of contents and text styled as hidden are no part of what a reader sees.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from kbm.domain.documents import ParsedDocument, Reason
from kbm.errors import ParseFailed
from kbm.parsing.building import DocumentBuilder
from kbm.parsing.odf_tables import rows_of
from kbm.parsing.ooxml import parse_xml

Node = Any
"""An element of lxml, which has no types of its own here."""

OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
_SVG = "{urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_SHOW = "{urn:oasis:names:tc:opendocument:xmlns:presentation:1.0}"
_META = "{urn:oasis:names:tc:opendocument:xmlns:meta:1.0}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_CONTENT, _ABOUT, _MANIFEST = "content.xml", "meta.xml", "META-INF/manifest.xml"

_UNSEEN = frozenset(
    {OFFICE + name for name in ("annotation", "annotation-end", "forms", "event-listeners")}
    | {TEXT + name for name in ("tracked-changes", "sequence-decls", "variable-decls", "user-field-decls")}
    | {
        TEXT + name
        for name in ("table-of-content", "alphabetical-index", "illustration-index", "hidden-text")
    }
    | {
        TEXT + name
        for name in ("table-index", "object-index", "user-index", "ruby-text", "note-citation", "page-number")
    }
)
_FRAMES = frozenset({"header", "footer", "date-time", "page-number"})
_CELLS = 5_000_000


def read(data: bytes, *, recover: bool = False) -> ParsedDocument:
    """Read a document; with *recover* as far as its XML goes.

    Raises:
        ParseFailed: it is encrypted or damaged.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = set(archive.namelist())
        if _MANIFEST in names and b"encryption-data" in archive.read(_MANIFEST):
            raise ParseFailed(Reason.ENCRYPTED, "The file has a password: store a copy without one.")
        if _CONTENT not in names:
            raise ParseFailed(Reason.DAMAGED, "The file has no content part: open and save it again.")
        root = parse_xml(archive.read(_CONTENT), _CONTENT, recover=recover)
        about = _properties(archive.read(_ABOUT) if _ABOUT in names else b"")
    builder = DocumentBuilder()
    _Writer(builder, root).write()
    return replace(
        about,
        elements=tuple(builder.elements),
        title=about.title or builder.first_heading,
        warnings=tuple(builder.warnings),
        quality=builder.quality,
    )


class _Writer:
    """Goes through the body of one document."""

    def __init__(self, builder: DocumentBuilder, root: Node) -> None:
        self._builder, self._root = builder, root
        self._hidden = set(_hidden_styles(root))
        self._left = _CELLS

    def write(self) -> None:
        body = self._root.find(OFFICE + "body")
        for kind in () if body is None else body:
            if kind.tag == OFFICE + "spreadsheet":
                self._sheets(kind)
            elif kind.tag == OFFICE + "presentation":
                self._slides(kind)
            else:
                self._blocks(kind)

    def _sheets(self, book: Node) -> None:
        from kbm.parsing.sheets import write_rows

        for number, sheet in enumerate(book.iter(TABLE + "table"), 1):
            name = sheet.get(TABLE + "name", "")
            if sheet.get(TABLE + "style-name") in self._hidden:
                self._builder.warnings.append(f"the hidden sheet {name!r} was left out")
                continue
            self._builder.page = number
            self._builder.leave_headings()
            write_rows(self._rows(sheet)[0], self._builder, name)

    def _slides(self, show: Node) -> None:
        for number, page in enumerate(show.iter(DRAW + "page"), 1):
            if page.get(DRAW + "style-name") in self._hidden:
                self._builder.warnings.append(f"the hidden slide {number} was left out")
                continue
            self._builder.page = number
            self._builder.leave_headings()
            frames = [
                child
                for child in page
                if child.tag != _SHOW + "notes" and child.get(_SHOW + "class") not in _FRAMES
            ]
            titles = [frame for frame in frames if frame.get(_SHOW + "class") == "title"]
            for title in titles:
                self._builder.heading(" ".join(self._text(p) for p in title.iter(TEXT + "p")), 1)
            self._all(frame for frame in frames if frame not in titles)
            self._all(page.iterfind(f"{_SHOW}notes/{DRAW}frame"))

    def _blocks(self, parent: Node) -> None:
        self._all(iter(parent))

    def _all(self, nodes: Iterator[Node]) -> None:
        for node in nodes:
            if not isinstance(node.tag, str) or node.tag in _UNSEEN or self._is_hidden(node):
                continue
            if node.tag == TEXT + "h":
                level = node.get(TEXT + "outline-level", "1")
                self._paragraph(node, heading=int(level) if level.isdigit() else 1)
            elif node.tag == TEXT + "p":
                self._paragraph(node)
            elif node.tag == TEXT + "list":
                self._list(node)
            elif node.tag == TABLE + "table":
                rows, header = self._rows(node)
                self._builder.table(rows, header=header)
            elif node.tag == DRAW + "frame":
                self._frame(node)
            else:
                self._blocks(node)

    def _list(self, node: Node) -> None:
        for item in node:
            for block in item:
                if block.tag in (TEXT + "p", TEXT + "h"):
                    self._paragraph(block, item=item.tag == TEXT + "list-item")
                elif block.tag == TEXT + "list":
                    self._list(block)
                else:
                    self._all(iter((block,)))

    def _paragraph(self, node: Node, *, heading: int = 0, item: bool = False) -> None:
        """Add a paragraph, then what is anchored in it: notes, pictures, boxes."""
        text = self._text(node)
        if heading:
            self._builder.heading(text, heading)
        elif item:
            self._builder.list_item(text)
        else:
            self._builder.text(text)
        for anchored in _anchored(node):
            if anchored.tag == TEXT + "note":
                for body in anchored.iterfind(TEXT + "note-body"):
                    self._blocks(body)
            else:
                self._all(iter((anchored,)))

    def _frame(self, frame: Node) -> None:
        if (boxes := frame.findall(DRAW + "text-box")) or frame.find(TABLE + "table") is not None:
            for content in (*boxes, *frame.findall(TABLE + "table")):
                self._all(iter(content) if content.tag == DRAW + "text-box" else iter((content,)))
        elif frame.find(DRAW + "image") is not None:
            told = [" ".join(frame.findtext(_SVG + name, "").split()) for name in ("title", "desc")]
            self._builder.picture(" – ".join(dict.fromkeys(filter(None, told))), frame.get(DRAW + "name", ""))

    def _rows(self, table: Node) -> tuple[list[list[str]], bool | None]:
        rows, header = rows_of(table, self._cell, self._left)
        self._left -= sum(map(len, rows))
        if self._left <= 0:
            self._builder.truncated = True
            self._builder.warnings.append(f"only the first {_CELLS:,} cells were read")
        return rows, header

    def _cell(self, cell: Node) -> str:
        return " ".join(self._text(p) for p in cell.iter(TEXT + "p", TEXT + "h"))

    def _text(self, node: Node) -> str:
        return "".join(self._pieces(node))

    def _pieces(self, node: Node) -> Iterator[str]:
        yield node.text or ""
        for child in node:
            tag = child.tag
            if tag in (TEXT + "s", TEXT + "tab", TEXT + "line-break"):
                yield " "
            elif isinstance(tag, str) and not (
                tag in _UNSEEN or tag == TEXT + "note" or tag.startswith(DRAW) or self._is_hidden(child)
            ):
                yield from self._pieces(child)
            yield child.tail or ""

    def _is_hidden(self, node: Node) -> bool:
        return (
            node.get(TEXT + "style-name") in self._hidden
            or node.get(TEXT + "display") == "none"
            or node.get(DRAW + "style-name") in self._hidden
        )


def _anchored(paragraph: Node) -> Iterator[Node]:
    """Give notes and drawings in a paragraph, not those inside of them."""
    for child in paragraph:
        if not isinstance(child.tag, str) or child.tag in _UNSEEN:
            continue
        if child.tag == TEXT + "note" or child.tag.startswith(DRAW):
            yield child
        else:
            yield from _anchored(child)


def _hidden_styles(root: Node) -> Iterator[str]:
    for style in root.iter(_STYLE + "style"):
        for settings in style:
            if (
                settings.get(TEXT + "display") == "none"
                or settings.get(TABLE + "display") == "false"
                or settings.get(_SHOW + "visibility") == "hidden"
            ):
                yield style.get(_STYLE + "name")


def _properties(data: bytes) -> ParsedDocument:
    """Read title, author and time of the last change; a document with broken ones is still a document."""
    nothing = ParsedDocument(elements=())
    if not data:
        return nothing
    try:
        root = parse_xml(data, _ABOUT)
    except ParseFailed:
        return nothing

    def text(tag: str) -> str:
        return " ".join((root.findtext(f".//{tag}") or "").split())

    moment = None
    try:
        moment = datetime.fromisoformat(text(_DC + "date")[:19]).replace(tzinfo=UTC)
    except ValueError:
        moment = None
    author = text(_META + "initial-creator") or text(_DC + "creator")
    return replace(nothing, title=text(_DC + "title"), author=author, modified=moment)
