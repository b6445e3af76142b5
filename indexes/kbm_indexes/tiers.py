"""Decides which segments to write anew, so that a question stays fast and a night writes little.

A question costs the rows it has to look at, and a fixed sum per segment that weighs as much as some hundred rows.
Both grow with every night: a new segment, and rows that the live release no longer holds. So what live costs is
compared with what an index of just its rows would cost, and segments are joined when it is 15 % more. Those that
give most for the fewest rows go first: the small ones of the last nights often, the large ones rarely.

Rows of older releases go to segments of their own, which live does not map (cold). These are joined when there are
more than four small ones, equal sizes with equal sizes, so that a row is copied a few times in its life only. Rows
of no release are dropped when their segment is written anew, and at the latest when they are 15 % of everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kbm_indexes.segment import MAX_ROWS

SEGMENT_COST = 800
"""What one more segment costs a question, in rows. Measured .2 to .3 ms, where 1,000 rows cost .3 ms."""

TOO_SLOW, FAST_ENOUGH = 1.15, 1.10
"""Costs of a question against an index of just the live rows: from where on something is done, and down to where."""

MANY = 4
"""Small cold segments that may stand beside each other."""

TOO_MUCH_WASTE, LITTLE_WASTE = 0.15, 0.05
"""Rows of no release, as a share of those of some."""


@dataclass(frozen=True, slots=True)
class Load:
    """How many rows a segment has, how many of them are hot, and how many some release holds (hot ones too)."""

    n_rows: int
    n_hot: int
    n_kept: int


def choose(loads: Sequence[Load], *, everything: bool = False) -> set[int]:
    """Give the places of the segments to write anew; one without a kept row is always among them."""
    chosen = {at for at, load in enumerate(loads) if not load.n_kept}
    hot = [at for at, load in enumerate(loads) if load.n_hot]
    cold = [at for at, load in enumerate(loads) if load.n_kept and not load.n_hot]
    if everything:
        whole_hot = _n_segments(sum(loads[at].n_hot for at in hot))
        whole_cold = _n_segments(sum(loads[at].n_kept - loads[at].n_hot for at in (*hot, *cold)))
        pure = all(loads[at].n_rows == loads[at].n_hot for at in hot)
        if not pure or len(hot) > whole_hot:
            chosen.update(hot)
        if not pure or len(cold) > whole_cold or any(loads[at].n_rows > loads[at].n_kept for at in cold):
            chosen.update(cold)
        return chosen
    chosen |= _hot(loads, hot)
    chosen |= _cold(loads, cold)
    return chosen | _wasteful(loads, chosen)


def _hot(loads: Sequence[Load], hot: Sequence[int]) -> set[int]:
    n_hot = sum(loads[at].n_hot for at in hot)
    fresh = n_hot + SEGMENT_COST * _n_segments(n_hot)
    if _cost(loads, hot, set()) <= TOO_SLOW * fresh:
        return set()
    # The fewest rows written for what is won: a small segment, or one with few hot rows.
    order = sorted(
        hot, key=lambda at: (loads[at].n_rows / (SEGMENT_COST + loads[at].n_rows - loads[at].n_hot), at)
    )
    chosen: set[int] = set()
    for at in order:
        chosen.add(at)
        if _cost(loads, hot, chosen) <= FAST_ENOUGH * fresh:
            break
    return chosen


def _cost(loads: Sequence[Load], hot: Sequence[int], anew: set[int]) -> int:
    """Say what a question to the hot rows costs once these segments are written anew."""
    rows = sum(loads[at].n_hot if at in anew else loads[at].n_rows for at in hot)
    segments = len(hot) - len(anew) + _n_segments(sum(loads[at].n_hot for at in anew))
    return rows + SEGMENT_COST * segments


def _cold(loads: Sequence[Load], cold: Sequence[int]) -> set[int]:
    small = sorted((loads[at].n_rows, at) for at in cold if loads[at].n_rows <= MAX_ROWS // 2)
    if len(small) <= MANY:
        return set()
    chosen: set[int] = set()
    total = 0
    for n_rows, at in small:
        if len(chosen) >= 2 and n_rows > 2 * total:
            break
        chosen.add(at)
        total += n_rows
    return chosen


def _wasteful(loads: Sequence[Load], chosen: set[int]) -> set[int]:
    left = {at: load.n_rows - load.n_kept for at, load in enumerate(loads) if at not in chosen}
    kept = sum(load.n_kept for load in loads)
    if sum(left.values()) <= TOO_MUCH_WASTE * kept:
        return set()
    more: set[int] = set()
    for at in sorted(left, key=lambda at: (-left[at] / loads[at].n_rows, at)):
        more.add(at)
        if sum(left.values()) - sum(left[each] for each in more) <= LITTLE_WASTE * kept:
            break
    return more


def _n_segments(n_rows: int) -> int:
    return -(-n_rows // MAX_ROWS)
