"""Embedders for the bench: the real one with a memory, so that no text is embedded twice in a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from bench.synthetic import SPREAD, near
from kbm.domain.identity import Digest, digest
from kbm.ports import Embedder, Vectors
from kbm.providers.minilm import MiniLm

MODELS = Path(".kbm/models")
"""Where ``kbm`` keeps the graph it makes, below the checkout."""


def minilm(argument: str = "") -> MiniLm:
    """Give the default model.

    Raises:
        ModelMissing: its weights are not installed.
    """
    return MiniLm(argument, MODELS)


class Remembering:
    """An embedder that gives the vector it gave before: for quality, where its speed is not the point."""

    name: ClassVar[str] = "remembering"

    def __init__(self, embedder: Embedder) -> None:
        self.dimensions = embedder.dimensions
        self.digest: Digest = embedder.digest
        self._embedder = embedder
        self._known: dict[str, NDArray[np.float32]] = {}

    def embed(self, texts: Sequence[str], purpose: Literal["passage", "question"]) -> Vectors:
        """Embed what is new."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._embedder.embed(new, purpose), strict=True))
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        return np.stack([self._known[text] for text in texts])


class QuickPassages:
    """Real vectors for questions, made-up ones for passages: a large knowledge base in seconds.

    A passage gets the vector of some real text with noise on it, chosen by its own hash, so vectors lie in
    clusters where real ones lie. What is found means nothing; what it costs is real.
    """

    name: ClassVar[str] = "quick-passages"

    def __init__(self, embedder: Embedder, centres: Sequence[str]) -> None:
        self.dimensions = embedder.dimensions
        self.digest: Digest = digest("embedder", self.name, embedder.digest)
        self._embedder = embedder
        self._centres = embedder.embed(centres, "passage")

    def embed(self, texts: Sequence[str], purpose: Literal["passage", "question"]) -> Vectors:
        """Embed questions, make up passages; equal texts get equal vectors."""
        if purpose == "question":
            return self._embedder.embed(texts, "question")
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        for at, text in enumerate(texts):
            seed = crc32(text.encode())
            centre = self._centres[seed % len(self._centres)][None, :]
            vectors[at] = near(centre, seed, SPREAD)[0]
        return vectors
