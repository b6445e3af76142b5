"""PDF to elements: blocks of lines, then headings, lists, rows and paragraphs.

By pdfium, which reads 129 files/s where the PDF part of ``unstructured`` reads 6 and brings a deep-learning stack.
Headings come from the document's own bookmarks where it has them; else a line is one when it is clearly larger than
the body, or bold and short. What stands at the top or bottom of most pages is no part of the text.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import pairwise

from kbm.domain.documents import ElementKind, ParsedDocument
from kbm.parsing import pdf_tables
from kbm.parsing.building import DocumentBuilder
from kbm.parsing.pdf_lines import Bookmark, Line, PdfFile
from kbm.parsing.prose import BULLET, NUMBERED, column_like, join_lines, join_two, write_block

_EDGE_LINES = 2
_REPEATED = 0.6
_MANY_PAGES = 4
_LARGER = 1.12
_HEADING_LINES = 3
_WRAPPED_CHARS = 30
_PAGE_NUMBER = re.compile(
    r"(?:(?:page|seite|s\.|p\.|blatt)\s*)?[-–]?\s*(?:\d{1,4}|[ivxl]{1,6})\s*[-–]?(?:\s*(?:/|of|von|sur|de)\s*\d{1,4})?",
    re.I,
)
_UNFINISHED = re.compile(r"[^.!?…:;»“\"]$")
_NO_TITLES = re.compile(
    r"untitled|unbenannt|sans titre|microsoft word - |\.(?:docx?|indd|pptx?|xlsx?|tex|pdf)$", re.I
)


@dataclass(frozen=True, slots=True)
class _Look:
    """How the document is set: the size of its body, and the sizes of its headings, largest first."""

    body: float
    body_is_bold: bool
    sizes: tuple[float, ...]


def read(data: bytes) -> ParsedDocument:
    """Read a PDF.

    Raises:
        ParseFailed: it has a password or is damaged.
    """
    with closing(PdfFile(data)) as pdf:
        title, author, modified = pdf.metadata()
        pages = [pdf.page(number) for number in range(1, pdf.n_pages + 1)]
        textless = [number for number, lines in enumerate(pages, 1) if not lines and pdf.shows(number)]
        bookmarks = pdf.bookmarks()
    builder = DocumentBuilder()
    builder.n_pages, builder.n_empty_pages = len(pages), len(textless)
    builder.truncated = b"%%EOF" not in data[-4096:]
    if builder.truncated:
        builder.warnings.append("the end of the file is missing")
    if 0 < len(textless) < len(pages):
        builder.warnings.append(f"{len(textless)} of {len(pages)} pages hold no text, only pictures")
    pages = _without_frames(pages)
    _write(pages, _look(pages), bookmarks, builder)
    own = "" if _NO_TITLES.search(title) else title.strip()
    return ParsedDocument(
        elements=tuple(builder.elements),
        title=own or builder.first_heading,
        author=author,
        modified=modified,
        warnings=tuple(builder.warnings),
        quality=builder.quality,
    )


def textless_pages(data: bytes) -> list[int]:
    """Number the pages, from 1, that show something but no text; as in :func:`read`."""
    with closing(PdfFile(data)) as pdf:
        return [n for n in range(1, pdf.n_pages + 1) if not pdf.page(n) and pdf.shows(n)]


def _without_frames(pages: Sequence[list[Line]]) -> list[list[Line]]:
    """Drop page numbers, and lines that stand at the edge of most pages whatever number they hold.

    With less than four pages such a line must be on all of them, and the first page keeps it: two letters in one
    file look like that too.
    """
    edges = [_edge_lines(lines) for lines in pages]
    counts = Counter(pattern for edge in edges for pattern in {_pattern(line) for line in edge})
    many = len(pages) >= _MANY_PAGES
    enough = _REPEATED * len(pages) if many else max(len(pages), 2)
    repeated = {pattern for pattern, count in counts.items() if count >= enough}
    kept = []
    for number, (lines, edge) in enumerate(zip(pages, edges, strict=True)):
        dropped = {
            id(line)
            for line in edge
            if (_pattern(line) in repeated and (many or number > 0))
            or (len(pages) > 1 and _PAGE_NUMBER.fullmatch(line.text))
        }
        kept.append([line for line in lines if id(line) not in dropped])
    return kept


def _edge_lines(lines: Sequence[Line]) -> list[Line]:
    """Give the outermost lines above and below, if they stand at the edge of the page."""
    by_height = sorted((line for line in lines if line.at_edge), key=lambda line: -line.middle)
    return (
        by_height
        if len(by_height) <= 2 * _EDGE_LINES
        else [*by_height[:_EDGE_LINES], *by_height[-_EDGE_LINES:]]
    )


def _pattern(line: Line) -> str:
    return re.sub(r"\d+", "#", " ".join(line.text.split()))


def _look(pages: Sequence[Sequence[Line]]) -> _Look:
    sizes: Counter[float] = Counter()
    bold = 0
    for line in (line for lines in pages for line in lines):
        sizes[line.size] += len(line.text)
        bold += len(line.text) if line.bold else 0
    if not sizes:
        return _Look(0.0, False, ())
    body = sizes.most_common(1)[0][0]
    larger = sorted((size for size in sizes if size > _LARGER * body), reverse=True)
    return _Look(body, bold > 0.5 * sizes.total(), tuple(larger))


def _write(
    pages: Sequence[Sequence[Line]], look: _Look, bookmarks: Sequence[Bookmark], builder: DocumentBuilder
) -> None:
    marks = {(mark.page, _letters(mark.title)): mark.level for mark in bookmarks if _letters(mark.title)}
    deepest = max(marks.values(), default=-1) + 1
    for number, lines in enumerate(pages, 1):
        builder.page = number
        margins = _Margins(lines)
        opened = True
        for block, is_table in _parts_of(lines, look):
            level = 0 if is_table else _heading_level(block, number, look, marks, deepest)
            if is_table:
                builder.table(pdf_tables.rows_of(block), header=_is_head(block))
            elif level:
                builder.heading(join_lines([line.text for line in block]), level)
            else:
                _write_text(block, margins, builder, continues=opened)
            opened = False


def _is_head(table: Sequence[Line]) -> bool:
    """Tell whether the first row of a table, and only it, is bold."""
    return table[0].bold and not table[-1].bold


def _parts_of(lines: Sequence[Line], look: _Look) -> Iterator[tuple[Sequence[Line], bool]]:
    """Give (lines, are a table) for each part of a page."""
    plain: list[Line] = []
    at = 0
    while at < len(lines):
        end = pdf_tables.end_of_table(lines, at)
        if end == at:
            plain.append(lines[at])
            at += 1
            continue
        yield from ((block, False) for block in _blocks(plain, look))
        plain = []
        yield lines[at:end], True
        at = end
    yield from ((block, False) for block in _blocks(plain, look))


def _blocks(lines: Sequence[Line], look: _Look) -> Iterator[list[Line]]:
    """Cut a page at gaps, at changes of size or weight, and where the text jumps."""
    pitches = [a.middle - b.middle for a, b in pairwise(lines) if 0 < a.middle - b.middle < 4 * look.body]
    pitch = sorted(pitches)[len(pitches) // 2] if pitches else 1.2 * look.body
    block: list[Line] = []
    for line in lines:
        if block and _parts(block[-1], line, pitch):
            yield block
            block = []
        block.append(line)
    if block:
        yield block


def _parts(before: Line, line: Line, pitch: float) -> bool:
    down = before.middle - line.middle
    size = max(before.size, line.size, 1.0)
    usual = max(pitch, 1.15 * size)
    return (
        down > 1.45 * usual
        or down < -0.5 * size
        or abs(before.size - line.size) > 0.1 * size
        or (before.bold != line.bold and (before.bold or _stands_alone(line)))
    )


def _stands_alone(line: Line) -> bool:
    return len(line.text.split()) <= 12


def _heading_level(
    block: Sequence[Line], page: int, look: _Look, marks: dict[tuple[int, str], int], deepest: int
) -> int:
    """Give the level of a block that is a heading, else 0."""
    text = join_lines([line.text for line in block])
    letters = _letters(text)
    if len(block) > _HEADING_LINES or len(text) > 160 or not any(map(str.isalpha, text)):
        return 0
    for near in (page, page - 1, page + 1):
        if (level := marks.get((near, letters))) is not None:
            return level + 1
    line = block[0]
    if BULLET.match(line.text) or column_like([line.text for line in block]) or "   " in line.text:
        return 0
    larger = line.size in look.sizes
    bold = line.bold and not look.body_is_bold and line.size >= 0.95 * look.body
    if (
        not (larger or bold)
        or (text[-1:] in ".,;!" and not larger)
        or (bold and not larger and len(text.split()) > 14)
    ):
        return 0
    if (number := NUMBERED.match(text)) is not None:
        return deepest + number[1].count(".") + 1
    return deepest + (look.sizes.index(line.size) + 1 if larger else len(look.sizes) + 1)


class _Margins:
    """Right margins of a page: the text that begins at about the same place ends at about the same place."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines

    def full(self, block: Sequence[Line]) -> list[bool]:
        """Tell which lines of a block end because the next word would not have fitted."""
        left, size = min(line.left for line in block), max(line.size for line in block)
        column = [
            line.right for line in self._lines if abs(line.left - left) <= 3 * size and len(line.text) > 20
        ]
        # Nothing on the page is long enough to have been wrapped.
        right = max(column, default=math.inf)
        reached = []
        for line, following in zip(block, [*block[1:], None], strict=True):
            word = len(following.text.split(" ", 1)[0]) + 1 if following else 0
            letter = (line.right - line.left) / max(len(line.text), 1)
            indented = (
                following is not None
                and following.left > line.left + 0.8 * size
                and not BULLET.match(line.text)
            )
            ended = not _UNFINISHED.search(line.text)
            reached.append(line.right + word * letter > right - 0.5 * size and not (indented and ended))
        return reached


def _write_text(
    block: Sequence[Line], margins: _Margins, builder: DocumentBuilder, *, continues: bool
) -> None:
    """Add a block; the first of a page may go on with the paragraph the page before ended in."""
    lines = [line.text for line in block]
    full = margins.full(block)
    last = builder.elements[-1] if builder.elements else None
    if (
        continues
        and last is not None
        and last.kind in (ElementKind.TEXT, ElementKind.LIST_ITEM)
        and _UNFINISHED.search(last.text)
        and lines[0][:1].islower()
        and not column_like(lines)
    ):
        before = len(builder.elements)
        write_block(lines, builder, full)
        if len(builder.elements) > before:
            first = builder.elements.pop(before)
            builder.elements[before - 1] = replace(last, text=join_two(last.text, first.text))
        return
    write_block(lines, builder, full)


def _letters(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())
