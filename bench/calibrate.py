"""Fit the confidence weights: ``python -m bench.calibrate``.

Two kinds of material. Question sets beside the checkout: documents of a random 30 % of the groups are hidden, so that
the questions about them have no answer in the index. And the sample company: its golden questions and its question
log know which ones its documents answer. Each set is judged by weights learnt on the others as well, because a
customer's knowledge is one that was never seen.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from kbm_indexes.chunking import PassageChunker
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from bench.corpora import LANGUAGES, Indexed, indexed, load
from kbm.bootstrap import Kbm
from kbm.config import CONFIG_NAME, load_settings
from kbm.demo.company import copy_company
from kbm.domain.confidence import features
from kbm.domain.documents import EVERYONE
from kbm.domain.releases import AnswerSpec
from kbm.domain.retrieval import Signals
from kbm.providers.minilm import MiniLm
from kbm.services.retrieve import Caller
from kbm.testing.fakes import NoProgress

SEEDS = (1, 2, 3, 4)
HIDDEN = 0.30
PENALTY = 1.0
FOUND_BUT_NOT_ANSWERED = {"retrieval_miss", "stale", "conflict", "thin"}
"""Reasons in the question log where passages on the topic exist: neither kind of label would be right."""

Found = list[tuple[Signals, bool]]
Table = tuple[NDArray[np.float64], NDArray[np.bool_]]


def shown_documents(data: Indexed, seed: int) -> NDArray[np.bool_]:
    """Hide some groups; tells by document number what is left."""
    groups = sorted({group for _, _, _, group in data.corpus.documents})
    hidden = set(random.Random(seed).sample(groups, round(HIDDEN * len(groups))))
    return np.array([group not in hidden for _, _, _, group in data.corpus.documents])


def with_hidden_groups(data: Indexed, seed: int, *, dense: bool) -> Found:
    """Ask every question with some groups hidden; True where the answer is still there."""
    readable = shown_documents(data, seed)
    shown = {one[0] for one, is_shown in zip(data.corpus.documents, readable, strict=True) if is_shown}
    found: Found = []
    for at, question in enumerate(data.corpus.questions):
        vector = data.question_vectors[at] if dense and data.question_vectors is not None else None
        result = data.index.search(question.text, vector, readable=readable, k=10)
        found.append((result.signals, bool(question.gold & shown)))
    return found


def sample_company(folder: Path, *, dense: bool) -> Found:
    """Ask the sample company its golden questions and its log; True where its documents answer."""
    copy_company(folder)
    settings = load_settings(folder / CONFIG_NAME)
    if not dense:
        settings = settings.model_copy(update={"kbm": settings.kbm.model_copy(update={"embedder": "none"})})
    found: Found = []
    with Kbm(settings) as kbm:
        sources = [kbm.source_to_sync(name) for name in settings.sources]
        gpts = [(kbm.gpt_to_build(name), kbm.night_policy(name)) for name in settings.gpts]
        kbm.nightly.run(sources, gpts, NoProgress(), configured=settings.sources, who="bench")
        for gpt in settings.gpts:
            for row in csv.DictReader((folder / "golden" / f"{gpt}.csv").open(encoding="utf-8-sig")):
                readers = frozenset({EVERYONE, *row["readers"].split("|")})
                result = kbm.retrieve.run(gpt, row["question"], Caller(readers=readers))
                found.append((result.signals, row["answerable"] == "yes"))
        for line in (folder / "questions" / "log.jsonl").read_text(encoding="utf-8").splitlines():
            asked = json.loads(line)
            if asked["reason"] not in FOUND_BUT_NOT_ANSWERED:
                result = kbm.retrieve.run(asked["gpt"], asked["question"], Caller())
                found.append((result.signals, asked["reason"] is None))
    return found


def table(found: Found) -> Table:
    """Give features and labels."""
    rows = [list(features(signals).values()) for signals, _ in found]
    return np.array(rows), np.array([label for _, label in found])


def fit(tables: Sequence[Table]) -> LogisticRegression:
    """Fit with equal weight for every set."""
    x = np.concatenate([one for one, _ in tables])
    y = np.concatenate([labels for _, labels in tables])
    weight = np.concatenate([np.full(len(labels), 1 / len(labels)) for _, labels in tables])
    return LogisticRegression(C=PENALTY, max_iter=5000).fit(x, y, sample_weight=weight * len(y) / len(tables))


def lost_and_caught(model: LogisticRegression, one: Table) -> str:
    """Tell AUROC, and at the default threshold what is lost of the answerable and caught of the others."""
    x, y = one
    scores = model.predict_proba(x)[:, 1]
    threshold = AnswerSpec().threshold
    lost, caught = (scores[y] < threshold).mean(), (scores[~y] < threshold).mean()
    return f"AUROC {roc_auc_score(y, scores):.3f}, lost {lost:.3f}, caught {caught:.3f}"


def main() -> None:
    """Print the weights and what they are worth."""
    for dense in (True, False):
        tables: dict[str, Table] = {}
        with TemporaryDirectory() as folder:
            embedder = MiniLm("", Path(folder)) if dense else None
            for language in LANGUAGES:
                with indexed(load(language), PassageChunker(), embedder) as data:
                    found = [one for seed in SEEDS for one in with_hidden_groups(data, seed, dense=dense)]
                tables[language] = table(found)
            tables["company"] = table(sample_company(Path(folder) / "company", dense=dense))
        print("\nwith vectors" if dense else "\nwords alone")
        for name, one in tables.items():
            others = fit([other for key, other in tables.items() if key != name])
            print(f"  {name}, learnt on the others: {lost_and_caught(others, one)}")
        model = fit(list(tables.values()))
        for name, one in tables.items():
            print(f"  {name}, learnt on all: {lost_and_caught(model, one)}")
        names = features(Signals(dense=dense))
        weights = {"bias": float(model.intercept_[0])}
        weights |= dict(zip(names, (float(value) for value in model.coef_[0]), strict=True))
        print({name: round(value, 2) for name, value in weights.items()})


if __name__ == "__main__":
    main()
