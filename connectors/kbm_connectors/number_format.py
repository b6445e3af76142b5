"""Writes a spreadsheet cell as its author sees it.

A workbook stores ``12.5`` and, apart from it, how to show it: ``0.00 "EUR"``, ``000000``, ``dd.mm.yyyy``. Taking
the stored value loses leading zeros and shows what binary fractions make of decimals; an article number or a
price would then be quoted wrong. This renders the part of Excel's format language that numbers in business
exports use; where a format asks for more (fractions, colours by condition, names of months), the plain value or
the ISO date is given, which is never wrong, only plainer.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

_SECTION = re.compile(r'((?:"[^"]*"|\\.|\[[^\]]*\]|[^;"\\\[])*)(?:;|$)')
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|\[(?P<bracket>[^\]]*)\]|_.|\*.|(?P<char>.)', re.DOTALL
)
_CURRENCY = re.compile(r"\$([^-\]]*)")
_DATE_PARTS = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|\[(?P<elapsed>h+|m+|s+)\]|\[[^\]]*\]|_.|\*.|(?P<ampm>AM/PM|A/P)'
    r"|(?P<fraction>\.0+)|(?P<part>y+|m+|d+|h+|s+)|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_LOCALE_DATES = {"mm-dd-yy", "m/d/yy", "m/d/yyyy", "m/d/yy h:mm"}
"""Built-in formats that stand for "as the reader's system writes it"; their text is only the American reading."""

Cell = None | bool | int | float | str | datetime | date | time | timedelta


def shown(value: Cell, number_format: str | None, decimal: str = ".") -> str:
    """Write *value* under an Excel *number_format*; *decimal* is the decimal separator, ``.`` or ``,``."""
    form = number_format or "General"
    match value:
        case None:
            return ""
        case bool():
            return "TRUE" if value else "FALSE"
        case int() | float():
            return _number(value, form, decimal)
        case datetime() | date() | time():
            return _date(value, form)
        case timedelta():
            return _elapsed(value, form)
    return value


def _number(value: int | float, form: str, decimal: str) -> str:
    exact = _exact(value)
    sections = _SECTION.findall(form)[: 1 + _semicolons(form)]
    if any(re.search(r"\[[<>=]", section) for section in sections):
        return _plain(exact, decimal)  # conditions: which section applies is beyond what is needed here
    at = 0
    if len(sections) > 1 and exact < 0:
        at, exact = 1, -exact
    elif len(sections) > 2 and exact == 0:
        at = 2
    return _by_section(exact, sections[at] if sections else "General", decimal)


def _semicolons(form: str) -> int:
    bare = re.sub(r'"[^"]*"|\\.|\[[^\]]*\]', "", form)
    return bare.count(";")


def _by_section(exact: Decimal, section: str, decimal: str) -> str:
    """Write a number under one section: text before, the digits, text after."""
    before, pattern, after = "", "", ""
    for token in _TOKEN.finditer(section):
        text = token["quoted"] if token["quoted"] is not None else token["escaped"]
        char = token["char"]
        if token["bracket"] is not None:
            currency = _CURRENCY.match(token["bracket"])
            text = currency[1] if currency else ""
        elif char is not None and (char in "0#?" or (char in ".," and not after)):
            if after and char in "0#?":
                # Digits, text, digits again, as in telephone numbers and fractions.
                return _grouped_digits(exact, section) or _plain(exact, decimal)
            pattern += char
            continue
        elif char is not None:
            if char in "@Ee/" or section.strip().lower().startswith("general"):
                return _plain(exact, decimal)
            text = char
        if pattern:
            after += text or ""
        else:
            before += text or ""
    if not pattern:
        return (before + after).strip() if section else _plain(exact, decimal)
    if "%" in before + after:
        exact *= 100
    return f"{before}{_digits(exact, pattern, decimal)}{after}".strip()


def _digits(exact: Decimal, pattern: str, decimal: str) -> str:
    scaled = pattern.rstrip(",")
    exact = exact.scaleb(-3 * (len(pattern) - len(scaled)))
    whole, _, fraction = scaled.partition(".")
    rounded = exact.quantize(Decimal(1).scaleb(-len(fraction)), rounding=ROUND_HALF_UP)
    sign = "-" if rounded < 0 else ""
    digits, _, rest = f"{abs(rounded):f}".partition(".")
    digits = digits.lstrip("0").rjust(sum(place == "0" for place in whole), "0")
    if "," in whole:
        digits = f"{int(digits or '0'):,}".rjust(len(digits)) if digits else ""
        digits = digits if decimal == "." else digits.replace(",", ".")
    needed = len(fraction.rstrip("#?"))
    rest = rest[:needed] + rest[needed:].rstrip("0")
    return f"{sign}{digits}{decimal if rest else ''}{rest}"


def _grouped_digits(exact: Decimal, section: str) -> str:
    """Fill the places of formats such as ``000-000`` from the right; empty when it is none of them."""
    if exact != exact.to_integral_value() or exact < 0 or not re.fullmatch(r"[0 \-/()\\\"]+", section):
        return ""
    bare = re.sub(r'["\\]', "", section)
    left = list(f"{exact:f}".rjust(bare.count("0"), "0"))
    written = [left.pop() if char == "0" else char for char in reversed(bare)]
    return "".join([*left, *reversed(written)])


def _exact(value: int | float) -> Decimal:
    """Give the decimal a person typed, without what its binary fraction adds."""
    if isinstance(value, int):
        return Decimal(value)
    close = min(abs(value) * 1e-9, 1e-7)
    for places in range(7):
        rounded = round(value, places)
        if abs(value - rounded) <= close:
            return Decimal(repr(rounded))
    return Decimal(f"{value:.15g}")


def _plain(exact: Decimal, decimal: str) -> str:
    text = f"{exact:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace(".", decimal)


def _date(value: datetime | date | time, form: str) -> str:
    section = form.split(";")[0]
    if section.lower() in _LOCALE_DATES:
        return _iso(value)
    written, hours_before = "", False
    parts = list(_DATE_PARTS.finditer(section))
    for at, token in enumerate(parts):
        part = (token["part"] or "").lower()
        if (
            token["ampm"]
            or token["elapsed"]
            or token["fraction"]
            or (part and part[0] in "md" and len(part) > 2)
        ):
            return _iso(value)  # names of months and days depend on a language the file does not name
        if not part:
            written += token["quoted"] or token["escaped"] or token["other"] or ""
            continue
        later = next((one["part"].lower() for one in parts[at + 1 :] if one["part"]), "")
        minutes = part[0] == "m" and (hours_before or later.startswith("s"))
        code = "min" if minutes else part[0]
        if isinstance(value, time) and code in "ymd":
            return _iso(value)
        if code in ("h", "min", "s") and not isinstance(value, datetime | time):
            return _iso(value)
        number = {"y": "year", "m": "month", "d": "day", "h": "hour", "min": "minute", "s": "second"}[code]
        figure = str(getattr(value, number))
        if code == "y":
            written += figure[-2:] if len(part) <= 2 else figure.rjust(4, "0")
        else:
            written += figure.rjust(len(part), "0")
        hours_before = code == "h"
    return written.strip() or _iso(value)


def _iso(value: datetime | date | time) -> str:
    if isinstance(value, datetime):
        if (value.hour, value.minute, value.second) == (0, 0, 0):
            return value.date().isoformat()
        return value.isoformat(sep=" ", timespec="seconds" if value.second else "minutes")
    if isinstance(value, time):
        return value.isoformat(timespec="seconds" if value.second else "minutes")
    return value.isoformat()


def _elapsed(value: timedelta, form: str) -> str:
    seconds = round(value.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    hours, rest = divmod(seconds, 3600)
    text = f"{sign}{hours}:{rest // 60:02d}"
    return f"{text}:{rest % 60:02d}" if "s" in form.lower() or rest % 60 else text
