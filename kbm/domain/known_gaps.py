"""A gap as it is kept from night to night, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from statistics import fmean

from kbm.domain.fixes import Evidence
from kbm.domain.gaps import Cause, GapName, OwnerQuestion

SHOWN_FROM_PEOPLE = 5
"""People who asked about a thing, from which on one question of it may be shown to who may not read its sources."""


class GapState(StrEnum):
    """Where a gap stands."""

    OPEN = "open"
    DISMISSED = "dismissed"  # a person said that it is none, until it has doubled
    CLOSED = "closed"  # the live release answers it
    REOPENED = "reopened"  # it was closed, and is asked in vain again


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Failed questions about the same thing.

    ``members`` are ids of questions in the journal, the most central first. ``counts`` are how often it was asked
    up to a day, by the nights on which it was found, oldest first. ``closed_in`` is the release that answers it.
    """

    id: str
    gpt: str
    state: GapState
    name: GapName
    theme: str
    cause: Cause
    members: tuple[str, ...]
    n_asked: int
    n_people: int
    first_seen: datetime
    last_seen: datetime
    language: str = ""
    second: Cause | None = None
    ask: OwnerQuestion | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    centroid: tuple[float, ...] = field(default=(), repr=False)
    dismissed_at: int | None = None
    closed_at: datetime | None = None
    closed_in: str = ""
    counts: tuple[tuple[str, int], ...] = ()

    @property
    def stands(self) -> bool:
        """Tell whether it waits for something to be done."""
        return self.state in (GapState.OPEN, GapState.REOPENED)

    @property
    def trend(self) -> int:
        """Tell by how much it was asked more often than on the night a week before, or when it was first found."""
        if len(self.counts) < 2:
            return 0
        return self.counts[-1][1] - self.counts[max(0, len(self.counts) - 8)][1]


@dataclass(frozen=True, slots=True, kw_only=True)
class LastReview:
    """What a review found beside gaps: questions seen once or twice, themes, and detectors that failed."""

    gpt: str
    at: datetime
    rare: tuple[str, ...] = ()
    themes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    nights: tuple[
        tuple[str, Mapping[str, float]], ...
    ] = ()  # figures by day, oldest first, tonight's the last


NIGHTS_KEPT = 60
"""Nights whose figures are kept for the trend."""

USUAL_NIGHTS, MOST_FALL = 7, 0.1
"""Nights before that a figure is compared with, and the fall below their mean that rings an alarm."""


def with_night(before: LastReview | None, now: LastReview) -> LastReview:
    """Add tonight's figures to those of the nights before; a second review of a day takes the place of the first."""
    day = now.at.date().isoformat()
    earlier = [one for one in (before.nights if before else ()) if one[0] != day]
    return replace(now, nights=(*earlier, (day, dict(now.figures)))[-NIGHTS_KEPT:])


def fell(before: LastReview | None, name: str, now: float) -> bool:
    """Tell whether a share is well below what it was in the nights before."""
    seen = [figures[name] for _, figures in (before.nights if before else ()) if name in figures][
        -USUAL_NIGHTS:
    ]
    return bool(seen) and fmean(seen) - now > MOST_FALL
