"""Passages of different documents that say nearly the same and cannot both hold, whether or not anybody asked."""

from __future__ import annotations

from collections import defaultdict
from typing import ClassVar

from kbm.domain.fixes import PreferDocument, RetireDocument
from kbm.domain.gaps import Cause
from kbm.domain.review import Findings, Near, ReviewWindow
from kbm.domain.suggestions import Proposal
from kbm.ports import Lookup
from kbm_agents.clashes import contradict
from kbm_agents.passages import ROWS, evidence_of, newer_first
from kbm_agents.words import words

NEAR = 0.8
"""Cosine of passages that are compared."""

MOST = 20
"""Pairs of documents proposed at most; the others come when these are decided."""


class ConflictsDetector:
    """Proposes to put the newer of two contradicting documents first."""

    name: ClassVar[str] = "conflicts"

    def review(self, window: ReviewWindow, lookup: Lookup) -> Findings:
        """Compare near passages; those that answers rest on count."""
        if not window.dense:
            return Findings()
        found: dict[tuple[str, str], list[tuple[Near, Near]]] = defaultdict(list)
        n_same = n_open = 0
        rows = {one.name for one in window.sources if one.kind == ROWS}
        for pair in lookup.pairs(NEAR):
            if pair.newer.item.partition(":")[0] in rows and pair.older.item.partition(":")[0] in rows:
                continue  # two articles of a list are alike and differ in numbers, as they should
            if set(words(pair.newer.text)) == set(words(pair.older.text)):
                n_same += 1
            elif contradict(pair.newer.text, pair.older.text):
                ordered = newer_first(pair.newer, pair.older)
                if ordered is None:
                    n_open += 1
                else:
                    found[ordered[0].item, ordered[1].item].append(ordered)
        proposals = []
        for (newer, older), pairs in sorted(found.items()):
            resting = [one.id for one in window.questions if pairs[0][1].document_id in one.cited]
            if resting and newer not in window.prefer:
                proposals.append(
                    Proposal(
                        fix=PreferDocument(item=newer, over=older),
                        why="contradicting_documents",
                        about=(newer, older),
                        cause=Cause.CONFLICT,
                        questions=tuple(resting),
                        evidence=tuple(evidence_of(one) for pair in pairs[:3] for one in pair),
                        n_questions=len(resting),
                    )
                )
        proposals.sort(key=lambda one: (-one.n_questions, one.about))
        return Findings(
            proposals=tuple(proposals[:MOST]),
            figures={"contradictions": float(len(found) + n_open), "repeated_passages": float(n_same)},
        )


class DuplicatesDetector:
    """Proposes to leave out a document that another one says whole, where answers rest on the older of the two."""

    name: ClassVar[str] = "duplicates"

    def review(self, window: ReviewWindow, lookup: Lookup) -> Findings:
        """Count equal passages by pairs of documents, against all the words of the older one."""
        if not window.dense:
            return Findings()
        n_words = {one.id: one.n_words for one in window.documents}
        same: dict[tuple[str, str], list[tuple[Near, Near]]] = defaultdict(list)
        for pair in lookup.pairs(SAME):
            ordered = newer_first(pair.newer, pair.older) or (pair.newer, pair.older)
            if set(words(pair.newer.text)) == set(words(pair.older.text)):
                same[ordered[0].item, ordered[1].item].append(ordered)
        proposals = []
        for (newer, older), pairs in sorted(same.items()):
            document = pairs[0][1].document_id
            shared = sum(len(words(one.text)) for _, one in pairs)
            resting = [one.id for one in window.questions if document in one.cited]
            if resting and shared >= WHOLE * max(1, n_words.get(document, 0)):
                proposals.append(
                    Proposal(
                        fix=RetireDocument(item=older, in_favour_of=newer),
                        why="duplicate",
                        about=(older, newer),
                        questions=tuple(resting),
                        evidence=tuple(evidence_of(one) for one in pairs[0]),
                        n_questions=len(resting),
                    )
                )
        return Findings(proposals=tuple(proposals[:MOST]), figures={"duplicates": float(len(same))})


SAME = 0.97
WHOLE = 0.9
"""Cosine of passages that may be equal; share of a document that must stand in another one."""
