"""Golden questions, and whether a candidate may take the place of live.

The comparison is paired: the same questions on both releases. Hard rules first (critical, must-not and
reader-negative questions, citations that lead nowhere), then an exact one-sided sign test over the questions whose
outcome changed, then the falls of hit@5 and of citation coverage with their bootstrap intervals. Small sets cannot
prove much: four lost and none won is never significant, and a fall whose interval holds 0 may be chance; so any net
loss of two goes to a person as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import comb, sqrt
from statistics import NormalDist

from kbm.domain.documents import EVERYONE
from kbm.domain.identity import Digest

SIGNIFICANCE = 0.05
NET_LOSS_SHOWN = 2
CONFIDENCE = 0.95
"""Of every interval that is shown."""

GAP_ORIGIN = "gap:"
"""Begins the origin of golden questions that hold a gap closed; the gap's id follows."""

Bootstrap = Callable[[Sequence[int]], tuple[float, float]]
"""Gives the interval of the mean of paired differences, each -1, 0 or 1."""


class GoldenState(StrEnum):
    """Whether a golden question counts."""

    CONFIRMED = "confirmed"
    TO_REVIEW = "to_review"  # what it expects was removed or changed: it does not count in a gate


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenQuestion:
    """A permanent test of a GPT.

    ``expected`` names items as ``source:item_id``; one of them among the first five hits is a hit. With
    ``answerable`` false the question must stay unanswered by those items: when it names some, it is a reader-negative
    one, and they must not appear to these ``readers``.
    """

    id: str
    question: str
    language: str = ""
    expected: tuple[str, ...] = ()
    must_contain: tuple[str, ...] = ()
    must_not_contain: tuple[str, ...] = ()
    critical: bool = False
    readers: tuple[str, ...] = (EVERYONE,)
    answerable: bool = True
    origin: str = ""
    state: GoldenState = GoldenState.CONFIRMED


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenResult:
    """What a release made of a golden question."""

    id: str
    hit_at_5: bool
    facts: bool  # every must_contain is in the answer
    forbidden: bool  # something that must not be shown was shown
    cited: bool  # every sentence of the answer carries a citation
    passed: bool
    answered: bool = True
    dead: tuple[str, ...] = ()  # citations that lead nowhere, each in words

    @property
    def covered(self) -> bool:
        """Tell whether it was answered with a citation behind every sentence."""
        return self.answered and self.cited


class GateVerdict(StrEnum):
    """What a gate says."""

    PASS = "pass"  # noqa: S105 - no password: the gate is passed
    HOLD = "hold"
    FAIL = "fail"
    UNPROVED = "unproved"  # no golden questions: self-retrieval alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How far a share of the candidate is from live's, with its 95 % interval; each lies in [-1, 1]."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.3f}, 95 % interval {self.low:+.3f} to {self.high:+.3f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """A verdict with its reasons and the figures behind it; shares lie in [0, 1].

    ``citation_coverage`` is the share of the answerable questions that are answered with a citation behind every
    sentence. ``live`` is the release it was compared with, and ``basis`` names all that the verdict rests on: it
    stands as long as that is the same.
    """

    verdict: GateVerdict
    reasons: tuple[str, ...] = ()
    n_questions: int = 0
    n_to_review: int = 0
    hit_at_5: float = 0.0
    live_hit_at_5: float | None = None
    hit_at_5_change: Difference | None = None
    passed: float = 0.0
    passed_interval: tuple[float, float] = (0.0, 1.0)
    citation_coverage: float = 0.0
    live_citation_coverage: float | None = None
    citation_coverage_change: Difference | None = None
    dead_citations: tuple[str, ...] = ()
    won: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    live: str | None = None
    basis: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A sponsor's decision to publish against the verdict of the gate.

    ``who`` is the account that ran the command, ``sponsor`` in whose name.
    """

    who: str
    sponsor: str
    at: datetime
    reason: str
    verdict: GateVerdict


def judge(
    question: GoldenQuestion,
    items: Sequence[str],
    answer: str,
    *,
    answered: bool,
    cited: bool,
    dead: Sequence[str] = (),
) -> GoldenResult:
    """Compare the first hits (``source:item_id``, best first) and the answer's text with what is expected."""
    hit = any(one in question.expected for one in items[:5])
    facts = all(fact in answer for fact in question.must_contain)
    forbidden = any(text in answer for text in question.must_not_contain)
    if not question.answerable:
        forbidden = forbidden or any(one in question.expected for one in items)
        passed = not forbidden
    else:
        passed = answered and hit and facts and not forbidden
    return GoldenResult(
        id=question.id,
        hit_at_5=hit,
        facts=facts,
        forbidden=forbidden,
        cited=cited or not answered,
        passed=passed,
        answered=answered,
        dead=tuple(dead),
    )


def sign_test(n_lost: int, n_won: int) -> float:
    """Give the probability of at least *n_lost* losses among the changed ones if both releases were equal."""
    n = n_lost + n_won
    return sum(comb(n, k) for k in range(n_lost, n + 1)) / 2**n if n else 1.0


def wilson(n_passed: int, n: int) -> tuple[float, float]:
    """Give Wilson's 95 % interval of a share; without any trial it is all of [0, 1]."""
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    share, wide = n_passed / n, z * z / n
    middle = share + wide / 2
    half = z * sqrt((share * (1 - share) + wide / 4) / n)
    return max(0.0, (middle - half) / (1 + wide)), min(1.0, (middle + half) / (1 + wide))


def decide(
    questions: Sequence[GoldenQuestion],
    candidate: Mapping[str, GoldenResult],
    live: Mapping[str, GoldenResult] | None,
    *,
    max_drop: float,
    bootstrap: Bootstrap,
) -> GateReport:
    """Say whether a candidate may go live; questions to review do not count."""
    counted = [one for one in questions if one.state is GoldenState.CONFIRMED]
    n_to_review = len(questions) - len(counted)
    if not counted:
        return GateReport(verdict=GateVerdict.UNPROVED, n_to_review=n_to_review)
    results = [candidate[one.id] for one in counted]
    asked = [candidate[one.id] for one in counted if one.answerable]
    dead = tuple(f"{one.id}: {why}" for one in results for why in one.dead)
    failed = (
        *(f"{one.id} shows what it must not" for one in results if one.forbidden),
        *(
            f"critical question {one.id} is not answered as expected"
            for one in counted
            if one.critical and not candidate[one.id].passed
        ),
        *(f"dead citation in {line}" for line in dead),
    )
    hits, covered = [one.hit_at_5 for one in asked], [one.covered for one in asked]
    held: list[str] = []
    hit_change = coverage_change = live_hit = live_coverage = None
    won: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    if live is not None:
        won = tuple(one.id for one in results if one.passed and not live[one.id].passed)
        lost = tuple(one.id for one in results if live[one.id].passed and not one.passed)
        held += _lost_too_many(len(lost), len(won))
        held += _reopened(counted, lost)
        was_hit = [live[one.id].hit_at_5 for one in asked]
        was_covered = [live[one.id].covered for one in asked]
        live_hit, live_coverage = _share(was_hit), _share(was_covered)
        hit_change = _difference(hits, was_hit, bootstrap)
        coverage_change = _difference(covered, was_covered, bootstrap)
        held += _fell("hit@5", hit_change, live_hit, len(asked), max_drop)
        held += _fell("citation coverage", coverage_change, live_coverage, len(asked), max_drop)
    if not all(one.cited for one in results):
        held.append("an answer has a sentence without a citation")
    n_passed = sum(one.passed for one in results)
    return GateReport(
        verdict=GateVerdict.FAIL if failed else GateVerdict.HOLD if held else GateVerdict.PASS,
        reasons=(*failed, *held),
        n_questions=len(counted),
        n_to_review=n_to_review,
        hit_at_5=_share(hits),
        live_hit_at_5=live_hit,
        hit_at_5_change=hit_change,
        passed=n_passed / len(results),
        passed_interval=wilson(n_passed, len(results)),
        citation_coverage=_share(covered),
        live_citation_coverage=live_coverage,
        citation_coverage_change=coverage_change,
        dead_citations=dead,
        won=won,
        lost=lost,
    )


def _reopened(questions: Sequence[GoldenQuestion], lost: Sequence[str]) -> list[str]:
    """Name the gaps that were closed and would be open again: one lost question of theirs is enough."""
    gaps = {one.origin for one in questions if one.id in lost and one.origin.startswith(GAP_ORIGIN)}
    return [f"it would reopen {origin.replace(GAP_ORIGIN, 'gap ')}" for origin in sorted(gaps)]


def _lost_too_many(n_lost: int, n_won: int) -> list[str]:
    if sign_test(n_lost, n_won) < SIGNIFICANCE:
        return [f"{n_lost} golden questions lost, {n_won} won: more than chance"]
    return [f"{n_lost} golden questions lost, {n_won} won"] if n_lost - n_won >= NET_LOSS_SHOWN else []


def _fell(name: str, change: Difference | None, was: float, n: int, max_drop: float) -> list[str]:
    """Say that a share fell further than it may; one question of a few is left to chance, two are shown."""
    # Shares come from means, so leave room for rounding.
    if change is None or -change.value <= max_drop + 1e-9:
        return []
    told = f"{name} fell from {was:.3f} to {was + change.value:.3f} ({change})"
    if change.high < 0:
        return [told]
    return (
        [f"{told}: too few questions to tell it from chance"] if -change.value * n >= NET_LOSS_SHOWN else []
    )


def _difference(now: Sequence[bool], was: Sequence[bool], bootstrap: Bootstrap) -> Difference | None:
    if not now:
        return None
    paired = [int(one) - int(other) for one, other in zip(now, was, strict=True)]
    low, high = bootstrap(paired)
    return Difference(value=sum(paired) / len(paired), low=low, high=high)


def _share(found: Sequence[bool]) -> float:
    return sum(found) / len(found) if found else 1.0
