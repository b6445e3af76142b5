"""Find the numbers, dates, times and codes of a text, and what they mean, in German, French and English.

``1.234`` is a thousand and something in German and one and something in English. A text of a known language is read
by its own convention; where the language is not known both readings are kept, and two quantities agree when they
share one. A mention keeps its place, so that a quote can be asked for those that lie within it whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from kbm.domain.number_words import (
    ARTICLES,
    CASED_UNITS,
    CURRENCY_BEFORE,
    MONTHS,
    UNIT_PAIRS,
    UNITS,
    WEEKDAYS,
    number_word,
    scale,
)


class Kind(StrEnum):
    """What a mention is; the value names the check that it fails."""

    NUMBER = "number"
    WORD = "number word"  # a number as well, but an article asks for no proof
    DATE = "date"
    TIME = "time"
    WEEKDAY = "weekday"
    CODE = "code"  # letters and digits in one: A-100, M8x20, 1.2.3


Day = tuple[int | None, int, int | None]
"""Year, month and day, as far as they are said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """One quantity: ``text[start:end]`` is ``raw``. ``values`` and ``days`` hold every reading."""

    kind: Kind
    raw: str
    start: int
    end: int
    values: frozenset[Decimal] = frozenset()
    days: frozenset[Day] = frozenset()
    unit: str = ""
    bound: str = ""  # min | max
    sign: int = 1
    power: int = 0  # of ten, from a word like "million"

    @property
    def same_text(self) -> tuple[str, int, int]:
        """Give what two mentions must share where they share no value."""
        return re.sub(r"\s+", " ", self.raw).casefold(), self.sign, self.power


_GAP = r"[ \u00a0\u202f\u2009'’]"
# "im Januar. 2026 waren es …": only what is cut short has a full stop of its own.
_MONTH = (
    "(?P<month>" + "|".join(sorted(MONTHS, key=len, reverse=True)) + r")\b(?:(?<=\b\w{3})\.|(?<=\b\w{4})\.)?"
)
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<![\w.-])(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})(?!\w)",
        r"(?<![\w.])(?P<d>\d{1,2})\.[ \u00a0]?(?P<m>\d{1,2})\.[ \u00a0]?(?P<y>\d{4}|\d{2})(?![\w.]\w)(?!\w)",
        r"(?:\b(?:am|vom|bis|zum|ab|seit|den|dem|der)\s|[-–]\s?)(?P<d>\d{1,2})\.[ \u00a0]?(?P<m>\d{1,2})\.(?!\d)",
        r"(?<![\w/])(?P<a>\d{1,2})/(?P<b>\d{1,2})/(?P<y>\d{4}|\d{2})(?![\w/])",
        rf"(?<![\w.,])(?P<d>\d{{1,2}})(?:\.|er|st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}(?:,?\s+(?P<y>\d{{4}})(?!\w))?",
        rf"\b{_MONTH}\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?![\w.:]\w)(?!\w)(?:,?\s+(?P<y>\d{{4}})(?!\w))?",
        rf"\b{_MONTH}\s+(?P<y>\d{{4}})(?!\w)",
        rf"\b(?:im|in|since|until|bis|seit|ab|ende|anfang|mitte|en|dès|fin|début|by|from|of|of|von|vom|depuis|de)\s+"
        rf"{_MONTH}(?!\w)",
    )
)
_TIMES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<![\w.:,])(?P<h>\d{1,2}):(?P<min>\d{2})(?!\d)(?::\d{2})?(?:\s?(?P<half>[ap])\.?m\b\.?)?",
        r"(?<![\w.:,])(?P<h>\d{1,2})\.(?P<min>\d{2})\s?(?:Uhr|(?P<half>[ap])\.?m\b\.?)",
        r"(?<![\w.:,])(?P<h>\d{1,2})\s?h\s?(?P<min>\d{2})(?!\w)",
        r"(?<![\w.:,])(?P<h>\d{1,2})\s?(?:Uhr\b|(?P<half>[ap])\.?m\b\.?)",
    )
)
_LINK = re.compile(r"(?:https?://|www\.)\S+|\S+@\S+\.\w+", re.IGNORECASE)
_TOKEN = re.compile(
    # a code: letters first, or digits and letters mixed without a hyphen
    r"(?P<code>[^\W\d_]+(?:[-/]?\d[\w]*)+(?:[-/.]\d\w*)*|\d+(?:[.,]\d+)*[^\W\d_]\w*(?:[-/.]\d\w*)*)"
    rf"|(?P<number>\d{{1,3}}(?:{_GAP}\d{{3}})+(?:[.,]\d+)?(?![.,]?\d)|\d+(?:[.,]\d+)*)"
    r"|(?P<word>[^\W\d_]+(?:-[^\W\d_]+)*)"
)
_GLUED = re.compile(r"(?P<number>\d+(?:[.,]\d+)*)(?P<unit>[^\W\d_]+[²³]?)")
_MINUS = re.compile(r"(?:(?<![\w)])[-−–]|\b(?:minus|moins)\s)\Z", re.IGNORECASE)
_UNIT_TOKEN = re.compile(
    r"[ \u00a0\u202f\u2009\-(]{0,2}([%‰€$£]|°\s?[CF]?|[^\W\d_]+[²³]?(?:/[^\W\d_]+[²³]?)?\.?)"
    r"(?:[ \u00a0]+([^\W\d_]+))?"
)
_RANGE = re.compile(r"\s*(?:[-–—]|bis|to|à|and|und|et|oder|or|ou)\s*", re.IGNORECASE)
_CURRENCY = re.compile(r"(€|£|(?:US)?\$|\b(?:EUR|USD|CHF|GBP))[ \u00a0\u202f]?\Z")
_MAX = re.compile(
    r"\b(?:höchstens|maximal|bis zu|weniger als|unter|at most|up to|no more than|not more than|less than|fewer than|"
    r"under|below|maximum|nicht mehr als|au plus|au maximum|maximum de|jusqu'à|moins de|pas plus de)\s+\Z",
    re.IGNORECASE,
)
_MIN = re.compile(
    r"\b(?:mindestens|wenigstens|mehr als|über|at least|no less than|not less than|more than|over|above|minimum|"
    r"nicht weniger als|au moins|au minimum|minimum de|plus de)\s+\Z",
    re.IGNORECASE,
)
_DENIED = re.compile(r"\b(?:not|no|never|nicht|nie|keine?[nmrs]?|ne|n['’])\b", re.IGNORECASE)
_LOOK_BACK = 40


def mentions(text: str, language: str = "") -> list[Mention]:
    """Give all quantities of *text* in order; *language* is ``de``, ``en``, ``fr`` or empty. Never raises."""
    found = list(_dated(text))
    found += (
        Mention(kind=Kind.CODE, raw=link.group().rstrip(".,;:)"), start=link.start(), end=link.end())
        for link in _LINK.finditer(text)
    )
    taken = sorted((one.start, one.end) for one in found)
    at = 0
    for token in _TOKEN.finditer(text):
        while at < len(taken) and taken[at][1] <= token.start():
            at += 1
        if at < len(taken) and token.end() > taken[at][0]:
            continue
        one = _read(text, token, language)
        if one is not None:
            found.append(one)
    return _share_units(text, sorted(found, key=lambda one: one.start))


def _dated(text: str) -> Iterator[Mention]:
    """Find dates and times; the first form that fits a place has it."""
    taken: list[tuple[int, int]] = []
    for kind, patterns in ((Kind.DATE, _DATES), (Kind.TIME, _TIMES)):
        for pattern in patterns:
            for hit in pattern.finditer(text):
                if any(hit.start() < end and start < hit.end() for start, end in taken):
                    continue
                parts = hit.groupdict()
                one = Mention(
                    kind=kind,
                    raw=hit.group(),
                    start=hit.start(),
                    end=hit.end(),
                    days=_days(parts) if kind is Kind.DATE else frozenset(),
                    values=_minutes(parts) if kind is Kind.TIME else frozenset(),
                )
                if one.days or one.values:
                    taken.append((hit.start(), hit.end()))
                    yield one


def _days(parts: dict[str, str | None]) -> frozenset[Day]:
    word = parts.get("month")
    if word == "may" and not parts.get("d") and not parts.get("y"):
        return frozenset()  # "of may" is no month
    year = int(parts["y"] or 0) if parts.get("y") else None
    if year is not None and year < 100:
        year += 2000
    if parts.get("a"):
        a, b = int(parts["a"] or 0), int(parts["b"] or 0)
        pairs = [(a, b), (b, a)]
    else:
        month = MONTHS[word.lower()] if word else int(parts["m"] or 0)
        day = parts.get("d")
        if day is None:
            return frozenset({(year, month, None)})
        pairs = [(int(day), month)]
    return frozenset((year, month, day) for day, month in pairs if 1 <= day <= 31 and 1 <= month <= 12)


def _minutes(parts: dict[str, str | None]) -> frozenset[Decimal]:
    hour, minute = int(parts["h"] or 0), int(parts.get("min") or 0)
    half = (parts.get("half") or "").lower()
    if hour > 24 or minute > 59 or (half and not 1 <= hour <= 12):
        return frozenset()
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return frozenset({Decimal(60 * hour + minute)})


def _read(text: str, token: re.Match[str], language: str) -> Mention | None:
    """Read one token; None for a plain word."""
    raw, start, end = token.group(), token.start(), token.end()
    if token.lastgroup == "word":
        return _word(text, raw, start, end, language)
    if token.lastgroup == "code":
        glued = _GLUED.fullmatch(raw)
        unit = _unit(glued["unit"]) if glued else ""
        ordinal = glued and glued["unit"].lower() in {"er", "ère", "e", "ème", "st", "nd", "rd", "th"}
        if glued is None or not (unit or ordinal):
            return Mention(kind=Kind.CODE, raw=raw, start=start, end=end)
        values = _values(glued["number"], language)
        return _with_context(text, Kind.NUMBER, raw, start, end, values, unit, 0)
    values = _values(raw, language)
    if not values:
        return Mention(kind=Kind.CODE, raw=raw, start=start, end=end)
    unit, power = _unit_behind(text, end, language)
    return _with_context(text, Kind.NUMBER, raw, start, end, values, unit, power)


def _word(text: str, raw: str, start: int, end: int, language: str) -> Mention | None:
    if raw.lower() in WEEKDAYS:
        value = Decimal(WEEKDAYS[raw.lower()])
        return Mention(kind=Kind.WEEKDAY, raw=raw, start=start, end=end, values=frozenset({value}))
    number = number_word(raw, language)
    if number is None:
        return None
    value, unit = number
    behind, power = ("", 0) if unit else _unit_behind(text, end, language)
    return _with_context(text, Kind.WORD, raw, start, end, frozenset({value}), unit or behind, power)


def _with_context(
    text: str, kind: Kind, raw: str, start: int, end: int, values: frozenset[Decimal], unit: str, power: int
) -> Mention:
    """Add what stands before: sign, currency, bound."""
    before = text[max(0, start - _LOOK_BACK) : start]
    currency = _CURRENCY.search(before)
    if currency:
        unit = unit or CURRENCY_BEFORE[currency[1].lower()]
        before = before[: currency.start()]
    sign = -1 if _MINUS.search(before) else 1
    bound = "max" if _MAX.search(before) else "min" if _MIN.search(before) else ""
    if bound == "min" and _DENIED.search(before):
        bound = "max"  # "does not cost more than"
    return Mention(
        kind=kind,
        raw=raw,
        start=start,
        end=end,
        values=frozenset(sign * value.scaleb(power) for value in values),
        unit=unit,
        bound=bound,
        sign=sign,
        power=power,
    )


def _values(raw: str, language: str) -> frozenset[Decimal]:
    """Give every reading of a number; none if it is no number (``1.2.3``)."""
    text = re.sub(_GAP, "", raw)
    if not text.isascii():
        return frozenset()
    signs = [sign for sign in text if sign in ".,"]
    if not signs:
        return frozenset({Decimal(text)})
    last = signs[-1]
    groups = re.split(r"[.,]", text)
    grouped = 1 <= len(groups[0]) <= 3 and not groups[0].startswith("0")
    thousands = Decimal("".join(groups)) if grouped and all(len(one) == 3 for one in groups[1:]) else None
    if len(set(signs)) == 2:
        if signs.count(last) > 1 or signs[0] == last:
            return frozenset()
        if not (grouped and all(len(one) == 3 for one in groups[1:-1])):
            return frozenset()
        return frozenset({Decimal("".join(groups[:-1]) + "." + groups[-1])})
    if len(signs) > 1:
        return frozenset() if thousands is None else frozenset({thousands})
    fraction = Decimal(".".join(groups))
    if thousands is None or re.search(_GAP, raw):
        return frozenset({fraction})
    # One sign with three digits behind it: the language decides.
    if language in {"de", "fr"}:
        return frozenset({thousands if last == "." else fraction})
    if language == "en":
        return frozenset({thousands if last == "," else fraction})
    return frozenset({thousands, fraction})


def _unit_behind(text: str, end: int, language: str) -> tuple[str, int]:
    """Give the unit behind a number, and the power of ten of a word like "million" between them."""
    hit = _UNIT_TOKEN.match(text, end)
    if hit is None:
        return "", 0
    power = scale(hit[1].rstrip("."), language)
    if power is not None:
        return _unit_behind(text, hit.end(1), language)[0], power
    if hit[2] and (pair := UNIT_PAIRS.get((hit[1].lower(), hit[2].lower()))):
        return pair, 0
    unit = _unit(hit[1])
    # "14 calendar days": one word may stand between.
    if not unit and hit[2] and len(hit[1]) > 3 and hit[1].isalpha():
        unit = UNITS.get(hit[2].lower(), "")
    return unit, 0


def _unit(word: str) -> str:
    if "/" in word:
        parts = [_unit(part) for part in word.split("/")]
        return "/".join(parts) if all(parts) else ""
    bare = word.rstrip(".").replace(" ", "")
    power = bare[-1:] if bare[-1:] in "²³" else ""
    bare = bare.rstrip("²³")
    found = CASED_UNITS.get(bare) or UNITS.get(bare.lower(), "")
    return found + power if found else ""


def _share_units(text: str, found: list[Mention]) -> list[Mention]:
    """Let the first number of a range have the unit of the second: ``5 to 10 mm``."""
    for at in range(len(found) - 2, -1, -1):
        one, following = found[at], found[at + 1]
        if not one.unit and following.unit and {one.kind, following.kind} <= {Kind.NUMBER, Kind.WORD}:
            between = text[one.end : following.start]
            if _RANGE.fullmatch(between):
                found[at] = replace(one, unit=following.unit)
    return found


def needs_proof(one: Mention) -> bool:
    """Tell whether a mention says something: an article does not."""
    return not (one.kind is Kind.WORD and one.raw.lower() in ARTICLES)


def same_value(one: Mention, other: Mention) -> bool:
    """Tell whether *one* says no more than *other*: the same value, or a date with parts left out."""
    if one.kind is Kind.DATE or other.kind is Kind.DATE:
        if one.kind is Kind.DATE and other.kind is Kind.DATE:
            return any(_says_no_more(day, than) for day in one.days for than in other.days)
        years = {Decimal(year) for year, _, _ in other.days if year is not None}
        return one.kind is Kind.NUMBER and not one.unit and bool(one.values & years)
    if one.kind is Kind.CODE or other.kind is Kind.CODE:
        return one.same_text == other.same_text
    if {one.kind, other.kind} <= {Kind.NUMBER, Kind.WORD} or one.kind is other.kind:
        return bool(one.values & other.values) or (bool(one.values) and one.same_text == other.same_text)
    return False


def _says_no_more(day: Day, than: Day) -> bool:
    return all(part is None or part == other for part, other in zip(day, than, strict=True))
