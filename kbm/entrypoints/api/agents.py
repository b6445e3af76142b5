"""Routes of gaps and suggestions: what agents found and propose, and what people decide."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from kbm.domain.access import Action, Subject
from kbm.domain.documents import EVERYONE
from kbm.domain.fixes import ROUTES, Fix, Route
from kbm.domain.identity import Digest
from kbm.domain.suggestions import SuggestionState, below_fold, ranked
from kbm.entrypoints.api.access import Allowed, KbmDep, SubjectDep
from kbm.entrypoints.api.routes import SENT, SHOWN, GptName, errors
from kbm.entrypoints.builder import run_builder
from kbm.entrypoints.suggestion_json import gap_json, shown_gap_json, shown_json, suggestion_json
from kbm.errors import NotFound
from kbm.services.retrieve import Caller

router = APIRouter(tags=["agents"])

MayReview = Annotated[Caller, Depends(Allowed(Action.REVIEW))]
MayDecide = Annotated[Caller, Depends(Allowed(Action.DECIDE))]
SuggestionId = Annotated[str, Path(max_length=64, description="Id of the suggestion.")]
Language = Annotated[str, Query(max_length=5, description="Language of the sentences: de, en or fr.")]
Json = dict[str, Any]
DECIDED = {**SENT, **errors(409)}
WAITING = (SuggestionState.OPEN, SuggestionState.REOPENED)


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")

    person: str = Field(
        default="",
        alias="as",
        max_length=200,
        description="Who decides; counts only while no key was ever made. Else it is the person of the key.",
    )


class ApproveIn(_In):
    """An approval of exactly what was seen."""

    seen: str = Field(min_length=1, max_length=64, description="`seal` of the suggestion as it was shown.")
    golden: list[Annotated[str, Field(max_length=1000)]] = Field(
        default_factory=list, max_length=20, description="Neutral wordings to test every release with."
    )
    reason: str = Field(default="", max_length=4000)


class RejectIn(_In):
    """A no, with its reason."""

    reason: str = Field(min_length=1, max_length=4000)


class SnoozeIn(_In):
    """A moment until which it is put aside."""

    until: datetime


class AskExpertIn(_In):
    """A question to somebody who knows."""

    expert: str = Field(min_length=1, max_length=200)
    question: str = Field(min_length=1, max_length=4000)


class EditIn(_In):
    """The fix as it is to be."""

    fix: Annotated[Fix, Field(discriminator="kind")]


@router.post("/v1/gpts/{gpt}/review", operation_id="review", responses=SENT)
def post_review(gpt: GptName, kbm: KbmDep, _: MayDecide) -> Json:
    """Let agents look now instead of tonight; answers when they are done."""
    done: Json = run_builder(kbm.settings.path, "review", gpt)["reviews"][0]
    return done


@router.get("/v1/gpts/{gpt}/gaps", operation_id="listGaps", responses=SHOWN)
def get_gaps(
    gpt: GptName,
    kbm: KbmDep,
    subject: SubjectDep,
    _: MayReview,
    everything: Annotated[bool, Query(alias="all", description="Closed and dismissed ones too.")] = False,
) -> Json:
    """List what people could not get answered, most asked first."""
    found = [one for one in kbm.journal.gaps.all(gpt) if everything or one.stands]
    titles = kbm.reviewing.show.titles(found, gpt, readers_of(kbm.people_of(gpt).readers, subject))
    last = kbm.journal.gaps.last_review(gpt)
    return {
        "gaps": [gap_json(one, titles[one.id]) for one in found],
        "seen_once_or_twice": len(last.rare) if last else 0,
        "reviewed_at": last.at.isoformat() if last else None,
        "figures": dict(last.figures) if last else {},
        "problems": [{"agent": name, "why": why} for name, why in last.problems] if last else [],
    }


@router.get("/v1/gpts/{gpt}/gaps/{gap_id}", operation_id="getGap", responses=SHOWN)
def get_gap(
    gpt: GptName,
    gap_id: Annotated[str, Path(max_length=64)],
    kbm: KbmDep,
    subject: SubjectDep,
    _: MayReview,
) -> Json:
    """Show a gap with its questions and evidence, as far as the caller may see them."""
    readers = readers_of(kbm.people_of(gpt).readers, subject)
    shown = kbm.reviewing.show.gap(gap_id, readers)
    if shown.gap.gpt != gpt:
        raise NotFound("gap", gap_id)
    titles = kbm.reviewing.show.titles([shown.gap], gpt, readers)
    return shown_gap_json(shown, titles[gap_id])


@router.get("/v1/gpts/{gpt}/suggestions", operation_id="listSuggestions", responses=SHOWN)
def get_suggestions(
    gpt: GptName,
    kbm: KbmDep,
    _: MayReview,
    everything: Annotated[bool, Query(alias="all", description="Decided and lapsed ones too.")] = False,
    language: Language = "en",
) -> Json:
    """List what waits for a decision, by the questions it would answer."""
    found = ranked(kbm.catalogue.suggestions.all(gpt, () if everything else WAITING))
    folded = below_fold([one for one in found if one.state in WAITING], kbm.clock.now())
    return {
        "suggestions": [{**suggestion_json(one, language), "below_fold": one.id in folded} for one in found]
    }


@router.get("/v1/gpts/{gpt}/suggestions/{id}", operation_id="getSuggestion", responses=SHOWN)
def get_suggestion(
    gpt: GptName, id: SuggestionId, kbm: KbmDep, subject: SubjectDep, _: MayReview, language: Language = "en"
) -> Json:
    """Show a suggestion: questions, evidence, and the answers before and after."""
    return _shown(kbm, gpt, id, subject, language)


@router.post("/v1/gpts/{gpt}/suggestions/{id}/preview", operation_id="previewSuggestion", responses=DECIDED)
def post_preview(
    gpt: GptName, id: SuggestionId, kbm: KbmDep, subject: SubjectDep, _: MayDecide, language: Language = "en"
) -> Json:
    """Prove a suggestion anew, over what is stored now; answers when it is done."""
    _ensure_of(kbm, gpt, id)
    run_builder(kbm.settings.path, "suggestions", "preview", id)
    return _shown(kbm, gpt, id, subject, language)


@router.post("/v1/gpts/{gpt}/suggestions/{id}/approve", operation_id="approveSuggestion", responses=DECIDED)
def post_approve(
    gpt: GptName, id: SuggestionId, body: ApproveIn, kbm: KbmDep, subject: SubjectDep, _: MayDecide
) -> Json:
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
    return suggestion_json(done, "en")


@router.post("/v1/gpts/{gpt}/suggestions/{id}/reject", operation_id="rejectSuggestion", responses=DECIDED)
def post_reject(
    gpt: GptName, id: SuggestionId, body: RejectIn, kbm: KbmDep, subject: SubjectDep, _: MayDecide
) -> Json:
    """Say no; it does not come back unless what it is for doubles."""
    _ensure_of(kbm, gpt, id)
    who = kbm.access.decider(subject, gpt, body.person)
    return suggestion_json(kbm.reviewing.decide.reject(id, who=who, reason=body.reason), "en")


@router.post("/v1/gpts/{gpt}/suggestions/{id}/snooze", operation_id="snoozeSuggestion", responses=DECIDED)
def post_snooze(
    gpt: GptName, id: SuggestionId, body: SnoozeIn, kbm: KbmDep, subject: SubjectDep, _: MayDecide
) -> Json:
    """Put a suggestion aside for a while."""
    _ensure_of(kbm, gpt, id)
    who = kbm.access.decider(subject, gpt, body.person)
    until = body.until if body.until.tzinfo else body.until.replace(tzinfo=kbm.clock.now().tzinfo)
    return suggestion_json(kbm.reviewing.decide.snooze(id, until=until, who=who), "en")


@router.post("/v1/gpts/{gpt}/suggestions/{id}/ask", operation_id="askExpert", responses=DECIDED)
def post_ask_expert(
    gpt: GptName, id: SuggestionId, body: AskExpertIn, kbm: KbmDep, subject: SubjectDep, _: MayDecide
) -> Json:
    """Note that an expert was asked; the suggestion waits on."""
    _ensure_of(kbm, gpt, id)
    who = kbm.access.decider(subject, gpt, body.person)
    done = kbm.reviewing.decide.ask_expert(id, expert=body.expert, question=body.question, who=who)
    return suggestion_json(done, "en")


@router.post("/v1/gpts/{gpt}/suggestions/{id}/edit", operation_id="editSuggestion", responses=DECIDED)
def post_edit(
    gpt: GptName,
    id: SuggestionId,
    body: EditIn,
    kbm: KbmDep,
    subject: SubjectDep,
    _: MayDecide,
    language: Language = "en",
) -> Json:
    """Change what a suggestion would do; it is proved anew, and is then to be approved as it is."""
    _ensure_of(kbm, gpt, id)
    kbm.reviewing.decide.edit(id, body.fix, who=kbm.access.decider(subject, gpt, body.person))
    if ROUTES[body.fix.kind] is Route.RELEASE:
        run_builder(kbm.settings.path, "suggestions", "preview", id)
    return _shown(kbm, gpt, id, subject, language)


@router.post("/v1/gpts/{gpt}/suggestions/{id}/undo", operation_id="undoSuggestion", responses=DECIDED)
def post_undo(
    gpt: GptName, id: SuggestionId, body: RejectIn, kbm: KbmDep, subject: SubjectDep, _: MayDecide
) -> Json:
    """Take a decision back; an overlay is hidden at once, the rest goes with the next release."""
    _ensure_of(kbm, gpt, id)
    who = kbm.access.decider(subject, gpt, body.person)
    return suggestion_json(kbm.reviewing.decide.undo(id, who=who, reason=body.reason), "en")


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
    if kbm.catalogue.suggestions.get(id).gpt != gpt:
        raise NotFound("suggestion", id)


def _shown(kbm: KbmDep, gpt: str, id: str, subject: Subject, language: str) -> Json:
    _ensure_of(kbm, gpt, id)
    shown = kbm.reviewing.show.run(id, readers_of(kbm.people_of(gpt).readers, subject))
    return shown_json(shown, language)
