"""Judge what a fix makes of a question: better, as before, or worse."""

from __future__ import annotations

from collections.abc import Collection

from kbm.domain.answers import Outcome
from kbm.domain.suggestions import AnswerNote, Change

_RANK = {Outcome.UNANSWERED: 0, Outcome.UNCERTAIN: 1, Outcome.ANSWERED: 2}


def of_gap(before: AnswerNote, after: AnswerNote, targets: Collection[str]) -> Change:
    """Judge a question that failed. *targets* are the items that the fix brings to bear.

    An answer that already came did not help: it is better only if it rests on a target now. A fix without targets,
    such as a synonym, may bring up anything: only a sure answer counts.
    """
    was, now = _RANK[before.outcome], _RANK[after.outcome]
    if now < was:
        return Change.WORSE
    if not targets:
        better = now > was and after.outcome is Outcome.ANSWERED
    else:
        rests = after.outcome.shown and any(one in targets for one in after.items)
        better = rests and (now > was or _newly(before, after, targets))
    return Change.IMPROVED if better else Change.UNCHANGED


def of_healthy(before: AnswerNote, after: AnswerNote, replaced: Collection[str]) -> Change:
    """Judge a question that is answered well: what it rested on first must stay, unless it is *replaced*."""
    was, now = _RANK[before.outcome], _RANK[after.outcome]
    if now != was:
        return Change.IMPROVED if now > was else Change.WORSE
    lost = before.items and before.items[0] not in after.items and before.items[0] not in replaced
    return Change.WORSE if lost else Change.UNCHANGED


def of_golden(passed_before: bool, passed_after: bool) -> Change:
    """Judge a golden question by its own expectation."""
    if passed_before == passed_after:
        return Change.UNCHANGED
    return Change.IMPROVED if passed_after else Change.WORSE


def _newly(before: AnswerNote, after: AnswerNote, targets: Collection[str]) -> bool:
    """Tell whether a target is what the answer rests on first, and was not."""
    return bool(after.items) and after.items[0] in targets and before.items[:1] != after.items[:1]
