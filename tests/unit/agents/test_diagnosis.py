"""The cause of a gap, from what there is on its questions."""

from __future__ import annotations

from itertools import product

import pytest
from kbm_agents.diagnosis import diagnose

from kbm.domain.documents import Span
from kbm.domain.gaps import Cause, OwnerQuestion, QuestionEvidence, Window
from kbm.domain.identity import ChunkId, DocumentId


def window(
    document: str = "d",
    score: float = 0.8,
    *,
    attached: bool = True,
    blocked: bool = False,
    outdated: bool = False,
    coverage: float = 0.9,
    n_words: int = 200,
) -> Window:
    return Window(
        chunk_id=ChunkId(document),
        document_id=DocumentId(document),
        span=Span(0, 10),
        text="text",
        cosine=score,
        coverage=coverage,
        score=score,
        attached=attached,
        blocked=blocked,
        outdated=outdated,
        n_words=n_words,
    )


def evidence(
    *windows: Window,
    ranked: tuple[str, ...] = (),
    clash: tuple[Window, Window] | None = None,
    answers: bool | None = None,
) -> QuestionEvidence:
    return QuestionEvidence(
        question="q",
        windows=windows,
        ranked=tuple(DocumentId(one) for one in ranked),
        clash=clash,
        answers=answers,
    )


@pytest.mark.parametrize(
    ("score", "answers", "cause"),
    [
        (0.8, None, Cause.THIN),
        (0.8, False, Cause.MISSING),
        (0.45, None, Cause.MISSING),
        (0.45, True, Cause.THIN),
        (0.31, True, Cause.MISSING),
    ],
)
def test_what_a_model_says_of_the_best_passage_moves_what_is_near_the_limit_only(
    score: float, answers: bool | None, cause: Cause
) -> None:
    assert diagnose([evidence(window(score=score), answers=answers)]).cause is cause


def test_of_what_a_model_says_the_majority_counts() -> None:
    said = [evidence(window(), answers=one) for one in (False, False, True, None)]

    assert diagnose(said).cause is Cause.MISSING
    assert diagnose(said[1:]).cause is Cause.THIN


OTHERS = tuple(f"other-{at}" for at in range(8))
CASES = {
    "off topic": ([evidence(window(score=0.1))], Cause.OFF_TOPIC),
    "nothing at all": ([evidence()], Cause.OFF_TOPIC),
    "missing": ([evidence(window(score=0.4))], Cause.MISSING),
    "elsewhere": ([evidence(window("x", 0.8, attached=False), window(score=0.4))], Cause.WRONG_SCOPE),
    "blocked": ([evidence(window("x", 0.8, blocked=True), window(score=0.4))], Cause.BLOCKED),
    "not found": ([evidence(window(), ranked=(*OTHERS, "d"))], Cause.RETRIEVAL_MISS),
    "found": ([evidence(window(), ranked=("d",))], Cause.THIN),
    "old": ([evidence(window(outdated=True))], Cause.STALE),
    "contradicted": ([evidence(window(), clash=(window(), window("e")))], Cause.CONFLICT),
    "superseded": ([evidence(window(), clash=(window(), window("e", outdated=True)))], Cause.STALE),
    "a note of one line": ([evidence(window(score=0.45, n_words=12))], Cause.THIN),
}


@pytest.mark.parametrize("case", CASES)
def test_the_cause_follows_from_the_evidence(case: str) -> None:
    given, cause = CASES[case]

    assert diagnose(given).cause is cause


def test_a_passage_that_holds_all_words_covers_and_one_that_does_not_is_thin() -> None:
    assert diagnose([evidence(window(coverage=0.9))]).covered
    assert not diagnose([evidence(window(coverage=0.3))]).covered


def test_the_better_half_of_the_questions_decides() -> None:
    given = [evidence(window(score=0.7)), evidence(window(score=0.7)), evidence(window(score=0.1))]

    assert diagnose(given).cause is Cause.THIN


def test_one_contradiction_beside_many_questions_is_no_conflict() -> None:
    beside = evidence(window(), clash=(window(), window("e")))

    assert diagnose([beside, *[evidence(window(), ranked=("d",))] * 5]).cause is Cause.THIN


def test_just_below_the_limit_the_owner_is_asked_whether_it_answers() -> None:
    found = diagnose([evidence(window(score=0.5))])

    assert (found.cause, found.second, found.ask) == (Cause.MISSING, Cause.THIN, OwnerQuestion.ANSWERS_IT)


def test_where_little_is_near_the_owner_is_asked_whether_it_is_in_scope() -> None:
    found = diagnose([evidence(window(score=0.3))])

    assert (found.cause, found.second, found.ask) == (
        Cause.MISSING,
        Cause.OFF_TOPIC,
        OwnerQuestion.IN_SCOPE,
    )


def test_a_model_that_finds_no_answer_in_the_passage_makes_it_missing() -> None:
    found = diagnose([evidence(window(), answers=False)])

    assert (found.cause, found.second) == (Cause.MISSING, None)


def test_the_evidence_of_a_conflict_shows_both_sides_first() -> None:
    one, other = window("d"), window("e", 0.7)
    found = diagnose([evidence(one, clash=(one, other))])

    assert found.evidence == (one, other)


@pytest.mark.parametrize("kind", ["attached", "blocked", "elsewhere"])
def test_two_causes_always_come_with_a_question(kind: str) -> None:
    for score, beside in product((at / 50 for at in range(51)), (0.0, 0.5, 0.53, 0.6)):
        best = window("x", score, attached=kind != "elsewhere", blocked=kind == "blocked")
        found = diagnose([evidence(best, window(score=beside))])

        assert (found.second is None) == (found.ask is None)
        assert found.second is not found.cause


def test_without_an_embedder_words_decide() -> None:
    words = evidence(window(score=0.9, coverage=0.9))

    assert diagnose([words], embedded=False).cause is Cause.THIN
    assert diagnose([evidence(window(score=0.1, coverage=0.1))], embedded=False).cause is Cause.OFF_TOPIC
