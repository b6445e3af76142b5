"""What agents propose and people decide: suggestions with a typed fix, and the proof of what the fix would change.

Nothing here holds text of documents or of questions but the drafts of overlays and of golden questions: evidence and
answers are kept as spans of stored texts, so that what is erased there is gone here too.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from kbm.domain.answers import Outcome
from kbm.domain.fixes import RISKS, ROUTES, AddOverlay, Evidence, Fix, OutOfScope, Risk, Route, fix_digest
from kbm.domain.gaps import Cause
from kbm.domain.identity import Digest, digest

EXPIRES_AFTER = timedelta(weeks=4)
"""A suggestion nobody decided about by then lapses; it comes back if it is still true."""

FOLD = 10
"""New suggestions shown per GPT and week; the others wait below the fold."""


class Change(StrEnum):
    """What a fix makes of a question."""

    IMPROVED = "improved"
    UNCHANGED = "unchanged"
    WORSE = "worse"


class Asked(StrEnum):
    """Why a question is replayed."""

    GAP = "gap"  # it is one of those to be answered
    HEALTHY = "healthy"  # it is answered well, and near
    GOLDEN = "golden"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerNote:
    """An answer as spans of the texts it quotes; ``items`` are the documents cited, ``source:item_id``, in order."""

    outcome: Outcome
    confidence: float
    quotes: tuple[Evidence, ...]
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A question without and with the fix; ``question`` is its id in the journal, or a golden question's."""

    question: str
    asked: Asked
    before: AnswerNote
    after: AnswerNote
    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The proof: what the next release would answer without and with the fix.

    ``base`` names the documents, readers and rules that it was made over: the proof holds as long as they do.
    """

    base: Digest
    fix: Digest
    made_at: datetime
    replayed: tuple[Replayed, ...]

    def count(self, asked: Asked, change: Change | None = None) -> int:
        """Count the replayed questions of a kind, or those of them that changed so."""
        return sum(one.asked is asked and change in (None, one.change) for one in self.replayed)

    @property
    def n_answered(self) -> tuple[int, int]:
        """Count the gap's questions that are answered without and with the fix."""
        mine = [one for one in self.replayed if one.asked is Asked.GAP]
        before, after = ([getattr(one, when).outcome is Outcome.ANSWERED for one in mine] for when in _WHEN)
        return sum(before), sum(after)

    @property
    def n_broken(self) -> int:
        """Count the healthy and golden questions that are worse with the fix."""
        return sum(one.asked is not Asked.GAP and one.change is Change.WORSE for one in self.replayed)

    @property
    def n_improved(self) -> int:
        """Count the questions, of any kind, that are better with the fix."""
        return sum(one.change is Change.IMPROVED for one in self.replayed)

    @property
    def gains(self) -> bool:
        """Tell whether more gets better than worse, and nothing that was well gets worse."""
        worse = sum(one.change is Change.WORSE for one in self.replayed)
        return self.n_improved > worse and self.n_broken == 0

    @property
    def digest(self) -> Digest:
        """Name what was seen."""
        seen = [asdict(one) for one in self.replayed]
        return digest("preview", self.base, self.fix, json.dumps(seen, sort_keys=True, default=str))


_WHEN = ("before", "after")


class SuggestionState(StrEnum):
    """Where a suggestion stands."""

    OPEN = "open"
    APPROVED = "approved"  # in the next candidate, or being done
    APPLIED = "applied"  # in the live release, or done
    VERIFIED = "verified"  # what it was for is answered
    REOPENED = "reopened"  # it was, and is no longer
    REJECTED = "rejected"
    SNOOZED = "snoozed"
    EXPIRED = "expired"


UNDECIDED = frozenset({SuggestionState.OPEN, SuggestionState.REOPENED, SuggestionState.SNOOZED})
IN_EFFECT = frozenset({SuggestionState.APPROVED, SuggestionState.APPLIED, SuggestionState.VERIFIED})
IN_RELEASES = IN_EFFECT | {SuggestionState.REOPENED}
"""What the next release has: a fix that no longer does what it was for stays until a person says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a detector returns: a fix and what speaks for it.

    ``why`` is a short code of the detector's, worded for people elsewhere; ``about`` the items or names it speaks of.
    ``questions`` are ids of the log that it would help, ``n_questions`` how many it touches, for the ranking. It is
    about one ``gap`` or none.
    """

    fix: Fix
    why: str
    about: tuple[str, ...] = ()
    cause: Cause | None = None
    gap: str = ""
    questions: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    n_questions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A proposal as it stands before its owner.

    ``proposed_by`` is the agent, or who edited it last. ``applied_in`` is the release it came into effect with.
    """

    id: str
    gpt: str
    proposed_by: str
    proposal: Proposal
    state: SuggestionState
    created_at: datetime
    proposed_at: datetime  # the last time an agent found it true
    expires_at: datetime
    preview: Preview | None = None
    snoozed_until: datetime | None = None
    decided_at: datetime | None = None
    decided_by: str = ""
    applied_in: str = ""

    @property
    def fix(self) -> Fix:
        """Give what it would do."""
        return self.proposal.fix

    @property
    def route(self) -> Route:
        """Say how it comes into effect."""
        return ROUTES[self.fix.kind]

    @property
    def risk(self) -> Risk:
        """Say how much it can change; a proof that something gets worse makes it high."""
        worse = self.preview is not None and self.preview.n_broken > 0
        return Risk.HIGH if worse else RISKS[self.fix.kind]

    @property
    def seal(self) -> Digest:
        """Name exactly what is seen: an approval holds for this and nothing else."""
        return digest("suggestion", fix_digest(self.fix), self.preview.digest if self.preview else "")


def suggestion_id(gpt: str, proposal: Proposal) -> str:
    """Name a suggestion by what it is for and does, so that the same one is found again the next night.

    An overlay is drafted from what is there and its words may change: there is one per gap. What several agents, or
    several gaps, ask for is one suggestion.
    """
    fix = proposal.fix
    does = fix.kind if isinstance(fix, AddOverlay) and proposal.gap else fix_digest(fix)
    subject = proposal.gap if isinstance(fix, AddOverlay | OutOfScope) else ""
    return digest("suggestion-id", gpt, subject, does)[:16]


def below_fold(waiting: Collection[Suggestion], now: datetime) -> set[str]:
    """Give the ids of the new ones of a week beyond the first ten, by rank; what came earlier stays where it was."""
    new = [one for one in ranked(waiting) if now - one.created_at < timedelta(days=7)]
    return {one.id for one in new[FOLD:]}


def ranked(some: Collection[Suggestion]) -> list[Suggestion]:
    """Order by the questions it answers, then those it touches; the older first among equals."""
    return sorted(some, key=lambda one: (-_answers(one), -one.proposal.n_questions, one.created_at, one.id))


def _answers(one: Suggestion) -> int:
    return one.preview.n_improved if one.preview else 0
