"""Reads amounts and dates of business exports exactly, or not at all.

What a document shows is the spelling of the export. Beside it the columns that a profile names as numbers or dates
keep their values, for whoever sorts, filters or compares. Nothing is guessed: what is not plainly a number or a date
has no value.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal

_BLANKS = " \u00a0\u202f\u2009'’"
_AFTER = re.compile(r"\s*(?:€|\$|£|%|[A-Z]{3})$")
_BEFORE = re.compile(r"^(?:€|\$|£|[A-Z]{3})\s*")
_GROUPED = re.compile(r"\d{1,3}(?:[.,]\d{3})+")
_ISO = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ]\d{2}:\d{2}.*)?")
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?: \d{1,2}:\d{2}.*)?")


def exact_number(text: str | None, decimal: str) -> str | None:
    """Give the number a cell spells, as in ``1234.50``; ``None`` when it spells none.

    Signs may stand before or behind, thousands be grouped, a currency or ``%`` stand beside it. Trailing zeros stay.
    """
    bare = _AFTER.sub("", _BEFORE.sub("", (text or "").strip()))
    sign = ""
    if bare[:1] in "+-−" and bare[:1]:
        sign, bare = bare[0], bare[1:]
    elif bare[-1:] in "+-−" and bare[-1:]:
        sign, bare = bare[-1], bare[:-1]
    bare = bare.strip()
    bare = "".join(char for char in bare if char not in _BLANKS)
    whole, found, fraction = bare.partition(decimal)
    other = "." if decimal == "," else ","
    if other in whole:
        if not _GROUPED.fullmatch(whole) or decimal in fraction:
            return None
        whole = whole.replace(other, "")
    if not (whole or fraction) or not f"{whole or '0'}{fraction or '0'}".isascii():
        return None
    if not f"{whole or '0'}{fraction or '0'}".isdigit() or (found and not fraction):
        return None
    number = Decimal(f"{'-' if sign in ('-', '−') else ''}{whole or '0'}{'.' if fraction else ''}{fraction}")
    return f"{number:f}"


def exact_date(text: str | None) -> str | None:
    """Give the day a cell spells, as in ``2026-11-24``: written so, or as 24.11.2026; ``None`` when it spells none.

    Days written with strokes are not taken: 01/02 is another day on the other side of a border.
    """
    bare = (text or "").strip()
    if iso := _ISO.fullmatch(bare):
        try:
            return datetime.fromisoformat(iso[1]).date().isoformat()
        except ValueError:
            return None
    if dotted := _DOTTED.fullmatch(bare):
        try:
            return date(int(dotted[3]), int(dotted[2]), int(dotted[1])).isoformat()
        except ValueError:
            return None
    return None
