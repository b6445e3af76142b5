"""Canaries: a release that some people get before all do, and when it must stop.

A canary is a change set: each night it is built again over the newest content, as rc.2, rc.3 …, so that promoting it
loses nothing. Before it starts, the questions of the last weeks are asked of both releases; while it runs, a reader
violation, errors or three complaints stop it at once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from kbm.domain.answers import Outcome
from kbm.domain.documents import EVERYONE
from kbm.domain.evaluation import NET_LOSS_SHOWN, SIGNIFICANCE, sign_test
from kbm.domain.releases import Version

REPLAY_DAYS = 30
PROBLEMS_STOP = 3
ERROR_SHARE_STOP = 0.02
ERRORS_STOP = 3
"""A share needs some answers before it means anything: fewer errors than this stop nothing."""

_SHARE = re.compile(r"(\d{1,2}(?:\.\d+)?|100)\s*%")
_GROUP = re.compile(r"(group|user):\S+")


class CanaryState(StrEnum):
    """Where a canary stands."""

    RUNNING = "running"
    PROMOTED = "promoted"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Audience:
    """Who gets a canary: a named group of readers, or a share in (0, 1] of everybody."""

    group: str | None = None
    share: float | None = None

    @classmethod
    def parse(cls, text: str) -> Audience:
        """Read ``10%`` or ``group:sales``.

        Raises:
            ValueError: it is neither.
        """
        if _GROUP.fullmatch(text):
            return cls(group=text)
        found = _SHARE.fullmatch(text)
        if found and float(found[1]) > 0:
            return cls(share=float(found[1]) / 100)
        raise ValueError(f"{text!r} is neither a share such as '10%' nor readers such as 'group:sales'")

    def __str__(self) -> str:
        return self.group or f"{100 * (self.share or 0):g}%"

    def includes(self, readers: Collection[str], salt: str, sticky: str) -> bool:
        """Tell whether a caller belongs to it; the same *sticky* text always gives the same answer.

        *sticky* is the caller's label, or the question where there is none.
        """
        if self.group is not None:
            return self.group in readers and self.group != EVERYONE
        place = hashlib.blake2b(f"{salt}\0{sticky}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(place) < (self.share or 0) * 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A canary of a GPT. ``seq`` is the release it answers from; ``target`` the number it gets when promoted."""

    id: int
    gpt: str
    seq: int
    target: Version
    rc: int
    audience: Audience
    salt: str
    state: CanaryState
    started_at: datetime
    who: str
    why: str
    ended_at: datetime | None = None
    ended_why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryFigures:
    """What happened on a canary since it started."""

    n_answers: int = 0
    n_errors: int = 0
    n_violations: int = 0
    n_problems: int = 0


def must_stop(found: CanaryFigures) -> str:
    """Give the reason why a canary stops at once, or nothing."""
    if found.n_violations:
        return "it found a passage that its reader may not see"
    if found.n_problems >= PROBLEMS_STOP:
        return f"{found.n_problems} answers were reported as a problem"
    if found.n_errors >= ERRORS_STOP and found.n_errors > ERROR_SHARE_STOP * found.n_answers:
        return f"{found.n_errors} of {found.n_answers} answers ended in an error"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """The same logged questions on both releases: how many are answered by one alone."""

    n_questions: int = 0
    won: int = 0  # answered by the candidate only
    lost: int = 0  # answered by live only
    changed: int = 0  # answered by both, with other quotes
    examples: tuple[str, ...] = ()  # answer ids of lost ones; questions stay in the journal

    @property
    def against(self) -> str:
        """Say what speaks against starting the canary, or nothing."""
        if sign_test(self.lost, self.won) < SIGNIFICANCE or self.lost - self.won >= NET_LOSS_SHOWN:
            return (
                f"of {self.n_questions} questions of the last {REPLAY_DAYS} days {self.lost} are no longer "
                f"answered and {self.won} are answered now"
            )
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One logged question on both releases: outcomes, and what was quoted (texts, in order)."""

    answer_id: str
    live: Outcome
    candidate: Outcome
    live_quotes: tuple[str, ...]
    candidate_quotes: tuple[str, ...]


def compare(replayed: Sequence[Replayed]) -> ReplayReport:
    """Sum up a replay."""
    lost = [one for one in replayed if one.live.shown and not one.candidate.shown]
    won = [one for one in replayed if one.candidate.shown and not one.live.shown]
    changed = [
        one
        for one in replayed
        if one.live.shown and one.candidate.shown and one.live_quotes != one.candidate_quotes
    ]
    return ReplayReport(
        n_questions=len(replayed),
        won=len(won),
        lost=len(lost),
        changed=len(changed),
        examples=tuple(one.answer_id for one in lost[:10]),
    )
