"""From which confidence on a GPT answers: measured per GPT, not guessed.

What may be lost is a rule that a person sets (``lose``, in percent of the questions that have an answer); from which
confidence on that holds differs between knowledge bases, and is measured when a release is built. The numbers are
part of the release and of its digest, but no rule: that they moved makes no release MAJOR.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from kbm.domain.identity import Digest, digest

LOSE = (2, 5, 10)
"""What a person may choose to lose, in percent."""

CURVE = (0, 1, 2, 5, 10, 15, 20, 30, 50)
"""Losses, in percent, at which the curve is told."""

LEAST_QUESTIONS = 60
"""Own questions that it takes to set a threshold; with fewer the shipped one stays."""

LEAST_GOLDEN = 30
"""Golden questions with an answer from which on they count, all together as much as the own ones."""

LEAST_VERDICTS = 50
"""Verdicts of people from which on they move where an answer stops being shown as uncertain."""

HELPFUL = 0.9
"""Share of helpful verdicts that answers without a warning must have."""

MOST_UNCERTAIN = 15
"""At most so many percent of the questions that have an answer are shown as uncertain."""

LOWEST, HIGHEST = 0.15, 0.75
"""A threshold outside of this says that the own questions are unlike people's, so it is not believed."""

_DECIMALS = 3


@dataclass(frozen=True, slots=True)
class Scored:
    """The confidence of a question whose answer is there, or is not; *weight* is what it counts."""

    confidence: float
    answerable: bool
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """What a threshold does; shares in [0, 1].

    ``precision`` is the share of the answered that have an answer, were as many asked without one as with one.
    """

    lost: float
    threshold: float
    caught: float
    precision: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Below ``threshold`` is no answer; from there to ``uncertain_below`` it is shown with a warning."""

    threshold: float
    uncertain_below: float
    points: tuple[CurvePoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was measured for a release, for searches with vectors and by words alone.

    ``n_own``, ``n_golden`` and ``n_verdicts`` say by how many questions; 0 of the latter two means too few to count.
    """

    lose: int
    n_own: int
    n_golden: int = 0
    n_verdicts: int = 0
    dense: Curve | None = None
    words: Curve | None = None

    @property
    def digest(self) -> Digest:
        """Name the numbers."""
        return digest("calibration", json.dumps(asdict(self), sort_keys=True))

    def losing(self, lose: int) -> Calibration:
        """Give what would hold if *lose* percent might be lost, as far as the measured points tell."""
        return replace(self, lose=lose, dense=_at(self.dense, lose), words=_at(self.words, lose))

    def curve(self, *, dense: bool) -> Curve | None:
        """Give the curve of a way to search."""
        return self.dense if dense else self.words


def curve_of(
    scored: Sequence[Scored], *, lose: int, verdicts: Sequence[tuple[float, bool]] = ()
) -> Curve | None:
    """Measure the threshold at which *lose* percent of the answerable are lost; None with too few of either kind.

    *verdicts* are (confidence, helpful) of answers that people judged. They can only move where the warning ends:
    nobody judges what was not shown.
    """
    yes = [one for one in scored if one.answerable]
    no = [one for one in scored if not one.answerable]
    if min(len(yes), len(no)) < LEAST_QUESTIONS:
        return None
    threshold = min(max(_losing(yes, lose), LOWEST), HIGHEST)
    band = min(_losing(no, 95), _losing(yes, lose + MOST_UNCERTAIN))
    band = max(threshold, band, _helpful_from(verdicts))
    return Curve(
        threshold=round(threshold, _DECIMALS),
        uncertain_below=round(max(threshold, min(band, _losing(yes, lose + MOST_UNCERTAIN))), _DECIMALS),
        points=tuple(_point(_losing(yes, percent), yes, no) for percent in CURVE),
    )


def _at(curve: Curve | None, lose: int) -> Curve | None:
    """Move a curve's threshold to the highest measured one that loses no more."""
    if curve is None:
        return None
    within = [one.threshold for one in curve.points if one.lost <= lose / 100 + 1e-9]
    threshold = min(max(max(within, default=LOWEST), LOWEST), HIGHEST)
    return replace(curve, threshold=threshold, uncertain_below=max(threshold, curve.uncertain_below))


def from_json(stored: dict[str, Any]) -> Calibration:
    """Read what ``asdict`` gave; Any is JSON.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    if set(stored) != {field.name for field in fields(Calibration)}:
        raise ValueError("calibration: it has other fields")
    return Calibration(
        lose=int(stored["lose"]),
        n_own=int(stored["n_own"]),
        n_golden=int(stored["n_golden"]),
        n_verdicts=int(stored["n_verdicts"]),
        dense=_curve(stored["dense"]) if stored["dense"] else None,
        words=_curve(stored["words"]) if stored["words"] else None,
    )


def _curve(stored: dict[str, Any]) -> Curve:
    points = tuple(
        CurvePoint(**{name: float(value) for name, value in one.items()}) for one in stored["points"]
    )
    found = Curve(
        threshold=float(stored["threshold"]), uncertain_below=float(stored["uncertain_below"]), points=points
    )
    if not 0 <= found.threshold <= found.uncertain_below <= 1:
        raise ValueError("calibration: 0 <= threshold <= uncertain_below <= 1 does not hold")
    return found


def _losing(scored: Iterable[Scored], percent: float) -> float:
    """Give the highest threshold below which at most *percent* of the weight lies."""
    ordered = sorted(scored, key=lambda one: one.confidence)
    may_go = sum(one.weight for one in ordered) * percent / 100
    gone = 0.0
    for one in ordered:
        gone += one.weight
        if gone > may_go + 1e-9:
            return one.confidence
    return ordered[-1].confidence


def _below(scored: Iterable[Scored], threshold: float) -> float:
    """Give the weight of those that get no answer."""
    return sum(one.weight for one in scored if one.confidence < threshold)


def _point(threshold: float, yes: Sequence[Scored], no: Sequence[Scored]) -> CurvePoint:
    lost = _below(yes, threshold) / sum(one.weight for one in yes)
    caught = _below(no, threshold) / sum(one.weight for one in no)
    answered = (1 - lost) + (1 - caught)
    return CurvePoint(
        lost=round(lost, _DECIMALS),
        threshold=round(threshold, _DECIMALS),
        caught=round(caught, _DECIMALS),
        precision=round((1 - lost) / answered, _DECIMALS) if answered else 1.0,
    )


def _helpful_from(verdicts: Sequence[tuple[float, bool]]) -> float:
    """Give the lowest confidence from which on people found enough of the answers helpful; 0 if it cannot be told."""
    if len(verdicts) < LEAST_VERDICTS:
        return 0.0
    n_helpful = 0
    lowest = 1.0
    for n, (confidence, helpful) in enumerate(sorted(verdicts, reverse=True), start=1):
        n_helpful += helpful
        if n_helpful >= HELPFUL * n:
            lowest = confidence
    return lowest
