"""The threshold that a build would measure for a question set, by its own documents and without a label."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from bench.corpora import Indexed
from kbm.domain.releases import AnswerSpec
from kbm.ports import Embedder
from kbm.services.calibrate import PASSAGES_READ, Material, measure


def own_threshold(data: Indexed, shown: NDArray[np.bool_], embedder: Embedder | None) -> float:
    """Measure on the documents *shown*; without an embedder by words alone."""
    chunks = [data.chunks[id] for id in sorted(data.chunks) if shown[data.number_of[id]]][:PASSAGES_READ]
    material = Material(chunks=chunks, document_of=data.number_of)
    embed = partial(embedder.embed, purpose="question") if embedder else lambda _: None
    found = measure(data.index, shown, material, AnswerSpec(), embed)
    curve = found.curve(dense=embedder is not None) if found else None
    return curve.threshold if curve else AnswerSpec().threshold
