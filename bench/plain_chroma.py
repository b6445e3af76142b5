"""The plain way to search vectors: an embedded Chroma with a flag per reader group."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kbm.domain.retrieval import IndexRow
from kbm.ports import Vectors

RESULTS = 100
"""As many as each of kbm's three rankings looks at."""
_BATCH = 5_000
_NAME = "plain"


class PlainChroma:
    """A collection with vectors and flags, without text."""

    def __init__(self, folder: Path) -> None:
        """Make a collection in a new folder, or open the one that is there; its graph loads with the first query.

        A client of a folder that another one has open shares what that has loaded: close it first.
        """
        import chromadb
        from chromadb.config import Settings

        known = folder.exists()
        # Any: chromadb ships no types that hold for its embedded client.
        self._client: Any = chromadb.PersistentClient(str(folder), Settings(anonymized_telemetry=False))
        self.collection: Any = (
            self._client.get_collection(_NAME, embedding_function=None) if known else self._new(_NAME)
        )

    def add(self, rows: Sequence[IndexRow], vectors: Vectors, flags: dict[str, NDArray[np.bool_]]) -> None:
        """Insert rows with their flags."""
        for start in range(0, len(rows), _BATCH):
            some = rows[start : start + _BATCH]
            self.collection.add(
                ids=[row.chunk_id for row in some],
                embeddings=vectors[start : start + _BATCH],
                metadatas=[
                    {name: bool(flag[row.document_no]) for name, flag in flags.items()} for row in some
                ],
            )

    def query(self, vector: NDArray[np.float32], flag: str | None) -> list[str]:
        """Give the ids of the nearest hundred that have the flag."""
        where = {flag: True} if flag else None
        answer = self.collection.query(
            query_embeddings=[vector], n_results=RESULTS, where=where, include=["distances"]
        )
        return [str(one) for one in answer["ids"][0]]

    def copy(self, name: str = "copy") -> None:
        """Copy the collection, as a release by copying has to: the single-node engine cannot fork."""
        copy = self._new(name)
        n = self.collection.count()
        for start in range(0, n, _BATCH):
            some = self.collection.get(limit=_BATCH, offset=start, include=["embeddings", "metadatas"])
            copy.add(ids=some["ids"], embeddings=some["embeddings"], metadatas=some["metadatas"])

    def close(self) -> None:
        """Stop the engine."""
        self._client.close()

    def _new(self, name: str) -> Any:
        return self._client.create_collection(
            name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
        )
