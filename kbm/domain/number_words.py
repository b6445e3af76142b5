"""Numbers, months, weekdays and units as German, French and English write them."""

from __future__ import annotations

from decimal import Decimal


def _table(lines: str) -> dict[str, str]:
    """Read lines of ``canonical: word word …``."""
    found: dict[str, str] = {}
    for line in lines.strip().splitlines():
        name, _, words = line.strip().partition(":")
        found |= dict.fromkeys([name, *words.split()], name)
    return found


UNITS = _table(
    """
    %: prozent percent pourcent
    ‰: promille
    €: eur euro euros
    $: usd dollar dollars
    £: gbp
    chf: franken fr. sfr
    kg: kilogramm kilogramme kilogrammes kilogram kilograms kilo kilos
    mg: milligramm milligram milligrams milligrammes
    gram: gramm gram grams gramme grammes
    tonne: tonnen tonnes tons
    litre: liter litern litres liters
    ml: milliliter millilitre millilitres
    mm: millimeter millimetern millimetre millimetres millimètres
    cm: zentimeter centimetre centimetres centimeters centimètres
    metre: meter metern metres meters mètre mètres
    km: kilometer kilometern kilometre kilometres kilometers kilomètres
    ms: millisekunden milliseconds millisecondes
    sec: sek sekunde sekunden seconds seconde secondes
    min: minute minuten minutes mins
    hour: stunde stunden std hours heure heures hr hrs
    day: tag tage tagen tages days jour jours
    workday: arbeitstag arbeitstage arbeitstagen arbeitstages werktag werktage werktagen workdays
    week: woche wochen weeks semaine semaines
    month: monat monate monaten monats months mois
    quarter: quartal quartale quartalen quarters trimestre trimestres
    year: jahr jahre jahren jahres years ans année années
    piece: stück stk pieces pcs pièce pièces
    °c: °celsius grad
    °f: °fahrenheit
    """
)
"""Canonical unit by a word in small letters."""

CASED_UNITS = _table(
    """
    metre: m
    gram: g
    tonne: t
    litre: l L
    hour: h
    sec: s
    kelvin: K
    volt: V
    ampere: A
    watt: W
    newton: N
    hertz: Hz
    bar: Bar
    kW:
    kWh:
    kV:
    mA:
    kHz:
    MHz:
    GHz:
    kN:
    Nm:
    Pa:
    kPa:
    MPa:
    dB:
    kB:
    MB:
    GB:
    TB:
    """
)
"""The same for signs whose case matters."""

UNIT_PAIRS = {
    ("working", "days"): "workday",
    ("business", "days"): "workday",
    ("jours", "ouvrés"): "workday",
    ("jours", "ouvrables"): "workday",
    ("pour", "cent"): "%",
    ("per", "cent"): "%",
    ("degrees", "celsius"): "°c",
    ("degrés", "celsius"): "°c",
    ("grad", "celsius"): "°c",
}

CURRENCY_BEFORE = {"€": "€", "eur": "€", "usd": "$", "$": "$", "us$": "$", "chf": "chf", "£": "£", "gbp": "£"}

_SCALES = {
    "": {
        "tausend": 3,
        "thousand": 3,
        "mio": 6,
        "mill": 6,
        "million": 6,
        "millionen": 6,
        "millions": 6,
        "mrd": 9,
        "milliarde": 9,
        "milliarden": 9,
        "milliard": 9,
        "milliards": 9,
        "billionen": 12,
    },
    "en": {"billion": 9, "billions": 9, "bn": 9},
    "de": {"billion": 12},
    "fr": {"mille": 3, "billion": 12},
}


def scale(word: str, language: str) -> int | None:
    """Give the power of ten that a word behind a number stands for."""
    small = word.lower()
    return _SCALES[""].get(small, _SCALES.get(language, {}).get(small))


MONTHS = {
    word: at
    for at, words in enumerate(
        """
        januar jänner january janvier jan janv
        februar feber february février feb febr févr
        märz march mars mär mrz mar
        april avril apr avr
        mai may
        juni june juin jun
        juli july juillet jul juil
        august août aug
        september septembre sep sept
        oktober october octobre okt oct
        november novembre nov
        dezember december décembre dez dec déc
        """.strip().splitlines(),
        start=1,
    )
    for word in words.split()
}

WEEKDAYS = {
    word: at
    for at, words in enumerate(
        """
        montag montags monday mondays lundi
        dienstag dienstags tuesday tuesdays mardi
        mittwoch mittwochs wednesday wednesdays mercredi
        donnerstag donnerstags thursday thursdays jeudi
        freitag freitags friday fridays vendredi
        samstag samstags sonnabend saturday saturdays samedi
        sonntag sonntags sunday sundays dimanche
        """.strip().splitlines(),
        start=1,
    )
    for word in words.split()
}

_ONES = {
    "de": "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn "
    "siebzehn achtzehn neunzehn zwanzig",
    "en": "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept "
    "dix-huit dix-neuf vingt",
}
_TENS = {
    "de": "dreißig vierzig fünfzig sechzig siebzig achtzig neunzig hundert",
    "en": "thirty forty fifty sixty seventy eighty ninety hundred",
    "fr": "trente quarante cinquante soixante soixante-dix quatre-vingts quatre-vingt-dix cent",
}
_ORDINALS = {
    "de": "erst zweit dritt viert fünft sechst siebt acht neunt zehnt",
    "en": "first second third fourth fifth sixth seventh eighth ninth tenth",
    "fr": "premier deuxième troisième quatrième cinquième sixième septième huitième neuvième dixième",
}
_ALSO = {
    "de": {
        "dutzend": 12,
        "tausend": 1000,
        "ein": 1,
        "eine": 1,
        "einen": 1,
        "einem": 1,
        "einer": 1,
        "eines": 1,
    },
    "en": {"dozen": 12, "thousand": 1000, "twice": 2, "once": 1, "a": 1, "an": 1},
    "fr": {"douzaine": 12, "mille": 1000, "une": 1, "première": 1, "second": 2, "seconde": 2},
}

ARTICLES = frozenset(
    _table("one: ein eine einen einem einer eines a an un une once erste ersten erster erstes first")
)
"""Count as 1 where they prove something, and ask for no proof themselves."""


def _words(language: str) -> dict[str, int]:
    ones, tens = _ONES[language].split(), _TENS[language].split()
    found = {word: n for n, word in enumerate(ones)} | {word: 10 * n for n, word in enumerate(tens, start=3)}
    for ten, n in [(ones[20], 20), *((word, 10 * n) for n, word in enumerate(tens[:-1], start=3))]:
        for one in range(1, 10):
            match language:
                case "de":
                    found["ein" if one == 1 else ones[one]] = one
                    found[("ein" if one == 1 else ones[one]) + "und" + ten] = n + one
                case _:
                    found.setdefault(f"{ten}-{ones[one]}", n + one)
    for n, word in enumerate(_ORDINALS[language].split(), start=1):
        endings = ("e", "en", "er", "es", "em") if language == "de" else ("",)
        found |= {word + ending: n for ending in endings}
    return found | _ALSO[language]


_BY_LANGUAGE = {language: _words(language) for language in _ONES}
_UNAMBIGUOUS = {
    word: n
    for words in _BY_LANGUAGE.values()
    for word, n in words.items()
    if all(other.get(word, n) == n for other in _BY_LANGUAGE.values())
}

_COMPOUND = {
    "mal": "times",
    "fach": "times",
    "stündig": "hour",
    "tägig": "day",
    "wöchig": "week",
    "monatig": "month",
    "jährig": "year",
}


def number_word(word: str, language: str) -> tuple[Decimal, str] | None:
    """Read a number word, with its unit where it is part of the word: ``zweitägige`` gives 2 and ``day``."""
    small = word.lower()
    words = _BY_LANGUAGE.get(language, _UNAMBIGUOUS)
    # A name keeps its language: "Seven Keys" in a German text.
    found = words.get(small, None if small in ARTICLES else _UNAMBIGUOUS.get(small))
    if found is not None:
        return Decimal(found), ""
    for part, unit in _COMPOUND.items():
        stem, cut, ending = small.rpartition(part)
        if cut and ending in {"", "e", "en", "er", "es", "em"} and stem in _BY_LANGUAGE["de"]:
            return Decimal(_BY_LANGUAGE["de"][stem]), unit
    return None
