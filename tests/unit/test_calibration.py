"""Thresholds from scored questions, and the questions that documents ask of themselves."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, replace

import pytest

from kbm.domain.calibration import (
    LEAST_QUESTIONS,
    LEAST_VERDICTS,
    Calibration,
    Curve,
    Scored,
    curve_of,
    from_json,
)
from kbm.domain.documents import Chunk
from kbm.domain.identity import ChunkId, VersionId, digest
from kbm.domain.own_questions import own_questions
from kbm.domain.releases import AnswerSpec, release_digest
from kbm.services.calibrate import shared_documents


def scored(n: int = 200) -> list[Scored]:
    """Answerable questions from .3 up to 1, others from 0 up to .7."""
    return [Scored(0.3 + 0.7 * at / n, answerable=True) for at in range(n)] + [
        Scored(0.7 * at / n, answerable=False) for at in range(n)
    ]


@pytest.mark.parametrize("lose", [2, 5, 10])
def test_the_threshold_loses_what_it_may_and_no_more(lose: int) -> None:
    found = curve_of(scored(), lose=lose)

    assert found is not None
    lost = [one for one in scored() if one.answerable and one.confidence < found.threshold]
    assert len(lost) == pytest.approx(200 * lose / 100, abs=1)
    assert found.threshold <= found.uncertain_below


def test_too_few_questions_set_no_threshold() -> None:
    few = scored(LEAST_QUESTIONS - 1)

    assert curve_of(few, lose=5) is None


def test_the_curve_rises_in_loss_and_precision() -> None:
    found = curve_of(scored(), lose=5)

    assert found is not None
    assert [one.lost for one in found.points] == sorted(one.lost for one in found.points)
    assert [one.precision for one in found.points] == sorted(one.precision for one in found.points)


def test_golden_questions_count_as_much_as_all_own_ones() -> None:
    easy = [Scored(0.9, answerable=True) for _ in range(200)] + [Scored(0.1, answerable=False)] * 200
    hard = [Scored(0.3, answerable=True, weight=5.0) for _ in range(40)]

    alone, both = curve_of(easy, lose=10), curve_of([*easy, *hard], lose=10)

    assert alone is not None
    assert both is not None
    assert alone.threshold == 0.75  # as high as is believed
    assert both.threshold == 0.3


def test_verdicts_move_the_warning_and_not_the_threshold() -> None:
    unhelpful = [(0.4 + 0.001 * at, False) for at in range(LEAST_VERDICTS)]
    helpful = [(0.6 + 0.001 * at, True) for at in range(LEAST_VERDICTS)]

    without, judged = curve_of(scored(), lose=5), curve_of(scored(), lose=5, verdicts=unhelpful + helpful)

    assert without is not None
    assert judged is not None
    assert judged.threshold == without.threshold
    assert judged.uncertain_below <= without.uncertain_below or judged.uncertain_below > judged.threshold


def test_a_calibration_is_read_as_it_was_written() -> None:
    curve = curve_of(scored(), lose=5)
    made = Calibration(lose=5, n_own=200, n_golden=0, n_verdicts=0, dense=curve, words=None)

    assert from_json(json.loads(json.dumps(asdict(made)))) == made


@pytest.mark.parametrize(
    "change", [{"extra": 1}, {"dense": {"threshold": 2, "uncertain_below": 3, "points": []}}]
)
def test_a_calibration_that_is_none_is_refused(change: dict[str, object]) -> None:
    made = asdict(Calibration(lose=5, n_own=200))

    with pytest.raises((ValueError, KeyError, TypeError)):
        from_json(made | change)


def test_the_numbers_are_part_of_the_digest_and_none_of_the_rules() -> None:
    curve = Curve(threshold=0.4, uncertain_below=0.6, points=())
    one = Calibration(lose=5, n_own=100, dense=curve)
    other = replace(one, dense=replace(curve, threshold=0.41))
    rules, index = AnswerSpec(), digest("index", "x")

    digests = {release_digest(index, rules, [], each) for each in (None, one, other)}

    assert len(digests) == 3
    assert "calibration" not in asdict(rules)


def chunks(n: int) -> list[Chunk]:
    draw = random.Random(1)
    words = [f"word{at}" for at in range(400)]
    return [
        Chunk(
            id=ChunkId(f"{at:032x}"),
            version_id=VersionId("v"),
            ordinal=0,
            start=0,
            end=1,
            text=" ".join(draw.choices(words, k=30)) + ".",
        )
        for at in range(n)
    ]


def test_own_questions_are_the_same_whatever_the_order() -> None:
    made = chunks(80)
    numbers = {one.id: at for at, one in enumerate(made)}

    one = own_questions(made, numbers, 60, foreign=0.3)
    other = own_questions(made[::-1], numbers, 60, foreign=0.3)

    assert one == other
    assert len(one) == 60
    assert all(4 <= len(each.text.split()) <= 6 for each in one)


def test_a_new_document_leaves_the_other_questions_nearly_as_they_were() -> None:
    made = chunks(81)
    numbers = {one.id: at for at, one in enumerate(made)}

    before = {one.sentence for one in own_questions(made[:80], numbers, 60, foreign=0.3)}
    after = {one.sentence for one in own_questions(made, numbers, 60, foreign=0.3)}

    assert len(before & after) >= 58


def test_only_what_all_may_read_takes_part() -> None:
    everyone, staff, board = frozenset({"everyone"}), frozenset({"group:staff"}), frozenset({"group:board"})

    assert shared_documents({0: everyone, 1: staff}, {0, 1}).tolist() == [True, False]
    assert shared_documents({0: staff, 1: staff}, {0, 1}).tolist() == [True, True]
    assert shared_documents({0: staff, 1: staff | board}, {0, 1}).tolist() == [False, True]
    assert shared_documents({}, set()).tolist() == [False]
