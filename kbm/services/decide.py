"""Let people decide about suggestions. Agents have no way here: an approval names a person, and what they saw.

Whatever a decision brings about is done after it was recorded, and :meth:`Decide.settle` does again what was cut
short: a decision that counts is never half in effect for longer than until the next night.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from kbm.domain.decisions import GptPeople, needs_sponsor
from kbm.domain.documents import EVERYONE
from kbm.domain.evaluation import GAP_ORIGIN, GoldenQuestion
from kbm.domain.fixes import (
    AddGoldenQuestions,
    AddOverlay,
    DraftGolden,
    Fix,
    OutOfScope,
    Route,
    fix_digest,
    open_questions,
)
from kbm.domain.identity import Digest
from kbm.domain.internal import drafts_of
from kbm.domain.known_gaps import GapState
from kbm.domain.language import guess_language
from kbm.domain.people import Entry
from kbm.domain.suggestions import (
    IN_RELEASES,
    UNDECIDED,
    Asked,
    Suggestion,
    SuggestionState,
)
from kbm.errors import DecisionConflict, KbmError, LeaseLost, NotAllowed, UsageError
from kbm.ports import Clock, Progress
from kbm.services.approvals import targets_of
from kbm.services.carry_out import CarryOut
from kbm.services.needs import Golden, Releases
from kbm.services.overlays import Overlays
from kbm.services.prove import Prove
from kbm.services.review_needs import Gaps, Suggestions

log = structlog.get_logger()

_OVER = (SuggestionState.REJECTED, SuggestionState.EXPIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decide:
    """The use case with what it needs. ``people`` are those of each GPT."""

    suggestions: Suggestions
    gaps: Gaps
    golden: Golden
    releases: Releases
    overlays: Overlays
    prove: Prove
    carry_out: CarryOut
    people: Callable[[str], GptPeople]
    clock: Clock

    def approve(
        self,
        id: str,
        *,
        seen: Digest,
        who: str,
        progress: Progress | None,
        golden: Sequence[str] = (),
        reason: str = "",
    ) -> Suggestion:
        """Approve exactly what was *seen*; *golden* are neutral wordings confirmed as tests of what it is for.

        A task is carried out at once where there is a *progress* to tell of it, else by the next review.

        Raises:
            NotFound: there is no such suggestion.
            NotAllowed: *who* is none of the people who may decide that, or an agent.
            DecisionConflict: it was decided, has changed since it was seen, or its proof holds no longer.
        """
        found = self._decidable(id, who)
        if needs_sponsor(found.fix) and who != self.people(found.gpt).sponsor:
            raise NotAllowed(
                f"{found.fix.kind} changes how the whole GPT answers: its sponsor decides that",
                hint=f"ask {self.people(found.gpt).sponsor or 'for a sponsor in kbm.toml'}",
            )
        if seen != found.seal:
            raise DecisionConflict(
                f"suggestion {id} is no longer what was seen; nothing was changed",
                hint=f"look at it again: kbm suggestions show {id}",
            )
        self._ensure_proved(found)
        detail = {"fix": fix_digest(found.fix), "seen": seen, "kind": str(found.fix.kind)}
        entry = Entry(who=who, action="suggestion.approve", subject=id, detail=detail, reason=reason)
        done = self.suggestions.decide(
            found, replace(found, state=SuggestionState.APPROVED), entry, _wordings(found, golden)
        )
        log.info("suggestion_approved", gpt=done.gpt, suggestion=id, kind=done.fix.kind)
        return self._bring_about(done, who, progress)

    def reject(self, id: str, *, who: str, reason: str) -> Suggestion:
        """Say no, with the reason: it does not come back unless what it is for doubles.

        Raises:
            UsageError: no reason is given; otherwise as :meth:`approve`.
        """
        if not reason.strip():
            raise UsageError("a rejection needs its reason: agents go by it", hint='say it with --reason "…"')
        found = self._decidable(id, who)
        entry = Entry(who=who, action="suggestion.reject", subject=id, reason=reason)
        done = self.suggestions.decide(found, replace(found, state=SuggestionState.REJECTED), entry)
        self._drop_draft(done)
        if found.state is SuggestionState.REOPENED:
            self._take_back(found)
        return done

    def snooze(self, id: str, *, until: datetime, who: str) -> Suggestion:
        """Put it aside until a moment; it does not lapse meanwhile."""
        if until <= self.clock.now():
            raise UsageError("a suggestion can be put aside until a later day only")
        found = self._decidable(id, who)
        detail = {"until": until.isoformat()}
        entry = Entry(who=who, action="suggestion.snooze", subject=id, detail=detail)
        after = replace(
            found,
            state=SuggestionState.SNOOZED,
            snoozed_until=until,
            expires_at=max(found.expires_at, until),
        )
        return self.suggestions.decide(found, after, entry)

    def edit(self, id: str, fix: Fix, *, who: str) -> Suggestion:
        """Change what it would do. It is to be proved anew, and seen, before it can be approved.

        Raises:
            UsageError: the new fix is of another kind.
        """
        found = self._decidable(id, who)
        if fix.kind is not found.fix.kind:
            raise UsageError(f"{id} proposes {found.fix.kind}; it cannot be edited into {fix.kind}")
        entry = Entry(who=who, action="suggestion.edit", subject=id, detail={"fix": fix_digest(fix)})
        after = replace(
            found,
            proposal=replace(found.proposal, fix=fix),
            proposed_by=who,
            preview=None,
            state=SuggestionState.OPEN,
        )
        return self.suggestions.decide(found, after, entry)

    def ask_expert(self, id: str, *, expert: str, question: str, who: str) -> Suggestion:
        """Note that somebody was asked; it stays as it is."""
        if not question.strip() or not expert.strip():
            raise UsageError("say whom you ask, and what")
        found = self._decidable(id, who)
        detail = {"expert": expert}
        entry = Entry(who=who, action="suggestion.ask", subject=id, detail=detail, reason=question)
        return self.suggestions.decide(found, found, entry)

    def undo(self, id: str, *, who: str, reason: str) -> Suggestion:
        """Take an approval back: an overlay is hidden at once, the rest goes with the next release.

        A task that was done stays done. What was rejected or put aside is open again.

        Raises:
            UsageError: no reason is given, or there is nothing to take back.
        """
        if not reason.strip():
            raise UsageError("taking a decision back needs its reason", hint='say it with --reason "…"')
        found = self.suggestions.get(id)
        self._ensure_may_decide(found, who)
        back = {*IN_RELEASES, SuggestionState.REJECTED, SuggestionState.SNOOZED}
        if found.state not in back:
            raise UsageError(f"suggestion {id} is {found.state}: there is no decision to take back")
        entry = Entry(who=who, action="suggestion.undo", subject=id, reason=reason)
        after = replace(found, state=SuggestionState.OPEN, snoozed_until=None, applied_in="")
        done = self.suggestions.decide(found, after, entry)
        if found.state in IN_RELEASES:
            self._take_back(found)
        return done

    def settle(self, gpt: str, progress: Progress) -> None:
        """Do again what decisions should have brought about, and note what the live release has of them."""
        live = self.releases.live(gpt)
        every = self.suggestions.all(gpt)
        self.overlays.keep_overlays(gpt, {one.id for one in every if one.state in IN_RELEASES})
        self.overlays.drop_drafts(gpt, {one.id for one in every if one.state not in UNDECIDED})
        self._drop_golden(gpt, [one for one in every if one.state not in IN_RELEASES])
        self._forget_words(gpt, every)
        for one in self.suggestions.all(gpt, [SuggestionState.APPROVED]):
            if live is not None and one.id in live.approved.suggestions:
                self.suggestions.come_into_effect([one.id], str(live.version))
            elif one.route is not Route.REQUEST:
                try:
                    self._bring_about(one, one.decided_by, progress)
                except LeaseLost:
                    raise
                except KbmError as error:
                    # A source that is down must not keep agents from looking; it is tried again the next night.
                    log.warning("decision_not_in_effect", gpt=gpt, suggestion=one.id, why=error.code)

    # -- what it takes ---------------------------------------------------------------------------------------

    def _decidable(self, id: str, who: str) -> Suggestion:
        found = self.suggestions.get(id)
        self._ensure_may_decide(found, who)
        if found.state not in UNDECIDED:
            by = f" by {found.decided_by} on {found.decided_at:%Y-%m-%d}" if found.decided_at else ""
            raise DecisionConflict(
                f"suggestion {id} is {found.state}{by}; nothing was changed",
                hint=f"take that back first: kbm suggestions undo {id} --reason …",
            )
        if found.expires_at <= self.clock.now():
            raise DecisionConflict(
                f"suggestion {id} lapsed on {found.expires_at:%Y-%m-%d}; nothing was changed",
                hint=f"kbm review {found.gpt} proposes it again if it is still true",
            )
        return found

    def _ensure_may_decide(self, found: Suggestion, who: str) -> None:
        people = self.people(found.gpt)
        if who not in people.deciders:
            raise NotAllowed(
                f"{who or 'nobody'} may not decide about {found.gpt}; "
                f"these may: {', '.join(sorted(people.deciders))}",
                hint="owner, deputies and sponsor are named in kbm.toml",
            )

    def _ensure_proved(self, found: Suggestion) -> None:
        if found.route is not Route.RELEASE:
            return
        holes = open_questions(found.fix)
        if holes:
            raise DecisionConflict(
                f"the draft of {found.id} has {len(holes)} open questions to an expert; nothing was changed",
                hint=f"fill it in: kbm suggestions edit {found.id} FILE",
            )
        if found.preview is None:
            raise DecisionConflict(
                f"suggestion {found.id} has no preview yet", hint=f"kbm suggestions preview {found.id}"
            )
        if found.preview.fix != fix_digest(found.fix):
            raise DecisionConflict(
                f"the preview of {found.id} is of another fix", hint=f"kbm suggestions preview {found.id}"
            )
        if not found.preview.gains:
            raise DecisionConflict(
                f"the preview of {found.id} shows no gain, or something that gets worse; nothing was changed",
                hint=f"edit it, or say no: kbm suggestions reject {found.id} --reason …",
            )
        if not self.prove.holds(found):
            raise DecisionConflict(
                f"documents or rules of {found.gpt} changed since the preview of {found.id}; nothing was changed",
                hint=f"kbm suggestions preview {found.id}, and look at it again",
            )

    def _bring_about(self, one: Suggestion, who: str, progress: Progress | None) -> Suggestion:
        match one.fix:
            case AddOverlay() as fix:
                self.overlays.write(one.gpt, one.id, fix)
                self.overlays.drop_draft(one.gpt, one.id)
                return one
            case AddGoldenQuestions(questions=drafts):
                self.golden.put(one.gpt, [_golden(one, n, each) for n, each in enumerate(drafts, start=1)])
            case OutOfScope():
                if one.proposal.gap:
                    self.gaps.set_state(one.proposal.gap, GapState.DISMISSED)
            case fix if one.route is Route.TASK and progress is not None:
                self.carry_out.run(one.gpt, fix, who, progress)
            case _:
                return one
        self.suggestions.set_state([one.id], SuggestionState.APPLIED)
        return replace(one, state=SuggestionState.APPLIED)

    def _take_back(self, one: Suggestion) -> None:
        match one.fix:
            case AddOverlay():
                self.overlays.withdraw(one.gpt, [one.id])
            case OutOfScope():
                if one.proposal.gap:
                    self.gaps.set_state(one.proposal.gap, GapState.OPEN)
        self._drop_golden(one.gpt, [one])

    def _drop_golden(self, gpt: str, some: Sequence[Suggestion]) -> None:
        """Delete the tests that came with decisions that no longer count."""
        prefixes = tuple(f"{_name(one)}-" for one in some)
        for each in self.golden.all(gpt):
            if each.id.startswith(prefixes):
                self.golden.remove(gpt, each.id)

    def _forget_words(self, gpt: str, every: Sequence[Suggestion]) -> None:
        """Empty drafts that nobody wants once their gap is forgotten: their title is a question somebody asked."""
        known = {one.id for one in self.gaps.all(gpt) if one.name.title}
        gone = [
            replace(one, preview=None, proposal=replace(one.proposal, fix=empty))
            for one in every
            if one.state in _OVER and one.proposal.gap and one.proposal.gap not in known
            if isinstance(one.fix, AddOverlay)
            if one.fix != (empty := replace(one.fix, title="", text="", asks=(), evidence=()))
        ]
        if gone:
            self.suggestions.put(gone)

    def _drop_draft(self, one: Suggestion) -> None:
        if isinstance(one.fix, AddOverlay):
            self.overlays.drop_draft(one.gpt, one.id)


def _wordings(one: Suggestion, texts: Sequence[str]) -> list[GoldenQuestion]:
    """Make tests of neutral wordings, expecting what the gap's questions were answered from in the proof."""
    draft = f"{drafts_of(one.gpt)}:{one.id}"
    expected = targets_of(one.fix, f"@overlays.{one.gpt}:{one.id}")
    if not expected and one.preview is not None:
        items = [
            each.after.items[0]
            for each in one.preview.replayed
            if each.asked is Asked.GAP and each.after.items and each.after.items[0] != draft
        ]
        expected = tuple(dict.fromkeys(items))[:3]
    return [
        GoldenQuestion(
            id=f"{_name(one)}-{n}",
            question=text,
            language=guess_language(text) or "",
            expected=expected,
            readers=(EVERYONE,),
            origin=f"{GAP_ORIGIN}{one.proposal.gap or one.id}",
        )
        for n, text in enumerate(texts, start=1)
    ]


def _golden(one: Suggestion, n: int, draft: DraftGolden) -> GoldenQuestion:
    return GoldenQuestion(
        id=f"{_name(one)}-{n}",
        question=draft.question,
        language=draft.language,
        expected=draft.expected,
        must_contain=draft.must_contain,
        origin=one.proposed_by,
    )


def _name(one: Suggestion) -> str:
    return f"s{one.id[:8]}"
