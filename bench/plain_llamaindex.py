"""The plain way to answer: a LlamaIndex query engine, and the sentences that share most words.

Over the store that LlamaIndex takes by itself, and over Chroma, which searches by a graph.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

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
    """VectorStoreIndex and RetrieverQueryEngine, top 10, extraction by shared words."""

    def __init__(
        self,
        folder: Path,
        chunks: Sequence[Chunk],
        vectors: Sequence[NDArray[np.float32]],
        embedder: Embedder,
        *,
        store: Literal["simple", "chroma"] = "chroma",
    ) -> None:
        from llama_index.core import StorageContext, VectorStoreIndex
        from llama_index.core.query_engine import RetrieverQueryEngine
        from llama_index.core.schema import TextNode

        # Any: neither vendor is followed by the type checker.
        self._client: Any = None
        storage: Any = None
        if store == "chroma":
            import chromadb
            from chromadb.config import Settings
            from llama_index.vector_stores.chroma import ChromaVectorStore

            self._client = chromadb.PersistentClient(str(folder), Settings(anonymized_telemetry=False))
            collection = self._client.create_collection(
                "plain", embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
            )
            storage = StorageContext.from_defaults(
                vector_store=ChromaVectorStore(chroma_collection=collection)
            )
        nodes = [
            TextNode(id_=chunk.id, text=chunk.indexed_text, embedding=vector.tolist())
            for chunk, vector in zip(chunks, vectors, strict=True)
        ]
        index: Any = VectorStoreIndex(nodes, storage_context=storage, embed_model=_wrapped(embedder))
        retriever: Any = index.as_retriever(similarity_top_k=TOP)
        self._engine: Any = RetrieverQueryEngine(retriever, response_synthesizer=_extracting())

    def ask(self, question: str) -> str:
        """Give the best sentences of the first three passages."""
        return str(self._engine.query(question))

    def close(self) -> None:
        """Stop the engine."""
        if self._client is not None:
            self._client.close()


def extract(question: str, texts: Sequence[str]) -> list[str]:
    """Give the sentences that share most words with a question."""
    asked = set(_WORD.findall(question.casefold()))
    sentences = [one for text in texts[:PASSAGES_READ] for one in _SENTENCE.split(text) if one.strip()]
    return sorted(sentences, key=lambda one: -len(asked & set(_WORD.findall(one.casefold()))))[:SENTENCES]


def _extracting() -> Any:
    """Make a synthesizer that quotes and asks no model."""
    from llama_index.core.llms import MockLLM
    from llama_index.core.response_synthesizers import BaseSynthesizer

    class Extracting(BaseSynthesizer):  # type: ignore[misc,unused-ignore]  # the base is not followed by the checker
        def _get_prompts(self) -> dict[str, Any]:
            return {}

        def _update_prompts(self, prompts: dict[str, Any]) -> None:
            del prompts

        def get_response(self, query_str: str, text_chunks: Sequence[str], **_: Any) -> str:
            return " ".join(extract(query_str, text_chunks))

        async def aget_response(self, query_str: str, text_chunks: Sequence[str], **_: Any) -> str:
            return self.get_response(query_str, text_chunks)

    return Extracting(llm=MockLLM())


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
