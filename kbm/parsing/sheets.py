"""XLSX by openpyxl, each sheet a heading with its tables.

Not by ``unstructured``, which reads sheets through pandas: the article number 000123 becomes 123, 12.50 becomes
12.5, a date ``2026-03-01 00:00:00``. People search for and quote what the sheet shows. Values are shown by their
number format as far as that is the same everywhere: leading zeros, decimals, percent, units, dates; separators of
thousands depend on the reader's country and are left out. Formulas give the value last saved.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from openpyxl import load_workbook

from kbm.domain.documents import Reason
from kbm.errors import ParseFailed
from kbm.parsing.building import DocumentBuilder

CELLS = 5_000_000
_QUOTED = re.compile(r'"([^"]*)"|\\(.)')
_BRACKETS = re.compile(r"\[[^\]]*\]")
_CURRENCY = re.compile(r"\[\$([^\-\]]*)(?:-[^\]]*)?\]")
_DATE_TOKEN = re.compile(r"yyyy|yy|mm|m|dd|d|hh|h|ss|s", re.I)

Row = list[str]


def write_xlsx(data: bytes, builder: DocumentBuilder) -> None:
    """Add a workbook to *builder*; hidden sheets are left out, as its readers do not see them."""
    try:
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise ParseFailed(
            Reason.DAMAGED, f"The workbook cannot be opened ({error}): open and save it again."
        ) from error
    try:
        left = CELLS
        for number, sheet in enumerate(book.worksheets, 1):
            if sheet.sheet_state != "visible":
                builder.warnings.append(f"the hidden sheet {sheet.title!r} was left out")
                continue
            # A wrong <dimension> would cut the sheet or stretch it to a million rows.
            sheet.reset_dimensions()
            builder.page = number
            builder.leave_headings()
            left -= write_rows(_within(_rows(sheet), left), builder, sheet.title)
    finally:
        book.close()


def write_rows(rows: Iterable[Row], builder: DocumentBuilder, sheet: str) -> int:
    """Add the rows of a sheet, parted at empty ones; gives the number of cells."""
    block: list[Row] = []
    blocks, cells = 0, 0
    for row in rows:
        cells += len(row)
        if any(row):
            block.append(row)
        elif block:
            blocks += 1
            _write_block(block, builder, sheet, first=blocks == 1)
            block = []
    if block:
        _write_block(block, builder, sheet, first=blocks == 0)
    return cells


def _within(rows: Iterable[Row], left: int) -> Iterator[Row]:
    for row in rows:
        left -= len(row)
        if left < 0:
            raise ParseFailed(
                Reason.TOO_LARGE,
                f"The workbook has more than {CELLS:,} cells: connect it as a `rows` source instead.",
            )
        yield row


def _rows(sheet: Any) -> Iterator[Row]:
    """Give the rows as shown. Any: read-only sheets and cells are not in openpyxl's types."""
    for row in sheet.iter_rows():
        yield [shown(cell.value, getattr(cell, "number_format", "General") or "General") for cell in row]


def _write_block(rows: list[Row], builder: DocumentBuilder, sheet: str, *, first: bool) -> None:
    """Add rows between two empty ones: lines with a single cell above a table are its title or notes."""
    if first:
        builder.heading(sheet, 1)
    rows = _without_empty_columns(rows)
    while rows and (len(rows[0]) == 1 or sum(map(bool, rows[0])) == 1):
        text = next(cell for cell in rows[0] if cell)
        table_follows = len(rows) > 1 and sum(map(bool, rows[1])) > 1
        if table_follows and len(text) <= 80 and text != sheet:
            builder.heading(text, 2)
        elif text != sheet:
            builder.text(text)
        rows = rows[1:]
    if rows:
        builder.table(rows)


def _without_empty_columns(rows: Sequence[Row]) -> list[Row]:
    width = max(len(row) for row in rows)
    used = [column for column in range(width) if any(column < len(row) and row[column] for row in rows)]
    return [[row[column] if column < len(row) else "" for column in used] for row in rows]


def shown(value: object, number_format: str) -> str:
    """Give a cell's value as its reader sees it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime | date | time):
        return _moment(value, number_format)
    if isinstance(value, timedelta):
        return _duration(value)
    if isinstance(value, int | float):
        return _number(value, number_format)
    return " ".join(str(value).split())


def _moment(value: datetime | date | time, number_format: str) -> str:
    pattern = _QUOTED.sub(
        lambda found: found[1] or found[2] or "", _BRACKETS.sub("", number_format.split(";")[0])
    )
    plain = re.sub(r"AM/PM|A/P", "", pattern, flags=re.I)
    tokens = _DATE_TOKEN.findall(plain)
    # Month names depend on the reader's language, and format 14 is "as in your country": both as ISO dates.
    if (
        isinstance(value, time)
        or not tokens
        or plain != pattern
        or re.search("mmm|ddd", plain, re.I)
        or plain == "mm-dd-yy"
    ):
        return _iso(value)
    letters = _DATE_TOKEN.sub("", plain)
    if any(c.isalpha() for c in letters):
        return _iso(value)
    return _by_pattern(value, plain)


def _iso(value: datetime | date | time) -> str:
    if isinstance(value, datetime):
        if (value.hour, value.minute, value.second) == (0, 0, 0):
            return value.date().isoformat()
        return value.isoformat(sep=" ", timespec="minutes" if value.second == 0 else "seconds")
    return value.isoformat()


def _by_pattern(value: datetime | date, pattern: str) -> str:
    after_hours = False

    def written(found: re.Match[str]) -> str:
        nonlocal after_hours
        letters = found[0].lower()
        if letters in ("h", "hh"):
            after_hours = True
        minutes = letters in ("m", "mm") and (
            after_hours or pattern[found.end() :].lstrip(": .").lower().startswith("s")
        )
        part = {
            "yyyy": value.year,
            "yy": value.year % 100,
            "d": value.day,
            "h": getattr(value, "hour", 0),
            "s": getattr(value, "second", 0),
            "m": getattr(value, "minute", 0) if minutes else value.month,
        }[letters if letters.startswith("y") else letters[0]]
        if minutes:
            after_hours = False
        return f"{part:0{4 if letters == 'yyyy' else len(letters)}d}"

    return " ".join(_DATE_TOKEN.sub(written, pattern).split())


def _duration(value: timedelta) -> str:
    seconds = round(value.total_seconds())
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02d}" + (
        f":{seconds % 60:02d}" if seconds % 60 else ""
    )


def _number(value: float, number_format: str) -> str:
    sections = number_format.split(";")
    section = sections[1] if value < 0 and len(sections) > 1 and sections[1].strip() else sections[0]
    currency = _CURRENCY.search(section)
    before, digits, after = _around(_CURRENCY.sub("", section))
    if not digits or re.search("e[+-]", section, re.I) or "/" in section or "?" in digits:
        return _general(value)
    decimals = len(re.sub(r"[^0#]", "", digits.partition(".")[2]))
    fixed = digits.partition(".")[2].count("0")
    scaled = _decimal(value) * (100 if "%" in section else 1)
    if digits.endswith(","):
        # Shown in thousands: that is a change of unit, so the true value is given.
        return _general(value)
    text = f"{abs(scaled).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP):f}"
    if decimals > fixed:
        whole, _, fraction = text.partition(".")
        fraction = fraction.rstrip("0").ljust(fixed, "0")
        text = f"{whole}.{fraction}" if fraction else whole
    whole, point, fraction = text.partition(".")
    minimum = digits.partition(".")[0].count("0")
    text = whole.zfill(minimum) + point + fraction
    unit = currency[1].strip() if currency else ""
    front = currency is not None and section.index("[$") < section.find(digits[0])
    text = f"{before}{unit + ' ' if unit and front else ''}{text}{after}{' ' + unit if unit and not front else ''}"
    negative = scaled < 0 and section is sections[0]
    return " ".join(f"{'-' if negative or (value < 0 and '-' not in before) else ''}{text}".split())


def _around(section: str) -> tuple[str, str, str]:
    """Split a format into what is written before the digits, the digits, and what is written after."""
    literal = re.sub(r"_.|\*.", "", _BRACKETS.sub("", section))
    parts = re.split(r'((?:"[^"]*"|\\.)|[0#?.,]+)', literal)
    before, digits, after = "", "", ""
    for part in parts:
        if not part:
            continue
        if re.fullmatch(r"[0#?.,]+", part) and re.search("[0#?]", part) and not after.strip():
            digits += part
        else:
            text = _QUOTED.sub(lambda found: found[1] or found[2] or "", part)
            if digits:
                after += text
            else:
                before += text
    return before.replace("(", "-").replace(")", ""), digits, after.replace(")", "")


def _general(value: float) -> str:
    if isinstance(value, int) or value.is_integer():
        return str(int(value)) if abs(value) < 1e15 else repr(value)
    # Fifteen digits are what a sheet keeps; more are noise of binary fractions.
    text = f"{value:.15g}"
    return f"{Decimal(text):f}" if "e" in text and abs(value) > 1e-12 else text


def _decimal(value: float) -> Decimal:
    try:
        return Decimal(f"{value:.15g}")
    except InvalidOperation:
        return Decimal(0)
