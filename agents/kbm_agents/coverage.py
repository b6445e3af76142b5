"""Citation coverage: which knowledge answers rest on, what never helps, and what no golden question guards."""

from __future__ import annotations

from collections import defaultdict
from typing import ClassVar

from kbm.domain.answers import Outcome, Verdict
from kbm.domain.documents import EVERYONE
from kbm.domain.fixes import AddGoldenQuestions, DraftGolden
from kbm.domain.language import guess_language
from kbm.domain.review import Findings, ReviewedDocument, ReviewedQuestion, ReviewWindow
from kbm.domain.suggestions import Proposal
from kbm.ports import Lookup
from kbm_agents.questions_of_documents import drafts_of
from kbm_agents.words import content_words, folded

ENOUGH_ANSWERS = 50
"""Answers from which on it means something that a document was never among them."""

SURE = 0.8
DRAFTS = 3
"""Confidence of the answers whose questions are proposed as golden ones, and drafts per source."""


class CoverageDetector:
    """Counts what is retrieved and cited, and proposes golden questions for sources that have none.

    A draft is a question that somebody really asked and was answered surely from that source, or found helpful; where
    nobody asked, what a heading or a row of a table suggests.
    """

    name: ClassVar[str] = "coverage"

    def review(self, window: ReviewWindow, lookup: Lookup) -> Findings:
        """Look at the documents of this GPT and at what its answers rest on."""
        own = [one for one in window.documents if one.attached and not one.reason]
        answered = [one for one in window.questions if one.outcome is not None and one.outcome.shown]
        guarded = {item.partition(":")[0] for one in window.golden for item in one.expected}
        by_source: dict[str, list[ReviewedDocument]] = defaultdict(list)
        for one in own:
            by_source[one.source].append(one)
        proposals = []
        for source, documents in sorted(by_source.items()):
            if source in guarded or source.startswith("@"):
                continue
            drafts = self._drafts(window, documents)
            if not drafts:
                taken = {folded(one.question) for one in window.golden}
                drafts = drafts_of(documents, taken, DRAFTS, lookup)
            if drafts:
                proposals.append(
                    Proposal(
                        fix=AddGoldenQuestions(questions=drafts),
                        why="source_without_golden_questions",
                        about=(source,),
                        n_questions=len(drafts),
                    )
                )
        figures = {
            "cited_answers": sum(bool(one.cited) for one in answered) / len(answered) if answered else 1.0,
            "guarded_sources": len(guarded & set(by_source)) / len(by_source) if by_source else 1.0,
        }
        if len(answered) >= ENOUGH_ANSWERS and own:
            figures["never_retrieved"] = sum(one.n_retrieved == 0 for one in own) / len(own)
            figures["never_cited"] = sum(one.n_cited == 0 for one in own) / len(own)
        return Findings(proposals=tuple(proposals), figures={k: round(v, 4) for k, v in figures.items()})

    def _drafts(self, window: ReviewWindow, documents: list[ReviewedDocument]) -> tuple[DraftGolden, ...]:
        by_id = {one.id: one for one in documents}
        taken = {folded(one.question) for one in window.golden}
        found: dict[str, DraftGolden] = {}
        for one in sorted(window.questions, key=lambda one: (-(one.confidence or 0.0), one.id)):
            cited = next((by_id[id] for id in one.cited[:1] if id in by_id), None)
            key = folded(one.text)
            if cited is None or key in taken or not _proves(one) or cited.item in found:
                continue
            taken.add(key)
            found[cited.item] = DraftGolden(
                question=one.text, language=guess_language(one.text) or "", expected=(cited.item,)
            )
            if len(found) == DRAFTS:
                break
        return tuple(found.values())


def _proves(one: ReviewedQuestion) -> bool:
    """Tell whether a question may stand for what the source answers: asked by anybody, answered surely."""
    sure = one.outcome is Outcome.ANSWERED and (one.confidence or 0.0) >= SURE
    liked = one.verdict is Verdict.HELPFUL
    open_to_all = not one.readers or one.readers == frozenset({EVERYONE})
    return not one.failed and (sure or liked) and open_to_all and len(content_words(one.text)) >= 2
