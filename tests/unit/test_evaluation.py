"""The rules of the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kbm.domain.evaluation import (
    GateReport,
    GateVerdict,
    GoldenQuestion,
    GoldenResult,
    GoldenState,
    decide,
    judge,
    sign_test,
    wilson,
)
from kbm.services.evaluate import bootstrap


def question(id: str = "q1", **more: object) -> GoldenQuestion:
    values: dict[str, object] = {"question": "How many?", "expected": ("docs:a.txt",), **more}
    return GoldenQuestion(id=id, **values)  # type: ignore[arg-type]  # a builder passes on what a test names


def result(id: str = "q1", *, passed: bool = True, forbidden: bool = False) -> GoldenResult:
    return GoldenResult(id=id, hit_at_5=passed, facts=passed, forbidden=forbidden, cited=True, passed=passed)


def gate(
    questions: Sequence[GoldenQuestion],
    candidate: Mapping[str, GoldenResult],
    live: Mapping[str, GoldenResult] | None,
    *,
    max_drop: float = 0.03,
) -> GateReport:
    return decide(questions, candidate, live, max_drop=max_drop, bootstrap=bootstrap)


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
    report = gate([question(critical=True)], results({"q1": False}), results({"q1": True}), max_drop=1.0)

    assert report.verdict is GateVerdict.FAIL
    assert "critical question q1" in report.reasons[0]


def test_something_forbidden_fails_the_gate() -> None:
    report = gate([question()], {"q1": result(forbidden=True)}, None, max_drop=1.0)

    assert report.verdict is GateVerdict.FAIL


def test_a_net_loss_of_two_goes_to_a_person() -> None:
    questions = [question(f"q{n}") for n in range(100)]
    live = {one.id: True for one in questions}

    report = gate(questions, results(live | {"q1": False, "q2": False}), results(live), max_drop=0.5)

    assert report.verdict is GateVerdict.HOLD
    assert report.lost == ("q1", "q2")


def fallen(n_lost: int, n: int) -> tuple[list[GoldenQuestion], dict[str, bool], dict[str, bool]]:
    """Give n questions that live answers, and of which the candidate lost some."""
    questions = [question(f"q{number}") for number in range(n)]
    live = {one.id: True for one in questions}
    return questions, live | {f"q{number}": False for number in range(n_lost)}, live


def only_hits(passed: dict[str, bool]) -> dict[str, GoldenResult]:
    """Give results that differ in their hits alone: none of them passes."""
    return {id: replace(result(id, passed=good), passed=False) for id, good in passed.items()}


def test_a_fall_of_hit_at_5_that_is_more_than_chance_holds() -> None:
    questions, candidate, live = fallen(6, 40)

    report = gate(questions, only_hits(candidate), only_hits(live))

    assert report.verdict is GateVerdict.HOLD
    assert report.reasons == ("hit@5 fell from 1.000 to 0.850 (-0.150, 95 % interval -0.275 to -0.050)",)


def test_a_fall_of_hit_at_5_within_the_setting_passes() -> None:
    questions, candidate, live = fallen(6, 40)

    assert gate(questions, only_hits(candidate), only_hits(live), max_drop=0.15).verdict is GateVerdict.PASS


def test_one_question_lost_of_twenty_is_left_to_chance_and_two_are_shown() -> None:
    questions, candidate, live = fallen(1, 20)
    one_lost = gate(questions, only_hits(candidate), only_hits(live))
    questions, candidate, live = fallen(2, 20)
    two_lost = gate(questions, only_hits(candidate), only_hits(live))

    assert one_lost.verdict is GateVerdict.PASS
    assert two_lost.verdict is GateVerdict.HOLD
    assert two_lost.reasons[0].endswith("too few questions to tell it from chance")


def test_fewer_answers_with_citations_hold() -> None:
    questions, _, live = fallen(0, 40)
    silent = {one.id: replace(result(one.id), answered=int(one.id[1:]) >= 6) for one in questions}

    report = gate(questions, silent, results(live))

    assert report.verdict is GateVerdict.HOLD
    assert report.reasons[0].startswith("citation coverage fell from 1.000 to 0.850")
    assert (report.citation_coverage, report.live_citation_coverage) == (0.85, 1.0)


def test_a_dead_citation_fails_the_gate_whatever_live_does() -> None:
    broken = {"q1": replace(result(), dead=("[1] its link leads nowhere",))}

    report = gate([question()], broken, None)

    assert report.verdict is GateVerdict.FAIL
    assert report.reasons == ("dead citation in q1: [1] its link leads nowhere",)


def test_a_dead_citation_of_live_is_no_fault_of_the_candidate() -> None:
    broken = {"q1": replace(result(), dead=("[1] its link leads nowhere",))}

    assert gate([question()], results({"q1": True}), broken).verdict is GateVerdict.PASS


@pytest.mark.parametrize(("n_passed", "n"), [(0, 12), (7, 12), (12, 12), (190, 200)])
def test_the_interval_of_the_pass_rate_is_wilsons(n_passed: int, n: int) -> None:
    expected = stats.binomtest(n_passed, n).proportion_ci(method="wilson")

    assert wilson(n_passed, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("lost", "won", "n"), [(3, 0, 30), (5, 2, 60), (0, 4, 25)])
def test_the_bootstrap_is_the_one_of_scipy(lost: int, won: int, n: int) -> None:
    paired = np.array([-1] * lost + [1] * won + [0] * (n - lost - won))
    expected = stats.bootstrap(
        (paired,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval

    # Both are estimates of one interval by resampling; a mean of n moves in steps of 1/n.
    assert bootstrap(paired.tolist()) == pytest.approx((expected.low, expected.high), abs=1.5 / n)


def test_the_same_differences_give_the_same_interval() -> None:
    assert bootstrap([-1, 0, 0, 1, 0]) == bootstrap([0, 1, 0, -1, 0])


def test_questions_to_review_do_not_count() -> None:
    reviewed = question(critical=True, state=GoldenState.TO_REVIEW)

    assert gate([reviewed], {}, {}, max_drop=0.0).verdict is GateVerdict.UNPROVED


@given(passed=st.lists(st.booleans(), min_size=1, max_size=40))
def test_no_release_is_held_against_itself(passed: list[bool]) -> None:
    questions = [question(f"q{n}") for n in range(len(passed))]
    same = results({f"q{n}": good for n, good in enumerate(passed)})

    assert gate(questions, same, same, max_drop=0.0).verdict is GateVerdict.PASS
