"""Order the first hits anew with a model that reads question and passage together.

Optional: without it, or when it fails, the order of the fused rankings holds, and the answer says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import structlog

from kbm.domain.answers import Passage
from kbm.ports import Reranker

log = structlog.get_logger()

RERANKED = 20
"""Hits that are ordered anew. The published gain lies within the first twenty."""

NOT_RERANKED = "not reranked"
"""How a line of ``degraded`` begins when the reranker of the release could not be used."""


class Reranking:
    """Applies the reranker that a release names, if it is the one at hand."""

    def __init__(self, reranker: Reranker | None) -> None:
        self._reranker = reranker

    def run(
        self, question: str, passages: Sequence[Passage], wanted: str
    ) -> tuple[list[Passage], tuple[str, ...]]:
        """Order *passages*, best first, as *wanted* says (empty: as they are); tell what could not be done.

        Only the first are ordered anew; their scores become the share of the way from the worst to the best.
        """
        if not wanted or not passages:
            return list(passages), ()
        if self._reranker is None or reranker_id(self._reranker) != wanted:
            return list(passages), (f"{NOT_RERANKED}: the release names {wanted}, which is not configured",)
        first, rest = passages[:RERANKED], passages[RERANKED:]
        texts = ["\n".join((" › ".join((one.title, *one.section)), one.text)) for one in first]
        try:
            scores = np.asarray(self._reranker.rerank(question, texts), dtype=np.float64)
            if scores.shape != (len(first),) or not np.isfinite(scores).all():
                raise ValueError(f"{self._reranker.name} gave no finite score for each passage")
        except Exception as error:
            # A plug-in of somebody: whatever it raises, the question can be answered without it.
            log.warning("not_reranked", reranker=self._reranker.name, why=repr(error))
            return list(passages), (f"{NOT_RERANKED}: reranker {self._reranker.name} did not answer",)
        low, span = scores.min(), scores.max() - scores.min()
        shares = (scores - low) / span if span else np.ones(len(first))
        order = np.argsort(-shares, kind="stable")
        ordered = [replace(first[at], score=round(float(shares[at]), 6)) for at in order]
        return [*ordered, *(replace(one, score=0.0) for one in rest)], ()


def reranker_id(reranker: Reranker) -> str:
    """Name a reranker as a release does: another digest orders otherwise."""
    return f"{reranker.name} {reranker.digest[:12]}"
