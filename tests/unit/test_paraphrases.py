"""The same question as other people would type it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbm.domain.known_gaps import NIGHTS_KEPT, LastReview, fell, with_night
from kbm.domain.paraphrases import usable, variants_of


@pytest.mark.parametrize(
    ("question", "variants"),
    [
        (
            "How many tons does the press KB 40 hold?",
            (
                "tons press KB 40 hold",
                "40 hold tons press KB",
                "How many tons does the prses KB 40 hold?",
            ),
        ),
        (
            "Wie viele Tage Urlaub bekommt man?",
            ("Tage Urlaub", "Urlaub Tage", "Wie viele Tage Uralub bekommt man?"),
        ),
        ("leave", ("levae",)),
        ("KB 40?", ("40 KB",)),
        ("Why?", ()),
        ("", ()),
    ],
)
def test_keywords_another_order_and_a_typing_error(question: str, variants: tuple[str, ...]) -> None:
    assert variants_of(question) == variants


@given(st.text(max_size=200))
def test_variants_are_few_and_never_the_question_itself(question: str) -> None:
    made = variants_of(question)

    assert len(made) <= 3
    assert question not in made
    assert made == variants_of(question)


def test_of_what_a_model_wrote_two_lines_are_taken_at_most() -> None:
    assert usable("1. How old is it?\n- Its age?\nSince when?\n", "what age has it") == (
        "How old is it?",
        "Its age?",
    )
    assert usable("What age has it?\n\n" + "x" * 400, "what age has it") == ()


def test_figures_of_sixty_nights_are_kept_one_for_each_day() -> None:
    last = None
    for n in range(70):
        for share in (0.1, 0.9):
            at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=n)
            last = with_night(last, LastReview(gpt="g", at=at, figures={"x": share}))

    assert last is not None
    assert len(last.nights) == NIGHTS_KEPT
    assert last.nights[-1] == ("2026-03-11", {"x": 0.9})
    assert {figures["x"] for _, figures in last.nights} == {0.9}


def test_an_alarm_rings_when_a_share_is_well_below_the_nights_before() -> None:
    nights = tuple((f"2026-01-{day:02}", {"x": 0.9}) for day in range(1, 8))
    before = LastReview(gpt="g", at=datetime(2026, 1, 8, tzinfo=UTC), nights=nights)

    assert fell(before, "x", 0.75)
    assert not fell(before, "x", 0.82)
    assert not fell(before, "y", 0.0)
    assert not fell(None, "x", 0.0)
