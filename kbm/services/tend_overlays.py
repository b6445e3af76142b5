"""Look after what was written here: it goes on its day, and nobody reads in it what they may not read any more.

An overlay stands in for what a source does not say yet, so it has a date. What it says was drawn from documents: when
these are withdrawn it goes with them, and when fewer people may read them, fewer may read it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import date

import structlog

from kbm.domain.documents import narrowed
from kbm.domain.fixes import AddOverlay
from kbm.domain.internal import overlays_of
from kbm.domain.known_gaps import GapState
from kbm.domain.people import Entry
from kbm.domain.suggestions import IN_RELEASES, Suggestion, SuggestionState
from kbm.errors import DecisionConflict, NotFound
from kbm.ports import Clock
from kbm.services.needs import Documents
from kbm.services.overlays import Overlays
from kbm.services.review_needs import Gaps, Suggestions

log = structlog.get_logger()

WHO = "agent:overlays"
"""Who withdraws by itself, in the audit log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tended:
    """What became of a GPT's overlays; ids of their suggestions."""

    gpt: str
    expired: tuple[str, ...] = ()
    unfounded: tuple[str, ...] = ()  # a document it rests on is withdrawn, or nobody may read all of them
    narrowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TendOverlays:
    """The use case with what it needs. It hides and never shows."""

    suggestions: Suggestions
    gaps: Gaps
    overlays: Overlays
    documents: Documents
    clock: Clock

    def run(self, gpt: str) -> Tended:
        """Withdraw what is past its day or without ground, and narrow readers; safe to repeat."""
        today = self.clock.now().astimezone().date()
        known = self.documents.known(overlays_of(gpt))
        expired, unfounded, readers = [], [], dict[str, frozenset[str]]()
        for one, fix in _written(self.suggestions.all(gpt, IN_RELEASES)):
            if fix.expires_on <= today:
                self._withdraw(one, "expired")
                expired.append(one.id)
                continue
            try:
                allowed = self.overlays.readers_of(fix.evidence)
            except DecisionConflict:
                self._withdraw(one, "unfounded")
                unfounded.append(one.id)
                continue
            if one.id not in known:
                continue  # approved a moment ago and not stored yet
            now = narrowed(known[one.id].readers, allowed)
            if not now:
                self._withdraw(one, "unfounded")
                unfounded.append(one.id)
            elif now != known[one.id].readers:
                readers[one.id] = now
        self.documents.set_readers(overlays_of(gpt), readers)
        if expired or unfounded or readers:
            log.info(
                "overlays_tended",
                gpt=gpt,
                expired=len(expired),
                unfounded=len(unfounded),
                narrowed=len(readers),
            )
        return Tended(
            gpt=gpt, expired=tuple(expired), unfounded=tuple(unfounded), narrowed=tuple(sorted(readers))
        )

    def next_expiry(self, gpt: str) -> tuple[date, Suggestion] | None:
        """Give the overlay that goes next, and its day."""
        dated = [(fix.expires_on, one) for one, fix in _written(self.suggestions.all(gpt, IN_RELEASES))]
        return min(dated, key=lambda each: (each[0], each[1].id), default=None)

    def _withdraw(self, one: Suggestion, why: str) -> None:
        # Hidden first: what is cut short after that is hidden already, and its record follows the next night.
        self.overlays.withdraw(one.gpt, [one.id])
        entry = Entry(who=WHO, action="overlay.withdraw", subject=one.id, detail={"why": why})
        try:
            self.suggestions.decide(one, replace(one, state=SuggestionState.EXPIRED), entry)
        except DecisionConflict:
            log.info("overlay_decided_meanwhile", gpt=one.gpt, suggestion=one.id)
            return
        self._reopen(one.proposal.gap)

    def _reopen(self, gap: str) -> None:
        """What an overlay answered is open again."""
        try:
            closed = bool(gap) and self.gaps.get(gap).state is GapState.CLOSED
        except NotFound:  # its questions are forgotten
            return
        if closed:
            self.gaps.set_state(gap, GapState.REOPENED)


def _written(some: Collection[Suggestion]) -> list[tuple[Suggestion, AddOverlay]]:
    return [(one, one.fix) for one in some if isinstance(one.fix, AddOverlay)]


Tend = Callable[[str], Tended]
