"""Mend by itself what the owner allowed: look at what agents proposed tonight, and carry out what is on the list.

Only what an agent proposed and nobody decided about is tried, each thing at most once in its pause. What fails is
told and tried again later, ever more rarely; it stops nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

import structlog

from kbm.domain.fixes import RefreshSource
from kbm.domain.healing import (
    HEALER,
    Healed,
    SafeFix,
    Try,
    healable,
    is_due,
    narrowed_to,
    next_try,
    subjects_of,
)
from kbm.domain.identity import Digest
from kbm.domain.people import Entry
from kbm.domain.suggestions import Suggestion, SuggestionState
from kbm.errors import DecisionConflict, KbmError, LeaseLost
from kbm.ports import Clock, Progress
from kbm.services.carry_out import CarryOut
from kbm.services.review_needs import Suggestions

log = structlog.get_logger()

RESTS = timedelta(days=7)
"""How long a task that a person approved is not proposed again, once it was done."""

_CUT_SHORT, _FAILED = "cut short", "failed"
_PROPOSED_BY_AGENT = "agent:"


class Healing(Protocol):
    """See :class:`kbm.store.healing.Healing`."""

    def last(self, subjects: Collection[Digest]) -> dict[Digest, Try]: ...
    def begin(self, tries: list[Try], entry: Entry) -> None: ...
    def end(self, tries: list[Try]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Heal:
    """The use case with what it needs. ``allowed`` gives the kinds of fixes that a GPT's owner allowed."""

    suggestions: Suggestions
    healing: Healing
    carry_out: CarryOut
    allowed: Callable[[str], Collection[str]]
    clock: Clock

    def run(self, gpt: str, progress: Progress) -> list[Healed]:
        """Try what is proposed, allowed and due; gives what was tried.

        Raises:
            LeaseLost: another process took the work over.
        """
        allowed = self.allowed(gpt)
        done = []
        for one in self.suggestions.all(gpt, [SuggestionState.OPEN]) if allowed else ():
            fix = healable(one.fix, allowed)
            if fix is None or not one.proposed_by.startswith(_PROPOSED_BY_AGENT):
                continue
            tried = self._try(one, fix, progress)
            if tried is not None:
                done.append(tried)
        return done

    def rests(self, one: Suggestion) -> bool:
        """Tell whether a task that was done is not to be proposed again yet."""
        now = self.clock.now()
        fix = healable(one.fix, self.allowed(one.gpt))
        if one.decided_by == HEALER and fix is not None:
            last = self.healing.last(subjects_of(one.gpt, fix))
            return not any(is_due(last.get(subject), now) for subject in subjects_of(one.gpt, fix))
        return one.decided_at is not None and now - one.decided_at < RESTS

    def _try(self, one: Suggestion, fix: SafeFix, progress: Progress) -> Healed | None:
        now = self.clock.now()
        subjects = subjects_of(one.gpt, fix)
        last = self.healing.last(subjects)
        due = [subject for subject in subjects if is_due(last.get(subject), now)]
        if not due:
            if all(last[id].at >= one.proposed_at and not last[id].problem for id in subjects):
                self._applied(one)  # for another GPT, a moment ago
            return None
        entry = Entry(
            who=HEALER,
            action="suggestion.heal",
            subject=one.id,
            detail={"kind": str(fix.kind), "n": len(due)},
        )
        self.healing.begin([next_try(last.get(id), id, now, _CUT_SHORT) for id in due], entry)
        problem = self._carry_out(one, narrowed_to(fix, {subjects[id] for id in due}), progress)
        # What is kept says that it failed and not why: a reason may name a document.
        kept = _FAILED if problem else ""
        self.healing.end([next_try(last.get(id), id, now, kept) for id in due])
        log.info("healing_tried", gpt=one.gpt, kind=fix.kind, worked=not problem)
        if not problem and len(due) == len(subjects):
            self._applied(one)
        source = fix.source if isinstance(fix, RefreshSource) else ""
        return Healed(
            gpt=one.gpt, suggestion=one.id, kind=fix.kind, source=source, n=len(due), problem=problem
        )

    def _carry_out(self, one: Suggestion, fix: SafeFix, progress: Progress) -> str:
        try:
            return "; ".join(self.carry_out.run(one.gpt, fix, HEALER, progress))
        except LeaseLost:
            raise
        except KbmError as error:
            return str(error)
        except Exception as error:  # a connector may raise anything; the other things must have their turn
            log.exception("healing_failed", gpt=one.gpt, kind=fix.kind)
            return f"{type(error).__name__}: {error}"

    def _applied(self, one: Suggestion) -> None:
        entry = Entry(
            who=HEALER, action="suggestion.healed", subject=one.id, detail={"kind": str(one.fix.kind)}
        )
        try:
            self.suggestions.decide(one, replace(one, state=SuggestionState.APPLIED), entry)
        except DecisionConflict:
            log.info("healed_and_decided", gpt=one.gpt, suggestion=one.id)  # a person was faster
