"""What the documents of a company say on a question: the best two-sentence windows, wherever they are.

Half of a window's score is its cosine to the question, half the share of the question's words that stand in it,
weighted by how rare they are; without an embedder the words are all. Embedding every window of every document would
take minutes, so three sieves come first: chunks by their stored vectors and their words, windows by their words, and
only the few best of each question are embedded, each text once.

Documents that this GPT has and those that it does not are sieved apart: a hundred good passages here must not hide
the better one there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import Stemmer
from numpy.typing import NDArray

from kbm.domain.documents import Span
from kbm.domain.gaps import EvidenceChunk, FailedQuestion, QuestionEvidence, Window
from kbm.domain.identity import DocumentId
from kbm.domain.language import guess_language
from kbm.domain.sentences import split_sentences
from kbm_agents.clashes import first_clash
from kbm_agents.words import content_words, rarity, words

Vectors = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Vectors]

N_CHUNKS = 8
"""Chunks looked into per question, of those it has and of the others."""
N_EMBEDDED = 5
"""Windows embedded per question, of each."""
N_KEPT = 5
"""Windows handed on, of each."""
OF_HEADING = 0.5
"""What a word counts that stands above the window only: a heading names the subject and does not answer."""
_SENTENCES = 2
_MOST_CHARS = 600
"""A row of a table or a line of code is one "sentence", however long; more is not read by an embedder either."""
_STEMMERS = {"de": "german", "en": "english", "fr": "french", "": "english"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    chunk: int
    span: Span
    text: str
    coverage: float
    likely: float


def find_evidence(
    questions: Sequence[FailedQuestion],
    question_vectors: Vectors | None,
    chunks: Sequence[EvidenceChunk],
    chunk_vectors: Vectors | None,
    embed: Embed | None,
    *,
    may_read: Callable[[str, DocumentId], bool] | None = None,
    ranked: Callable[[str], Sequence[DocumentId]] | None = None,
) -> list[QuestionEvidence]:
    """Find the best windows for each of *questions*, in their order; one without words or chunks gets none.

    Vectors are of unit length, one row per question and chunk; without an embedder all three are ``None``. *embed*
    gives vectors of passages. *may_read* says by the question's id whether who asked may read a document, *ranked*
    what this GPT's search gives for it; of a blocked document the search knows nothing.
    """
    book = _Book(chunks)
    cosines = None
    if question_vectors is not None and chunk_vectors is not None and len(chunks):
        cosines = question_vectors @ chunk_vectors.T
    found = [
        _candidates(one, book, None if cosines is None else cosines[at]) for at, one in enumerate(questions)
    ]
    vectors = _embedded(found, embed)
    evidence: list[QuestionEvidence] = []
    for at, (question, candidates) in enumerate(zip(questions, found, strict=True)):
        of_question = None if question_vectors is None or embed is None else question_vectors[at]
        windows = [
            _window(one, book, of_question, vectors, blocked=_is_blocked(question, one, book, may_read))
            for one in candidates
        ]
        windows = sorted(windows, key=lambda one: (-one.score, one.chunk_id, one.span.start))
        kept = _kept(windows)
        evidence.append(
            QuestionEvidence(
                question=question.id,
                windows=tuple(kept),
                ranked=tuple(ranked(question.id)) if ranked else (),
                clash=first_clash([one for one in windows if one.attached and not one.blocked]),
                n_asked=question.n_asked,
            )
        )
    return evidence


class _Book:
    """All chunks, their words by language, and how rare these are."""

    def __init__(self, chunks: Sequence[EvidenceChunk]) -> None:
        self.chunks = chunks
        self.attached = np.array([chunk.attached for chunk in chunks], dtype=np.bool_)
        self._of_language: dict[str, tuple[Callable[[str], float], dict[str, list[int]]]] = {}
        self._windows: dict[int, list[tuple[Span, str]]] = {}

    def inverted(self, language: str) -> tuple[Callable[[str], float], dict[str, list[int]]]:
        """Give how rare a stem is, and the chunks each stem stands in, under one language's stemmer."""
        if language not in self._of_language:
            texts = [f"{chunk.heading} {chunk.text}" for chunk in self.chunks]
            stemmed = [stems(text, language) for text in texts]
            where: dict[str, list[int]] = {}
            for at, found in enumerate(stemmed):
                for stem in found:
                    where.setdefault(stem, []).append(at)
            self._of_language[language] = rarity(stemmed), where
        return self._of_language[language]

    def windows(self, at: int) -> list[tuple[Span, str]]:
        """Give the windows of a chunk with their places in the document."""
        if at not in self._windows:
            chunk = self.chunks[at]
            self._windows[at] = list(windows_of(chunk.text, chunk.start))
        return self._windows[at]


def windows_of(text: str, start: int = 0) -> Iterable[tuple[Span, str]]:
    """Give every two neighbouring sentences of *text*, each pair once; a single sentence is a window, too."""
    sentences = split_sentences(text)
    for at in range(max(1, len(sentences) - _SENTENCES + 1)):
        some = sentences[at : at + _SENTENCES]
        if some:
            begin, end = some[0].start, min(some[-1].end, some[0].start + _MOST_CHARS)
            yield Span(start + begin, start + end), text[begin:end]


def stems(text: str, language: str) -> frozenset[str]:
    """Give the stems of all words, by one language's rules."""
    return frozenset(_stem(language, word) for word in words(text))


@lru_cache(maxsize=200_000)
def _stem(language: str, word: str) -> str:
    stem: str = _stemmer(language).stemWord(word)
    return stem


@lru_cache(maxsize=8)
def _stemmer(language: str) -> Stemmer.Stemmer:
    return Stemmer.Stemmer(_STEMMERS[language])


def _candidates(
    question: FailedQuestion, book: _Book, cosines: NDArray[np.float32] | None
) -> list[_Candidate]:
    """Give the windows worth embedding, of attached chunks and of others."""
    language = guess_language(question.text)
    idf, where = book.inverted(language)
    weight = {stem: idf(stem) for stem in {_stem(language, word) for word in content_words(question.text)}}
    total = sum(weight.values())
    if not total:
        return []
    coverage = np.zeros(len(book.chunks))
    for stem, value in weight.items():
        coverage[where.get(stem, [])] += value / total
    likely = coverage if cosines is None else (coverage + cosines) / 2
    found: list[_Candidate] = []
    for side in (book.attached, ~book.attached):
        places = np.flatnonzero(side)
        best = places[np.argsort(-likely[places], kind="stable")][:N_CHUNKS]
        of_side: list[_Candidate] = []
        for at in best.tolist():
            above = stems(book.chunks[at].heading, language)
            cosine = 0.0 if cosines is None else float(cosines[at])
            for span, text in book.windows(at):
                within = stems(text, language)
                share = sum(
                    value * (1.0 if stem in within else OF_HEADING if stem in above else 0.0)
                    for stem, value in weight.items()
                )
                share /= total
                of_side.append(
                    _Candidate(chunk=at, span=span, text=text, coverage=share, likely=(share + cosine) / 2)
                )
        of_side.sort(key=lambda one: (-one.likely, one.chunk, one.span.start))
        found += of_side[:N_EMBEDDED]
    return found


def _embedded(found: Sequence[Sequence[_Candidate]], embed: Embed | None) -> dict[str, Vectors]:
    if embed is None:
        return {}
    texts = sorted({one.text for candidates in found for one in candidates})
    return dict(zip(texts, embed(texts), strict=True)) if texts else {}


def _is_blocked(
    question: FailedQuestion,
    one: _Candidate,
    book: _Book,
    may_read: Callable[[str, DocumentId], bool] | None,
) -> bool:
    return may_read is not None and not may_read(question.id, book.chunks[one.chunk].document_id)


def _window(
    one: _Candidate, book: _Book, of_question: Vectors | None, vectors: dict[str, Vectors], *, blocked: bool
) -> Window:
    chunk = book.chunks[one.chunk]
    cosine = 0.0 if of_question is None else float(of_question @ vectors[one.text])
    return Window(
        chunk_id=chunk.chunk_id,
        document_id=chunk.document_id,
        span=one.span,
        text=one.text,
        cosine=cosine,
        coverage=one.coverage,
        score=one.coverage if of_question is None else max(0.0, (cosine + one.coverage) / 2),
        attached=chunk.attached,
        blocked=blocked,
        outdated=chunk.outdated,
        n_words=chunk.n_words,
    )


def _kept(windows: Sequence[Window]) -> list[Window]:
    """Keep the best of each side, no two overlapping ones of a document."""
    kept: list[Window] = []
    counts: Counter[bool] = Counter()
    for one in windows:
        overlaps = any(
            one.document_id == other.document_id
            and one.span.start < other.span.end
            and other.span.start < one.span.end
            for other in kept
        )
        if not overlaps and counts[one.attached] < N_KEPT:
            counts[one.attached] += 1
            kept.append(one)
    return kept
