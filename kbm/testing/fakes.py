"""Stand-ins for what is slow, remote or not installed. Deterministic, and they count what was asked of them."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from kbm.domain.identity import Digest, digest
from kbm.errors import ProviderUnavailable
from kbm.ports import Vectors

_WORD = re.compile(r"\w+")


class FakeEmbedder:
    """Embeds as a hashed bag of words: texts that share words are near each other.

    ``n_embedded`` counts texts, ``n_calls`` calls. With ``fail_after=N`` the text after the first N is answered
    with ``ProviderUnavailable``, as all later ones; set it to ``None`` and the provider is back.
    """

    name: ClassVar[str] = "fake"

    def __init__(self, *, dimensions: int = 64, variant: str = "", fail_after: int | None = None) -> None:
        self.dimensions = dimensions
        self.digest: Digest = digest("embedder", self.name, str(dimensions), variant)
        self.fail_after = fail_after
        self.n_embedded = 0
        self.n_calls = 0
        self._variant = variant

    def embed(self, texts: Sequence[str], purpose: Literal["passage", "question"]) -> Vectors:
        """Embed *texts*; the purpose makes no difference."""
        del purpose
        self.n_calls += 1
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            if self.fail_after is not None and self.n_embedded >= self.fail_after:
                raise ProviderUnavailable("the fake embedder is down")
            self.n_embedded += 1
            vectors[row] = self._vector(text)
        return vectors

    def _vector(self, text: str) -> Vectors:
        # Text without words is hashed whole, so that it has a direction, too.
        words = _WORD.findall(text.casefold()) or [text]
        vector = np.sum([_direction(f"{self._variant}:{word}", self.dimensions) for word in words], axis=0)
        unit: Vectors = (vector / np.linalg.norm(vector)).astype(np.float32)
        return unit


@functools.lru_cache(maxsize=50_000)
def _direction(word: str, dimensions: int) -> NDArray[np.float64]:
    """Give a word a direction of its own; with one axis each, words would collide all the time."""
    seed = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(seed)).standard_normal(dimensions)


__all__ = ["FakeEmbedder"]
