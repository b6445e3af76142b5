"""See how a text file is laid out: its encoding, its header, and what parts its columns.

Encodings are told apart by where German and French letters lie in them, since statistics take cp1252 for its
neighbours. Columns of fixed width are told by what is blank in every line, header included.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kbm_connectors.fixed_width import RULE
from kbm_connectors.text_file import one_line

LOOKED_BYTES = 20_000_000
LOOKED_LINES = 200
HEADERS_LOOKED = 20
"""Lines that may be the header."""

BLOCK_LINES = 5_000
MAX_WIDTH = 4_000
"""A line longer than this is no line of columns."""

Places = NDArray[np.bool_]

DELIMITERS = (";", "\t", "|", ",")

_CP1252 = frozenset("äöüÄÖÜßéèàâçêîôûœ€".encode("cp1252"))
_CP850 = frozenset("äöüÄÖÜßéèàâçêîôû".encode("cp850"))
_DRAWN = re.compile(rb"([\xb0-\xdf])\1{2,}")
_TOTAL = re.compile(
    r"(?:Gesamtsumme|Endsumme|Zwischensumme|Summe|Gesamt|Grand total|Total général|Total|Sum|Somme)\b(?!\w)",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[-+]?[\d.,' ]+[%€$]?")
_WORDS = re.compile(r"\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A table in a text: the keys of a profile that say how it is read, its names and some of its rows."""

    layout: dict[str, Any]
    names: list[str]
    body: list[list[str]]
    stop_at: str = ""


def table_in(path: Path) -> Seen | None:
    """Find the table of a text file; None when there is none to be seen."""
    with open(path, "rb") as file:
        start = file.read(LOOKED_BYTES)
    encoding = encoding_of(start, whole=len(start) < LOOKED_BYTES)
    text = start.decode(encoding, errors="replace").lstrip("\ufeff").partition("\x1a")[0]
    lines = text.splitlines(keepends=True)
    if len(start) == LOOKED_BYTES:
        lines = lines[:-1]
    delimiter, rows = separated(lines[:LOOKED_LINES])
    header = header_of(rows)
    columns = _fixed(lines)
    if columns is not None:
        return _with(columns, encoding)
    if not rows:
        return None
    layout: dict[str, Any] = {"encoding": encoding, "delimiter": delimiter}
    if header is None:
        return _without_header(rows, layout)
    names, body = rows[header], rows[header + 1 :]
    while names and not names[-1]:
        names = names[:-1]
    if header:
        layout["header_row"] = _line_of(lines, delimiter, header)
    total = total_in(body) or total_in(_parsed(lines[-20:], delimiter) or [])
    return Seen(layout=layout, names=names, body=_whole(body, len(names)), stop_at=total[1] if total else "")


def encoding_of(start: bytes, *, whole: bool) -> str:
    """Name the encoding of a text by its first bytes."""
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    zeros = [start[at:4000:2].count(0) for at in (0, 1)]
    if sum(zeros) > len(start[:4000]) / 4:
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    try:
        # A character may be cut at the end of what was read.
        (start if whole else start[:-4]).decode("utf-8")
    except UnicodeDecodeError:
        drawn = _DRAWN.search(start)
        bytes_ = Counter(byte for byte in _DRAWN.sub(b"", start[:1_000_000]) if byte >= 0x80)
        new, old = (sum(bytes_[byte] for byte in letters) for letters in (_CP1252, _CP850))
        return "cp850" if old > new or (drawn and old == new) else "cp1252"
    return "utf-8-sig"


def separated(lines: Sequence[str]) -> tuple[str, list[list[str]]]:
    """Split by each separator; the one that gives most rows of one width, and more than one column, is it."""
    best: tuple[float, str, list[list[str]]] = (0.0, ";", [])
    for delimiter in DELIMITERS:
        rows = _parsed(lines, delimiter)
        if rows is None:
            continue
        width, n = _usual_width(rows)
        score = n / max(len(rows), 1) * min(width, 10) if width > 1 else 0.0
        if score > best[0]:
            best = score, delimiter, rows
    return best[1], best[2]


def header_of(rows: Sequence[Sequence[str]]) -> int | None:
    """Find the first row that names most columns: filled, all different, no numbers."""
    width = max((sum(map(bool, row)) for row in rows), default=0)
    for at, row in enumerate(rows):
        names = [cell for cell in row if cell]
        if width > 1 and len(names) >= max(2, 0.8 * width) and len(set(names)) == len(names):
            return None if any(_NUMBER.fullmatch(name) for name in names) else at
    return None


def total_in(rows: Sequence[Sequence[str]]) -> tuple[int, str] | None:
    """Find a total line: where it is, and the word it starts with."""
    for at, row in enumerate(rows):
        if found := _TOTAL.match(next(filter(None, row), "")):
            return at, found[0]
    return None


def _parsed(lines: Sequence[str], delimiter: str) -> list[list[str]] | None:
    try:
        rows = list(csv.reader(io.StringIO("".join(lines), newline=""), delimiter=delimiter))
    except csv.Error:
        return None
    return [[one_line(cell) for cell in row] for row in rows]


def _line_of(lines: Sequence[str], delimiter: str, row: int) -> int:
    """Give the number of the line a row starts at: rows above it may take several, or be blank."""
    reader = csv.reader(lines[:LOOKED_LINES], delimiter=delimiter)
    for _ in range(row):
        next(reader, None)
    return reader.line_num + 1


def _usual_width(rows: Sequence[Sequence[str]]) -> tuple[int, int]:
    widths = Counter(len(row) for row in rows if any(row))
    return widths.most_common(1)[0] if widths else (0, 0)


def _whole(rows: Sequence[list[str]], width: int) -> list[list[str]]:
    total = total_in(rows)
    return [row for row in rows[: total[0] if total else None] if any(row) and len(row) >= width]


def _without_header(rows: list[list[str]], layout: dict[str, Any]) -> Seen | None:
    """Name the columns by number where every row is as wide as the others and none names them."""
    width, n = _usual_width(rows)
    filled = [row for row in rows if any(row)]
    if n < 0.9 * len(filled) or len(rows[0]) != width:
        return None
    names = [f"Column {at}" for at in range(1, width + 1)]
    return Seen(layout={**layout, "header_row": 0}, names=names, body=filled)


@dataclass(slots=True)
class _Column:
    name: str
    start: int
    end: int | None


def _with(found: tuple[int, list[_Column], list[str], str], encoding: str) -> Seen:
    header, columns, body, stop_at = found
    places = {one.name: _places(one) for one in columns}
    layout: dict[str, Any] = {"encoding": encoding, "fixed": places}
    if header:
        layout["header_row"] = header + 1
    rows = [[line[one.start : one.end].strip() for one in columns] for line in body[:LOOKED_LINES]]
    return Seen(layout=layout, names=list(places), body=rows, stop_at=stop_at)


def _places(one: _Column) -> str:
    return f"{one.start + 1}-{one.end or ''}"


def _fixed(lines: Sequence[str]) -> tuple[int, list[_Column], list[str], str] | None:
    """Find columns by what is blank in each line: header, names with places, rows, word of the total line."""
    texts = [line.rstrip() for line in lines]
    if any("\t" in text for text in texts[:LOOKED_LINES]) or max(map(len, texts), default=0) > MAX_WIDTH:
        return None
    totals = ((at, found[0]) for at, text in enumerate(texts) if (found := _TOTAL.match(text.lstrip())))
    end, stop_at = next(((at, word) for at, word in totals if at), (len(texts), ""))
    drawn = {at for at, text in enumerate(texts[:LOOKED_LINES]) if not text or _is_drawn(text)}
    below = [text for text in texts[HEADERS_LOOKED:end] if text and not _is_drawn(text)]
    filled_below = _filled(below)
    best: tuple[int, list[_Column], list[str]] | None = None
    for header in range(min(HEADERS_LOOKED, end)):
        near = [texts[at] for at in range(header + 1, min(HEADERS_LOOKED, end)) if at not in drawn]
        body = [*near, *below]
        if header in drawn or len(body) < 2 or _has_separators(texts[header], body):
            continue
        rule = texts[header + 1] if header + 1 < len(texts) else ""
        columns = _ruled(texts[header], rule, body)
        if columns:
            return header, columns, body, stop_at
        columns = _columns(texts[header], _either(_filled([texts[header], *near]), filled_below))
        if columns and (best is None or len(columns) > len(best[1])):
            best = header, columns, body
    if best is None:
        return None
    _widen(best[1], best[2])
    return (*best, stop_at)


def _filled(lines: Sequence[str]) -> Places:
    """Tell which places hold something in any of the lines."""
    found: Places = np.zeros(0, dtype=np.bool_)
    for block in _blocks(lines):
        found = _either(found, np.asarray(block.any(axis=0), dtype=np.bool_))
    return found


def _blocks(lines: Sequence[str]) -> Iterator[Places]:
    """Give a row per line and a column per place, true where something stands; some thousand lines at a time."""
    for at in range(0, len(lines), BLOCK_LINES):
        texts = np.array(lines[at : at + BLOCK_LINES])
        signs = texts.view(np.uint32).reshape(len(texts), -1)
        yield (signs != 0) & (signs != 0x20) & (signs != 0xA0)


def _either(one: Places, other: Places) -> Places:
    if len(one) < len(other):
        one, other = other, one
    joined = one.copy()
    joined[: len(other)] |= other
    return joined


def _ruled(header: str, rule: str, body: Sequence[str]) -> list[_Column]:
    """Take the columns that a line below the header draws, as in ``----- --------``; none when text lies outside."""
    if not rule or not frozenset("-= ").issuperset(rule):
        return []
    columns = [
        _Column(" ".join(header[word.start() : word.end()].split()), word.start(), word.end())
        for word in _WORDS.finditer(rule)
    ]
    names = [one.name for one in columns]
    if len(names) < 2 or not all(names) or len(set(names)) < len(names):
        return []
    gaps = [(0, columns[0].start)]
    gaps += [(one.end or 0, after.start) for one, after in pairwise(columns)]
    outside = any(line[start:stop].strip() for line in (header, *body) for start, stop in gaps)
    return [] if outside or any(line[columns[-1].end :].strip() for line in (header, *body)) else columns


def _columns(header: str, filled: Places) -> list[_Column]:
    """Part a table where each of its lines is blank; none when a part has no name."""
    bits = "".join("1" if one else "0" for one in filled)
    columns: list[_Column] = []
    for part in re.finditer("1+", bits):
        name = " ".join(header[part.start() : part.end()].split())
        if name:
            columns.append(_Column(name, part.start(), part.end()))
        elif columns:
            # Blanks inside a value that happen to lie in one place.
            columns[-1].end = part.end()
        else:
            return []
    names = [one.name for one in columns]
    if len(names) < 2 or len(set(names)) < len(names) or any(map(_NUMBER.fullmatch, names)):
        return []
    return columns


def _widen(columns: list[_Column], body: Sequence[str]) -> None:
    """Give columns the blanks beside them where only one of two can grow into them."""
    ends = [one.end or 0 for one in columns]
    left, right = [True] * len(columns), [True] * len(columns)
    for block in _blocks(body):
        for at, (one, end) in enumerate(zip(columns, ends, strict=True)):
            cells = block[:, one.start : end]
            cells = cells[cells.any(axis=1)]
            left[at] &= bool(cells[:, :1].all())
            right[at] &= cells.shape[1] == end - one.start and bool(cells[:, -1:].all())
    for at in range(len(columns) - 1):
        after = columns[at + 1]
        if left[at] and left[at + 1]:
            columns[at].end = max(ends[at], after.start - 1)
        elif right[at + 1] and not left[at + 1] and not left[at]:
            after.start = min(after.start, ends[at] + 1)
    if right[0] and not left[0]:
        columns[0].start = 0
    if left[-1]:
        columns[-1].end = None


def _has_separators(header: str, body: Sequence[str]) -> bool:
    """Tell whether the lines hold a separator as often as the header does."""
    looked = body[:LOOKED_LINES]
    return any(
        (n := header.count(mark)) and 2 * sum(line.count(mark) >= n for line in looked) > len(looked)
        for mark in DELIMITERS
    )


def _is_drawn(line: str) -> bool:
    return RULE.issuperset(line) or not any(char.isalnum() for char in line)
