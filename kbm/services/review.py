"""Review a GPT: let agents look, keep the gaps they find, prove what they propose, and put it before the owner.

Nothing here changes what a GPT answers. The same log and the same documents give the same gaps and suggestions, so a
review can be repeated, and one that died is simply run again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from kbm.domain.fixes import (
    AddOverlay,
    PreferDocument,
    RetireDocument,
    Route,
    fix_digest,
    open_questions,
    sources_of,
)
from kbm.domain.identity import DocumentId
from kbm.domain.internal import overlays_of
from kbm.domain.known_gaps import Gap, GapState, LastReview, fell, with_night
from kbm.domain.question_log import Logged
from kbm.domain.releases import Release
from kbm.domain.review import Findings, FoundGap, ReviewWindow
from kbm.domain.suggestions import (
    EXPIRES_AFTER,
    IN_EFFECT,
    UNDECIDED,
    Preview,
    Proposal,
    Suggestion,
    SuggestionState,
    suggestion_id,
)
from kbm.errors import DecisionConflict, NothingLive
from kbm.ports import Clock, Lookup, Progress
from kbm.services.ask_variants import VARIANTS, AskVariants
from kbm.services.company_index import CompanyIndex
from kbm.services.found_gaps import as_gap
from kbm.services.needs import Golden, Releases
from kbm.services.overlays import Overlays
from kbm.services.preview import Basis, PreviewFix
from kbm.services.review_needs import Gaps, Suggestions
from kbm.services.review_window import GptToReview, Windows

log = structlog.get_logger()

AGENT = "agent:"
"""Begins the name of every agent; no person has one."""

DOUBLED = 2
"""How many times the questions a rejected suggestion must touch, to be proposed again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detected:
    """What detectors found, by name, and what kept others from coming to an end."""

    findings: Mapping[str, Findings]
    problems: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """What a review of a GPT came to. ``new`` are suggestions that were not there before."""

    gpt: str
    n_questions: int = 0
    n_failed: int = 0
    gaps: tuple[Gap, ...] = ()
    n_rare: int = 0
    new: tuple[Suggestion, ...] = ()
    waiting: tuple[Suggestion, ...] = ()
    n_without_gain: int = 0
    closed: tuple[str, ...] = ()  # gaps that live answers now
    problems: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """The use case with what it needs. ``detect`` runs the installed detectors."""

    windows: Windows
    company: CompanyIndex
    suggestions: Suggestions
    gaps: Gaps
    releases: Releases
    overlays: Overlays
    preview: PreviewFix
    look_up: Callable[[GptToReview, Release], Lookup]
    detect: Callable[[ReviewWindow, Lookup, Progress], Detected]
    clock: Clock
    golden: Golden
    variants: AskVariants
    rests: Callable[[Suggestion], bool]
    """Tells whether a task that was done is not to be proposed again yet."""

    def run(self, to_review: GptToReview, progress: Progress) -> Reviewed:
        """Review one GPT.

        Raises:
            NothingLive: nothing of it answers yet, so there is nothing to review.
        """
        gpt = to_review.gpt.name
        live = self.releases.live(gpt)
        if live is None:
            raise NothingLive(
                f"nothing of {gpt} is live, so there is nothing to review", hint=f"kbm nightly {gpt}"
            )
        asked = self.windows.log(gpt, to_review.days)
        if not asked:
            # Everything agents look at is weighed by questions: where nobody asked there is nothing to do.
            self._lapse(gpt, (), {})
            self._keep(LastReview(gpt=gpt, at=self.clock.now(), figures=self._tested(live, progress)), ())
            return Reviewed(gpt=gpt)
        company = self.company.refresh(progress)
        window = self.windows.make(to_review, live, asked, progress)
        detected = self.detect(window, self.look_up(to_review, company), progress)
        gaps = self._keep_gaps(window, detected, self._tested(live, progress))
        sources = frozenset(to_review.max_age_h)
        proposed = self._proposed(gpt, detected.findings, {one.id for one in window.documents}, sources)
        kept, n_without = self._proved(to_review, asked, proposed, progress)
        known = {one.id for one in self.suggestions.all(gpt)}
        new = [one for one in kept if one.id not in known]
        self.suggestions.put(kept)
        self._lapse(gpt, {one.id for one in kept}, detected.findings)
        self.overlays.keep_drafts(gpt, {one.id for one in self.suggestions.all(gpt, UNDECIDED)})
        waiting = self.suggestions.all(gpt, [SuggestionState.OPEN, SuggestionState.REOPENED])
        log.info("gpt_reviewed", gpt=gpt, failed=len(window.failed), gaps=len(gaps), new=len(new))
        last = self.gaps.last_review(gpt)
        return Reviewed(
            gpt=gpt,
            n_questions=len(window.questions),
            n_failed=len(window.failed),
            gaps=tuple(gaps),
            n_rare=len(last.rare) if last else 0,
            new=tuple(new),
            waiting=tuple(waiting),
            n_without_gain=n_without,
            problems=tuple(sorted(detected.problems.items())),
        )

    # -- gaps ------------------------------------------------------------------------------------------------

    def _tested(self, live: Release, progress: Progress) -> dict[str, float]:
        """Ask golden questions in other words, and tell whether that finds less than it did."""
        shares = self.variants.run(live, self.golden.all(live.gpt), progress)
        if VARIANTS not in shares:
            return shares
        alarm = fell(self.gaps.last_review(live.gpt), VARIANTS, shares[VARIANTS])
        return shares | {"alarm_variants": float(alarm)}

    def _keep(self, made: LastReview, gaps: Sequence[Gap]) -> None:
        self.gaps.put(with_night(self.gaps.last_review(made.gpt), made), gaps)

    def _keep_gaps(self, window: ReviewWindow, detected: Detected, tested: Mapping[str, float]) -> list[Gap]:
        before = {one.id: one for one in self.gaps.all(window.gpt)}
        found = [one for some in detected.findings.values() for one in some.gaps]
        made = [as_gap(window, one, before.get(one.id)) for one in found]
        last = LastReview(
            gpt=window.gpt,
            at=window.now,
            rare=tuple(id for some in detected.findings.values() for id in some.rare),
            themes=tuple((one.id, one.groups) for some in detected.findings.values() for one in some.themes),
            problems=tuple(sorted(detected.problems.items())),
            figures={name: n for some in detected.findings.values() for name, n in some.figures.items()}
            | dict(tested),
        )
        self._keep(last, made)
        return made

    # -- suggestions -----------------------------------------------------------------------------------------

    def _proposed(
        self,
        gpt: str,
        findings: Mapping[str, Findings],
        documents: Collection[DocumentId],
        sources: frozenset[str],
    ) -> list[Suggestion]:
        """Turn proposals into suggestions; the same one by two agents is one, decided ones stay decided."""
        before = {one.id: one for one in self.suggestions.all(gpt)}
        made: dict[str, Suggestion] = {}
        for detector, some in sorted(findings.items()):
            for proposal in some.proposals:
                if why := _refused(gpt, proposal, documents, sources):
                    log.warning("proposal_refused", gpt=gpt, detector=detector, why=why)
                    continue
                id = suggestion_id(gpt, proposal)
                one = made.get(id) or self._standing(before.get(id), id, gpt, f"{AGENT}{detector}", proposal)
                if one is not None:
                    made[id] = _joined(one, proposal)
        return list(made.values())

    def _standing(
        self, before: Suggestion | None, id: str, gpt: str, agent: str, proposal: Proposal
    ) -> Suggestion | None:
        """Give a proposal as it stands now; None where people decided and nothing is new."""
        now = self.clock.now()
        fresh = Suggestion(
            id=id,
            gpt=gpt,
            proposed_by=agent,
            proposal=proposal,
            state=SuggestionState.OPEN,
            created_at=now,
            proposed_at=now,
            expires_at=now + EXPIRES_AFTER,
        )
        if before is None or before.state is SuggestionState.EXPIRED:
            return fresh
        if before.state in _LAPSING and _lapsed(before, now):
            return fresh  # nobody decided in time, and it is still true
        if before.state is SuggestionState.APPLIED and before.route is Route.TASK:
            return None if self.rests(before) else fresh
        if before.state in IN_EFFECT:
            return None
        if before.state is SuggestionState.REJECTED:
            doubled = proposal.n_questions >= DOUBLED * max(1, before.proposal.n_questions)
            return fresh if doubled else None
        state = before.state
        if state is SuggestionState.SNOOZED and before.snoozed_until and before.snoozed_until <= now:
            state = SuggestionState.OPEN
        edited = not before.proposed_by.startswith(AGENT)
        return replace(before, state=state, proposed_at=now, proposal=before.proposal if edited else proposal)

    def _proved(
        self,
        to_review: GptToReview,
        asked: Sequence[Logged],
        proposed: Sequence[Suggestion],
        progress: Progress,
    ) -> tuple[list[Suggestion], int]:
        """Prove what goes into a release, and leave out what gains nothing."""
        gpt = to_review.gpt.name
        ready: list[Suggestion] = []
        for one in proposed:
            if isinstance(one.fix, AddOverlay):
                try:
                    self.overlays.draft(gpt, one.id, one.fix)
                except DecisionConflict as error:
                    log.warning("draft_refused", gpt=gpt, suggestion=one.id, why=str(error))
                    continue
            ready.append(one)
        if not any(one.route is Route.RELEASE for one in ready):
            return ready, 0
        self.company.refresh(progress)
        basis = self.preview.basis(to_review.gpt, asked)
        kept, n_without = [], 0
        helped: set[str] = set()  # gaps for which a fix is proved: the next best is not shown beside it
        with progress.stage(f"preview {gpt}", len(ready)) as stage:
            for one in ready:
                stage.advance()
                if one.route is not Route.RELEASE or open_questions(one.fix):
                    kept.append(one)
                    continue
                gap = one.proposal.gap
                made = None if gap in helped else self._preview(basis, one)
                if made is None or not made.gains:
                    n_without += gap not in helped
                    self._forget_draft(one)
                    continue
                helped |= {gap} - {""}
                kept.append(replace(one, preview=made))
        return kept, n_without

    def _forget_draft(self, one: Suggestion) -> None:
        if isinstance(one.fix, AddOverlay):
            self.overlays.drop_draft(one.gpt, one.id)

    def _preview(self, basis: Basis, one: Suggestion) -> Preview | None:
        """Prove anew, unless the proof that is there is of the same."""
        there = one.preview
        if there is not None and (there.base, there.fix) == (basis.base, fix_digest(one.fix)):
            gap = {each.question for each in there.replayed}
            if gap.issuperset(id for id in one.proposal.questions[:10] if id in basis.asked):
                return there
        return self.preview.run(basis, one)

    def _lapse(self, gpt: str, found: Collection[str], looked: Collection[str]) -> None:
        """Let go what nobody decided in time, and what is no longer so by an agent that looked tonight."""
        now = self.clock.now()
        gone = [
            one
            for one in self.suggestions.all(gpt, _LAPSING)
            if _lapsed(one, now)
            or (
                one.id not in found
                and one.state is SuggestionState.OPEN
                and one.proposed_by.removeprefix(AGENT) in looked
            )
        ]
        if gone:
            self.suggestions.set_state([one.id for one in gone], SuggestionState.EXPIRED)
        for one in gone:
            self._forget_draft(one)


def _refused(gpt: str, proposal: Proposal, documents: Collection[DocumentId], sources: frozenset[str]) -> str:
    """Say why a proposal is not put before anybody: it is about what no agent was shown. Empty for one that is."""
    fix = proposal.fix
    evidence = (*proposal.evidence, *(fix.evidence if isinstance(fix, AddOverlay) else ()))
    if not all(one.document_id in documents for one in evidence):
        return "unknown evidence"
    own = {overlays_of(gpt)} if isinstance(fix, RetireDocument | PreferDocument) else set()
    return "" if sources_of(fix) <= sources | own else "unknown source"


def _joined(one: Suggestion, proposal: Proposal) -> Suggestion:
    """Add what another agent, or another gap, brings to the same suggestion."""
    mine = one.proposal
    return replace(
        one,
        proposal=replace(
            mine,
            gap=mine.gap or proposal.gap,
            cause=mine.cause or proposal.cause,
            questions=tuple(dict.fromkeys((*mine.questions, *proposal.questions))),
            evidence=tuple(dict.fromkeys((*mine.evidence, *proposal.evidence))),
            n_questions=max(mine.n_questions, proposal.n_questions),
        ),
    )


_LAPSING = (SuggestionState.OPEN, SuggestionState.SNOOZED)
"""States that time ends; what was approved once, and no longer does what it was for, waits for a person."""


def _lapsed(one: Suggestion, now: datetime) -> bool:
    return one.expires_at <= now and (one.snoozed_until is None or one.snoozed_until <= now)


__all__ = ["AGENT", "Detected", "FoundGap", "GapState", "GptToReview", "Review", "Reviewed"]
