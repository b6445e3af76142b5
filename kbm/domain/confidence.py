"""How likely it is that the knowledge answers a question, from the signals of a search.

A logistic regression over :class:`~kbm.domain.retrieval.Signals`; ``bench/calibrate.py`` fits the weights on
questions whose documents were partly taken out of the index, and prints what they are worth. Two sets: with a dense
ranking, and for lexical search alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields

from kbm.domain.answers import Outcome
from kbm.domain.retrieval import Signals

FEATURES = tuple(field.name for field in fields(Signals) if field.name != "dense")

WITH_DENSE: Mapping[str, float] = {
    "bias": -7.25,
    "bm25_share": 4.01,
    "coverage": 2.02,
    "coverage_best": 4.32,
    "bm25_gap": 0.68,
    "grams_gap": 3.35,
    "cosine": 7.25,
    "cosine_gap": 1.57,
    "agreement": 0.78,
    "unknown": -0.78,
}
LEXICAL: Mapping[str, float] = {"bias": -3.0, "coverage": 6.0}


def confidence(signals: Signals) -> float:
    """Estimate the probability, in (0, 1), that the best hits answer the question."""
    weights = WITH_DENSE if signals.dense else LEXICAL
    z = weights["bias"] + sum(
        weight * float(getattr(signals, name)) for name, weight in weights.items() if name != "bias"
    )
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, z))))


def outcome_of(probability: float, *, threshold: float, uncertain_below: float) -> Outcome:
    """Say what becomes of a question with this confidence."""
    if probability < threshold:
        return Outcome.UNANSWERED
    return Outcome.UNCERTAIN if probability < uncertain_below else Outcome.ANSWERED
