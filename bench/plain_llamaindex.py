"""The plain way to answer: a LlamaIndex retriever over Chroma, and the sentences that share most words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kbm.domain.documents import Chunk
from kbm.ports import Embedder

TOP = 10
PASSAGES_READ = 3
SENTENCES = 3
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_WORD = re.compile(r"\w+")


class PlainPipeline:
    """VectorStoreIndex over ChromaVectorStore, retriever top 10, extraction by shared words."""

    def __init__(
        self,
        folder: Path,
        chunks: Sequence[Chunk],
        vectors: Sequence[NDArray[np.float32]],
        embedder: Embedder,
    ) -> None:
        import chromadb
        from chromadb.config import Settings
        from llama_index.core import StorageContext, VectorStoreIndex
        from llama_index.core.schema import TextNode
        from llama_index.vector_stores.chroma import ChromaVectorStore

        # Any: neither vendor is followed by the type checker.
        self._client: Any = chromadb.PersistentClient(str(folder), Settings(anonymized_telemetry=False))
        collection = self._client.create_collection(
            "plain", embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
        )
        nodes = [
            TextNode(id_=chunk.id, text=chunk.indexed_text, embedding=vector.tolist())
            for chunk, vector in zip(chunks, vectors, strict=True)
        ]
        index: Any = VectorStoreIndex(
            nodes,
            storage_context=StorageContext.from_defaults(
                vector_store=ChromaVectorStore(chroma_collection=collection)
            ),
            embed_model=_wrapped(embedder),
        )
        self._retriever: Any = index.as_retriever(similarity_top_k=TOP)

    def ask(self, question: str) -> list[str]:
        """Give the best sentences of the first three passages."""
        asked = set(_WORD.findall(question.casefold()))
        found = self._retriever.retrieve(question)[:PASSAGES_READ]
        sentences = [one for node in found for one in _SENTENCE.split(node.get_content()) if one.strip()]
        return sorted(sentences, key=lambda one: -len(asked & set(_WORD.findall(one.casefold()))))[:SENTENCES]

    def close(self) -> None:
        """Stop the engine."""
        self._client.close()


def _wrapped(embedder: Embedder) -> Any:
    """Make kbm's embedder one of LlamaIndex'."""
    from llama_index.core.base.embeddings.base import BaseEmbedding

    class Wrapped(BaseEmbedding):  # type: ignore[misc,unused-ignore]  # the base is not followed by the checker
        def _get_query_embedding(self, query: str) -> list[float]:
            found: list[float] = embedder.embed([query], "question")[0].tolist()
            return found

        def _get_text_embedding(self, text: str) -> list[float]:
            found: list[float] = embedder.embed([text], "passage")[0].tolist()
            return found

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

    return Wrapped()
