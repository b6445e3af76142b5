"""Examples of gaps and suggestions for ``/openapi.json``."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel

from kbm.domain.answers import Outcome
from kbm.domain.fixes import FixKind, PreferDocument, Risk, Route
from kbm.domain.gaps import Cause
from kbm.domain.known_gaps import GapState
from kbm.domain.suggestions import Asked, Change, SuggestionState
from kbm.entrypoints.api.agent_schemas import (
    GAP_ID,
    SEAL,
    SUGGESTION_ID,
    CountOut,
    GapOut,
    GapsOut,
    ListedSuggestionOut,
    QuoteOut,
    ReplayedAnswerOut,
    ReplayedOut,
    ReviewOut,
    ShownGapOut,
    ShownSuggestionOut,
    SuggestionOut,
    SuggestionsOut,
)

_NIGHT = datetime(2026, 11, 24, 2, 4, tzinfo=UTC)
_NEWER = QuoteOut(
    text="Clamping jaw | Bolt: M16 | Torque: 210 Nm",
    title="WI-107 Torque settings for final assembly",
    item="quality:WI-107_torque_settings.docx",
    page=None,
    steward=None,
)
_OLDER = QuoteOut(
    text="Tighten the clamping jaw bolts with 195 Nm.",
    title="Operating manual KB 65",
    item="service:manuals/kb65/operating_manual_KB65.pdf",
    page=4,
    steward=None,
)
_GAP = GapOut(
    id=GAP_ID,
    gpt="offers",
    title="torque clamping jaw kb 65",
    keywords=["torque", "jaw", "m16"],
    theme="3a51",
    cause=Cause.CONFLICT,
    second_cause=None,
    ask_owner=None,
    asked=6,
    people=5,
    trend=2,
    state=GapState.OPEN,
    language="en",
    first_seen=datetime(2026, 11, 2, 9, 0, tzinfo=UTC),
    last_seen=datetime(2026, 11, 23, 15, 30, tzinfo=UTC),
    closed_in=None,
)
_SUGGESTION = SuggestionOut(
    id=SUGGESTION_ID,
    gpt="offers",
    proposed_by="agent:gaps",
    kind=FixKind.PREFER_DOCUMENT,
    does="Let quality:WI-107_torque_settings.docx come before service:manuals/kb65/operating_manual_KB65.pdf",
    cause=Cause.CONFLICT,
    why="conflict",
    gap=GAP_ID,
    risk=Risk.MEDIUM,
    route=Route.RELEASE,
    state=SuggestionState.OPEN,
    questions=6,
    proof="improves 2 of 6, answers 6 (before 4), breaks 0 of 60",
    gap_answered=[4, 6],
    gap_replayed=6,
    improved=2,
    broken=0,
    created_at=_NIGHT,
    expires_at=datetime(2026, 12, 22, 2, 4, tzinfo=UTC),
    snoozed_until=None,
    decided_by=None,
    decided_at=None,
    applied_in=None,
    seal=SEAL,
)
_SHOWN = ShownSuggestionOut(
    **_SUGGESTION.model_dump(),
    fix=PreferDocument(item=str(_NEWER.item), over=str(_OLDER.item)),
    about=[str(_NEWER.item), str(_OLDER.item)],
    cause_in_words="two documents contradict each other",
    ask_owner=None,
    asked=["torque clamping jaw kb 65"],
    asked_hidden=0,
    evidence=[_NEWER, _OLDER],
    preview_holds=True,
    replayed=[
        ReplayedOut(
            question="torque clamping jaw kb 65",
            asked=Asked.GAP,
            change=Change.IMPROVED,
            before=ReplayedAnswerOut(outcome=Outcome.ANSWERED, confidence=0.81, quotes=[_OLDER]),
            after=ReplayedAnswerOut(outcome=Outcome.ANSWERED, confidence=0.81, quotes=[_NEWER]),
        )
    ],
)
AGENT_ANSWERS: dict[str, BaseModel] = {
    "review": ReviewOut(
        gpt="offers",
        questions=189,
        failed=63,
        gaps=6,
        seen_once_or_twice=21,
        new_suggestions=[SUGGESTION_ID],
        waiting=4,
        without_gain=2,
        closed_gaps=[],
        problems=[],
    ),
    "listGaps": GapsOut(
        gaps=[_GAP],
        seen_once_or_twice=21,
        reviewed_at=_NIGHT,
        figures={"cited_answers": 0.98},
        problems=[],
    ),
    "getGap": ShownGapOut(
        **_GAP.model_dump(),
        questions=["torque clamping jaw kb 65", "M16 torque jaw"],
        questions_hidden=0,
        evidence=[_NEWER, _OLDER],
        scores={"here": 0.71},
        counts=[CountOut(day="2026-11-24", asked=6)],
    ),
    "listSuggestions": SuggestionsOut(
        suggestions=[ListedSuggestionOut(**_SUGGESTION.model_dump(), below_fold=False)]
    ),
    **dict.fromkeys(("getSuggestion", "previewSuggestion", "editSuggestion"), _SHOWN),
    **{
        f"{verb}Suggestion": _SUGGESTION.model_copy(
            update={"state": state, "decided_by": "anna@keller.example"}
        )
        for verb, state in (
            ("approve", SuggestionState.APPROVED),
            ("reject", SuggestionState.REJECTED),
            ("snooze", SuggestionState.SNOOZED),
            ("undo", SuggestionState.OPEN),
        )
    },
    "askExpert": _SUGGESTION,
}
"""By operation id."""
