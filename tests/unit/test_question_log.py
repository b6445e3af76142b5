"""Sessions, and questions that are asked again in other words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbm.domain.answers import Outcome, Verdict
from kbm.domain.question_log import SESSION_GAP, Logged, is_same_in_other_words, sessions, with_reasks

START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)


def logged(
    id: str,
    question: str = "How do I reset the press?",
    *,
    minute: float | None = 0,
    label: str | None = "anna",
    outcome: Outcome | None = Outcome.UNANSWERED,
    verdict: Verdict | None = None,
) -> Logged:
    at = None if minute is None else START + timedelta(minutes=minute)
    return Logged(id=id, question=question, asked_at=at, label=label, outcome=outcome, verdict=verdict)


def test_a_session_goes_on_as_long_as_no_gap_is_longer_than_half_an_hour() -> None:
    asked = [logged("c", minute=61), logged("a", minute=0), logged("b", minute=30), logged("d", minute=92)]

    assert [[one.id for one in session] for session in sessions(asked)] == [["a", "b"], ["c"], ["d"]]


def test_labels_do_not_share_sessions_and_without_one_or_a_time_there_is_none() -> None:
    asked = [logged("a"), logged("b", label="ben"), logged("c", label=None), logged("d", minute=None)]

    assert [[one.id for one in session] for session in sessions(asked)] == [["a"], ["b"]]


@pytest.mark.parametrize(
    ("outcome", "verdict", "again"),
    [
        (Outcome.UNANSWERED, None, True),
        (Outcome.UNCERTAIN, None, True),
        (Outcome.ANSWERED, Verdict.UNHELPFUL, True),
        (Outcome.ANSWERED, Verdict.PROBLEM, True),
        (Outcome.ANSWERED, Verdict.HELPFUL, False),
        (Outcome.ANSWERED, None, False),
        (None, None, False),
    ],
)
def test_only_a_failed_question_is_asked_again(
    outcome: Outcome | None, verdict: Verdict | None, again: bool
) -> None:
    first = logged("a", outcome=outcome, verdict=verdict)
    [_, second] = with_reasks([first, logged("b", "resetting press KB 40", minute=2)])

    assert second.reask_of == ("a" if again else None)


def test_the_nearest_failed_one_is_meant_and_the_order_stays() -> None:
    asked = [
        logged("c", "press reset button", minute=4),
        logged("b", "resetting press KB 40", minute=2),
        logged("x", "What is for lunch?", minute=3),
        logged("a"),
    ]

    assert [(one.id, one.reask_of) for one in with_reasks(asked)] == [
        ("c", "b"),
        ("b", "a"),
        ("x", None),
        ("a", None),
    ]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Wie lange dauert der Referenzlauf?", "Dauer Referenzfahrt KB 40", True),
        ("Wie beantrage ich Urlaub?", "Urlaubsantrag stellen, wo?", True),
        ("how do I reset my password", "password forgotten, how to get a new one", True),
        ("Comment poser des congés ?", "demande de congé payé", True),
        ("What does the press weigh?", "How heavy is the press KB 40?", True),
        ("Wie hoch ist das Drehmoment?", "Wie schwer ist die Maschine?", False),
        ("How do I get leave?", "What do I get for lunch?", False),
        ("How heavy is the press?", "How heavy is the press, please?", False),  # the same words
        ("???", "How?", False),
    ],
)
def test_what_counts_as_the_same_in_other_words(first: str, second: str, same: bool) -> None:
    assert is_same_in_other_words(first, second) is same
    assert is_same_in_other_words(second, first) is same


@given(
    st.lists(
        st.tuples(
            st.integers(0, 600),
            st.sampled_from(["a", "b"]),
            st.sampled_from(["press reset", "reset of a press", "lunch"]),
        ),
        max_size=12,
    )
)
def test_who_asks_again_has_failed_before_in_the_same_session(rows: list[tuple[int, str, str]]) -> None:
    asked = [
        logged(f"{n}", question, minute=minute, label=label)
        for n, (minute, label, question) in enumerate(rows)
    ]
    by_id = {one.id: one for one in asked}
    found = with_reasks(asked)

    assert [one.id for one in found] == list(by_id)
    for one in found:
        if one.reask_of is not None:
            before = by_id[one.reask_of]
            assert before.failed
            assert before.label == one.label
            assert before.asked_at is not None
            assert one.asked_at is not None
            assert before.asked_at <= one.asked_at
    assert sum(len(session) for session in sessions(asked)) == len(asked)
    for session in sessions(asked):
        moments = [one.asked_at for one in session if one.asked_at]
        assert all(later - sooner <= SESSION_GAP for sooner, later in pairwise(moments))
