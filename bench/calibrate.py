"""Fit the confidence weights: ``python -m bench.calibrate``.

Documents of a random 30 % of the groups are hidden, so that the questions about them have no answer in the index; the
rest do. Each language is judged by weights learnt on the other two as well, because a customer's knowledge is one that
was never seen.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from bench.corpora import LANGUAGES, Indexed, indexed, load
from kbm.domain.confidence import FEATURES
from kbm.domain.retrieval import Signals
from kbm.providers.minilm import MiniLm
from kbm_indexes.chunking import PassageChunker
from pathlib import Path

SEEDS = (1, 2, 3, 4)
HIDDEN = 0.30
Table = tuple[NDArray[np.float64], NDArray[np.bool_]]


def signals_of(data: Indexed, seed: int, *, dense: bool) -> list[tuple[Signals, bool]]:
    """Ask every question with some groups hidden; True where the answer is still there."""
    groups = sorted({group for _, _, _, group in data.corpus.documents})
    hidden = set(random.Random(seed).sample(groups, round(HIDDEN * len(groups))))
    readable = np.array([group not in hidden for _, _, _, group in data.corpus.documents])
    shown = {name for name, _, _, group in data.corpus.documents if group not in hidden}
    found = []
    for at, question in enumerate(data.corpus.questions):
        vector = data.question_vectors[at] if dense and data.question_vectors is not None else None
        result = data.index.search(question.text, vector, readable=readable, k=10)
        found.append((result.signals, bool(question.gold & shown)))
    return found


def table(found: Sequence[tuple[Signals, bool]]) -> Table:
    """Give features and labels."""
    rows = [[float(getattr(signals, name)) for name in FEATURES] for signals, _ in found]
    return np.array(rows), np.array([label for _, label in found])


def fit(tables: Sequence[Table]) -> LogisticRegression:
    """Fit with equal weight for every set and both labels balanced as 70:30."""
    x = np.concatenate([one for one, _ in tables])
    y = np.concatenate([labels for _, labels in tables])
    weight = np.concatenate([np.full(len(labels), 1 / len(labels)) for _, labels in tables])
    return LogisticRegression(C=10.0, max_iter=5000).fit(x, y, sample_weight=weight * len(y) / len(tables))


def caught(scores: NDArray[np.float64], labels: NDArray[np.bool_], threshold: float) -> tuple[float, float]:
    """Give the share of answerable questions lost and of the others caught below a threshold."""
    return float((scores[labels] < threshold).mean()), float((scores[~labels] < threshold).mean())


def main() -> None:
    """Print the weights and what they are worth."""
    embedder = MiniLm("", Path(".kbm/models"))
    for dense in (True, False):
        tables: dict[str, Table] = {}
        for language in LANGUAGES:
            with indexed(load(language), PassageChunker(), embedder if dense else None) as data:
                tables[language] = table([one for seed in SEEDS for one in signals_of(data, seed, dense=dense)])
        print("\ndense" if dense else "\nlexical")
        for language, (x, y) in tables.items():
            model = fit([one for name, one in tables.items() if name != language])
            scores = model.predict_proba(x)[:, 1]
            own = fit([tables[language]]).predict_proba(x)[:, 1]
            own_threshold = float(np.quantile(scores[y], 0.05))
            print(
                f"{language}: AUROC {roc_auc_score(y, scores):.3f} (own weights {roc_auc_score(y, own):.3f}); "
                f"at .5 lost/caught {caught(scores, y, 0.5)}, at 5 % loss caught {caught(scores, y, own_threshold)[1]:.2f}"
                f" threshold {own_threshold:.2f}"
            )
        model = fit(list(tables.values()))
        for language, (x, y) in tables.items():
            scores = model.predict_proba(x)[:, 1]
            print(f"all->{language}: AUROC {roc_auc_score(y, scores):.3f}", [tuple(round(v,3) for v in caught(scores, y, t)) for t in (.3,.4,.5,.6,.7)])
        weights = {"bias": float(model.intercept_[0])}
        weights |= dict(zip(FEATURES, (float(value) for value in model.coef_[0]), strict=True))
        print({name: round(value, 3) for name, value in weights.items()})


if __name__ == "__main__":
    main()
