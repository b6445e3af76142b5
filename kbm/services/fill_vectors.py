"""Fill the vector store again from the segments of release indexes: nothing is embedded.

A backup leaves the store out, because every vector of a release that can be asked lies in a segment too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kbm.domain.identity import VectorKey
from kbm.domain.releases import IndexSpec
from kbm.ports import Progress, VectorStore
from kbm.services.needs import Erasures, Indexes, Releases, Texts

_BATCH = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FillVectors:
    """The use case with what it needs; ``open_store`` opens the store of a spec's embedder."""

    erasures: Erasures
    texts: Texts
    releases: Releases
    indexes: Indexes
    open_store: Callable[[IndexSpec], VectorStore]

    def run(self, progress: Progress) -> int:
        """Put the vectors of all segments into the store; returns how many rows were looked at."""
        n = 0
        specs = {
            (gpt, one.index_spec.digest): one.index_spec
            for gpt in self.erasures.gpts()
            for one in self.releases.all(gpt)
            if one.index_spec.dimensions
        }
        with progress.stage("fill vectors") as stage:
            for (gpt, digest), spec in specs.items():
                segments = self.releases.segments(gpt, digest)
                if not segments:
                    continue
                store = self.open_store(spec)
                try:
                    with self.indexes.folder(gpt, spec, segments) as folder:
                        for ids, vectors in folder.vectors():
                            for start in range(0, len(ids), _BATCH):
                                chunks = self.texts.chunks(ids[start : start + _BATCH])
                                keyed: dict[VectorKey, int] = {}
                                for at, id in enumerate(ids[start : start + _BATCH], start):
                                    if id in chunks:
                                        keyed.setdefault(chunks[id].vector_key(spec.embedder_digest), at)
                                store.add(list(keyed), vectors[list(keyed.values())])
                                n += len(keyed)
                                stage.advance(len(keyed))
                finally:
                    store.close()
        return n
