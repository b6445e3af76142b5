"""Whether a GPT does better or worse than it did: the share of failed questions, and golden questions passed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from math import sqrt
from typing import ClassVar

from kbm.domain.review import Findings, ReviewedQuestion, ReviewWindow
from kbm.ports import Lookup

WEEK = timedelta(days=7)
ENOUGH = 20
"""Questions a week from which on its share of failed ones means something."""

ALARM_Z = 2.0


class DriftDetector:
    """Compares the last week with the weeks before. It proposes nothing: its figures raise an alarm for people."""

    name: ClassVar[str] = "drift"

    def review(self, window: ReviewWindow, lookup: Lookup) -> Findings:
        """Give ``failed_week`` and ``failed_before`` as shares, and 1 for each alarm that rings."""
        asked = [one for one in window.questions if one.asked_at is not None and one.outcome is not None]
        last = [one for one in asked if one.asked_at and window.now - one.asked_at <= WEEK]
        before = [one for one in asked if one.asked_at and window.now - one.asked_at > WEEK]
        figures: dict[str, float] = {}
        if len(last) >= ENOUGH and len(before) >= ENOUGH:
            now, was = _failed(last), _failed(before)
            figures |= {"failed_week": round(now, 4), "failed_before": round(was, 4)}
            figures["alarm_failed"] = float(_more(now, len(last), was, len(before)))
        if window.golden:
            passed = [one.passed for one in window.golden if one.passed is not None]
            if passed:
                figures["golden_passed"] = round(sum(passed) / len(passed), 4)
            if window.trend and passed:
                best = max(share for _, share in window.trend)
                figures["alarm_golden"] = float(best - figures["golden_passed"] > 0.05)
        return Findings(figures=figures)


def _failed(asked: Sequence[ReviewedQuestion]) -> float:
    return sum(one.failed for one in asked) / len(asked)


def _more(now: float, n_now: int, was: float, n_was: int) -> bool:
    """Tell whether a share rose by more than chance (two proportions, one-sided)."""
    pooled = (now * n_now + was * n_was) / (n_now + n_was)
    error = sqrt(pooled * (1 - pooled) * (1 / n_now + 1 / n_was))
    return error > 0 and (now - was) / error > ALARM_Z
