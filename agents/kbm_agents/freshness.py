"""Knowledge that is getting old where it matters: documents past their limit that answers rest on."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import ClassVar

from kbm.domain.fixes import RefreshSource
from kbm.domain.gaps import Cause
from kbm.domain.review import Findings, ReviewedDocument, ReviewWindow
from kbm.domain.suggestions import Proposal
from kbm.ports import Lookup

NOT_SYNCED = timedelta(days=7)
"""A source that was not listed for so long is asked again whatever its documents' age."""


class FreshnessDetector:
    """Weighs age by the answers that rest on a document, and asks for a whole reading of its source.

    Whether an old document still holds only people know; what can be done here is to make sure that the source has
    nothing newer. What it superseded is found by the detector of conflicts.
    """

    name: ClassVar[str] = "freshness"

    def review(self, window: ReviewWindow, lookup: Lookup) -> Findings:
        """Propose one refresh for each source with old documents that are cited, or that is silent itself."""
        old: dict[str, list[ReviewedDocument]] = defaultdict(list)
        cited = weight = 0
        for one in window.documents:
            if not one.attached:
                continue
            cited += one.n_cited
            if is_old(one, window.now):
                weight += one.n_cited
                if one.n_cited:
                    old[one.source].append(one)
        silent = {
            one.name
            for one in window.sources
            if one.attached and one.synced_at is not None and window.now - one.synced_at > NOT_SYNCED
        }
        proposals = []
        for source in sorted(silent | set(old)):
            documents = sorted(old[source], key=lambda one: (-one.n_cited, one.item))
            mine = {one.id for one in documents}
            resting = [one.id for one in window.questions if mine.intersection(one.cited)]
            proposals.append(
                Proposal(
                    fix=RefreshSource(source=source),
                    why="silent_source" if source in silent else "old_documents_cited",
                    about=tuple(one.item for one in documents[:20]),
                    cause=Cause.STALE,
                    questions=tuple(resting),
                    n_questions=len(resting),
                )
            )
        fresh = 1.0 - weight / cited if cited else 1.0
        return Findings(proposals=tuple(proposals), figures={"fresh_citations": round(fresh, 4)})


def is_old(one: ReviewedDocument, now: datetime) -> bool:
    """Tell whether a document is past the limit of its source."""
    if one.modified is None or one.max_age_h is None:
        return False
    return now - one.modified > timedelta(hours=one.max_age_h)
