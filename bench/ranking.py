"""How good a ranking of documents is: hit rates and nDCG."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

DEPTH = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Means over questions; each value lies in [0, 1]."""

    hit_at_1: float
    hit_at_5: float
    hit_at_10: float
    ndcg_at_10: float


def first_occurrences(documents: Iterable[str]) -> list[str]:
    """Turn a ranking of chunks, given by their documents, into one of documents."""
    return list(dict.fromkeys(documents))


def quality(rankings: Sequence[Sequence[str]], gold: Sequence[Collection[str]]) -> Quality:
    """Judge one ranking of distinct documents per question; no question gives zeros."""
    n = max(1, len(rankings))
    pairs = list(zip(rankings, gold, strict=True))

    def hit(k: int) -> float:
        return sum(any(one in right for one in ranked[:k]) for ranked, right in pairs) / n

    return Quality(
        hit_at_1=hit(1),
        hit_at_5=hit(5),
        hit_at_10=hit(10),
        ndcg_at_10=sum(_ndcg(ranked, right) for ranked, right in pairs) / n,
    )


def _ndcg(ranked: Sequence[str], gold: Collection[str]) -> float:
    gain = sum(1 / math.log2(place + 2) for place, one in enumerate(ranked[:DEPTH]) if one in gold)
    best = sum(1 / math.log2(place + 2) for place in range(min(DEPTH, len(gold))))
    return gain / best if best else 0.0
