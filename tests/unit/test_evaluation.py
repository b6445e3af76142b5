"""The rules of the gate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbm.domain.evaluation import (
    GateVerdict,
    GoldenQuestion,
    GoldenResult,
    GoldenState,
    decide,
    judge,
    sign_test,
)


def question(id: str = "q1", **more: object) -> GoldenQuestion:
    values: dict[str, object] = {"question": "How many?", "expected": ("docs:a.txt",), **more}
    return GoldenQuestion(id=id, **values)  # type: ignore[arg-type]  # a builder passes on what a test names


def result(id: str = "q1", *, passed: bool = True, forbidden: bool = False) -> GoldenResult:
    return GoldenResult(id=id, hit_at_5=passed, facts=passed, forbidden=forbidden, cited=True, passed=passed)


def results(passed: dict[str, bool]) -> dict[str, GoldenResult]:
    return {id: result(id, passed=good) for id, good in passed.items()}


@pytest.mark.parametrize(
    ("lost", "won", "p"), [(5, 0, 0.031), (6, 0, 0.016), (7, 1, 0.035), (8, 2, 0.055), (10, 3, 0.046)]
)
def test_the_sign_test_is_exact(lost: int, won: int, p: float) -> None:
    assert round(sign_test(lost, won), 3) == p


def test_an_answer_with_the_expected_document_and_fact_passes() -> None:
    made = judge(
        question(must_contain=("30 days",)), ["docs:a.txt"], "It is 30 days.", answered=True, cited=True
    )

    assert made.passed


def test_a_hit_below_the_fifth_place_is_none() -> None:
    items = [f"docs:{n}.txt" for n in range(5)] + ["docs:a.txt"]

    assert not judge(question(), items, "It is 30 days.", answered=True, cited=True).hit_at_5


def test_a_reader_negative_question_fails_as_soon_as_its_document_appears() -> None:
    hidden = question(answerable=False)

    assert not judge(hidden, ["docs:a.txt"], "", answered=False, cited=True).passed
    assert judge(hidden, ["docs:b.txt"], "", answered=False, cited=True).passed


def test_a_lost_critical_question_fails_the_gate_by_name() -> None:
    report = decide([question(critical=True)], results({"q1": False}), results({"q1": True}), max_drop=1.0)

    assert report.verdict is GateVerdict.FAIL
    assert "critical question q1" in report.reasons[0]


def test_something_forbidden_fails_the_gate() -> None:
    report = decide([question()], {"q1": result(forbidden=True)}, None, max_drop=1.0)

    assert report.verdict is GateVerdict.FAIL


def test_a_net_loss_of_two_goes_to_a_person() -> None:
    questions = [question(f"q{n}") for n in range(100)]
    live = {one.id: True for one in questions}

    report = decide(questions, results(live | {"q1": False, "q2": False}), results(live), max_drop=0.5)

    assert report.verdict is GateVerdict.HOLD
    assert report.lost == ("q1", "q2")


def test_a_fall_of_hit_at_5_beyond_the_setting_holds() -> None:
    questions = [question(f"q{n}") for n in range(20)]
    live = {one.id: True for one in questions}

    report = decide(questions, results(live | {"q1": False}), results(live), max_drop=0.03)

    assert report.reasons == ("hit@5 fell from 1.000 to 0.950",)


def test_questions_to_review_do_not_count() -> None:
    reviewed = question(critical=True, state=GoldenState.TO_REVIEW)

    assert decide([reviewed], {}, {}, max_drop=0.0).verdict is GateVerdict.UNPROVED


@given(passed=st.lists(st.booleans(), min_size=1, max_size=40))
def test_no_release_is_held_against_itself(passed: list[bool]) -> None:
    questions = [question(f"q{n}") for n in range(len(passed))]
    same = results({f"q{n}": good for n, good in enumerate(passed)})

    assert decide(questions, same, same, max_drop=0.0).verdict is GateVerdict.PASS
