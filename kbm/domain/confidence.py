"""How likely it is that the knowledge answers a question, from the signals of a search.

A logistic regression over :class:`~kbm.domain.retrieval.Signals`. ``bench/calibrate.py`` fits the weights, on public
question sets with part of their documents hidden and on the sample company, and prints what they are worth on
knowledge they were not fitted on. Two sets of weights: with a dense ranking, and for lexical search alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from kbm.domain.answers import Outcome
from kbm.domain.retrieval import Signals

WITH_DENSE: Mapping[str, float] = {
    "bias": -6.04,
    "bm25_share": 3.70,
    "coverage": 0.42,
    "coverage_best": 3.21,
    "bm25_lead": 1.43,
    "grams_lead": 5.26,
    "agreed": 2.88,
    "unknown": -0.43,
    "cosine": 6.98,
    "cosine_gap": 2.10,
}
LEXICAL: Mapping[str, float] = {
    "bias": -3.46,
    "bm25_share": 6.15,
    "coverage": 1.08,
    "coverage_best": 3.02,
    "bm25_lead": 0.52,
    "grams_lead": 5.89,
    "agreed": 2.70,
    "unknown": -0.66,
}


def features(signals: Signals) -> dict[str, float]:
    """Give what the weights apply to.

    A lead over the second hit, and rankings that agree, say something only when the first hit covers the question:
    in a small knowledge base some document always leads. ``grams_share`` is left out because it depends on how
    long the question is: weights learnt on long questions lose two thirds of the short ones that people type.
    """
    covered = signals.coverage
    found = {
        "bm25_share": signals.bm25_share,
        "coverage": covered,
        "coverage_best": signals.coverage_best,
        "bm25_lead": signals.bm25_gap * covered,
        "grams_lead": signals.grams_gap * covered,
        "agreed": signals.agreement * covered,
        "unknown": signals.unknown,
    }
    return found | {"cosine": signals.cosine, "cosine_gap": signals.cosine_gap} if signals.dense else found


def confidence(signals: Signals) -> float:
    """Estimate the probability, in (0, 1), that the best hits answer the question."""
    weights = WITH_DENSE if signals.dense else LEXICAL
    z = weights["bias"] + sum(weights[name] * value for name, value in features(signals).items())
    return 1.0 / (1.0 + math.exp(-z))


def outcome_of(probability: float, *, threshold: float, uncertain_below: float) -> Outcome:
    """Say what becomes of a question with this confidence."""
    if probability < threshold:
        return Outcome.UNANSWERED
    return Outcome.UNCERTAIN if probability < uncertain_below else Outcome.ANSWERED
