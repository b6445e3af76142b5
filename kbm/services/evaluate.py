"""Ask a release its golden questions, and decide whether it may go live."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import structlog

from kbm.domain.answers import Citation, Outcome
from kbm.domain.documents import EVERYONE
from kbm.domain.evaluation import (
    CONFIDENCE,
    GateReport,
    GateVerdict,
    GoldenQuestion,
    GoldenResult,
    GoldenState,
    decide,
    judge,
)
from kbm.domain.identity import Digest, VersionId, digest, document_id
from kbm.domain.releases import Release
from kbm.errors import NotFound
from kbm.faults import fault_point
from kbm.ports import Progress
from kbm.services.ask import Ask
from kbm.services.document import ShowDocument
from kbm.services.needs import Documents, Golden, Releases, Texts
from kbm.services.retrieve import Caller, Retrieve

log = structlog.get_logger()

HITS = 10
SELF_PROBES = 20
SELF_WORDS = 25
SELF_SHARE = 0.9
"""Passages tried on themselves, words taken of each, and the share that must be found."""


RESAMPLES = 2000
SEED = 20_261_123


def bootstrap(differences: Sequence[int]) -> tuple[float, float]:
    """Give the 95 % percentile interval of the mean of paired differences, the same one every time.

    Drawing n of n with replacement and counting each value is one draw of a multinomial, so no resample is made
    (``scipy.stats.bootstrap`` gives the same and takes seconds to import).
    """
    values, counts = np.unique(np.asarray(differences), return_counts=True)
    n = len(differences)
    drawn = np.random.default_rng(SEED).multinomial(n, counts / n, size=RESAMPLES)
    low, high = np.quantile(drawn @ values / n, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenAnswer:
    """What a release says to a golden question; *cited* names the items as ``source:item_id``."""

    outcome: Outcome
    text: str
    cited: tuple[str, ...]
    result: GoldenResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluate:
    """The use case with what it needs. Golden questions are not logged as asked."""

    golden: Golden
    documents: Documents
    texts: Texts
    releases: Releases
    retrieve: Retrieve
    ask: Ask
    show_document: ShowDocument

    def answers(
        self, gpt: str, release: Release, questions: Sequence[GoldenQuestion], progress: Progress
    ) -> dict[str, GoldenAnswer]:
        """Ask a release golden questions of its GPT."""
        members = self.releases.members(gpt, release.seq)
        found: dict[str, GoldenAnswer] = {}
        with progress.stage(f"golden questions, {gpt} {release.version}", len(questions)) as stage:
            for one in questions:
                found[one.id] = self._one(release, one, members)
                stage.advance()
        return found

    def gate(self, gpt: str, candidate: Release, *, max_drop: float, progress: Progress) -> GateReport:
        """Compare a candidate with live, and store the verdict with the candidate."""
        live = self.releases.live(gpt)
        questions = self.golden.all(gpt)
        counted = [one for one in questions if one.state is GoldenState.CONFIRMED]
        after = _results(self.answers(gpt, candidate, counted, progress))
        before = _results(self.answers(gpt, live, counted, progress)) if live else None
        if live is not None and before is not None:
            questions = self._review_what_changed(gpt, live, candidate, questions, before, after)
        report = decide(questions, after, before, max_drop=max_drop, bootstrap=bootstrap)
        if report.verdict is GateVerdict.UNPROVED:
            report = self._self_retrieval(gpt, candidate, report)
        report = replace(
            report,
            live=str(live.version) if live else None,
            basis=self._basis(candidate, live, questions, max_drop),
        )
        with fault_point("publish.gate"):
            self.releases.set_gate(gpt, candidate.seq, report)
        log.info("gate_decided", gpt=gpt, release=str(candidate.version), verdict=report.verdict)
        return report

    def standing(
        self, gpt: str, candidate: Release, live: Release | None, *, max_drop: float
    ) -> GateReport | None:
        """Give the stored verdict if all that it rests on is as it was: releases, questions, visibility, setting."""
        report = self.releases.gate_report(gpt, candidate.seq)
        if report is None:
            return None
        return (
            report if report.basis == self._basis(candidate, live, self.golden.all(gpt), max_drop) else None
        )

    def _basis(
        self, candidate: Release, live: Release | None, questions: Sequence[GoldenQuestion], max_drop: float
    ) -> Digest:
        asked = json.dumps([asdict(one) for one in questions], sort_keys=True)
        epoch = str(self.documents.epoch())
        return digest("gate", candidate.digest, live.digest if live else "", asked, epoch, f"{max_drop:.6f}")

    def _review_what_changed(
        self,
        gpt: str,
        live: Release,
        candidate: Release,
        questions: Sequence[GoldenQuestion],
        before: Mapping[str, GoldenResult],
        after: Mapping[str, GoldenResult],
    ) -> list[GoldenQuestion]:
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
        reviewed = []
        for one in questions:
            lost = one.id in after and before[one.id].passed and not after[one.id].passed
            if lost and any(self._changed_at_source(item, was, now) for item in one.expected):
                with fault_point("publish.review"):
                    self.golden.set_state(gpt, one.id, GoldenState.TO_REVIEW)
                reviewed.append(replace(one, state=GoldenState.TO_REVIEW))
            else:
                reviewed.append(one)
        return reviewed

    def _changed_at_source(
        self, item: str, was: Mapping[str, VersionId], now: Mapping[str, VersionId]
    ) -> bool:
        """Tell whether an item is another one, or gone, where it comes from: leaving it out here is no such thing."""
        if item in now or item not in was:
            return now.get(item) != was.get(item)
        source, _, item_id = item.partition(":")
        record = self.documents.document(document_id(source, item_id))
        return record is None or not record.present

    def _self_retrieval(self, gpt: str, candidate: Release, report: GateReport) -> GateReport:
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
            return replace(report, hit_at_5=share)
        reason = f"only {share:.0%} of its own passages are found by their own words"
        return replace(report, verdict=GateVerdict.HOLD, reasons=(reason,), hit_at_5=share)

    def _one(
        self, release: Release, question: GoldenQuestion, members: Collection[VersionId]
    ) -> GoldenAnswer:
        caller = Caller(readers=frozenset({EVERYONE, *question.readers}))
        version = str(release.version)
        found = self.retrieve.run(release.gpt, question.question, caller, release=version, k=HITS)
        made = self.ask.answer(found)
        dead = [
            f"[{one.n}] {why}"
            for one in made.citations
            if (why := self._why_dead(one, release, members, caller))
        ]
        result = judge(
            question,
            list(dict.fromkeys(f"{one.source}:{one.item_id}" for one in found.passages)),
            made.text,
            answered=made.outcome is not Outcome.UNANSWERED,
            cited=all(sentence.citations for sentence in made.sentences),
            dead=dead,
        )
        cited = dict.fromkeys(f"{one.passage.source}:{one.passage.item_id}" for one in made.citations)
        return GoldenAnswer(outcome=made.outcome, text=made.text, cited=tuple(cited), result=result)

    def _why_dead(
        self, citation: Citation, release: Release, members: Collection[VersionId], caller: Caller
    ) -> str:
        """Say why a citation leads nowhere; empty if it holds. Its link opens what is looked at here."""
        passage = citation.passage
        chunk = self.texts.chunks([passage.chunk_id]).get(passage.chunk_id)
        if chunk is None or chunk.version_id not in members:
            return "its passage is not in the release"
        try:
            shown = self.show_document.run(
                passage.document_id, caller, gpt=release.gpt, release=str(release.version)
            )
            if shown.text[chunk.start + citation.start : chunk.start + citation.end] != citation.quote:
                return "its quote is not in the stored text"
        except NotFound:
            return "its link leads nowhere"
        return ""


def _results(answers: Mapping[str, GoldenAnswer]) -> dict[str, GoldenResult]:
    return {id: one.result for id, one in answers.items()}


def may_publish(report: GateReport) -> bool:
    """Tell whether a nightly run may publish on this verdict by itself."""
    return report.verdict in (GateVerdict.PASS, GateVerdict.UNPROVED)
