"""Personal data in what people write, and placeholders in their place.

Questions and comments are redacted before they are stored. What has a check digit is told by it, so that order
numbers, part numbers, prices and dates stay; what has none, by a form that nothing else has, or by the word beside it
(:mod:`kbm.domain.phone_numbers`). Names and street addresses have neither: they are not recognised here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

from kbm.domain import check_digits as checks
from kbm.domain.phone_numbers import PHONE, without_phone_numbers

PLACEHOLDERS = (
    "[login]",
    "[e-mail]",
    "[iban]",
    "[card]",
    "[insurance-number]",
    "[tax-id]",
    "[identity-document]",
    "[company-number]",
    "[ip-address]",
    PHONE,
)

_GAP = "[ \u00a0\u202f.\\-]?"
_SEPARATOR = "([ \u00a0\u202f.-])"
_BEFORE, _AFTER = r"(?<![\w.,/+-])", r"(?![\w]|[.,/-]\w)"
_SEPARATORS = re.compile(r"[\s.\-/]")
_DOMAIN = r"(?:[\w-]{1,63}\.)+[^\W\d_]{2,24}(?![\w-])"
_AT = r"\s?[\[({]\s?(?:at|ät|arobase)\s?[\])}]\s?"
_DOT = r"(?:\.|\s?[\[({]\s?(?:dot|punkt|point)\s?[\])}]\s?)"
_LOOKED_AROUND = 60

_DOCUMENT_WORDS = re.compile(
    r"ausweis|\bperso\b|\bpass\b|reisepass|passport|identit|\bid[- ]?card|\bcni\b|passeport", re.IGNORECASE
)
_THING_WORDS = re.compile(
    r"\b(?:bestell|auftrag|artikel|teile|ersatzteil|material|serien|liefer|charge|zeichnung|order|part|article|serial"
    r"|item|commande|pi[èe]ce|s[ée]rie|ean|gtin|sku)[\w-]*[.:#\s]*(?:number|nummer|nr|no|n°|num[ée]ro|code)?[.:#\s]*$",
    re.IGNORECASE,
)
_COMPANY_WORDS = re.compile(r"\bsiren\b|\bsiret\b|\brcs\b", re.IGNORECASE)
_CHAPTER_WORDS = re.compile(
    r"(?:kapitel|abschnitt|ziffer|punkt|nummer|§|version|release|firmware|\bv|chapter|section|clause|paragra\w+"
    r"|article|chapitre|annexe|anhang|norm\w*|\b(?:din|iso|iec|en)\b[\w -]{0,15})[.\s]*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Recogniser:
    placeholder: str
    pattern: re.Pattern[str]
    holds: Callable[[re.Match[str]], bool] = lambda _: True
    keep: str = ""  # the group that stays before the placeholder

    def applied(self, text: str) -> str:
        return self.pattern.sub(self._in_place_of, text)

    def _in_place_of(self, match: re.Match[str]) -> str:
        if not self.holds(match):
            return match[0]
        return f"{match[self.keep] if self.keep else ''}{self.placeholder}"


def _bare(match: re.Match[str]) -> str:
    return _SEPARATORS.sub("", match[0])


def _around(match: re.Match[str]) -> str:
    return match.string[max(0, match.start() - _LOOKED_AROUND) : match.end() + _LOOKED_AROUND]


def _is_called_a_thing(match: re.Match[str]) -> bool:
    """Tell digits in one piece that are called an order or a part: one in ten fits a check digit by chance."""
    before = match.string[max(0, match.start() - 30) : match.start()]
    return match[0].isdigit() and bool(_THING_WORDS.search(before))


def _is_document(match: re.Match[str]) -> bool:
    return checks.is_document_number(match[1].upper()) and bool(_DOCUMENT_WORDS.search(_around(match)))


def _is_siren(match: re.Match[str]) -> bool:
    return checks.is_siren(_bare(match)) and bool(_COMPANY_WORDS.search(_around(match)))


def _is_v4(match: re.Match[str]) -> bool:
    """Tell an address from the number of a version or a chapter, and from a mask."""
    octets = match[0].split(".")
    if all(len(octet) == 1 for octet in octets) or octets[0] in ("0", "127", "255"):
        return False
    return not _CHAPTER_WORDS.search(match.string[max(0, match.start() - 30) : match.start()])


def _is_v6(match: re.Match[str]) -> bool:
    groups = [group for group in match[0].split(":") if group]
    if len(groups) < 3 or not any(char.isdigit() for char in match[0]):
        return False
    try:
        ipaddress.IPv6Address(match[0])
    except ValueError:
        return False
    return True


_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IBANS = [
    _Recogniser(
        "[iban]",
        re.compile(
            rf"(?<!\w){country}{_GAP}[0-9]{_GAP}[0-9](?:{_GAP}[A-Z0-9]){{{n - 4}}}(?!\w)", re.IGNORECASE
        ),
        lambda match: checks.is_iban(_bare(match)),
    )
    for country, n in checks.IBAN_CHARS.items()
]
_IBAN_BEGINS = re.compile(rf"(?<!\w)[A-Z]{{2}}{_GAP}[0-9]{_GAP}[0-9]", re.IGNORECASE)

_LOGIN = _Recogniser(
    "[login]",
    re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]{1,20}://)[^\s/:@]*:[^\s/]+(?=@)", re.IGNORECASE),
    keep="scheme",
)
_OTHERS = (
    _Recogniser("[e-mail]", re.compile(rf"(?<![\w.+%'-])[\w.+%'-]+@{_DOMAIN}")),
    _Recogniser(
        "[e-mail]",
        re.compile(
            rf"(?<![\w.+%'-])[\w.+%'-]+{_AT}[\w-]{{1,63}}(?:{_DOT}[\w-]{{1,63}}){{1,4}}(?![\w-])",
            re.IGNORECASE,
        ),
    ),
    _Recogniser(
        "[insurance-number]",
        re.compile(
            rf"{_BEFORE}[12378]{_GAP}[0-9]{{2}}{_GAP}(?:0[1-9]|1[0-2]|[2-9][0-9]){_GAP}(?:[0-9]{{2}}|2[AB]){_GAP}"
            rf"[0-9]{{3}}{_GAP}[0-9]{{3}}{_GAP}[0-9]{{2}}{_AFTER}",
            re.IGNORECASE,
        ),
        lambda match: checks.is_nir(_bare(match)) and not _is_called_a_thing(match),
    ),
    _Recogniser(
        "[card]",
        re.compile(
            rf"{_BEFORE}(?:[0-9]{{14,19}}|[0-9]{{4}}{_SEPARATOR}[0-9]{{4}}(?:\1[0-9]{{4}}){{2}}(?:\1[0-9]{{3}})?"
            rf"|[0-9]{{4}}{_SEPARATOR}[0-9]{{6}}\2[0-9]{{4,5}}){_AFTER}"
        ),
        lambda match: checks.is_card(_bare(match)) and not _is_called_a_thing(match),
    ),
    _Recogniser(
        "[insurance-number]",
        re.compile(
            rf"(?<![\w-])[0-9]{{2}}{_GAP}[0-9]{{2}}{_GAP}[0-9]{{2}}{_GAP}[0-9]{{2}}{_GAP}[A-Z]{_GAP}[0-9]{{2}}{_GAP}[0-9](?!\w)",
            re.IGNORECASE,
        ),
        lambda match: checks.is_german_insurance_number(_bare(match)),
    ),
    _Recogniser(
        "[tax-id]",
        re.compile(
            rf"{_BEFORE}(?:[1-9][0-9]{{10}}|[1-9][0-9]([ \u00a0\u202f./-])[0-9]{{3}}\1[0-9]{{3}}\1[0-9]{{3}}){_AFTER}"
        ),
        lambda match: checks.is_german_tax_id(_bare(match)) and not _is_called_a_thing(match),
    ),
    _Recogniser(
        "[identity-document]",
        re.compile(
            r"(?<![\w-])([CFGHJKLMNPRTVWXYZ][CFGHJKLMNPRTVWXYZ0-9]{8}[0-9])(?:<*D)?(?![\w-])", re.IGNORECASE
        ),
        _is_document,
    ),
    _Recogniser(
        "[identity-document]",  # a machine-readable line
        re.compile(r"(?<![\w<])(?=[A-Z0-9<]*<<)[A-Z0-9<]{28,44}(?![\w<])"),
    ),
    _Recogniser(
        "[company-number]",
        re.compile(
            rf"(?<!\w)FR{_GAP}[0-9]{{2}}{_GAP}[0-9]{{3}}{_GAP}[0-9]{{3}}{_GAP}[0-9]{{3}}(?!\w)", re.IGNORECASE
        ),
        lambda match: checks.is_french_vat_number(_bare(match)[2:]),
    ),
    _Recogniser(
        "[company-number]",
        re.compile(rf"{_BEFORE}[0-9]{{3}}{_GAP}[0-9]{{3}}{_GAP}[0-9]{{3}}{_GAP}[0-9]{{5}}{_AFTER}"),
        lambda match: checks.is_siret(_bare(match)) and not _is_called_a_thing(match),
    ),
    _Recogniser(
        "[company-number]",
        re.compile(rf"{_BEFORE}[0-9]{{3}}{_GAP}[0-9]{{3}}{_GAP}[0-9]{{3}}{_AFTER}"),
        _is_siren,
    ),
    _Recogniser("[ip-address]", re.compile(rf"(?<![\w.-]){_OCTET}(?:\.{_OCTET}){{3}}(?![\w-]|\.\w)"), _is_v4),
    _Recogniser(
        "[ip-address]",
        re.compile(r"(?<![\w:.])[0-9A-F:]*:[0-9A-F:]*:[0-9A-F:.]*[0-9A-F:](?![\w:])", re.IGNORECASE),
        _is_v6,
    ),
)


def redact(text: str) -> str:
    """Give *text* with a placeholder such as ``[e-mail]`` in the place of each piece of personal data.

    Redacting it again changes nothing.
    """
    while True:
        redacted = _once(text)
        if redacted == text:
            return text
        text = redacted


def _once(text: str) -> str:
    text = _LOGIN.applied(text)
    if _IBAN_BEGINS.search(text):
        for iban in _IBANS:
            text = iban.applied(text)
    for recogniser in _OTHERS:
        text = recogniser.applied(text)
    return without_phone_numbers(text)
