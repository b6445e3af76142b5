"""Which sentences of a chat model may be shown. Each case is a passage, a quote from it, and a sentence."""

from __future__ import annotations

import pytest

from kbm.domain.grounding import Fault, Source, judge
from kbm.domain.written import Claim, Quoted

PUMP = (
    "The pump runs at 15 mm and 1,500 rpm.\nIt is not permitted to enter before 3 May 2024.\n"
    "Price: 12.50 EUR per kg. Holidays are 30 days. Call after 2 pm on Monday. Keep it below -5 °C."
)
LEAVE = (
    "Der Preis des Artikels A-100 beträgt 1.234,50 €.\nUrlaub wird mindestens 4 Wochen vorher beantragt.\n"
    "Die Garantie gilt nicht für Verschleißteile. Bestellungen ohne Freigabe sind verboten.\n"
    "Die Prüfung ist am 3. Mai 2024 um 14:30 Uhr. Das Budget sind 2,5 Mio. Euro. Zweitägige Reisen zählen doppelt."
)
BON = (
    "Le bon n'est valable que deux ans. Il ne faut jamais ouvrir la vanne. La remise est de 1 234,5 €.\n"
    "Le délai est de 14 jours ouvrés à partir du 1er mars 2025. Le retour est possible sans justificatif."
)


def fault(passage: str, quote: str, sentence: str, question: str = "") -> Fault | None:
    return judge(Claim(sentence, (Quoted(1, quote),)), [Source(passage)], question).fault


@pytest.mark.parametrize(
    ("passage", "quote", "sentence"),
    [
        (PUMP, "The pump runs at 15 mm and 1,500 rpm.", "The pump runs at 15 mm and 1500 rpm."),
        (PUMP, "runs at  15\n mm and 1,500 rpm", "It runs at 15 mm."),
        (PUMP, "Price: 12.50 EUR per kg.", "The price per kg is €12.50."),
        (PUMP, "Price: 12.50 EUR per kg.", "Der Preis beträgt 12,50 € je kg."),
        (PUMP, "Holidays are 30 days.", "Der Urlaub beträgt 30 Tage."),
        (PUMP, "Call after 2 pm on Monday.", "Anrufen kann man montags nach 14:00 Uhr."),
        (PUMP, "Keep it below -5 °C.", "Keep it below -5°C."),
        (PUMP, "It is not permitted to enter before 3 May 2024.", "You may not enter before 2024-05-03."),
        (LEAVE, "Der Preis des Artikels A-100 beträgt 1.234,50 €.", "A-100 kostet 1234,50 Euro."),
        (LEAVE, "Der Preis des Artikels A-100 beträgt 1.234,50 €.", "The article A-100 costs 1,234.50 EUR."),
        (
            LEAVE,
            "Urlaub wird mindestens 4 Wochen vorher beantragt.",
            "Urlaub beantragt man vier Wochen vorher.",
        ),
        (LEAVE, "Das Budget sind 2,5 Mio. Euro.", "Das Budget sind 2.500.000 €."),
        (LEAVE, "Zweitägige Reisen zählen doppelt.", "Reisen von 2 Tagen zählen doppelt."),
        (LEAVE, "Die Prüfung ist am 3. Mai 2024 um 14:30 Uhr.", "Die Prüfung ist am 3.5.2024."),
        (
            LEAVE,
            "Die Garantie gilt nicht für Verschleißteile.",
            "Für Verschleißteile gilt die Garantie nicht.",
        ),
        (BON, "La remise est de 1 234,5 €.", "Der Nachlass beträgt 1.234,5 €."),
        (
            BON,
            "Le délai est de 14 jours ouvrés à partir du 1er mars 2025.",
            "The deadline is 14 working days.",
        ),
        (BON, "Il ne faut jamais ouvrir la vanne.", "Il ne faut pas ouvrir la vanne."),
        (BON, "Le bon n'est valable que deux ans.", "Le bon est valable 2 ans."),
    ],
)
def test_a_sentence_that_says_what_its_quote_says_is_shown(passage: str, quote: str, sentence: str) -> None:
    assert fault(passage, quote, sentence) is None


@pytest.mark.parametrize(
    ("passage", "quote", "sentence", "why"),
    [
        (PUMP, "The pump runs at 16 mm.", "The pump runs.", Fault.NOT_VERBATIM),
        (PUMP, "5 mm", "It runs at 5 mm.", Fault.NOT_VERBATIM),
        (PUMP, "…", "It runs.", Fault.NOT_VERBATIM),
        (PUMP, "Price: 12.50 EUR per kg.", "The price is 13.50 EUR.", Fault.NUMBER),
        (PUMP, "Price: 12.50 EUR per kg.", "The price is 1,250 EUR.", Fault.NUMBER),
        (LEAVE, "Das Budget sind 2,5 Mio. Euro.", "Das Budget sind 2,5 Euro.", Fault.NUMBER),
        (PUMP, "The pump runs at 15 mm and 1,500 rpm.", "The pump runs at 1.500 rpm.", Fault.NUMBER),
        (PUMP, "Holidays are 30 days.", "Twenty days are holidays.", Fault.NUMBER),
        (PUMP, "Keep it below -5 °C.", "Keep it below 5 °C.", Fault.NUMBER),
        (PUMP, "Price: 12.50 EUR per kg.", "The price is 12.50 USD.", Fault.UNIT),
        (PUMP, "Holidays are 30 days.", "Der Urlaub beträgt 30 Wochen.", Fault.UNIT),
        (PUMP, "Holidays are 30", "Holidays are 30 weeks.", Fault.UNIT),
        (PUMP, "It is not permitted to enter before 3 May 2024.", "Do not enter before May 4.", Fault.DATE),
        (PUMP, "Call after 2 pm on Monday.", "Call after 2 am on Monday.", Fault.DATE),
        (PUMP, "Call after 2 pm on Monday.", "Call on Tuesday after 2 pm.", Fault.DATE),
        (PUMP, "permitted to enter", "It is permitted to enter.", Fault.NEGATION),
        (PUMP, "Holidays are 30 days.", "See https://evil.example/?q=x for holidays.", Fault.LINK),
        (PUMP, "Holidays are 30 days.", "![x](x) Holidays are 30 days.", Fault.LINK),
        (PUMP, "Holidays are 30 days.", "The president is chosen by the parliament.", Fault.SUPPORT),
        (LEAVE, "Der Preis des Artikels A-100 beträgt 1.234,50 €.", "A-101 kostet 1.234,50 €.", Fault.CODE),
        (
            LEAVE,
            "Urlaub wird mindestens 4 Wochen vorher beantragt.",
            "Urlaub: höchstens 4 Wochen.",
            Fault.NUMBER,
        ),
        (
            LEAVE,
            "Die Garantie gilt nicht für Verschleißteile.",
            "Die Garantie gilt für Verschleißteile.",
            Fault.NEGATION,
        ),
        (
            LEAVE,
            "Bestellungen ohne Freigabe sind verboten.",
            "Bestellungen mit Freigabe sind verboten.",
            Fault.NEGATION,
        ),
        (LEAVE, "Bestellungen ohne Freigabe sind verboten.", "Orders are allowed.", Fault.NEGATION),
        (BON, "Il ne faut jamais ouvrir la vanne.", "Il faut toujours ouvrir la vanne.", Fault.NEGATION),
        (BON, "Le retour est possible sans justificatif.", "Le retour est impossible.", Fault.NEGATION),
        (
            BON,
            "Le délai est de 14 jours ouvrés à partir du 1er mars 2025.",
            "Le délai: 14 jours.",
            Fault.UNIT,
        ),
    ],
)
def test_a_sentence_that_says_something_else_is_withheld(
    passage: str, quote: str, sentence: str, why: Fault
) -> None:
    assert fault(passage, quote, sentence) is why


@pytest.mark.parametrize(
    ("one", "other"), [("1.500 €", "1,500 €"), ("1.234,5 kg", "1 234,5 kg"), ("0,5 l", "0.5 litres")]
)
def test_a_number_means_what_it_means_in_the_language_of_its_text(one: str, other: str) -> None:
    german = f"Der Behälter und die Pumpe kosten nicht mehr als {one} und das ist alles."

    assert fault(german, german, f"The tank and the pump do not cost more than {other}.") is None


def test_a_sentence_needs_a_quote_from_a_passage_it_was_given() -> None:
    sources = [Source(PUMP)]

    assert judge(Claim("Holidays are 30 days.", ()), sources).fault is Fault.NO_QUOTE
    for n in (0, -1, 2, 10**9):
        claim = Claim("Holidays are 30 days.", (Quoted(n, "Holidays are 30 days."),))
        assert judge(claim, sources).fault is Fault.NO_PASSAGE


def test_what_is_shown_is_the_slice_of_the_passage_not_the_models_copy() -> None:
    judged = judge(Claim("It runs at 15 mm.", (Quoted(1, "runs at\n 15   mm"),)), [Source(PUMP)])

    (one,) = judged.quotes
    assert PUMP[one.span.start : one.span.end] == "runs at 15 mm"


def test_each_quote_must_hold_even_if_another_one_proves_the_sentence() -> None:
    quotes = (Quoted(1, "Holidays are 30 days."), Quoted(1, "Holidays are 31 days."))

    assert judge(Claim("Holidays are 30 days.", quotes), [Source(PUMP)]).fault is Fault.NOT_VERBATIM
