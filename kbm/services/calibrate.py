"""Measure from which confidence on a release answers, by questions made of its own documents.

Each question is asked twice: of the whole release, where its answer is, and with its document held out, where it is
not. Only documents that everybody reads who may read anything here take part, so a document that somebody may not see
moves nothing for them. Golden questions join where there are enough, and people's verdicts move where the warning
ends. Nothing here may fail a build: what cannot be measured leaves the shipped thresholds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import numpy as np
import structlog
from numpy.typing import NDArray

from kbm.domain.answers import Verdict
from kbm.domain.calibration import (
    LEAST_GOLDEN,
    LEAST_QUESTIONS,
    LEAST_VERDICTS,
    Calibration,
    Scored,
    curve_of,
)
from kbm.domain.catalogue import ChunkPlace
from kbm.domain.confidence import confidence
from kbm.domain.documents import EVERYONE, Chunk
from kbm.domain.evaluation import GoldenQuestion, GoldenState
from kbm.domain.identity import ChunkId
from kbm.domain.own_questions import FOREIGN, FOREIGN_WORDS_ONLY, OwnQuestion, own_questions
from kbm.domain.releases import AnswerSpec, IndexSpec, Release
from kbm.domain.retrieval import Synonyms
from kbm.errors import ModelMissing, ProviderUnavailable
from kbm.ports import Clock, Embedder, Progress
from kbm.services.needs import Documents, Golden, Judged, ReleaseIndex, Texts

log = structlog.get_logger()

MOST_QUESTIONS, FEWEST_QUESTIONS = 300, 100
SEARCHED = 2_400_000
"""Own questions of a release times its passages: some eight seconds of work."""

PASSAGES_READ = 2_000
"""Passages that questions are made of and words are counted in."""

VERDICTS_SINCE = timedelta(days=90)

STILL_THERE = 0.9
"""Share of a sentence's weight that another document must hold for its answer to be there without its own."""

_DECIMALS = 3
"""Of a confidence that counts: other processors differ later than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asking:
    """Asks one release; ``readable`` is what takes part, by document number."""

    index: ReleaseIndex
    readable: NDArray[np.bool_]
    synonyms: Synonyms

    def own(self, questions: Sequence[OwnQuestion], vectors: NDArray[np.float32] | None) -> list[Scored]:
        """Ask each question with its document, and without it."""
        scored = []
        for at, one in enumerate(questions):
            vector = None if vectors is None else vectors[at]
            found = self._confidence(one.text, vector, self.readable)
            scored.append(Scored(found, answerable=True))
            without = self.readable.copy()
            without[one.document_no] = False
            left = self._confidence(one.text, vector, without)
            # Held out in vain if another document says the same; only a good find makes that worth asking.
            if left < found / 2 or not self._says(one.sentence, without):
                scored.append(Scored(left, answerable=False))
        return scored

    def golden(
        self, questions: Sequence[GoldenQuestion], vectors: NDArray[np.float32] | None, n_own: int
    ) -> list[Scored]:
        """Ask people's questions; all together they count as much as the own ones."""
        weight = n_own / max(1, len(questions))
        return [
            Scored(
                self._confidence(one.question, None if vectors is None else vectors[at], self.readable),
                one.answerable,
                weight,
            )
            for at, one in enumerate(questions)
        ]

    def _confidence(
        self, text: str, vector: NDArray[np.float32] | None, readable: NDArray[np.bool_]
    ) -> float:
        found = self.index.search(text, vector, readable=readable, k=1, synonyms=self.synonyms)
        return round(confidence(found.signals), _DECIMALS) if found.hits else 0.0

    def _says(self, sentence: str, readable: NDArray[np.bool_]) -> bool:
        """Tell whether some readable passage holds nearly all of a sentence."""
        found = self.index.search(sentence, None, readable=readable, k=1)
        return found.signals.coverage_best >= STILL_THERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What questions come from: passages with their documents' numbers, people's questions and people's verdicts."""

    chunks: Sequence[Chunk]
    document_of: Mapping[ChunkId, int]
    wanted: int = MOST_QUESTIONS
    golden: Sequence[GoldenQuestion] = ()
    verdicts: Sequence[tuple[float, bool]] = ()


def measure(
    index: ReleaseIndex,
    readable: NDArray[np.bool_],
    material: Material,
    rules: AnswerSpec,
    embed: Callable[[Sequence[str]], NDArray[np.float32] | None],
) -> Calibration | None:
    """Measure an index by the documents that are *readable*, by number; None when there is too little to measure by.

    *embed* gives the vectors of questions, or None where words alone are searched.
    """
    golden = list(material.golden)
    asking = _Asking(index=index, readable=readable, synonyms=rules.synonyms)
    own = own_questions(material.chunks, material.document_of, material.wanted, foreign=FOREIGN_WORDS_ONLY)
    scored = [*asking.own(own, None), *asking.golden(golden, None, len(own))]
    words = curve_of(scored, lose=rules.lose)
    if len(own) + len(golden) < LEAST_QUESTIONS:
        return None
    own = own_questions(material.chunks, material.document_of, material.wanted, foreign=FOREIGN)
    vectors = embed([*(one.text for one in own), *(one.question for one in golden)])
    dense = None
    if vectors is not None:
        n = len(own)
        scored = [*asking.own(own, vectors[:n]), *asking.golden(golden, vectors[n:], n)]
        dense = curve_of(scored, lose=rules.lose, verdicts=material.verdicts)
    if words is None and dense is None:
        return None
    return Calibration(
        lose=rules.lose,
        n_own=len(own),
        n_golden=len(golden),
        n_verdicts=len(material.verdicts) if dense else 0,
        dense=dense,
        words=words,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrate:
    """The use case with what it needs."""

    documents: Documents
    texts: Texts
    golden: Golden
    judged: Judged
    embedder: Embedder | None
    clock: Clock

    def run(
        self,
        gpt: str,
        index: ReleaseIndex,
        spec: IndexSpec,
        rules: AnswerSpec,
        places: Sequence[ChunkPlace],
        progress: Progress,
    ) -> Calibration | None:
        """Measure a sealed release; None when there is too little to measure by."""
        shared = shared_documents(self.documents.visibility().readers, {one.document_no for one in places})
        open_places = sorted(
            (one for one in places if shared.size > one.document_no and shared[one.document_no]),
            key=lambda one: one.chunk_id,
        )[:PASSAGES_READ]
        chunks = list(self.texts.chunks([one.chunk_id for one in open_places]).values())
        numbers = {one.chunk_id: one.document_no for one in open_places}
        material = Material(
            chunks=chunks,
            document_of=numbers,
            wanted=min(max(SEARCHED // max(1, len(places)), FEWEST_QUESTIONS), MOST_QUESTIONS),
            golden=self._golden(gpt),
            verdicts=self._verdicts(gpt),
        )
        with progress.stage(f"measure confidence of {gpt}", 1) as stage:
            found = measure(index, shared, material, rules, partial(self._vectors, spec))
            stage.advance()
        return found

    def holds(self, release: Release) -> bool:
        """Tell whether what was found for a release can go on, a lack of questions too: as many golden ones count."""
        n_golden = release.calibration.n_golden if release.calibration else 0
        return n_golden == len(self._golden(release.gpt))

    def _golden(self, gpt: str) -> list[GoldenQuestion]:
        """Give the golden questions that count, if there are enough."""
        golden = [one for one in self.golden.all(gpt) if _counts(one)]
        return golden if sum(one.answerable for one in golden) >= LEAST_GOLDEN else []

    def _vectors(self, spec: IndexSpec, texts: Sequence[str]) -> NDArray[np.float32] | None:
        """Embed the questions, if the release has vectors and their embedder answers."""
        if self.embedder is None or not spec.dimensions or self.embedder.digest != spec.embedder_digest:
            return None
        try:
            return self.embedder.embed(texts, "question")
        except (ProviderUnavailable, ModelMissing) as error:
            log.warning("confidence_measured_by_words", embedder=self.embedder.name, why=error.code)
            return None

    def _verdicts(self, gpt: str) -> list[tuple[float, bool]]:
        """Give what everybody's answers were worth to people, if enough of them said so."""
        since = self.clock.now() - VERDICTS_SINCE
        found = [
            (score, verdict is Verdict.HELPFUL)
            for score, verdict in self.judged.verdicts(gpt, frozenset({EVERYONE}), since)
        ]
        return found if len(found) >= LEAST_VERDICTS else []


def shared_documents(readers: Mapping[int, frozenset[str]], numbers: set[int]) -> NDArray[np.bool_]:
    """Tell by number which documents everybody may read who may read any of *numbers*.

    Those for everyone, if there are any; else those whose readers are all that occur.
    """
    of = {no: readers[no] for no in numbers if readers.get(no)}
    public = {no for no, names in of.items() if EVERYONE in names}
    if not public:
        names = frozenset().union(*of.values())
        public = {no for no, mine in of.items() if mine >= names}
    mask = np.zeros(max(numbers, default=0) + 1, dtype=np.bool_)
    mask[list(public)] = True
    return mask


def _counts(one: GoldenQuestion) -> bool:
    """Tell whether a golden question is one that everybody may be judged by, and says what is to be found."""
    everyone = set(one.readers) <= {EVERYONE}
    return everyone and one.state is GoldenState.CONFIRMED and (one.answerable or not one.expected)
