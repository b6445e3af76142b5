"""Give chunks their rows in an index folder: embed what was never embedded, append what has no row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kbm.domain.catalogue import ChunkPlace
from kbm.domain.documents import Chunk
from kbm.domain.releases import IndexSpec
from kbm.domain.retrieval import IndexRow
from kbm.errors import KbmError
from kbm.faults import fault_point
from kbm.ports import Embedder, Progress, Vectors, VectorStore
from kbm.services.needs import IndexFolder, Releases, Texts

EMBED_BATCH = 64
"""Chunks embedded and stored at a time: what a crash can cost at most, some two seconds of work."""

ROW_BYTES = 2_750 + 1_250
"""What a row takes on the disk: vector and postings as measured, and the text of a passage of some 180 words."""

SEGMENT_ROWS = 65_536
"""Rows per segment file; row numbers inside a segment have 16 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What it takes. Without an embedder, rows are lexical and no vectors are opened."""

    texts: Texts
    releases: Releases
    embedder: Embedder | None
    open_vectors: Callable[[], VectorStore]

    def add(
        self, gpt: str, spec: IndexSpec, folder: IndexFolder, places: Sequence[ChunkPlace], progress: Progress
    ) -> tuple[int, int]:
        """Give a row to each of *places* that has none; returns how many, and how many texts were embedded.

        Raises:
            KbmError: the spec's embedder is not the one configured, so its vectors cannot be had.
            ProviderUnavailable: the embedder did not answer; what was embedded before is kept.
        """
        configured = self.embedder.digest if self.embedder else None
        if spec.dimensions and spec.embedder_digest != configured:
            raise KbmError(
                f"the index of {gpt} was made with embedder {spec.embedder!r}, which is not the one configured",
                hint="set kbm.embedder to it, or build a new release",
            )
        known = folder.rows()
        new = [place for place in places if place.chunk_id not in known]
        n_embedded = self._embed(new, progress)
        self._append(gpt, spec, folder, new, progress)
        return len(new), n_embedded

    def bytes_to_add(self, folder: IndexFolder, places: Sequence[ChunkPlace]) -> int:
        """Estimate what :meth:`add` would write to the disk."""
        known = folder.rows()
        return ROW_BYTES * sum(place.chunk_id not in known for place in places)

    def _embed(self, new: Sequence[ChunkPlace], progress: Progress) -> int:
        """Put the missing vectors of *new* chunks into the vector store; returns how many were made."""
        if self.embedder is None or not new:
            return 0
        made = 0
        vectors = self.open_vectors()
        with progress.stage("embed", len(new)) as stage:
            for start in range(0, len(new), EMBED_BATCH):
                batch = new[start : start + EMBED_BATCH]
                chunks = self.texts.chunks([place.chunk_id for place in batch])
                # Equal texts share a key; each is embedded once.
                texts = {
                    one.vector_key(self.embedder.digest): one.indexed_text
                    for place in batch
                    for one in [chunks[place.chunk_id]]
                }
                there = vectors.get(list(texts))
                missing = [key for key in texts if key not in there]
                if missing:
                    made += len(missing)
                    embedded = self.embedder.embed([texts[key] for key in missing], "passage")
                    with fault_point("build.vectors"):
                        vectors.add(missing, embedded)
                stage.advance(len(batch))
        return made

    def _append(
        self, gpt: str, spec: IndexSpec, folder: IndexFolder, new: Sequence[ChunkPlace], progress: Progress
    ) -> None:
        if not new:
            return
        with progress.stage("index", len(new)) as stage:
            for start in range(0, len(new), SEGMENT_ROWS):
                some = new[start : start + SEGMENT_ROWS]
                chunks = self.texts.chunks([place.chunk_id for place in some])
                rows = [
                    IndexRow(
                        chunk_id=place.chunk_id,
                        document_no=place.document_no,
                        text=chunks[place.chunk_id].indexed_text,
                    )
                    for place in some
                ]
                vectors = self._vectors_of([chunks[place.chunk_id] for place in some])
                with fault_point("build.segment"):
                    records = folder.append(rows, vectors)
                with fault_point("build.known"):
                    self.releases.add_segments(gpt, spec.digest, records)
                stage.advance(len(some))

    def _vectors_of(self, chunks: Sequence[Chunk]) -> Vectors | None:
        """Give the stored vectors of *chunks*, in order."""
        if self.embedder is None:
            return None
        keys = [one.vector_key(self.embedder.digest) for one in chunks]
        stored = self.open_vectors().get(list(dict.fromkeys(keys)))
        return np.stack([stored[key] for key in keys])
