"""Answer what detectors ask while they look: passages, pairs and vectors over all documents of the company.

It reads and nothing else. What it gives is data; the process that a detector runs in holds no more than the other end
of a pipe to it (:mod:`kbm.detecting`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kbm.domain.answers import Passage
from kbm.domain.documents import Span
from kbm.domain.identity import ChunkId
from kbm.domain.releases import Release
from kbm.domain.review import Near, Pair
from kbm.ports import Embedder, Vectors
from kbm.services.needs import Indexes, ReleaseIndex, Texts

PAIRS = 1_000
"""Pairs given at most."""

_EPOCH = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyLookup:
    """A :class:`~kbm.ports.Lookup` over the company index.

    ``own`` tells by document number what the GPT answers from, ``readers`` who may read a document. ``write`` lets
    the chat model answer a prompt, None where there is none.
    """

    texts: Texts
    index: ReleaseIndex
    own: NDArray[np.bool_] = field(repr=False)
    others: NDArray[np.bool_] = field(repr=False)
    readers: dict[int, frozenset[str]] = field(repr=False)
    embedder: Embedder | None
    write: Callable[[str, int], str | None] | None = None

    def nearest(self, questions: Sequence[str], k: int) -> list[list[Near]]:
        """Give the *k* best passages of the GPT's own documents and the *k* best of the others, for each question."""
        vectors = self.embed(questions, "question")
        found = []
        for question, vector in zip(questions, vectors, strict=True):
            dense = vector if len(vector) else None
            hits = []
            for mask, attached in ((self.own, True), (self.others, False)):
                got = self.index.search(question, dense, readable=mask, k=k)
                hits += [(one.chunk_id, one.score, attached) for one in got.hits]
            loaded = self.texts.passages([id for id, _, _ in hits])
            found.append(
                [self._near(*loaded[id], score, attached) for id, score, attached in hits if id in loaded]
            )
        return found

    def pairs(self, cosine: float) -> list[Pair]:
        """Give near passages of different documents of the GPT."""
        found = self.index.near_pairs(self.own, cosine=cosine, limit=PAIRS)
        loaded = self.texts.passages(list(dict.fromkeys(id for pair in found for id in pair[:2])))
        made = []
        for first, second, near in found:
            if first in loaded and second in loaded:
                pair = [self._near(*loaded[id], near, True) for id in (first, second)]
                pair.sort(key=lambda one: (one.modified or _EPOCH, one.chunk_id), reverse=True)
                made.append(Pair(newer=pair[0], older=pair[1], cosine=near))
        return made

    def vectors(self, chunks: Sequence[ChunkId]) -> Vectors:
        """Give the stored vectors of passages."""
        return self.index.vectors_of(chunks)

    def embed(self, texts: Sequence[str], purpose: Literal["passage", "question"]) -> Vectors:
        """Embed texts; no columns without an embedder."""
        if self.embedder is None:
            return np.zeros((len(texts), 0), dtype=np.float32)
        return self.embedder.embed(texts, purpose)

    def weights(self, words: Sequence[str]) -> list[float]:
        """Give the idf of words over all documents of the company."""
        return self.index.weights(words, readable=None)

    def complete(self, prompt: str, *, max_tokens: int) -> str | None:
        """Let the chat model write, if there is one."""
        return self.write(prompt, max_tokens) if self.write else None

    def _near(self, no: int, passage: Passage, score: float, attached: bool) -> Near:
        return Near(
            chunk_id=ChunkId(passage.chunk_id),
            document_id=passage.document_id,
            item=f"{passage.source}:{passage.item_id}",
            title=passage.title,
            span=Span(passage.start, passage.end),
            text=passage.text,
            score=score,
            attached=attached,
            readers=self.readers.get(no, frozenset()),
            modified=passage.modified,
            section=tuple(passage.section),
        )


def look_up(
    *,
    company: Release,
    indexes: Indexes,
    texts: Texts,
    own: NDArray[np.bool_],
    others: NDArray[np.bool_],
    readers: dict[int, frozenset[str]],
    embedder: Embedder | None,
    write: Callable[[str, int], str | None] | None,
) -> CompanyLookup:
    """Open the company index for looking things up."""
    index = indexes.open(company.gpt, company.index_spec, company.seq, company.index_digest)
    return CompanyLookup(
        texts=texts, index=index, own=own, others=others, readers=readers, embedder=embedder, write=write
    )
