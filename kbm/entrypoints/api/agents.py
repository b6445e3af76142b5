"""Routes of gaps and suggestions: what agents found and propose, and what people decide."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from kbm.domain.access import Action, Subject
from kbm.domain.documents import EVERYONE
from kbm.domain.fixes import ROUTES, Route
from kbm.domain.identity import Digest
from kbm.domain.suggestions import Suggestion, SuggestionState, below_fold, ranked
from kbm.entrypoints.api.access import Allowed, KbmDep, SubjectDep
from kbm.entrypoints.api.agent_schemas import (
    GAP_ID,
    SUGGESTION_ID,
    ApproveIn,
    AskExpertIn,
    EditIn,
    GapOut,
    GapsOut,
    ListedSuggestionOut,
    ProblemOut,
    RejectIn,
    ReviewOut,
    ShownGapOut,
    ShownSuggestionOut,
    SnoozeIn,
    SuggestionOut,
    SuggestionsOut,
)
from kbm.entrypoints.api.routes import SENT, SHOWN, GptName, errors
from kbm.entrypoints.builder import run_builder
from kbm.entrypoints.suggestion_json import gap_json, shown_gap_json, shown_json, suggestion_json
from kbm.errors import NotFound
from kbm.services.retrieve import Caller

router = APIRouter(tags=["agents"])

MayReview = Annotated[Caller, Depends(Allowed(Action.REVIEW))]
MayDecide = Annotated[Caller, Depends(Allowed(Action.DECIDE))]
SuggestionId = Annotated[
    str, Path(max_length=64, description="Id of the suggestion.", examples=[SUGGESTION_ID])
]
GapId = Annotated[str, Path(max_length=64, description="Id of the gap.", examples=[GAP_ID])]
Language = Annotated[str, Query(max_length=5, description="Language of the sentences: de, en or fr.")]
DECIDED = {**SENT, **errors(409)}
WAITING = (SuggestionState.OPEN, SuggestionState.REOPENED)


@router.post("/v1/gpts/{gpt}/review", operation_id="review", responses=SENT)
def post_review(gpt: GptName, kbm: KbmDep, _: MayDecide) -> ReviewOut:
    """Let agents look now instead of tonight; answers when they are done."""
    return ReviewOut(**run_builder(kbm.settings.path, "review", gpt)["reviews"][0])


@router.get("/v1/gpts/{gpt}/gaps", operation_id="listGaps", responses=SHOWN)
def get_gaps(
    gpt: GptName,
    kbm: KbmDep,
    subject: SubjectDep,
    _: MayReview,
    everything: Annotated[bool, Query(alias="all", description="Closed and dismissed ones too.")] = False,
) -> GapsOut:
    """List what people could not get answered, most asked first."""
    found = [one for one in kbm.journal.gaps.all(gpt) if everything or one.stands]
    titles = kbm.reviewing.show.titles(found, gpt, readers_of(kbm.people_of(gpt).readers, subject))
    last = kbm.journal.gaps.last_review(gpt)
    return GapsOut(
        gaps=[GapOut(**gap_json(one, titles[one.id])) for one in found],
        seen_once_or_twice=len(last.rare) if last else 0,
        reviewed_at=last.at if last else None,
        figures=dict(last.figures) if last else {},
        problems=[ProblemOut(agent=name, why=why) for name, why in last.problems] if last else [],
    )


@router.get("/v1/gpts/{gpt}/gaps/{gap_id}", operation_id="getGap", responses=SHOWN)
def get_gap(
    gpt: GptName,
    gap_id: GapId,
    kbm: KbmDep,
    subject: SubjectDep,
    _: MayReview,
) -> ShownGapOut:
    """Show a gap with its questions and evidence, as far as the caller may see them."""
    readers = readers_of(kbm.people_of(gpt).readers, subject)
    if all(one.id != gap_id for one in kbm.journal.gaps.all(gpt)):
        raise NotFound("gap", gap_id)
    shown = kbm.reviewing.show.gap(gap_id, readers)
    titles = kbm.reviewing.show.titles([shown.gap], gpt, readers)
    return ShownGapOut(**shown_gap_json(shown, titles[gap_id]))


@router.get("/v1/gpts/{gpt}/suggestions", operation_id="listSuggestions", responses=SHOWN)
def get_suggestions(
    gpt: GptName,
    kbm: KbmDep,
    subject: SubjectDep,
    _: MayReview,
    everything: Annotated[bool, Query(alias="all", description="Decided and lapsed ones too.")] = False,
    language: Language = "en",
) -> SuggestionsOut:
    """List what waits for a decision, by the questions it would answer."""
    found = ranked(kbm.catalogue.suggestions.all(gpt, () if everything else WAITING))
    folded = below_fold([one for one in found if one.state in WAITING], kbm.clock.now())
    fixes = kbm.reviewing.show.fixes(gpt, found, readers_of(kbm.people_of(gpt).readers, subject))
    return SuggestionsOut(
        suggestions=[
            ListedSuggestionOut(**suggestion_json(one, fixes[one.id], language), below_fold=one.id in folded)
            for one in found
        ]
    )


@router.get("/v1/gpts/{gpt}/suggestions/{id}", operation_id="getSuggestion", responses=SHOWN)
def get_suggestion(
    gpt: GptName, id: SuggestionId, kbm: KbmDep, subject: SubjectDep, _: MayReview, language: Language = "en"
) -> ShownSuggestionOut:
    """Show a suggestion: questions, evidence, and the answers before and after."""
    return _shown(kbm, gpt, id, subject, language)


@router.post("/v1/gpts/{gpt}/suggestions/{id}/preview", operation_id="previewSuggestion", responses=DECIDED)
def post_preview(
    gpt: GptName, id: SuggestionId, kbm: KbmDep, subject: SubjectDep, _: MayDecide, language: Language = "en"
) -> ShownSuggestionOut:
    """Prove a suggestion anew, over what is stored now; answers when it is done."""
    _ensure_of(kbm, gpt, id)
    run_builder(kbm.settings.path, "suggestions", "preview", id)
    return _shown(kbm, gpt, id, subject, language)


@router.post("/v1/gpts/{gpt}/suggestions/{id}/approve", operation_id="approveSuggestion", responses=DECIDED)
def post_approve(
    gpt: GptName, id: SuggestionId, body: ApproveIn, kbm: KbmDep, subject: SubjectDep, _: MayDecide
) -> SuggestionOut:
    """Approve exactly what was seen; it goes into the next release, a task is done by the next review."""
    _ensure_of(kbm, gpt, id)
    done = kbm.reviewing.decide.approve(
        id,
        seen=Digest(body.seen),
        who=kbm.access.decider(subject, gpt, body.person),
        progress=None,
        golden=body.golden,
        reason=body.reason,
    )
    return _told(kbm, done, subject)


@router.post("/v1/gpts/{gpt}/suggestions/{id}/reject", operation_id="rejectSuggestion", responses=DECIDED)
def post_reject(
    gpt: GptName, id: SuggestionId, body: RejectIn, kbm: KbmDep, subject: SubjectDep, _: MayDecide
) -> SuggestionOut:
    """Say no; it does not come back unless what it is for doubles."""
    _ensure_of(kbm, gpt, id)
    who = kbm.access.decider(subject, gpt, body.person)
    return _told(kbm, kbm.reviewing.decide.reject(id, who=who, reason=body.reason), subject)


@router.post("/v1/gpts/{gpt}/suggestions/{id}/snooze", operation_id="snoozeSuggestion", responses=DECIDED)
def post_snooze(
    gpt: GptName, id: SuggestionId, body: SnoozeIn, kbm: KbmDep, subject: SubjectDep, _: MayDecide
) -> SuggestionOut:
    """Put a suggestion aside for a while."""
    _ensure_of(kbm, gpt, id)
    who = kbm.access.decider(subject, gpt, body.person)
    until = body.until if body.until.tzinfo else body.until.replace(tzinfo=kbm.clock.now().tzinfo)
    return _told(kbm, kbm.reviewing.decide.snooze(id, until=until, who=who), subject)


@router.post("/v1/gpts/{gpt}/suggestions/{id}/ask", operation_id="askExpert", responses=DECIDED)
def post_ask_expert(
    gpt: GptName, id: SuggestionId, body: AskExpertIn, kbm: KbmDep, subject: SubjectDep, _: MayDecide
) -> SuggestionOut:
    """Note that an expert was asked; the suggestion waits on."""
    _ensure_of(kbm, gpt, id)
    who = kbm.access.decider(subject, gpt, body.person)
    done = kbm.reviewing.decide.ask_expert(id, expert=body.expert, question=body.question, who=who)
    return _told(kbm, done, subject)


@router.post("/v1/gpts/{gpt}/suggestions/{id}/edit", operation_id="editSuggestion", responses=DECIDED)
def post_edit(
    gpt: GptName,
    id: SuggestionId,
    body: EditIn,
    kbm: KbmDep,
    subject: SubjectDep,
    _: MayDecide,
    language: Language = "en",
) -> ShownSuggestionOut:
    """Change what a suggestion would do; it is proved anew, and is then to be approved as it is."""
    _ensure_of(kbm, gpt, id)
    kbm.reviewing.decide.edit(id, body.fix, who=kbm.access.decider(subject, gpt, body.person))
    if ROUTES[body.fix.kind] is Route.RELEASE:
        run_builder(kbm.settings.path, "suggestions", "preview", id)
    return _shown(kbm, gpt, id, subject, language)


@router.post("/v1/gpts/{gpt}/suggestions/{id}/undo", operation_id="undoSuggestion", responses=DECIDED)
def post_undo(
    gpt: GptName, id: SuggestionId, body: RejectIn, kbm: KbmDep, subject: SubjectDep, _: MayDecide
) -> SuggestionOut:
    """Take a decision back; an overlay is hidden at once, the rest goes with the next release."""
    _ensure_of(kbm, gpt, id)
    who = kbm.access.decider(subject, gpt, body.person)
    return _told(kbm, kbm.reviewing.decide.undo(id, who=who, reason=body.reason), subject)


def readers_of(owner: frozenset[str], subject: Subject) -> frozenset[str]:
    """Give the names that hold for who looks: the owner's for the GPT's people, else the key's own."""
    if subject.rights.person or subject.id == "open":
        return owner | subject.rights.readers
    return subject.rights.readers | {EVERYONE}


def _ensure_of(kbm: KbmDep, gpt: str, id: str) -> None:
    """Refuse a suggestion of another GPT: the key may not reach that one.

    Raises:
        NotFound: there is none of that id in this GPT.
    """
    if all(one.id != id for one in kbm.catalogue.suggestions.all(gpt)):
        raise NotFound("suggestion", id)


def _told(kbm: KbmDep, done: Suggestion, subject: Subject) -> SuggestionOut:
    readers = readers_of(kbm.people_of(done.gpt).readers, subject)
    return SuggestionOut(
        **suggestion_json(done, kbm.reviewing.show.fixes(done.gpt, [done], readers)[done.id], "en")
    )


def _shown(kbm: KbmDep, gpt: str, id: str, subject: Subject, language: str) -> ShownSuggestionOut:
    _ensure_of(kbm, gpt, id)
    shown = kbm.reviewing.show.run(id, readers_of(kbm.people_of(gpt).readers, subject))
    return ShownSuggestionOut(**shown_json(shown, language))
