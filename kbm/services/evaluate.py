"""Ask a release its golden questions, and decide whether it may go live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from kbm.domain.answers import Outcome
from kbm.domain.documents import EVERYONE
from kbm.domain.evaluation import (
    GateReport,
    GateVerdict,
    GoldenQuestion,
    GoldenResult,
    GoldenState,
    decide,
    judge,
)
from kbm.domain.releases import Release
from kbm.ports import Progress
from kbm.services.ask import Ask
from kbm.services.needs import Documents, Golden, Releases, Texts
from kbm.services.retrieve import Caller, Retrieve

log = structlog.get_logger()

HITS = 10
SELF_PROBES = 20
SELF_WORDS = 25
SELF_SHARE = 0.9
"""Passages tried on themselves, words taken of each, and the share that must be found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluate:
    """The use case with what it needs. Golden questions are not logged as asked."""

    golden: Golden
    documents: Documents
    texts: Texts
    releases: Releases
    retrieve: Retrieve
    ask: Ask

    def results(self, gpt: str, release: Release, progress: Progress) -> dict[str, GoldenResult]:
        """Ask a release every golden question of its GPT that counts."""
        questions = [one for one in self.golden.all(gpt) if one.state is GoldenState.CONFIRMED]
        found: dict[str, GoldenResult] = {}
        with progress.stage(f"golden questions, {gpt} {release.version}", len(questions)) as stage:
            for one in questions:
                found[one.id] = self._one(gpt, release, one)
                stage.advance()
        return found

    def gate(self, gpt: str, candidate: Release, *, max_drop: float, progress: Progress) -> GateReport:
        """Compare a candidate with live, and store the verdict with the candidate."""
        live = self.releases.live(gpt)
        after = self.results(gpt, candidate, progress)
        before = self.results(gpt, live, progress) if live else None
        if live is not None and before is not None:
            self._review_what_changed(gpt, live, candidate, before, after)
        report = decide(self.golden.all(gpt), after, before, max_drop=max_drop)
        if report.verdict is GateVerdict.UNPROVED:
            report = self._self_retrieval(gpt, candidate)
        self.releases.set_gate(gpt, candidate.seq, report)
        log.info("gate_decided", gpt=gpt, release=str(candidate.version), verdict=report.verdict)
        return report

    def _review_what_changed(
        self,
        gpt: str,
        live: Release,
        candidate: Release,
        before: Mapping[str, GoldenResult],
        after: Mapping[str, GoldenResult],
    ) -> None:
        """Put up for review the lost questions whose expected documents were removed or changed at the source.

        That is no fault of the candidate; whether the question still asks the right thing is for its owner to say.
        """
        was, now = (
            {
                f"{one.source}:{one.item_id}": one.version_id
                for one in self.releases.manifest(gpt, release.seq)
            }
            for release in (live, candidate)
        )
        for one in self.golden.all(gpt):
            lost = one.id in after and before[one.id].passed and not after[one.id].passed
            if lost and any(now.get(item) != was.get(item) for item in one.expected):
                self.golden.set_state(gpt, one.id, GoldenState.TO_REVIEW)

    def _self_retrieval(self, gpt: str, candidate: Release) -> GateReport:
        """Without golden questions: do passages find themselves by their own first words?"""
        members = sorted(self.releases.members(gpt, candidate.seq))
        places = self.texts.places(members, candidate.index_spec.chunker_digest)
        sample = places[:: max(1, len(places) // SELF_PROBES)][:SELF_PROBES]
        chunks = self.texts.chunks([place.chunk_id for place in sample])
        readers = self.documents.visibility().readers
        found = []
        for place in sample:
            words = " ".join(chunks[place.chunk_id].text.split()[:SELF_WORDS])
            if place.document_no not in readers or not any(char.isalnum() for char in words):
                continue
            caller = Caller(readers=readers[place.document_no])
            hits = self.retrieve.run(gpt, words, caller, release=str(candidate.version), k=HITS)
            # Equal passages of two documents are as good as each other.
            found.append(any(one.text == chunks[place.chunk_id].text for one in hits.passages))
        share = sum(found) / len(found) if found else 0.0
        if share >= SELF_SHARE:
            return GateReport(verdict=GateVerdict.UNPROVED, hit_at_5=share)
        reason = f"only {share:.0%} of its own passages are found by their own words"
        return GateReport(verdict=GateVerdict.HOLD, reasons=(reason,), hit_at_5=share)

    def _one(self, gpt: str, release: Release, question: GoldenQuestion) -> GoldenResult:
        caller = Caller(readers=frozenset({EVERYONE, *question.readers}))
        found = self.retrieve.run(gpt, question.question, caller, release=str(release.version), k=HITS)
        made = self.ask.answer(found)
        answered = made.outcome is not Outcome.UNANSWERED
        items = [f"{one.source}:{one.item_id}" for one in found.passages]
        return judge(
            question,
            list(dict.fromkeys(items)),
            made.text,
            answered=answered,
            cited=all(sentence.citations for sentence in made.sentences),
        )


def may_publish(report: GateReport) -> bool:
    """Tell whether a nightly run may publish on this verdict by itself."""
    return report.verdict in (GateVerdict.PASS, GateVerdict.UNPROVED)
