"""Which segments are written anew: as few rows as keep live fast."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from kbm_indexes.tiers import MANY, SEGMENT_COST, TOO_MUCH_WASTE, TOO_SLOW, Load, choose


def hot(n_rows: int, *, cold: int = 0, dead: int = 0) -> Load:
    return Load(n_rows + cold + dead, n_rows, n_rows + cold)


def cold(n_rows: int, *, dead: int = 0) -> Load:
    return Load(n_rows + dead, 0, n_rows)


loads = st.lists(
    st.tuples(st.integers(0, 3000), st.integers(0, 800), st.integers(0, 800)).map(
        lambda n: hot(n[0], cold=n[1], dead=n[2])
    ),
    max_size=12,
)


def test_one_large_segment_with_a_small_one_beside_it_is_left_alone() -> None:
    assert choose([hot(50_000, cold=900), hot(1_000)]) == set()


def test_small_segments_are_joined_before_the_large_one_is_touched() -> None:
    beside = [hot(400) for _ in range(12)]

    assert choose([hot(50_000), *beside]) <= set(range(1, 13))
    assert len(choose([hot(50_000), *beside])) > 1


def test_a_segment_with_too_many_rows_that_are_not_live_is_written_anew() -> None:
    assert choose([hot(8_000, cold=2_000)]) == {0}


def test_a_segment_of_no_release_goes_at_once() -> None:
    assert choose([hot(10_000), Load(5, 0, 0)]) == {1}


def test_cold_segments_of_equal_size_are_joined_once_there_are_too_many() -> None:
    small = [cold(200) for _ in range(MANY)]

    assert choose([hot(10_000), *small]) == set()
    assert choose([hot(10_000), cold(20_000), *small]) == set(range(2, 2 + MANY))


def test_rows_of_no_release_are_dropped_before_they_are_many() -> None:
    assert choose([hot(10_000), cold(4_000, dead=4_000), cold(9_000)]) == {1}


def test_doing_everything_twice_does_nothing_the_second_time() -> None:
    assert choose([hot(10_000), cold(300)], everything=True) == set()
    assert choose([hot(9_000, cold=1), hot(5), cold(300)], everything=True) == {0, 1, 2}


@given(loads)
def test_what_is_left_is_never_slow_nor_wasteful(given_loads: list[Load]) -> None:
    chosen = choose(given_loads)

    left = [load for at, load in enumerate(given_loads) if at not in chosen]
    n_hot = sum(load.n_hot for load in given_loads)
    n_anew = sum(given_loads[at].n_hot for at in chosen)
    mapped = [load for load in left if load.n_hot]
    cost = sum(load.n_rows + SEGMENT_COST for load in mapped) + n_anew + SEGMENT_COST * bool(n_anew)
    assert cost <= TOO_SLOW * (n_hot + SEGMENT_COST * bool(n_hot))
    waste = sum(load.n_rows - load.n_kept for load in left)
    assert waste <= TOO_MUCH_WASTE * sum(load.n_kept for load in given_loads)
