"""Lines of a PDF with where and how they stand on the page; the one file that knows pdfium.

A PDF holds glyphs at places, no lines and no words; pdfium orders them and sets spaces and line ends. What it does
not tell is a wide gap inside a line, the only sign of a table's columns, so gaps are measured at each space and
written as three spaces, which the rules for plain text understand.
"""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from kbm.domain.documents import Reason
from kbm.errors import ParseFailed

_WIDE = 1.4
"""A gap of so many font heights parts columns; justified text stays under one."""
_BOLD_NAME = re.compile(r"bold|black|heavy|demi\b|[-_]medi\b|[-,]bd\b|cmbx", re.I)
_LINE_HYPHENS = (0x02, 0xFFFE)
"""What pdfium puts for a hyphen at a line end, sometimes without ending the line."""
_SPACES = (32, 160, 9)
_SAMPLES = 5
_EDGE = 0.12
GAP = "   "
"""Stands between the cells of a line."""
_PASSWORD_ERROR = 4

Vendor = Any
"""An object of pypdfium2, which has no types."""


@dataclass(slots=True)
class Cell:
    """A piece of a line, with where it begins and ends."""

    text: str
    left: float
    right: float


@dataclass(slots=True)
class Line:
    """A line: its text, its box (points, y upwards), the height of its font, and whether it is bold."""

    text: str
    left: float
    right: float
    bottom: float
    top: float
    size: float
    bold: bool
    cells: list[Cell]
    """The pieces between wide gaps; one when there is none."""
    at_edge: bool = False
    """Within the outer eighth of the page, above or below."""

    @property
    def middle(self) -> float:
        """Give the height of the line's middle on the page."""
        return (self.bottom + self.top) / 2


@dataclass(frozen=True, slots=True)
class Bookmark:
    """An entry of the document's own table of contents; *page* counts from 1, *level* from 0."""

    title: str
    page: int
    level: int


class PdfFile:
    """An open PDF; close it."""

    def __init__(self, data: bytes) -> None:
        try:
            self._pdf: Vendor = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            if getattr(error, "err_code", None) == _PASSWORD_ERROR or "password" in str(error).lower():
                raise ParseFailed(
                    Reason.ENCRYPTED, "The PDF has a password: store a copy without one."
                ) from error
            raise ParseFailed(
                Reason.DAMAGED,
                "The PDF cannot be opened, it was cut off or altered: export or upload it again.",
            ) from error

    def close(self) -> None:
        """Free pdfium's memory."""
        self._pdf.close()

    @property
    def n_pages(self) -> int:
        """Count the pages."""
        return len(self._pdf)

    def page(self, number: int) -> list[Line]:
        """Give the lines of a page, counted from 1, in pdfium's reading order."""
        try:
            page = self._pdf[number - 1]
        except pypdfium2.PdfiumError:
            # A broken page; the caller sees a page without text and says so.
            return []
        with closing(page), closing(page.get_textpage()) as text:
            lines = _joined(list(_lines(text.raw)))
            _, bottom, _, top = page.get_mediabox()
        for line in lines:
            line.at_edge = not bottom + _EDGE * (top - bottom) < line.middle < top - _EDGE * (top - bottom)
        return lines

    def shows(self, number: int) -> bool:
        """Tell whether anything is drawn on a page; a broken one counts, since something is missing there."""
        try:
            with closing(self._pdf[number - 1]) as page:
                return bool(pdfium.FPDFPage_CountObjects(page.raw) > 0)
        except pypdfium2.PdfiumError:
            return True

    def bookmarks(self, limit: int = 5_000) -> list[Bookmark]:
        """Give the table of contents."""
        found: list[Bookmark] = []
        try:
            for entry in self._pdf.get_toc():
                target = entry.get_dest()
                index = None if target is None else target.get_index()
                if index is not None:
                    found.append(Bookmark(entry.get_title() or "", index + 1, entry.level))
                if len(found) >= limit:
                    break
        except (pypdfium2.PdfiumError, UnicodeDecodeError, ctypes.ArgumentError):
            # Broken bookmarks are worth no document; headings are then found by their looks alone.
            return []
        return found

    def metadata(self) -> tuple[str, str, datetime | None]:
        """Give (title, author, moment of the last change) as the file states them."""
        stated = self._pdf.get_metadata_dict()
        return stated.get("Title", ""), stated.get("Author", ""), _moment(stated.get("ModDate", ""))


def _lines(page: Vendor) -> Iterator[Line]:
    count = pdfium.FPDFText_CountChars(page)
    codes = [pdfium.FPDFText_GetUnicode(page, index) for index in range(max(count, 0))]
    start = 0
    for index, code in enumerate([*codes, 10]):
        if code in (10, 13) or code in _LINE_HYPHENS:
            end = index + 1 if code in _LINE_HYPHENS else index
            if end > start and (line := _line(page, codes, start, end)) is not None:
                yield line
            start = index + 1


def _line(page: Vendor, codes: list[int], start: int, end: int) -> Line | None:
    inked = [index for index in range(start, end) if codes[index] and codes[index] not in _SPACES]
    if not inked:
        return None
    boxes = _Boxes(page)
    first, last = inked[0], inked[-1]
    # Of several places, since a line may begin with a raised number or end with a small one.
    places = {inked[place * (len(inked) - 1) // (_SAMPLES - 1)] for place in range(_SAMPLES)}
    typical = sorted(places, key=boxes.height)[len(places) // 2]
    size = boxes.height(typical)
    cells: list[Cell] = []
    begin = first
    for index in range(first + 1, last):
        if codes[index] not in _SPACES or not size:
            continue
        if boxes.left(index + 1) - boxes.right(index - 1) > _WIDE * size:
            cells.append(Cell(_text(codes, begin, index), boxes.left(begin), boxes.right(index - 1)))
            begin = index + 1
    cells.append(Cell(_text(codes, begin, last + 1), boxes.left(begin), boxes.right(last)))
    cells = [cell for cell in cells if cell.text]
    if not cells or _is_turned(page, typical):
        return None
    return Line(
        text=GAP.join(cell.text for cell in cells),
        left=boxes.left(first),
        right=boxes.right(last),
        bottom=boxes.bottom(typical),
        top=boxes.top(typical),
        size=round(size * 2) / 2,
        bold=_is_bold(page, first) and _is_bold(page, last),
        cells=cells,
    )


def _text(codes: list[int], start: int, end: int) -> str:
    parts: list[str] = []
    for code in codes[start:end]:
        if code in _SPACES:
            parts.append(" ")
        elif code in _LINE_HYPHENS:
            parts.append("-")
        elif code and code < 0x110000 and not 0xD800 <= code <= 0xDFFF:
            parts.append(chr(code))
    return "".join(parts).strip()


def _is_turned(page: Vendor, index: int) -> bool:
    """Tell whether the text runs up or down the margin, as stamps of archives do."""
    return abs(math.sin(pdfium.FPDFText_GetCharAngle(page, index))) > 0.9


class _Boxes:
    """Boxes of characters, with the memory for them kept from call to call."""

    def __init__(self, page: Vendor) -> None:
        self._page = page
        self._rect = pdfium.FS_RECTF()
        self._known: dict[int, tuple[float, float, float, float]] = {}

    def _box(self, index: int) -> tuple[float, float, float, float]:
        if index not in self._known:
            pdfium.FPDFText_GetLooseCharBox(self._page, index, self._rect)
            rect = self._rect
            self._known[index] = (rect.left, rect.bottom, rect.right, rect.top)
        return self._known[index]

    def left(self, index: int) -> float:
        return self._box(index)[0]

    def bottom(self, index: int) -> float:
        return self._box(index)[1]

    def right(self, index: int) -> float:
        return self._box(index)[2]

    def top(self, index: int) -> float:
        return self._box(index)[3]

    def height(self, index: int) -> float:
        box = self._box(index)
        return abs(box[3] - box[1])


def _is_bold(page: Vendor, index: int) -> bool:
    if pdfium.FPDFText_GetFontWeight(page, index) >= 600:
        return True
    buffer = ctypes.create_string_buffer(128)
    flags = ctypes.c_int(0)
    pdfium.FPDFText_GetFontInfo(page, index, buffer, 128, flags)
    return _BOLD_NAME.search(buffer.value.decode("utf-8", "replace")) is not None


def _joined(lines: list[Line]) -> list[Line]:
    """Join what stands side by side but came as lines of their own: cells of a row, raised numbers."""
    joined: list[Line] = []
    for line in lines:
        before = joined[-1] if joined else None
        if before is None or not _side_by_side(before, line):
            joined.append(line)
            continue
        gap = line.left - before.right
        if gap > _WIDE * max(before.size, line.size):
            before.cells.extend(line.cells)
        else:
            last, first = before.cells[-1], line.cells[0]
            glue = " " if gap > 0.1 * line.size else ""
            before.cells[-1] = Cell(last.text + glue + first.text, last.left, first.right)
            before.cells.extend(line.cells[1:])
        before.text = GAP.join(cell.text for cell in before.cells)
        before.right = max(before.right, line.right)
        before.bold = before.bold and line.bold
        if len(line.text) > len(before.text) // 2:
            before.size, before.bottom, before.top = line.size, line.bottom, line.top
    return joined


def _side_by_side(before: Line, line: Line) -> bool:
    overlap = min(before.top, line.top) - max(before.bottom, line.bottom)
    height = min(before.top - before.bottom, line.top - line.bottom)
    return overlap > 0.5 * height and line.left >= before.right - 0.3 * line.size


def _moment(written: str) -> datetime | None:
    """Read ``D:20260301120000+01'00'``."""
    found = re.match(r"D?:?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:([+-])(\d\d)'?(\d\d)?)?", written)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part) if part else None for part in found.groups()[:6])
    offset = timedelta(hours=int(found[8] or 0), minutes=int(found[9] or 0)) * (-1 if found[7] == "-" else 1)
    try:
        zone = timezone(offset) if found[7] else UTC
        return datetime(year or 1, month or 1, day or 1, hour or 0, minute or 0, second or 0, tzinfo=zone)
    except ValueError:
        return None
