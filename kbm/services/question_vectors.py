"""Vectors of questions: made once while a question is asked again, and not at all where there can be none."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np
import structlog
from numpy.typing import NDArray

from kbm.domain.releases import Release
from kbm.errors import ModelMissing, ProviderUnavailable
from kbm.ports import Embedder

log = structlog.get_logger()

_KEPT = 256
"""Questions whose vectors are kept in memory: many are asked again, and a receipt asks the same."""


class QuestionVectors:
    """Embeds questions for releases that have vectors."""

    def __init__(self, embedder: Embedder | None, no_embedder: str) -> None:
        """*no_embedder* says why there is no embedder although one is configured; empty if none is."""
        self._embedder, self._no_embedder = embedder, no_embedder
        self._kept: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, question: str, release: Release) -> tuple[NDArray[np.float32] | None, tuple[str, ...]]:
        """Embed the question if the release has vectors; say what is missing otherwise."""
        if release.index_spec.dimensions == 0:
            return None, (self._no_embedder,) if self._no_embedder else ()
        if self._embedder is None:
            return None, (self._no_embedder or "no embedder is configured, but the release has vectors",)
        if self._embedder.digest != release.index_spec.embedder_digest:
            return None, (f"the release was made with another embedder than {self._embedder.name}",)
        with self._lock:
            known = self._kept.get(question)
        if known is not None:
            return known, ()
        try:
            vector = self._embedder.embed([question], "question")[0]
        except (ProviderUnavailable, ModelMissing) as error:
            log.warning("question_not_embedded", embedder=self._embedder.name, why=error.code)
            return None, (f"embedder {self._embedder.name} did not answer: words only",)
        with self._lock:
            self._kept[question] = vector
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return vector, ()
