"""Join a gap that was found tonight to what is kept of it."""

from __future__ import annotations

from datetime import datetime

from kbm.domain.fixes import Evidence
from kbm.domain.known_gaps import Gap, GapState
from kbm.domain.review import FoundGap, ReviewedQuestion, ReviewWindow

COUNTS_KEPT = 60
"""Nights whose counts are kept for the trend."""


def as_gap(window: ReviewWindow, found: FoundGap, before: Gap | None) -> Gap:
    """Give the gap as it is to be kept.

    A closed one is open again when somebody asked in vain later; a dismissed one once its count has doubled.
    """
    asked = {one.id: one for one in window.questions}
    members = [asked[id] for id in found.members if id in asked]
    moments = [one.asked_at for one in members if one.asked_at is not None]
    first, last = min(moments, default=window.now), max(moments, default=window.now)
    day = window.now.date().isoformat()
    counts = [*(one for one in (before.counts if before else ()) if one[0] != day), (day, found.n_asked)]
    return Gap(
        id=found.id,
        gpt=window.gpt,
        state=_state(found, before, last),
        name=found.name,
        theme=found.theme,
        language=found.language,
        cause=found.diagnosis.cause,
        second=found.diagnosis.second,
        ask=found.diagnosis.ask,
        scores=found.diagnosis.scores,
        evidence=tuple(
            Evidence(
                chunk_id=one.chunk_id,
                document_id=one.document_id,
                start=one.span.start,
                end=one.span.end,
            )
            for one in found.diagnosis.evidence
        ),
        members=tuple(dict.fromkeys((*(id for id in found.central if id in asked), *found.members))),
        n_asked=found.n_asked,
        n_people=_people(members),
        centroid=found.centroid,
        first_seen=min(first, before.first_seen) if before else first,
        last_seen=last,
        dismissed_at=found.dismissed_at,
        closed_at=before.closed_at if before else None,
        closed_in=before.closed_in if before else "",
        counts=tuple(counts[-COUNTS_KEPT:]),
    )


def _state(found: FoundGap, before: Gap | None, last: datetime) -> GapState:
    if found.dismissed_at is not None:
        return GapState.DISMISSED
    if before is None or before.state is GapState.DISMISSED:
        return GapState.OPEN
    if before.state is GapState.CLOSED and before.closed_at and last > before.closed_at:
        return GapState.REOPENED
    return before.state


def _people(members: list[ReviewedQuestion]) -> int:
    """Count who asked. A question without a label is somebody; an import vouches for each time it was asked."""
    labels = {one.person for one in members if one.person}
    return len(labels) + sum(one.n_asked for one in members if not one.person)
