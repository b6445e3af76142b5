"""Sources and documents that could not be read: what a retry, or another way of reading, may mend."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import ClassVar

from kbm.domain.fixes import RefreshSource, Reparse
from kbm.domain.review import Findings, ReviewWindow
from kbm.domain.suggestions import Proposal
from kbm.ports import Lookup

MAY_PASS = frozenset({"timeout", "out_of_memory", "crashed", "unreadable"})
"""Reasons for quarantine that trying again may change; of all others the document has to change."""


class HealthDetector:
    """Proposes to refresh sources that failed, and to read quarantined and poorly read documents again."""

    name: ClassVar[str] = "health"

    def review(self, window: ReviewWindow, lookup: Lookup) -> Findings:
        """Look at the sources and documents of this GPT."""
        source_of = {one.id: one.source for one in window.documents}
        touched = Counter(
            name for one in window.questions for name in {source_of[id] for id in one.hits if id in source_of}
        )
        proposals = [
            Proposal(
                fix=RefreshSource(source=one.name),
                why="source_failed" if one.last_error else "part_of_source_failed",
                about=one.failed_scopes[:20],
                n_questions=touched[one.name],
            )
            for one in window.sources
            if one.attached and (one.last_error or one.failed_scopes)
        ]
        unread: dict[tuple[str, str], list[str]] = defaultdict(list)
        for document in window.documents:
            if not document.attached:
                continue
            if document.reason in MAY_PASS:
                unread[document.source, "quarantined"].append(document.item)
            elif document.poorly_read:
                unread[document.source, "poorly_read"].append(document.item)
        proposals += [
            Proposal(fix=Reparse(items=tuple(sorted(items))), why=why, about=(source,))
            for (source, why), items in sorted(unread.items())
        ]
        n_quarantined = sum(one.n_quarantined for one in window.sources if one.attached)
        n_documents = sum(one.n_documents for one in window.sources if one.attached)
        return Findings(
            proposals=tuple(proposals),
            figures={
                "quarantined": n_quarantined / n_documents if n_documents else 0.0,
                "failing_sources": sum(bool(one.last_error) for one in window.sources if one.attached),
            },
        )
