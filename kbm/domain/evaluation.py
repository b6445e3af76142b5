"""Golden questions, and whether a candidate may take the place of live.

The comparison is paired: the same questions on both releases. Hard rules first (critical, must-not and
reader-negative questions), then an exact one-sided sign test over the questions whose outcome changed, then the fall
of hit@5. Small sets cannot prove much: four lost and none won is never significant, so any net loss of two goes to a
person as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import comb

from kbm.domain.documents import EVERYONE

SIGNIFICANCE = 0.05
NET_LOSS_SHOWN = 2


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
    cited: bool  # answered, and every sentence carries a citation
    passed: bool


class GateVerdict(StrEnum):
    """What a gate says."""

    PASS = "pass"  # noqa: S105 - no password: the gate is passed
    HOLD = "hold"
    FAIL = "fail"
    UNPROVED = "unproved"  # no golden questions: self-retrieval alone


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """A verdict with its reasons and the figures behind it; shares lie in [0, 1]."""

    verdict: GateVerdict
    reasons: tuple[str, ...] = ()
    n_questions: int = 0
    hit_at_5: float = 0.0
    live_hit_at_5: float | None = None
    passed: float = 0.0
    citation_coverage: float = 0.0
    won: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def judge(
    question: GoldenQuestion, items: Sequence[str], answer: str, *, answered: bool, cited: bool
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
    )


def sign_test(n_lost: int, n_won: int) -> float:
    """Give the probability of at least *n_lost* losses among the changed ones if both releases were equal."""
    n = n_lost + n_won
    return sum(comb(n, k) for k in range(n_lost, n + 1)) / 2**n if n else 1.0


def decide(
    questions: Sequence[GoldenQuestion],
    candidate: Mapping[str, GoldenResult],
    live: Mapping[str, GoldenResult] | None,
    *,
    max_drop: float,
) -> GateReport:
    """Say whether a candidate may go live; questions to review do not count."""
    counted = [one for one in questions if one.state is GoldenState.CONFIRMED]
    if not counted:
        return GateReport(verdict=GateVerdict.UNPROVED)
    answerable = [one for one in counted if one.answerable]
    results = [candidate[one.id] for one in counted]
    failed = [f"{one.id} shows what it must not" for one in counted if candidate[one.id].forbidden] + [
        f"critical question {one.id} is not answered as expected"
        for one in counted
        if one.critical and not candidate[one.id].passed
    ]
    hit = _share([candidate[one.id].hit_at_5 for one in answerable])
    held: list[str] = []
    won: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    live_hit = None
    if live is not None:
        won = tuple(one.id for one in counted if candidate[one.id].passed and not live[one.id].passed)
        lost = tuple(one.id for one in counted if live[one.id].passed and not candidate[one.id].passed)
        live_hit = _share([live[one.id].hit_at_5 for one in answerable])
        if sign_test(len(lost), len(won)) < SIGNIFICANCE:
            held.append(f"{len(lost)} golden questions lost, {len(won)} won: more than chance")
        elif len(lost) - len(won) >= NET_LOSS_SHOWN:
            held.append(f"{len(lost)} golden questions lost, {len(won)} won")
        # The two shares come from means, so leave room for rounding.
        if live_hit - hit > max_drop + 1e-9:
            held.append(f"hit@5 fell from {live_hit:.3f} to {hit:.3f}")
    if not all(one.cited for one in results):
        held.append("an answer has a sentence without a citation")
    verdict = GateVerdict.FAIL if failed else GateVerdict.HOLD if held else GateVerdict.PASS
    return GateReport(
        verdict=verdict,
        reasons=(*failed, *held),
        n_questions=len(counted),
        hit_at_5=hit,
        live_hit_at_5=live_hit,
        passed=_share([one.passed for one in results]),
        citation_coverage=_share([one.cited for one in results]),
        won=won,
        lost=lost,
    )


def _share(found: Sequence[bool]) -> float:
    return sum(found) / len(found) if found else 1.0
