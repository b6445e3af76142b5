"""Short questions are mostly told apart; lists of numbers are in no language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbm.domain.language import LANGUAGES, guess_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Wie viele Urlaubstage habe ich?", "de"),
        ("Wer genehmigt Reisekosten über 500 Euro?", "de"),
        ("Was kostet die Pumpe mit Dichtung?", "de"),
        ("Gewährleistung für Ventile", "de"),
        ("How many days of leave do I have?", "en"),
        ("Who approves travel expenses?", "en"),
        ("What is the price of the M12 bolt", "en"),
        ("Combien de jours de congés ai-je ?", "fr"),
        ("Qui valide les frais de déplacement ?", "fr"),
        ("Quel est le prix de la pompe", "fr"),
        ("4711-0815; 12; M12", ""),
        ("Pumpe", ""),
        ("", ""),
    ],
)
def test_the_language_of_a_question(text: str, language: str) -> None:
    assert guess_language(text) == language


@given(st.text())
def test_it_never_raises(text: str) -> None:
    assert guess_language(text) in {"", *LANGUAGES}


def test_a_long_text_is_judged_by_its_beginning() -> None:
    assert guess_language("Die Pumpe ist mit dem Ventil verbunden. " * 20 + "the of and " * 500) == "de"
