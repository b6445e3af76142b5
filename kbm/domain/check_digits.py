"""Check digits of numbers that belong to people, each by the rule that its issuer published.

Every function takes the bare characters, separators left out, and only tells whether they can be such a number.
"""

from __future__ import annotations

from collections import Counter

IBAN_CHARS = {
    **dict.fromkeys(("NO",), 15),
    **dict.fromkeys(("BE", "BI"), 16),
    **dict.fromkeys(("DK", "FO", "FI", "GL", "NL", "SD"), 18),
    **dict.fromkeys(("MK", "SI"), 19),
    **dict.fromkeys(("AT", "BA", "EE", "KZ", "LT", "LU", "MN", "XK"), 20),
    **dict.fromkeys(("CH", "HR", "LI", "LV"), 21),
    **dict.fromkeys(("BG", "BH", "CR", "DE", "GB", "GE", "IE", "ME", "RS", "VA"), 22),
    **dict.fromkeys(("AE", "GI", "IL", "IQ", "OM", "SO", "TL"), 23),
    **dict.fromkeys(("AD", "CZ", "ES", "MD", "PK", "RO", "SA", "SE", "SK", "TN", "VG"), 24),
    **dict.fromkeys(("LY", "PT", "ST"), 25),
    **dict.fromkeys(("IS", "TR"), 26),
    **dict.fromkeys(("DJ", "FR", "GR", "IT", "MC", "MR", "SM"), 27),
    **dict.fromkeys(("AL", "AZ", "BY", "CY", "DO", "GT", "HN", "HU", "LB", "NI", "PL", "SV"), 28),
    **dict.fromkeys(("BR", "EG", "PS", "QA", "UA"), 29),
    **dict.fromkeys(("JO", "KW", "MU", "YE"), 30),
    **dict.fromkeys(("MT", "SC"), 31),
    "LC": 32,
    "RU": 33,
}
"""Length by country, from the IBAN registry of ISO 13616."""

_LA_POSTE = "356000000"
_INSURANCE_WEIGHTS = (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1)


def is_iban(text: str) -> bool:
    """Tell by country, length and ISO 7064 MOD 97-10, as ISO 13616 says."""
    if IBAN_CHARS.get(text[:2].upper()) != len(text):
        return False
    turned = text[4:] + text[:4]
    return int("".join(str(int(char, 36)) for char in turned)) % 97 == 1


def is_luhn(digits: str) -> bool:
    """Tell by the Luhn formula, ISO/IEC 7812-1 annex B."""
    total = 0
    for n, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + n % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


def is_card(digits: str) -> bool:
    """Tell by Luhn and by the ranges that card networks issue; 13 digits are too often an article's EAN."""
    n, start = len(digits), int(digits[:4])
    known = (
        (n in (16, 19) and digits[0] == "4")  # Visa
        or (n == 16 and (5100 <= start <= 5599 or 2221 <= start <= 2720))  # Mastercard
        or (n == 15 and digits[:2] in ("34", "37"))  # American Express
        or (n == 14 and (3000 <= start <= 3059 or digits[:2] in ("36", "38", "39")))  # Diners Club
        or (n == 16 and (start == 6011 or 6440 <= start <= 6599 or 3528 <= start <= 3589))  # Discover, JCB
        or (16 <= n <= 19 and digits[:2] == "62")  # UnionPay
        or (n == 16 and start in (5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763))  # Maestro
    )
    return known and len(set(digits)) > 1 and is_luhn(digits)


def is_german_tax_id(digits: str) -> bool:
    """Tell by ISO 7064 MOD 11,10, and that among the first ten digits one, and only one, is there two or three times.

    The rule of the Bundeszentralamt für Steuern for § 139b AO. Numbers that begin with 0 are for tests only.
    """
    if len(digits) != 11 or digits[0] == "0":
        return False
    repeated = [n for n in Counter(digits[:10]).values() if n > 1]
    if repeated not in ([2], [3]):
        return False
    product = 10
    for digit in digits[:10]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def is_german_insurance_number(text: str) -> bool:
    """Tell by the check digit and the day of birth of a Versicherungsnummer, § 2 VKVV."""
    day, month = int(text[2:4]), int(text[4:6])
    if not (1 <= day <= 31 or 51 <= day <= 81) or not 1 <= month <= 12:
        return False
    letter = ord(text[8].upper()) - ord("A") + 1
    digits = f"{text[:8]}{letter:02}{text[9:11]}"
    products = (int(digit) * weight for digit, weight in zip(digits, _INSURANCE_WEIGHTS, strict=True))
    return sum(product // 10 + product % 10 for product in products) % 10 == int(text[11])


def is_document_number(text: str) -> bool:
    """Tell by the check digit that ends the number of a passport or an identity card, ICAO 9303 part 3."""
    total = sum(int(char, 36) * (7, 3, 1)[n % 3] for n, char in enumerate(text[:-1]))
    return total % 10 == int(text[-1])


def is_nir(text: str) -> bool:
    """Tell by the key of a French social security number: 97 less the rest by 97; Corsica counts as 19 or 18."""
    number = text[:13].upper().replace("2A", "19").replace("2B", "18")
    return number.isdigit() and 97 - int(number) % 97 == int(text[13:])


def is_siren(digits: str) -> bool:
    """Tell a French company's number by Luhn."""
    return len(set(digits)) > 1 and is_luhn(digits)


def is_siret(digits: str) -> bool:
    """Tell a French establishment's number: Luhn on it and on the company's part; La Poste counts otherwise."""
    if digits.startswith(_LA_POSTE):
        return sum(map(int, digits)) % 5 == 0
    return is_siren(digits[:9]) and is_luhn(digits)


def is_french_vat_number(digits: str) -> bool:
    """Tell a French VAT number, without its FR, by the key that it makes of the company's number."""
    return (12 + 3 * (int(digits[2:]) % 97)) % 97 == int(digits[:2])
