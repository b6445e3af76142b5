"""Failed questions into groups: what is put together, and that nothing depends on order."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kbm_agents.clustering import Limits, group_questions, least_size
from kbm_agents.linkage import average_linkage, near_duplicates
from kbm_agents.words import word_vectors
from scipy.cluster.hierarchy import linkage

from kbm.domain.gaps import FailedQuestion, Grouping
from kbm.testing.fakes import FakeEmbedder

PARKING = ["parking permit for visitors", "visitors parking permit", "where do visitors get a parking permit"]
LEASING = ["leasing rate for the press", "what is the leasing rate", "leasing rate per month for a press"]
SINGLE = ["canteen menu today", "who audits the annual report"]


def asked(texts: list[str], **n_asked: int) -> list[FailedQuestion]:
    return [FailedQuestion(id=text, text=text, n_asked=n_asked.get(text.split()[0], 1)) for text in texts]


def grouped(questions: list[FailedQuestion], *, embedded: bool = True) -> Grouping:
    vectors = FakeEmbedder().embed([one.text for one in questions], "question") if embedded else None
    return group_questions(questions, vectors)


def members(grouping: Grouping) -> set[frozenset[str]]:
    return {frozenset(group.members) for group in grouping.groups}


@pytest.mark.parametrize("embedded", [True, False])
def test_questions_about_one_thing_form_a_group_and_single_ones_stay_apart(embedded: bool) -> None:
    found = grouped(asked(PARKING + LEASING + SINGLE), embedded=embedded)

    assert members(found) == {frozenset(PARKING), frozenset(LEASING)}
    assert set(found.rare) == set(SINGLE)


def test_a_question_asked_three_times_is_a_gap_of_its_own() -> None:
    found = grouped(asked(SINGLE, canteen=3))

    assert [(group.members, group.n_asked) for group in found.groups] == [((SINGLE[0],), 3)]


def test_the_same_words_with_other_signs_and_capitals_are_repeats() -> None:
    found = grouped(asked(["Canteen menu today?", "canteen  menu today", "CANTEEN MENU TODAY!", SINGLE[1]]))

    assert len(found.groups) == 1
    assert found.groups[0].n_asked == 3


def test_central_questions_stand_nearest_first_and_are_members() -> None:
    found = grouped(asked(PARKING))

    assert set(found.groups[0].central) == set(PARKING)


def test_groups_of_one_theme_point_at_it() -> None:
    found = grouped(asked(PARKING + LEASING))

    of_theme = {theme.id: set(theme.groups) for theme in found.themes}
    assert all(group.id in of_theme[group.theme] for group in found.groups)
    assert sum(theme.n_asked for theme in found.themes) == 6


def test_without_questions_there_is_nothing() -> None:
    found = group_questions([], None)

    assert (found.groups, found.themes, found.rare) == ((), (), ())


def test_what_does_not_fit_into_the_tree_joins_its_group() -> None:
    questions = asked([*PARKING, *LEASING, *SINGLE], parking=4, leasing=4)
    vectors = FakeEmbedder().embed([one.text for one in questions], "question")
    found = group_questions(questions, vectors, limits=Limits(collapse_from=2, in_tree=4))

    assert len(found.groups) == 2
    assert sorted([id for group in found.groups for id in group.members] + list(found.rare)) == sorted(
        one.id for one in questions
    )


def test_a_longer_log_needs_more_questions_for_a_gap() -> None:
    assert [least_size(n) for n in (10, 1_999, 2_000, 10_000, 50_000)] == [3, 3, 5, 8, 12]


@pytest.mark.parametrize("embedded", [True, False])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), texts=st.lists(st.text("abcä ?", max_size=12), max_size=25))
def test_every_question_is_somewhere_once_and_order_does_not_matter(
    embedded: bool, seed: int, texts: list[str]
) -> None:
    questions = [FailedQuestion(id=str(at), text=text) for at, text in enumerate(texts + PARKING)]
    shuffled = random.Random(seed).sample(questions, len(questions))
    found = grouped(questions, embedded=embedded)

    assert grouped(shuffled, embedded=embedded) == found
    placed = [id for group in found.groups for id in group.members] + list(found.rare)
    assert sorted(placed) == sorted(one.id for one in questions)


def test_the_tree_is_that_of_average_linkage() -> None:
    vectors = np.random.default_rng(1).normal(size=(60, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    tree = average_linkage(vectors, np.ones(60, dtype=np.float32), least=-1.0)
    oracle = 1 - linkage(vectors.astype(np.float64), "average", metric="cosine")[:, 2]

    assert np.allclose(sorted(tree.joined), sorted(oracle), atol=1e-5)


def test_a_point_of_weight_three_counts_as_three() -> None:
    vectors = np.random.default_rng(2).normal(size=(20, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    weights = np.ones(20, dtype=np.float32)
    weights[0] = 3
    repeated = np.vstack([vectors, vectors[:1], vectors[:1]])
    weighted = average_linkage(vectors, weights, least=-1.0)
    plain = average_linkage(repeated, np.ones(22, dtype=np.float32), least=-1.0)

    assert np.allclose(sorted(weighted.joined), sorted(plain.joined)[:19], atol=1e-5)


def test_what_is_too_far_apart_is_never_joined() -> None:
    vectors = np.eye(3, dtype=np.float32)

    assert average_linkage(vectors, np.ones(3, dtype=np.float32), least=0.1).roots() == [0, 1, 2]


def test_near_duplicates_follow_the_first_of_them() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.99, 0.141]], dtype=np.float32)

    assert near_duplicates(vectors, least=0.9).tolist() == [0, 1, 0]


def test_words_in_another_order_are_near_and_other_words_are_not() -> None:
    vectors = word_vectors(["leasing rate press", "press leasing rate", "canteen menu"])

    assert vectors[0] @ vectors[1] > 0.99
    assert abs(float(vectors[0] @ vectors[2])) < 0.15
