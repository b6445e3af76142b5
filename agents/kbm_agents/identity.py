"""Tonight's groups and the gaps known before: which is which.

Clustering starts afresh every night, so a group is matched to what was there: first by common members, one to one and
best over all; then what is left by lineage, where a group came out of a gap (one holds half of the other) or is about
the same (their middles are near). Measured over nights, members alone show twice as many known gaps again as new.

A dismissed gap stays dismissed under whatever it became, until its count has doubled since. A group that took in an
open gap beside a dismissed one is shown: hiding a real gap is worse than showing one twice.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from kbm.domain.gaps import GapMatch, Group, KnownGap, Lineage
from kbm.domain.identity import digest

LEAST_COMMON = 0.3
"""Members in common, as a share of all members of both."""
HALF = 0.5
NEAR = 0.7
"""Cosine of two middles from which on they are about the same."""
_ROUND = 1e-9


def match_gaps(groups: Sequence[Group], known: Sequence[KnownGap]) -> tuple[GapMatch, ...]:
    """Say what gap each of *groups* is, in their order. No two get the same gap; a gap may get none."""
    groups_in_order = sorted(groups, key=lambda one: one.id)
    gaps = sorted(known, key=lambda one: one.id)
    members = [frozenset(group.members) for group in groups_in_order]
    common = np.array([[len(own & gap.members) for gap in gaps] for own in members], dtype=np.float64)
    common = common.reshape(len(members), len(gaps))
    own_of = _by_members(common, members, gaps)
    lineage = _lineage(common, groups_in_order, members, gaps)
    own_of |= _by_lineage(lineage, own_of)
    taken = {gap.id for gap in gaps}
    found: dict[str, GapMatch] = {}
    for at, group in enumerate(groups_in_order):
        own = own_of.get(at)
        held = {to for to, gap in enumerate(gaps) if common[at, to] >= HALF * len(gap.members) > 0}
        of_others = {int(to) for to in np.flatnonzero(lineage[at])} if own is None else held | {own}
        parents = [gaps[to] for to in sorted(of_others)]
        kind = Lineage.SAME if own is not None else Lineage.CHILD if parents else Lineage.NEW
        id = gaps[own].id if own is not None else _free(group.id, taken)
        taken.add(id)
        found[group.id] = GapMatch(
            group=group.id,
            gap=id,
            lineage=kind,
            parents=tuple(gap.id for gap in parents),
            dismissed_at=_dismissed(group.n_asked, parents),
        )
    return tuple(found[group.id] for group in groups)


def _dismissed(n_asked: int, parents: Collection[KnownGap]) -> int | None:
    """Give the count at which the dismissal that still holds was made."""
    counts = [gap.dismissed_at for gap in parents]
    if not counts or any(count is None for count in counts):
        return None
    at = sum(count for count in counts if count is not None)
    return at if n_asked < 2 * at else None


def _by_members(
    common: np.ndarray, members: Sequence[frozenset[str]], gaps: Sequence[KnownGap]
) -> dict[int, int]:
    """Assign groups to gaps so that the sum of their shares of common members is largest."""
    if not common.size:
        return {}
    of_groups = np.array([len(own) for own in members])[:, None]
    of_gaps = np.array([len(gap.members) for gap in gaps])[None, :]
    share = common / np.maximum(of_groups + of_gaps - common, 1)
    # Pairs below the limit must not push a pair above it aside.
    rows, columns = linear_sum_assignment(-np.where(share >= LEAST_COMMON, share, 0.0))
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {row: column for row, column in pairs if share[row, column] >= LEAST_COMMON}


def _lineage(
    common: np.ndarray, groups: Sequence[Group], members: Sequence[frozenset[str]], gaps: Sequence[KnownGap]
) -> np.ndarray:
    """Give how close each group is to each gap by descent, 0 where it does not come from it."""
    close = np.zeros(common.shape)
    for at, (group, own) in enumerate(zip(groups, members, strict=True)):
        for to, gap in enumerate(gaps):
            smaller = min(len(own), len(gap.members))
            half = smaller > 0 and common[at, to] >= HALF * smaller
            cosine = _cosine(group.centroid, gap.centroid)
            if half or cosine >= NEAR - _ROUND:
                close[at, to] = (1 + common[at, to] / smaller) if half else cosine
    return close


def _by_lineage(close: np.ndarray, own_of: dict[int, int]) -> dict[int, int]:
    """Let gaps that nothing continues go on in the closest group that continues none."""
    groups, gaps = set(own_of), set(own_of.values())
    found: dict[int, int] = {}
    pairs = sorted(
        ((float(close[at, to]), int(at), int(to)) for at, to in np.argwhere(close > 0)),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    for _, at, to in pairs:
        if at not in groups and to not in gaps:
            groups.add(at)
            gaps.add(to)
            found[at] = to
    return found


def _cosine(first: Sequence[float], second: Sequence[float]) -> float:
    # Vectors of different embedders have different lengths, or none; they are not compared.
    if not first or len(first) != len(second):
        return 0.0
    return float(np.dot(first, second))


def _free(id: str, taken: Collection[str]) -> str:
    """Give an id of its own: a part of a gap may have just the members that once named the whole."""
    while id in taken:
        id = digest("group", id)[:32]
    return id
