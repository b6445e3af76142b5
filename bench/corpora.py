"""Question sets beside the checkout, and indexes over them made of kbm's own parts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from kbm_indexes.release_index import IndexFolder, ReleaseIndex, SharedSegments
from numpy.typing import NDArray

from kbm.domain.answers import Passage
from kbm.domain.documents import Chunk, Element, ElementKind
from kbm.domain.identity import ChunkId, Digest, DocumentId, VersionId, digest, document_id
from kbm.domain.retrieval import IndexRow
from kbm.ports import Chunker, Embedder

SHARED = Path(__file__).parents[2] / "shared" / "data"
LANGUAGES = ("en", "de", "fr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question, the documents that answer it, and spellings of the answer."""

    text: str
    gold: frozenset[str]
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Documents as (id, title, text, group), with questions."""

    name: str
    documents: tuple[tuple[str, str, str, str], ...]
    questions: tuple[Question, ...]


@dataclass(slots=True, kw_only=True)
class Indexed:
    """A corpus in a release index; document numbers are positions in ``corpus.documents``."""

    corpus: Corpus
    index: ReleaseIndex
    chunks: dict[ChunkId, Chunk]
    number_of: dict[ChunkId, int]
    question_vectors: NDArray[np.float32] | None
    everything: NDArray[np.bool_] = field(repr=False)

    def passage(self, id: ChunkId, score: float = 0.0) -> Passage:
        """Give a chunk as answering gets it."""
        chunk, number = self.chunks[id], self.number_of[id]
        name, title, _, _ = self.corpus.documents[number]
        return Passage(
            chunk_id=id,
            document_id=DocumentId(name),
            source=self.corpus.name,
            item_id=name,
            title=title,
            url="",
            text=chunk.text,
            start=chunk.start,
            end=chunk.end,
            section=chunk.section,
            page=None,
            modified=None,
            score=score,
        )


def available() -> bool:
    """Tell whether the question sets are there."""
    return (SHARED / "retrieval").is_dir()


def load(language: str) -> Corpus:
    """Read a question set."""
    folder = SHARED / "retrieval" / language
    documents = [
        json.loads(line) for line in (folder / "docs.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    questions = [
        json.loads(line) for line in (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return Corpus(
        name=language,
        documents=tuple((one["id"], one["title"], one["text"], one["group"]) for one in documents),
        questions=tuple(
            Question(text=one["text"], gold=frozenset(one["gold"]), answers=tuple(one["answers"]))
            for one in questions
            if one["answerable"]
        ),
    )


@contextmanager
def indexed(corpus: Corpus, chunker: Chunker, embedder: Embedder | None) -> Iterator[Indexed]:
    """Index a corpus in a temporary folder, one document per passage."""
    chunks: list[Chunk] = []
    numbers: list[int] = []
    for number, (name, title, text, _) in enumerate(corpus.documents):
        paragraphs = [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]
        elements = [Element(kind=ElementKind.TEXT, text=part) for part in paragraphs]
        cut = chunker.chunk(VersionId(document_id(corpus.name, name)), title, elements)
        chunks += cut
        numbers += [number] * len(cut)
    rows = [
        IndexRow(chunk_id=chunk.id, document_no=number, text=chunk.indexed_text)
        for chunk, number in zip(chunks, numbers, strict=True)
    ]
    vectors = embedder.embed([row.text for row in rows], "passage") if embedder else None
    asked = embedder.embed([one.text for one in corpus.questions], "question") if embedder else None
    with TemporaryDirectory() as folder:
        index = build_index(Path(folder), rows, vectors, embedder.dimensions if embedder else 0)
        yield Indexed(
            corpus=corpus,
            index=index,
            chunks={chunk.id: chunk for chunk in chunks},
            number_of={chunk.id: number for chunk, number in zip(chunks, numbers, strict=True)},
            question_vectors=asked,
            everything=np.ones(len(corpus.documents), dtype=np.bool_),
        )


def build_index(
    folder: Path, rows: Sequence[IndexRow], vectors: NDArray[np.float32] | None, dimensions: int
) -> ReleaseIndex:
    """Write and open a release of all *rows*."""
    spec: Digest = digest("bench", str(dimensions))
    with IndexFolder(folder, spec, [], dimensions) as builder:
        builder.append(rows, vectors)
        builder.seal(1, [row.chunk_id for row in rows])
    return ReleaseIndex.open(folder, 1, SharedSegments())
