"""What a night's report tells of the knowledge of each GPT: gaps, suggestions, alarms, and what was done by itself.

Only numbers and names of GPTs, agents and sources: a question, or the title of what was written here, may be nothing
for the eyes of everyone who gets the report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time

from kbm.domain.documents import EVERYONE
from kbm.domain.fixes import AddOverlay, Risk
from kbm.domain.identity import document_id
from kbm.domain.internal import overlays_of
from kbm.domain.known_gaps import LastReview
from kbm.domain.report import Expiry, KnowledgeNews
from kbm.domain.suggestions import SuggestionState
from kbm.ports import Clock
from kbm.services.needs import Documents
from kbm.services.nightly import Night
from kbm.services.review_needs import Gaps, Suggestions
from kbm.services.tend_overlays import TendOverlays

ALARM = "alarm_"
"""Begins the name of each figure that is 1 where an alarm rings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnowledgeReport:
    """What it takes to tell. *gpts* are titles by name."""

    gpts: Mapping[str, str]
    gaps: Gaps
    suggestions: Suggestions
    overlays: TendOverlays
    documents: Documents
    clock: Clock

    def news(self, night: Night) -> Iterator[KnowledgeNews]:
        """Tell of each GPT that agents ever looked at, or whose overlays or sources were touched tonight."""
        reviews = {one.gpt: one for one in night.reviews}
        tended = {one.gpt: one for one in night.tended}
        for gpt, title in self.gpts.items():
            last = self.gaps.last_review(gpt)
            review = reviews.get(gpt)
            healed = [one for one in night.healed if one.gpt == gpt]
            gone = tended.get(gpt)
            n_withdrawn = len(gone.expired) + len(gone.unfounded) if gone else 0
            if last is None and review is None and not healed and not n_withdrawn:
                continue
            standing = [one for one in self.gaps.all(gpt) if one.stands]
            waiting = self.suggestions.all(gpt, [SuggestionState.OPEN, SuggestionState.REOPENED])
            new = Counter(one.risk for one in (review.new if review else ()))
            yield KnowledgeNews(
                gpt=gpt,
                title=title,
                n_closed=len(review.closed) if review else 0,
                n_open=len(standing),
                trend=sum(one.trend for one in standing),
                n_waiting=len(waiting),
                new_low=new[Risk.LOW],
                new_medium=new[Risk.MEDIUM],
                new_high=new[Risk.HIGH],
                alarms=_alarms(last) if review else (),
                failed_agents=tuple(name for name, _ in review.problems) if review else (),
                healed=tuple(f"{one.kind} {one.source}".strip() for one in healed if not one.problem),
                not_healed=tuple(f"{one.kind} {one.source}".strip() for one in healed if one.problem),
                n_withdrawn=n_withdrawn,
            )

    def next_expiry(self) -> Expiry | None:
        """Give the overlay that goes next, named where everyone may read it."""
        found = []
        for gpt in self.gpts:
            dated = self.overlays.next_expiry(gpt)
            if dated is None:
                continue
            day, one = dated
            source = overlays_of(gpt)
            record = self.documents.document(document_id(source, one.id))
            is_open = record is not None and record.present and EVERYONE in record.readers
            title = one.fix.title if is_open and isinstance(one.fix, AddOverlay) else ""
            at = datetime.combine(day, time(), tzinfo=self.clock.now().astimezone().tzinfo)
            found.append(Expiry(source=source, at=at, item_id=one.id if is_open else "", title=title))
        return min(found, key=lambda one: (one.at, one.source), default=None)


def _alarms(last: LastReview | None) -> tuple[str, ...]:
    figures = last.figures if last else {}
    return tuple(
        sorted(name.removeprefix(ALARM) for name, n in figures.items() if name.startswith(ALARM) and n)
    )
