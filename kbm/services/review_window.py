"""Put together what agents look at: one GPT, its questions, and all documents of the company."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kbm.domain.catalogue import DocumentOverview
from kbm.domain.documents import EVERYONE
from kbm.domain.evaluation import GoldenQuestion, GoldenState
from kbm.domain.gaps import KnownGap
from kbm.domain.identity import ChunkId, DocumentId
from kbm.domain.internal import overlays_of
from kbm.domain.known_gaps import Gap, GapState
from kbm.domain.question_log import Logged, Source, Used, asked_again, with_reasks
from kbm.domain.releases import Release
from kbm.domain.review import (
    ReviewedDocument,
    ReviewedGolden,
    ReviewedQuestion,
    ReviewedSource,
    ReviewWindow,
)
from kbm.ports import Clock, Progress
from kbm.services.build import GptToBuild
from kbm.services.evaluate import Evaluate
from kbm.services.needs import Documents, Golden, Releases
from kbm.services.review_needs import Gaps, LoggedQuestions, Overview


@dataclass(frozen=True, slots=True, kw_only=True)
class GptToReview:
    """A GPT and how far its agents look back; ``readers`` hold for its owner, ``max_age_h`` by source."""

    gpt: GptToBuild
    title: str
    languages: tuple[str, ...]
    readers: frozenset[str]
    max_age_h: Mapping[str, int | None]
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Makes windows."""

    documents: Documents
    overview: Overview
    questions: LoggedQuestions
    gaps: Gaps
    golden: Golden
    releases: Releases
    evaluate: Evaluate
    clock: Clock

    def log(self, gpt: str, days: int) -> list[Logged]:
        """Give a GPT's questions of some days that are still readable, newest first."""
        return with_reasks(self.questions.log(gpt, self._since(days)))

    def make(
        self, to_review: GptToReview, live: Release, log: Sequence[Logged], progress: Progress
    ) -> ReviewWindow:
        """Put the window of a GPT together."""
        gpt = to_review.gpt
        sources = [one for one in self.documents.sources() if one.name in to_review.max_age_h]
        own = frozenset((*gpt.sources, *gpt.approved.sources, overlays_of(gpt.name)))
        all_names = [*(one.name for one in sources), overlays_of(gpt.name)]
        documents = self.overview.documents(all_names, gpt.index_spec.chunker_digest)
        used = self.questions.used(gpt.name, self._since(to_review.days))
        document_of = self.overview.documents_of(
            sorted({id for one in used.values() for id in (*one.hits, *one.cited)})
        )
        golden = [one for one in self.golden.all(gpt.name) if one.state is GoldenState.CONFIRMED]
        results = self.evaluate.answers(gpt.name, live, golden, progress)
        known = self.gaps.all(gpt.name)
        return ReviewWindow(
            gpt=gpt.name,
            title=to_review.title,
            now=self.clock.now(),
            days=to_review.days,
            languages=to_review.languages,
            readers=to_review.readers | {EVERYONE},
            release=str(live.version),
            questions=_questions(log, used, document_of),
            documents=_documents(documents, own, gpt, used, document_of, golden, to_review.max_age_h),
            sources=tuple(
                ReviewedSource(
                    name=one.name,
                    kind=one.kind,
                    attached=one.name in own,
                    synced_at=one.synced_at,
                    last_error=one.last_error or "",
                    n_documents=one.n_documents,
                    n_quarantined=one.n_quarantined,
                    n_held_plans=one.n_held_plans,
                    failed_scopes=one.failed_scopes,
                )
                for one in sources
            ),
            golden=tuple(
                ReviewedGolden(
                    id=one.id,
                    question=one.question,
                    expected=one.expected,
                    language=one.language,
                    passed=results[one.id].result.passed,
                )
                for one in golden
            ),
            known_gaps=tuple(_known(one) for one in known),
            synonyms=live.answer_spec.synonyms,
            prefer=live.answer_spec.prefer,
            trend=self._trend(gpt.name),
            dense=gpt.index_spec.dimensions > 0,
        )

    def _trend(self, gpt: str) -> tuple[tuple[str, float], ...]:
        found = []
        for one in reversed(self.releases.all(gpt)):
            report = self.releases.gate_report(gpt, one.seq) if one.published_at else None
            if report is not None and report.n_questions:
                found.append((str(one.version), report.passed))
        return tuple(found)

    def _since(self, days: int) -> datetime:
        return self.clock.now() - timedelta(days=days)


def _questions(
    log: Sequence[Logged], used: Mapping[str, Used], document_of: Mapping[ChunkId, DocumentId]
) -> tuple[ReviewedQuestion, ...]:
    again = asked_again(log)
    nothing = Used(hits=(), cited=())

    def of(chunks: Sequence[ChunkId]) -> tuple[DocumentId, ...]:
        return tuple(dict.fromkeys(document_of[id] for id in chunks if id in document_of))

    made = []
    for one in log:
        use = used.get(one.id, nothing)
        made.append(
            ReviewedQuestion(
                id=one.id,
                text=one.question,
                asked_at=one.asked_at,
                failed=one.failed or use.withheld > 0 or one.id in again,
                outcome=one.outcome,
                cause=one.cause,
                confidence=one.confidence,
                verdict=one.verdict,
                person=one.label or "",
                readers=one.readers,
                n_asked=one.n_asked,
                withheld=use.withheld,
                imported=one.source is Source.IMPORTED,
                reask_of=one.reask_of or "",
                cited=of(use.cited),
                hits=of(use.hits),
            )
        )
    return tuple(made)


def _documents(
    documents: Sequence[DocumentOverview],
    own: frozenset[str],
    gpt: GptToBuild,
    used: Mapping[str, Used],
    document_of: Mapping[ChunkId, DocumentId],
    golden: Sequence[GoldenQuestion],
    max_age_h: Mapping[str, int | None],
) -> tuple[ReviewedDocument, ...]:
    retrieved: Counter[DocumentId] = Counter()
    cited: Counter[DocumentId] = Counter()
    for one in used.values():
        retrieved.update({document_of[id] for id in one.hits if id in document_of})
        cited.update({document_of[id] for id in one.cited if id in document_of})
    expected = Counter(item for one in golden for item in one.expected)
    return tuple(
        ReviewedDocument(
            id=one.id,
            source=one.source,
            item_id=one.item_id,
            title=one.title,
            attached=one.source in own and f"{one.source}:{one.item_id}" not in gpt.approved.without,
            url=one.url,
            modified=one.modified,
            max_age_h=max_age_h.get(one.source),
            n_words=one.n_words,
            n_retrieved=retrieved[one.id],
            n_cited=cited[one.id],
            n_golden=expected[f"{one.source}:{one.item_id}"],
            poorly_read=one.poorly_read,
            reason=one.reason,
        )
        for one in documents
    )


def _known(one: Gap) -> KnownGap:
    return KnownGap(
        id=one.id,
        members=frozenset(one.members),
        n_asked=one.n_asked,
        centroid=one.centroid,
        dismissed_at=one.dismissed_at if one.state is GapState.DISMISSED else None,
    )
