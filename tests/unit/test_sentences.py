"""Sentences of German, French and English documents."""

from __future__ import annotations

import time

import pytest

from kbm.domain.sentences import split_sentences


def sentences(text: str) -> list[str]:
    return [text[span.start : span.end] for span in split_sentences(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Das gilt z. B. für Pumpen.",
        "Das gilt z.B. Pumpen und u. a. Ventile, d. h. alles, i. d. R. jedenfalls.",
        "Siehe Nr. 4 und Art. 5 Abs. 2 der Richtlinie.",
        "Die Frist endet am 3. März 2024 um 12.30 Uhr.",
        "Am 3. 5. 2024 kam die 2. Auflage im 19. Jahrhundert.",
        "Der 1. Vorsitzende und Frau Dr. Müller unterschrieben.",
        "Prof. Dr.-Ing. Keller leitet den Versuch nach DIN EN ISO 9001:2015.",
        "M. Dupont et Mme. Durand habitent à Paris, p. ex. ici.",
        "Voir art. 12 et p. 34 du règlement no. 5.",
        "Use e.g. Windows, i.e. Microsoft's system, approx. 3.5 mm thick.",
        "The U.S. Army and J. S. Bach met Mr. Smith at 5 p.m. yesterday.",
        "See Fig. 3 and Sec. 4.2 of vol. 7.",
        "Er wartete ... und ging.",
        "Wait… what happened then?",
        "Er rief „Komm!“ und lief.",
        "Die Menge (?) ist 1.234,56 EUR.",
        "Le prix est de 12,5 % ; voir annexe.",
        "1. Öffnen Sie das Ventil.",
        "2.3. Ziel der Prüfung",
        "Version 1.2.3 läuft auf kbm.example.",
        "The file kbm.toml is read once.",
        "Müller GmbH & Co. KG liefert.",
    ],
)
def test_it_is_one_sentence(text: str) -> None:
    assert sentences(text) == [text]


@pytest.mark.parametrize(
    "expected",
    [
        ["Das gilt für Nr. 4.", "Dann kommt Dr. Müller."],
        ["Nach DIN EN ISO 9001:2015.", "Sie gilt."],
        ["Il dit : « Bonjour ! »", "Puis il part."],
        ["Est-ce vrai ?", "Oui !", "Bien."],
        ["Er sagte: „Komm!“", "Dann ging er."],
        ["Er rief.", "»Komm her.«", "Gut."],
        ["(Siehe oben.)", "Der Rest folgt."],
        ["He lives in the U.S.", "The end."],
        ["Schrauben, Muttern usw.", "Die Liste folgt."],
        ["Bring tools, etc.", "The rest is there."],
        ["The gap is approx. 3.5 mm.", "Use a gauge."],
        ["Im Jahr 2019.", "12 Leute kamen."],
        ["The answer is no.", "Press the button."],
        ["Keep this in mind.", "Use it."],
        ["Das ist Anhang A.", "Die Tabelle folgt."],
        ["It was so.[1]", "Then it ended.[2][3]"],
        ["Restart it.", "iOS users wait."],
        ["Write to it-help@agency.gov.", "Click Send."],
        ["Am 3.5.2024.", "Danach nicht mehr."],
        ["Teil: 4711 | Preis: 3,50", "Teil: 4712 | Preis: 4,10"],
        ["この文。", "次の文。"],
        ["- Punkt eins", "- Punkt zwei"],
        ["**Wichtig.**", "Lesen Sie."],
    ],
)
def test_it_is_cut_there(expected: list[str]) -> None:
    for gap in (" ", "\n", "  \n"):
        if gap == " " and not any(expected[0].endswith(end) for end in tuple('.!?"»«“)]*')):
            continue
        assert sentences(gap.join(expected)) == expected


def test_text_without_anything_visible_has_no_sentences() -> None:
    assert sentences("") == sentences(" \n\t\u00a0") == []


def test_spans_leave_surrounding_space_out() -> None:
    assert sentences("  Eins. \n\n  Zwei.\t") == ["Eins.", "Zwei."]


@pytest.mark.parametrize("unit", [".", ". ", ".)", " »", '."', "! ", "(", "a. ", "\n", " ", "1. ", "。"])
def test_a_million_odd_characters_take_no_time(unit: str) -> None:
    text = "A " + unit * (500_000 // len(unit)) + " Z"
    start = time.process_time()
    split_sentences(text)

    assert time.process_time() - start < 5
