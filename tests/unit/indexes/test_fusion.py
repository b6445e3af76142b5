"""Three rankings become one, and ties never depend on where a row lies."""

from __future__ import annotations

import numpy as np
import pytest
from kbm_indexes.fusion import Ranking, candidates, fuse, min_max, rank, share
from numpy.typing import NDArray


def ranking(scores: dict[int, float]) -> Ranking:
    row = np.array(list(scores), dtype=np.int64)
    return rank(row, ids(row), np.array(list(scores.values()), dtype=np.float64), 100)


def ids(row: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Give row *n* the id 255 - n: ids descend where rows ascend."""
    found = np.zeros((row.size, 16), dtype=np.uint8)
    found[:, 15] = 255 - row
    return found


def test_the_dense_ranking_counts_a_quarter_after_min_max() -> None:
    fused = fuse(
        [ranking({1: 9.0, 2: 5.0, 3: 1.0}), ranking({2: 3.0, 4: 1.0})], ranking({1: 0.9, 3: 0.4, 2: 0.65})
    )

    scores = dict(zip(fused.row.tolist(), fused.score.tolist(), strict=True))
    assert scores == pytest.approx(
        {1: 0.375 + 0.25, 2: 0.375 * 0.5 + 0.375 + 0.25 * 0.5, 3: 0.0, 4: 0.0}, abs=1e-6
    )
    assert fused.row[:2].tolist() == [2, 1]


def test_halves_without_a_vector() -> None:
    fused = fuse([ranking({1: 2.0, 2: 1.0}), ranking({1: 5.0, 2: 4.0})], None)

    assert fused.score.tolist() == [1.0, 0.0]


def test_a_lone_row_gets_the_whole_part() -> None:
    assert fuse([ranking({5: 0.01}), ranking({})], None).score.tolist() == [0.5]


def test_nothing_fuses_to_nothing() -> None:
    assert fuse([ranking({}), ranking({})], None).row.size == 0


def test_scores_that_differ_below_a_millionth_are_ties_by_id() -> None:
    assert ranking({1: 0.5 + 4e-8, 2: 0.5, 3: 0.4}).row.tolist() == [2, 1, 3]


def test_ids_are_compared_as_bytes_from_the_left() -> None:
    two = np.zeros((2, 16), dtype=np.uint8)
    two[0, 0], two[1, 7] = 1, 255

    assert rank(np.array([0, 1]), two, np.ones(2), 2).row.tolist() == [1, 0]


def test_all_that_can_reach_the_top_is_a_candidate() -> None:
    score = np.array([0.9, 0.5, 0.5, 0.4999, 0.1])

    assert candidates(score, 2, 1e-3).tolist() == [0, 1, 2, 3]
    assert candidates(score, 2, 1e-6).tolist() == [0, 1, 2]
    assert candidates(score, 9, 1e-6).tolist() == [0, 1, 2, 3, 4]


def test_min_max_of_equal_scores_is_one() -> None:
    assert min_max(np.array([3.0, 3.0])).tolist() == [1.0, 1.0]
    assert min_max(np.zeros(0)).size == 0


def test_share_of_no_weight_is_nothing() -> None:
    assert share(np.ones((2, 1), dtype=np.bool_), np.zeros(1), 0.0).tolist() == [0.0, 0.0]
