"""Tonight's groups and the gaps known before."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from kbm_agents.identity import match_gaps

from kbm.domain.gaps import GapMatch, Group, KnownGap, Lineage

HERE, THERE = (1.0, 0.0), (0.0, 1.0)


def group(id: str, members: str, n_asked: int | None = None, centroid: tuple[float, ...] = ()) -> Group:
    return Group(
        id=id,
        members=tuple(members),
        n_asked=len(members) if n_asked is None else n_asked,
        central=tuple(members[:1]),
        theme="",
        centroid=centroid,
    )


def gap(id: str, members: str, dismissed_at: int | None = None, centroid: tuple[float, ...] = ()) -> KnownGap:
    return KnownGap(
        id=id,
        members=frozenset(members),
        n_asked=len(members),
        centroid=centroid,
        dismissed_at=dismissed_at,
    )


def only(matches: tuple[GapMatch, ...]) -> GapMatch:
    assert len(matches) == 1
    return matches[0]


def test_a_group_that_grew_is_the_same_gap() -> None:
    match = only(match_gaps([group("g", "abcd")], [gap("known", "abc")]))

    assert (match.gap, match.lineage, match.parents) == ("known", Lineage.SAME, ("known",))


def test_other_questions_are_a_new_gap_under_their_own_id() -> None:
    match = only(match_gaps([group("g", "xyz")], [gap("known", "abc")]))

    assert (match.gap, match.lineage, match.parents) == ("g", Lineage.NEW, ())


def test_each_gap_goes_on_in_one_group_and_the_sum_of_common_members_decides() -> None:
    matches = match_gaps([group("g1", "abx"), group("g2", "abc")], [gap("k1", "abc"), gap("k2", "abxy")])

    assert [one.gap for one in matches] == ["k2", "k1"]


def test_the_smaller_part_of_a_split_is_a_child() -> None:
    matches = match_gaps([group("large", "abcdef"), group("small", "ghi")], [gap("known", "abcdefghi")])

    assert [(one.gap, one.lineage) for one in matches] == [("known", Lineage.SAME), ("small", Lineage.CHILD)]
    assert matches[1].parents == ("known",)


def test_a_merge_names_all_gaps_it_came_from() -> None:
    match = only(match_gaps([group("g", "abcdefg")], [gap("k1", "abcd"), gap("k2", "efg")]))

    assert (match.gap, match.parents) == ("k1", ("k1", "k2"))


def test_a_gap_whose_questions_are_forgotten_goes_on_in_the_group_about_the_same() -> None:
    match = only(match_gaps([group("g", "xyz", centroid=HERE)], [gap("known", "abc", centroid=HERE)]))

    assert (match.gap, match.lineage) == ("known", Lineage.SAME)


def test_middles_of_different_embedders_are_not_compared() -> None:
    match = only(match_gaps([group("g", "xyz", centroid=(1.0,))], [gap("known", "abc", centroid=HERE)]))

    assert match.lineage is Lineage.NEW


def test_a_dismissed_gap_stays_dismissed_until_it_doubles() -> None:
    known = [gap("known", "abcd", dismissed_at=4)]

    assert only(match_gaps([group("g", "abcdefg")], known)).dismissed_at == 4
    assert only(match_gaps([group("g", "abcdefgh")], known)).dismissed_at is None


def test_a_child_of_a_dismissed_gap_is_dismissed() -> None:
    matches = match_gaps(
        [group("large", "abcdef"), group("small", "ghi")], [gap("known", "abcdefghi", dismissed_at=9)]
    )

    assert [one.dismissed_at for one in matches] == [9, 9]


def test_a_merge_with_an_open_gap_is_shown() -> None:
    known = [gap("k1", "abcd", dismissed_at=4), gap("k2", "efg")]

    assert only(match_gaps([group("g", "abcdefg")], known)).dismissed_at is None


def test_a_new_gap_never_takes_the_id_of_a_known_one() -> None:
    matches = match_gaps([group("other", "abcdef"), group("known", "ghi")], [gap("known", "abcdefghi")])

    assert len({one.gap for one in matches}) == 2


parts = st.lists(st.sets(st.sampled_from("abcdefghijkl"), min_size=1), max_size=5)


@given(
    groups=parts,
    known=parts,
    dismissed=st.lists(st.booleans(), min_size=5, max_size=5),
    seed=st.integers(0, 99),
)
def test_ids_are_unique_dismissals_never_spring_up_and_order_does_not_matter(
    groups: list[set[str]], known: list[set[str]], dismissed: list[bool], seed: int
) -> None:
    own = [group(f"g{at}", "".join(sorted(members))) for at, members in enumerate(groups)]
    gaps = [
        gap(f"k{at}", "".join(sorted(members)), dismissed_at=len(members) if dismissed[at] else None)
        for at, members in enumerate(known)
    ]
    matches = match_gaps(own, gaps)
    shuffled = random.Random(seed).sample(own, len(own))

    assert len({one.gap for one in matches}) == len(own)
    assert {one.group: one for one in match_gaps(shuffled, gaps[::-1])} == {one.group: one for one in matches}
    if not any(dismissed):
        assert all(one.dismissed_at is None for one in matches)
