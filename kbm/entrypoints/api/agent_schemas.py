"""What the routes of gaps and suggestions take and give; docs/agents.md says what it means."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from kbm.domain.answers import Outcome
from kbm.domain.fixes import Fix, FixKind, Risk, Route
from kbm.domain.gaps import Cause, OwnerQuestion
from kbm.domain.known_gaps import GapState
from kbm.domain.suggestions import Asked, Change, SuggestionState

SUGGESTION_ID = "2eaebae87c4dfefe"
GAP_ID = "8f2c1a90d3b74e55"
SEAL = "5d0e1b8d0a1f1e5b9f6c57b0a6a4c3f6b9d3e0f1a27c4d58e9b60a7c8d1f2e33"


class QuoteOut(BaseModel):
    """A piece of evidence; without text where the caller may not read it, the steward then says whom to ask."""

    text: str | None
    title: str | None
    item: str | None
    page: int | None
    steward: str | None


class ReplayedAnswerOut(BaseModel):
    """An answer of a proof, as the quotes it consists of."""

    outcome: Outcome
    confidence: float
    quotes: list[QuoteOut]


class ReplayedOut(BaseModel):
    """A question with its answers without and with the fix; the question is null where it may not be shown."""

    question: str | None
    asked: Asked
    change: Change
    before: ReplayedAnswerOut
    after: ReplayedAnswerOut


class GapOut(BaseModel):
    """Failed questions about the same thing."""

    id: str
    gpt: str
    title: str
    keywords: list[str]
    theme: str
    cause: Cause
    second_cause: Cause | None
    ask_owner: OwnerQuestion | None
    asked: int
    people: int
    trend: int
    state: GapState
    language: str
    first_seen: datetime
    last_seen: datetime
    closed_in: str | None


class CountOut(BaseModel):
    """How often a gap was asked up to a day."""

    day: str
    asked: int


class ShownGapOut(GapOut):
    """A gap with its questions and evidence, as far as the caller may see them."""

    questions: list[str]
    questions_hidden: int
    evidence: list[QuoteOut]
    scores: dict[str, float]
    counts: list[CountOut]


class ProblemOut(BaseModel):
    """An agent that did not come to an end, and why."""

    agent: str
    why: str


class GapsOut(BaseModel):
    """The gaps of an assistant, and what its last review found beside them."""

    gaps: list[GapOut]
    seen_once_or_twice: int
    reviewed_at: datetime | None
    figures: dict[str, float]
    problems: list[ProblemOut]


class ReviewOut(BaseModel):
    """What a review came to."""

    gpt: str
    questions: int
    failed: int
    gaps: int
    seen_once_or_twice: int
    new_suggestions: list[str]
    waiting: int
    without_gain: int
    closed_gaps: list[str]
    problems: list[ProblemOut]


class SuggestionOut(BaseModel):
    """A proposal in short; ``seal`` names exactly what is seen."""

    id: str
    gpt: str
    proposed_by: str
    kind: FixKind
    does: str
    cause: Cause | None
    why: str
    gap: str | None
    risk: Risk
    route: Route
    state: SuggestionState
    questions: int
    proof: str | None
    gap_answered: list[int] | None
    gap_replayed: int | None
    improved: int | None
    broken: int | None
    created_at: datetime
    expires_at: datetime
    snoozed_until: datetime | None
    decided_by: str | None
    decided_at: datetime | None
    applied_in: str | None
    seal: str


class ListedSuggestionOut(SuggestionOut):
    """A proposal in a list; below the fold are the new ones of a week beyond the first ten."""

    below_fold: bool


class SuggestionsOut(BaseModel):
    """Proposals, by the questions they would answer."""

    suggestions: list[ListedSuggestionOut]


class ShownSuggestionOut(SuggestionOut):
    """A proposal with all that a person decides by."""

    fix: Annotated[Fix, Field(discriminator="kind")]
    about: list[str]
    cause_in_words: str | None
    ask_owner: str | None
    asked: list[str]
    asked_hidden: int
    evidence: list[QuoteOut]
    preview_holds: bool
    replayed: list[ReplayedOut]


class DecisionIn(BaseModel):
    """What every decision may name."""

    model_config = ConfigDict(extra="forbid")

    person: str = Field(
        default="",
        alias="as",
        max_length=200,
        description="Who decides; counts only while no key was ever made. Else it is the person of the key.",
    )


class ApproveIn(DecisionIn):
    """An approval of exactly what was seen."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"seen": SEAL, "golden": ["What is paid per kilometre for a trip with the own car?"]}
            ]
        }
    )

    seen: str = Field(min_length=1, max_length=64, description="`seal` of the suggestion as it was shown.")
    golden: list[Annotated[str, Field(max_length=1000)]] = Field(
        default_factory=list, max_length=20, description="Neutral wordings to test every release with."
    )
    reason: str = Field(default="", max_length=4000)


class RejectIn(DecisionIn):
    """A no, or taking a decision back, with its reason."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "That is no business of ours."}]})

    reason: str = Field(min_length=1, max_length=4000)


class SnoozeIn(DecisionIn):
    """A moment until which it is put aside."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"until": "2026-12-08T00:00:00Z"}]})

    until: datetime


class AskExpertIn(DecisionIn):
    """A question to somebody who knows."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"expert": "jochen.pfister@keller.example", "question": "Do we deliver to the USA with UL?"}
            ]
        }
    )

    expert: str = Field(min_length=1, max_length=200)
    question: str = Field(min_length=1, max_length=4000)


class EditIn(DecisionIn):
    """The fix as it is to be; of the same kind as before."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"fix": {"kind": "prefer_document", "item": "quality:VA-014_v4.docx", "over": ""}}]
        }
    )

    fix: Annotated[Fix, Field(discriminator="kind")]
