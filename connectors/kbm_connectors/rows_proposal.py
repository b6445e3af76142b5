"""Propose a profile for a table nobody has described yet.

A guess, made once and shown to the person who confirms it: at run time nothing is guessed. Encodings are told apart
by where German and French letters lie in them, since statistics take cp1252 for its neighbours.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from kbm.errors import ConnectorError
from kbm_connectors import text_file, workbook
from kbm_connectors.profile import Profile

LOOKED_BYTES = 200_000
LOOKED_ROWS = 200

_CP1252 = frozenset("äöüÄÖÜßéèàâçêîôûœ€".encode("cp1252"))
_CP850 = frozenset("äöüÄÖÜßéèàâçêîôû".encode("cp850"))
_TOTAL = re.compile(r"(?:Gesamtsumme|Summe|Gesamt|Total|Sum|Endsumme)\b", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?[\d.,' ]+[%€$]?")


def propose(path: Path) -> dict[str, Any] | None:
    """Give the profile of a text file or workbook, ready for kbm.toml; None when no table can be seen in it."""
    profile: dict[str, Any] = {}
    if path.suffix.lower() in workbook.SUFFIXES:
        rows = _sheet_rows(path)
    else:
        with open(path, "rb") as file:
            start = file.read(LOOKED_BYTES)
        encoding = _encoding(start)
        text = start.decode(encoding, errors="replace")
        delimiter, rows = _separated(text, whole=len(start) < LOOKED_BYTES)
        profile = {"encoding": encoding, "delimiter": delimiter}
    header = _header(rows)
    if header is None:
        return None
    names, body = rows[header], rows[header + 1 :]
    key = _key(names, body)
    if header:
        profile["header_row"] = header + 1
    profile |= {"key": [key], "title": f"{key} {{{key}}}"}
    total = next((found[0] for row in body if (found := _TOTAL.match(next(filter(None, row), "")))), "")
    if total:
        profile["stop_at"] = total
    return profile


def _encoding(start: bytes) -> str:
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    try:
        # A character may be cut at the end of what was read.
        start[:-4].decode("utf-8") if len(start) == LOOKED_BYTES else start.decode("utf-8")
        return "utf-8-sig"
    except UnicodeDecodeError:
        bytes_ = Counter(byte for byte in start if byte >= 0x80)
        new, old = (sum(bytes_[byte] for byte in letters) for letters in (_CP1252, _CP850))
        return "cp850" if old > new else "cp1252"


def _separated(text: str, *, whole: bool) -> tuple[str, list[list[str]]]:
    """Split by each separator; the one that gives most rows of one width, and more than one column, is it."""
    best: tuple[float, str, list[list[str]]] = (0.0, ";", [])
    lines = text.lstrip("\ufeff").splitlines(keepends=True)
    lines = lines if whole else lines[:-1]
    for delimiter in (";", "\t", ",", "|"):
        try:
            rows = list(
                csv.reader(io.StringIO("".join(lines[:LOOKED_ROWS]), newline=""), delimiter=delimiter)
            )
        except csv.Error:
            continue
        width, n = _usual_width(rows)
        score = n / max(len(rows), 1) * min(width, 10) if width > 1 else 0.0
        if score > best[0]:
            best = score, delimiter, [[text_file.one_line(cell) for cell in row] for row in rows]
    return best[1], best[2]


def _sheet_rows(path: Path) -> list[list[str]]:
    found: list[list[str]] = []
    try:
        with closing(workbook.lines(path, Profile(key=("-",)))) as lines:
            for number, cells in lines:
                found += [[] for _ in range(number - 1 - len(found))] + [cells]
                if len(found) >= LOOKED_ROWS:
                    break
    except ConnectorError:
        return []
    return found


def _usual_width(rows: Sequence[Sequence[str]]) -> tuple[int, int]:
    widths = Counter(len(row) for row in rows if any(row))
    return widths.most_common(1)[0] if widths else (0, 0)


def _header(rows: Sequence[Sequence[str]]) -> int | None:
    """Find the first row that names most columns: filled, all different, no numbers."""
    width = max((sum(map(bool, row)) for row in rows), default=0)
    for at, row in enumerate(rows):
        names = [cell for cell in row if cell]
        if width > 1 and len(names) >= max(2, 0.8 * width) and len(set(names)) == len(names):
            return None if any(_NUMBER.fullmatch(name) for name in names) else at
    return None


def _key(names: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Name the first column that is filled in every row."""
    rows = [row for row in body if sum(map(bool, row)) > 1]
    for at, name in enumerate(names):
        if name and all(len(row) > at and row[at] for row in rows):
            return name
    return next(filter(None, names))
