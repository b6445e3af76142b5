"""Phone numbers in running text, told from order numbers, part numbers, prices and dates.

A phone number has no check digit, so its form decides: a country code, an area code that exists, the pairs of a
French number. Where the form alone could be anything, a word beside it must say that it is one; and what an order
number or a part number is called keeps its digits. Forms after E.164, E.123 and DIN 5008, German area codes after the
numbering plan of the Bundesnetzagentur, French ones after that of ARCEP.
"""

from __future__ import annotations

import re

PHONE = "[phone]"

_GAP = "[ \u00a0\u202f.\\-/()–]{0,3}"
_WIDE = "[ \u00a0\u202f.\\-/()–]{0,4}"
_SPACE, _STEP = "[ \u00a0\u202f]", "[ \u00a0\u202f-]?"
_BEFORE, _AFTER = r"(?<![\w.,/+-])", r"(?![\w]|[.,]\d)"
_CITIES = (
    "30|40|69|89|20[12389]|21[24]|22[18]|23[14]|241|251|271|281|291|33[15]|34[015]|3[5-9][15]|4[2-9]1|5[1-9]1"
    "|6[1-8]1|7[1-9]1|8[1-8]1|906|9[1-9]1"
)
_COUNTRIES = "49|33|43|41|44|39|34|31|32|352|353|351|358|45|46|47|48|420|421|36|40|30|90|1"

_SURE = re.compile(
    "|".join(
        (
            rf"(?<![\w+])(?:\(\+[1-9][0-9]{{1,2}}\)|\+[1-9])(?:{_WIDE}[0-9]){{7,14}}{_AFTER}",  # +49 (0)711 1234567
            rf"{_BEFORE}00(?:{_COUNTRIES})[ \u00a0\u202f.\-/(](?:{_WIDE}[0-9]){{6,13}}{_AFTER}",
            rf"{_BEFORE}00(?:49|33|43|41)[1-9][0-9]{{7,11}}{_AFTER}",
            rf"(?<!\w)\(0[1-9][0-9]{{1,4}}\){_SPACE}?[0-9](?:{_STEP}[0-9]){{3,8}}{_AFTER}",
            rf"{_BEFORE}0(?:{_CITIES})(?:{_SPACE}?[/–-]{_SPACE}?|{_SPACE})[0-9](?:{_STEP}[0-9]){{4,8}}{_AFTER}",
            rf"{_BEFORE}01(?:5[0-9]{{1,2}}|6[023]|7[0-9]){_SPACE}?[/–-]?{_SPACE}?[0-9](?:{_STEP}[0-9]){{5,7}}{_AFTER}",
            rf"{_BEFORE}0[1-9]([ \u00a0\u202f.-])[0-9]{{2}}(?:\1[0-9]{{2}}){{3}}{_AFTER}",  # 06 12 34 56 78
            rf"{_BEFORE}0[1-9][0-9]{_SPACE}[0-9]{{3}}{_SPACE}[0-9]{{2}}{_SPACE}[0-9]{{2}}{_AFTER}",  # Switzerland
            rf"(?<!\w)\([2-9][0-9]{{2}}\){_SPACE}?[0-9]{{3}}-[0-9]{{4}}{_AFTER}",  # North America
        )
    )
)
_PERHAPS = re.compile(
    rf"{_BEFORE}(?:0[1-9](?:{_GAP}[0-9]){{6,12}}|[2-9][0-9]{{2}}-[0-9]{{3}}-[0-9]{{4}}){_AFTER}"
)
_PHONE_WORDS = re.compile(
    r"(?:\b(?:tel|tél|fon|phone|ruf|rückruf|call|cell|mobil|handy|fax|sms|whatsapp|durchwahl|portable|appel|joindre"
    r"|joignable|erreich)|telefon|anruf|angerufen|rufnummer|telephone|téléphone)",
    re.IGNORECASE,
)
_OTHER_WORDS = re.compile(
    r"\b(?:bestell|auftrag|artikel|teile|ersatzteil|material|serien|rechnung|kunden|liefer|beleg|charge|vorgang"
    r"|zeichnung|ticket|order|part|article|serial|invoice|item|customer|drawing|commande|pi[èe]ce|s[ée]rie|facture"
    r"|client|r[ée]f|sku|ean|gtin|lot|art|pos|din|iso|iec|vde|version|model|modell|typ|nr|no|n°|#)"
    r"[\w-]*[.:#\s]*(?:number|nummer|nr|no|n°|num[ée]ro|id|code)?[.:#\s]*(?:is|ist|lautet|est)?[.:#\s]*$",
    re.IGNORECASE,
)
_UNIT = re.compile(rf"{_SPACE}?(?:€|\$|£|%|°|EUR|CHF|USD|mm|cm|kg|t\b|m\b|km|Stück|pcs|pi[èe]ces)")
_LOOKED_BACK = 30


def without_phone_numbers(text: str) -> str:
    """Put :data:`PHONE` in the place of every phone number."""
    return _PERHAPS.sub(_if_called_so, _SURE.sub(_unless_called_otherwise, text))


def _unless_called_otherwise(match: re.Match[str]) -> str:
    before = _said_before(match)
    if _UNIT.match(match.string, match.end()):
        return match[0]
    if match[0].lstrip("(").startswith("+") or _PHONE_WORDS.search(before) or not _OTHER_WORDS.search(before):
        return PHONE
    return match[0]


def _if_called_so(match: re.Match[str]) -> str:
    is_unit = _UNIT.match(match.string, match.end())
    return PHONE if not is_unit and _PHONE_WORDS.search(_said_before(match)) else match[0]


def _said_before(match: re.Match[str]) -> str:
    return match.string[max(0, match.start() - _LOOKED_BACK) : match.start()]
