"""Is the right passage found, does the answer stand in what is cited, is "nothing on this" noticed?

On the question sets beside the checkout, none of which is part of the project. The plain way is BM25 with the right
stemmer over whole passages, with or without stop words, whichever ranks better in that language. Chunks are mapped to
their documents, first occurrence counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from kbm_indexes.chunking import MAX_WORDS, PassageChunker
from sklearn.metrics import roc_auc_score

from bench.calibrate import shown_documents, with_hidden_groups
from bench.corpora import LANGUAGES, Corpus, Indexed, available, indexed, load
from bench.embedders import Remembering, minilm
from bench.figures import Part
from bench.own_threshold import own_threshold
from bench.plain_bm25 import rankings
from bench.ranking import Quality, first_occurrences, quality
from kbm.domain.confidence import confidence
from kbm.domain.releases import AnswerSpec
from kbm.errors import ModelMissing
from kbm.ports import Embedder
from kbm.services.extract import extract

PLAIN = "bm25s with PyStemmer over whole passages, the better of with and without stop words"
SIZES = (60, 90, 120, MAX_WORDS)
CHUNKS_ASKED = 60
"""Deep enough that small chunks of few documents still give ten documents."""
PASSAGES_READ = 3
SEEDS = (1, 2)


def run(*, quick: bool) -> Iterator[Part]:
    """Measure; parts come as they are ready."""
    if not available():
        yield Part("quality", skipped="the question sets (../shared/data/retrieval) are not there")
        return
    try:
        embedder = Remembering(minilm())
    except ModelMissing as error:
        yield Part("quality", skipped=str(error))
        return
    part = Part("quality", PLAIN)
    corpora = [load(language) for language in LANGUAGES]
    for corpus in corpora:
        _measure(part, corpus, embedder, quick=quick)
    if not quick:
        _measure_sizes(part, corpora, embedder)
    part.notes.append(
        "abstention: the weights of confidence were fitted on these sets too; `python -m bench.calibrate` also judges"
        " each set by weights learnt on the others"
    )
    yield part


def ranking_of(data: Indexed, *, dense: bool) -> Quality:
    """Judge kbm's ranking of documents."""
    ranked = []
    for at, question in enumerate(data.corpus.questions):
        vector = data.question_vectors[at] if dense and data.question_vectors is not None else None
        found = data.index.search(question.text, vector, readable=data.everything, k=CHUNKS_ASKED)
        names = (data.corpus.documents[data.number_of[hit.chunk_id]][0] for hit in found.hits)
        ranked.append(first_occurrences(names))
    return quality(ranked, [one.gold for one in data.corpus.questions])


def plain_ranking(corpus: Corpus) -> Quality:
    """Judge BM25 in its better form, by nDCG."""
    texts = [f"{title}\n{text}" for _, title, text, _ in corpus.documents]
    names = [name for name, _, _, _ in corpus.documents]
    questions = [one.text for one in corpus.questions]
    gold = [one.gold for one in corpus.questions]
    both = [
        quality(rankings(texts, names, questions, corpus.name, stop_words=stop_words), gold)
        for stop_words in (True, False)
    ]
    return max(both, key=lambda one: one.ndcg_at_10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Shares of the questions whose answer stands in the cited sentences, and how many quotes are verbatim."""

    in_first: float
    in_three: float
    n_quotes: int
    n_verbatim: int


def answers_of(data: Indexed) -> Answered:
    """Extract an answer to every question, whatever its confidence."""
    first = three = n_quotes = n_verbatim = 0
    texts = [" ".join(text.split()) for _, _, text, _ in data.corpus.documents]
    for at, question in enumerate(data.corpus.questions):
        vector = data.question_vectors[at] if data.question_vectors is not None else None
        found = data.index.search(question.text, vector, readable=data.everything, k=PASSAGES_READ)
        passages = [data.passage(hit.chunk_id, hit.score) for hit in found.hits]
        chosen = extract(question.text, passages, data.index, data.everything)
        quotes = [one.quote for one in chosen]
        n_quotes += len(quotes)
        # Against the document as it came, not against the chunk that the quote was cut from.
        n_verbatim += sum(
            bool(one.quote) and one.quote in texts[data.number_of[one.passage.chunk_id]] for one in chosen
        )
        first += _holds(quotes[:1], question.answers)
        three += _holds(quotes[:3], question.answers)
    n = len(data.corpus.questions)
    return Answered(in_first=first / n, in_three=three / n, n_quotes=n_quotes, n_verbatim=n_verbatim)


def _holds(quotes: list[str], answers: tuple[str, ...]) -> bool:
    plain = [_flat(quote) for quote in quotes]
    return any(_flat(answer) in quote for quote in plain for answer in answers)


def _flat(text: str) -> str:
    return " ".join(text.casefold().split())


def _measure(part: Part, corpus: Corpus, embedder: Embedder, *, quick: bool) -> None:
    plain = plain_ranking(corpus)
    with indexed(corpus, PassageChunker(), embedder) as data:
        for label, dense in (("lexical", False), ("fused", True)):
            ours = ranking_of(data, dense=dense)
            for measure in ("hit_at_1", "hit_at_5", "hit_at_10", "ndcg_at_10"):
                part.add(
                    f"{corpus.name} {label} {measure}",
                    getattr(ours, measure),
                    "share",
                    getattr(plain, measure),
                )
        answered = answers_of(data)
        part.add(f"{corpus.name} answer in sentence 1", answered.in_first, "share")
        part.add(f"{corpus.name} answer in sentences 1-3", answered.in_three, "share")
        part.add(f"{corpus.name} quotes verbatim", answered.n_verbatim / max(1, answered.n_quotes), "share")
        part.notes.append(f"{corpus.name}: {answered.n_verbatim} of {answered.n_quotes} quotes verbatim")
        _measure_abstention(part, data, embedder, quick=quick)


def _measure_abstention(part: Part, data: Indexed, embedder: Embedder, *, quick: bool) -> None:
    """Judge by questions whose documents are hidden; thresholds are measured on what is left, without a label."""
    seeds, name, shipped = SEEDS[: 1 if quick else None], data.corpus.name, AnswerSpec().threshold
    for label, dense in (("", True), (" words alone", False)):
        lost: dict[str, list[float]] = {}
        caught: dict[str, list[float]] = {}
        areas, thresholds = [], []
        for seed in seeds:
            found = with_hidden_groups(data, seed, dense=dense)
            scores = np.array([confidence(signals) for signals, _ in found])
            labels = np.array([answerable for _, answerable in found])
            areas.append(float(roc_auc_score(labels, scores)))
            measured = own_threshold(data, shown_documents(data, seed), embedder if dense else None)
            thresholds.append(measured)
            for at, threshold in ((f"threshold {shipped:g}", shipped), ("label-free threshold", measured)):
                lost.setdefault(at, []).append(float((scores[labels] < threshold).mean()))
                caught.setdefault(at, []).append(float((scores[~labels] < threshold).mean()))
        part.add(f"{name} abstention{label} AUROC", float(np.mean(areas)), "area")
        for at in lost:
            part.add(f"{name}{label} lost at {at}", float(np.mean(lost[at])), "share", better="lower")
            part.add(f"{name}{label} caught at {at}", float(np.mean(caught[at])), "share")
        told = ", ".join(f"{one:.2f}" for one in thresholds)
        part.notes.append(f"{name}{label}: label-free thresholds to lose 5 %: {told}")


def _measure_sizes(part: Part, corpora: list[Corpus], embedder: Embedder) -> None:
    for size in SIZES:
        for corpus in corpora:
            with indexed(corpus, PassageChunker(max_words=size), embedder) as data:
                ours, answered = ranking_of(data, dense=True), answers_of(data)
                label = f"{corpus.name} {size} words"
                part.notes.append(f"{label}: {len(data.chunks)} chunks of {len(corpus.documents)} passages")
                part.add(f"{label} hit_at_1", ours.hit_at_1, "share")
                part.add(f"{label} hit_at_5", ours.hit_at_5, "share")
                part.add(f"{label} ndcg_at_10", ours.ndcg_at_10, "share")
                part.add(f"{label} answer in sentence 1", answered.in_first, "share")
                part.add(f"{label} answer in sentences 1-3", answered.in_three, "share")
