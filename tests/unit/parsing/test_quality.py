"""What is measured of a parse, and when it counts as poor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from kbm.domain.parse_quality import Quality, measured
from tests.unit.parsing.files import LOREM

FRENCH = "La maintenance de la pompe s'effectue selon le plan et figure dans le procès-verbal avec la date."
ENGLISH = "Maintenance of the pump follows the schedule and is recorded with the date and the names of those."
GREEK = "Η συντήρηση της αντλίας γίνεται σύμφωνα με το πρόγραμμα και καταγράφεται στο πρωτόκολλο εργασιών."


def measure(text: str) -> Quality:
    return measured(Quality(), [text] * 5, n_tables=0)


@pytest.mark.parametrize(
    "text", [LOREM, FRENCH, ENGLISH, GREEK, "DIN EN ISO 9001 | KB90-4711 | GmbH | 12,50 €"]
)
def test_honest_text_is_not_poor(text: str) -> None:
    assert measure(text).poor == ()
    assert measure(text).wordlike > 0.8


@pytest.mark.parametrize(
    "text",
    [
        "".join(chr(ord(c) - 29) if c.isalpha() else c for c in ENGLISH.lower()).replace(" ", " xqzk"),
        " ".join("xkcdq wrtpl sdfgh bnmkl zzzzz qwrtp" for _ in range(3)),
        " ".join(
            word[::2] + word.upper()[1::2] + "xK" + word.swapcase()
            for word in ENGLISH.split()
            if len(word) > 4
        ),
    ],
)
def test_glyphs_of_a_font_without_letters_are_garbled(text: str) -> None:
    assert "garbled" in measure(text).poor


@pytest.mark.parametrize("bad", ["\ufffd", "\uf0b7", "(cid:12)"])
def test_characters_that_stand_for_others_are_counted(bad: str) -> None:
    assert measure(LOREM.replace("g", bad)).poor == ("odd_characters",)


def test_pages_without_text_count_when_they_are_many() -> None:
    assert Quality(n_pages=100, n_empty_pages=3).poor == ()
    assert Quality(n_pages=10, n_empty_pages=3).poor == ("pages_without_text",)


def test_each_fault_is_named() -> None:
    bad = Quality(truncated=True, n_left_out=1, strategy="second:xml_text", certainty=0.5)

    assert bad.poor == ("truncated", "parts_left_out", "other_strategy", "uncertain_recognition")
    assert Quality(strategy="converted").poor == Quality(strategy="recognised").poor == ()


@given(some.lists(some.text()))
def test_any_text_can_be_measured(texts: list[str]) -> None:
    quality = measured(Quality(), texts, n_tables=2)

    assert quality.n_chars == sum(map(len, texts))
    assert 0 <= quality.wordlike <= 1
    assert quality.odd_chars >= 0
