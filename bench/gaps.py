"""Are failed questions grouped into the gaps they come from, recognised the next night, named, and explained?

On the mixes beside the checkout and on German questions written for this bench; causes on failures planted into the
question sets. The plain way of grouping is average linkage through meanings alone, cut once by the spread of all
pairs; of time and memory it is scikit-learn's. Which figures are held out is said in the notes.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import psutil  # type: ignore[import-untyped]
from kbm_agents.clustering import group_questions, least_size
from kbm_agents.identity import match_gaps
from kbm_agents.naming import name_groups
from sklearn.cluster import AgglomerativeClustering

from bench.corpora import load
from bench.embedders import Remembering, minilm
from bench.figures import Part
from bench.gap_causes import APART, CLASSES, balanced, on_found_groups, on_true_groups, plant, recall
from bench.gap_mixes import (
    GIVEN,
    Agreement,
    Asked,
    agreement,
    available,
    german_mix,
    given,
    mix,
    mix_noise,
    mix_pools,
    with_typo,
)
from kbm.domain.gaps import Group, Grouping, KnownGap, Lineage
from kbm.errors import ModelMissing
from kbm.ports import Embedder

PLAIN = "average linkage through meanings alone, one cut (mean of pairs + 3 sd, in [.45, .55]; outside English .55)"
SIZES = (5_000, 20_000)
QUICK_SIZES = (2_000,)
GERMAN_SEEDS = (0, 1, 2, 3)
CAUSE_SEEDS = (1, 2, 3)
_SHOWN = ("f1", "precision", "recall", "junk", "b3")
_LOWER = ("junk",)
_TYPO_NOISE = 0.02
"""By component of 384: a cosine of about .93 to the question without the error."""


def run(*, quick: bool) -> Iterator[Part]:
    """Measure."""
    if not available():
        yield Part("gaps", skipped="the mixes (../shared/data/gaps) are not there")
        return
    try:
        embedder = Remembering(minilm())
    except ModelMissing as error:
        yield Part("gaps", skipped=str(error))
        return
    part = Part("gaps", PLAIN)
    _measure_groups(part, embedder, quick=quick)
    _measure_nights(part, embedder)
    _measure_names(part, embedder)
    _measure_causes(part, embedder, quick=quick)
    for size in QUICK_SIZES if quick else SIZES:
        _measure_size(part, embedder, size)
    part.notes += [
        "grouping: the share of words and the bounds of the cut were chosen on these English mixes; the looser second"
        " look too. Templates in three languages (another source, not part of the project) agreed with the choice",
        "German: questions written for this bench; the settings for other languages were compared on it, so it is not"
        " held out. It is harder than a log: hardly two questions of a gap share their words",
        "causes: the limits were set on English and German with seeds 1 and 2; French is held out",
    ]
    yield part


def _grouped(asked: Sequence[Asked], embedder: Embedder | None) -> Grouping:
    questions = [one.question for one in asked]
    vectors = embedder.embed([one.text for one in questions], "question") if embedder else None
    return group_questions(questions, vectors)


def _plainly_grouped(asked: Sequence[Asked], embedder: Embedder, low: float) -> Grouping:
    vectors = embedder.embed([one.question.text for one in asked], "question").astype(np.float64)
    cosine = vectors @ vectors.T
    pairs = cosine[np.triu_indices(len(vectors), 1)]
    cut = min(0.55, max(low, float(pairs.mean() + 3 * pairs.std())))
    labels = AgglomerativeClustering(
        n_clusters=None, metric="precomputed", linkage="average", distance_threshold=1 - cut
    ).fit_predict(np.clip(1 - cosine, 0, 2))
    ids = [one.question.id for one in asked]
    least = least_size(len(asked))
    members = [[ids[at] for at in np.flatnonzero(labels == label)] for label in range(labels.max() + 1)]
    groups = tuple(
        Group(id=each[0], members=tuple(each), n_asked=len(each), central=tuple(each[:1]), theme="")
        for each in members
        if len(each) >= least
    )
    rare = tuple(id for each in members if len(each) < least for id in each)
    return Grouping(groups=groups, themes=(), rare=rare, cut=cut, min_size=least)


def _measure_groups(part: Part, embedder: Embedder, *, quick: bool) -> None:
    english = {name: [one for one in given(name) if one.day == 1] for name in GIVEN}
    german = {f"german {seed}": german_mix(300, seed) for seed in GERMAN_SEEDS[: 1 if quick else None]}
    for label, mixes, low in (("English", english, 0.45), ("German", german, 0.55)):
        rows: list[tuple[Agreement, Agreement]] = []
        words: list[Agreement] = []
        for name, asked in mixes.items():
            ours = agreement(asked, _grouped(asked, embedder))
            plain = agreement(asked, _plainly_grouped(asked, embedder, low))
            words.append(agreement(asked, _grouped(asked, None)))
            rows.append((ours, plain))
            if label == "English":
                part.add(f"{name} gap F1", ours.f1, "share", plain.f1)
                part.add(f"{name} junk", ours.junk, "share", plain.junk, better="lower")
        for figure in _SHOWN:
            part.add(
                f"{label} {figure}",
                float(np.mean([getattr(ours, figure) for ours, _ in rows])),
                "share",
                float(np.mean([getattr(plain, figure) for _, plain in rows])),
                better="lower" if figure in _LOWER else "higher",
            )
        part.add(f"{label} without an embedder f1", float(np.mean([one.f1 for one in words])), "share")
        part.add(
            f"{label} without an embedder junk",
            float(np.mean([one.junk for one in words])),
            "share",
            better="lower",
        )


def _measure_nights(part: Part, embedder: Embedder) -> None:
    """Group one night, then again with a tenth more questions."""
    kept, again = [], []
    for name in GIVEN:
        asked = given(name)
        gold = {one.question.id: one.gold for one in asked}
        before = _grouped([one for one in asked if one.day == 1], embedder).groups
        known = [
            KnownGap(id=one.id, members=frozenset(one.members), n_asked=one.n_asked, centroid=one.centroid)
            for one in before
        ]
        after = _grouped(asked, embedder).groups
        matches = match_gaps(after, known)
        kept.append(len({one.gap for one in matches} & {gap.id for gap in known}) / len(known))
        shown = {_mostly(one, gold) for one in before} - {""}
        again.append(
            sum(
                one.lineage is Lineage.NEW and _mostly(group, gold) in shown
                for one, group in zip(matches, after, strict=True)
            )
            / len(after)
        )
    part.add("gaps kept a night", float(np.mean(kept)), "share")
    part.add("known gaps shown again as new", float(np.mean(again)), "share", better="lower")


def _measure_names(part: Part, embedder: Embedder) -> None:
    """Ask the embedder which label is nearest to a name, among the labels of all mixes."""
    labels = sorted({(one.gold, one.label) for name in GIVEN for one in given(name) if one.gold})
    vectors = embedder.embed([label for _, label in labels], "question")
    golds = [gold for gold, _ in labels]
    places: dict[str, list[int]] = {"true groups": [], "found groups": []}
    for name in GIVEN:
        asked = [one for one in given(name) if one.day == 1]
        texts = {one.question.id: one.question.text for one in asked}
        gold_of = {one.question.id: one.gold for one in asked}
        for kind, groups in (
            ("true groups", _true_groups(asked, embedder)),
            ("found groups", _grouped(asked, embedder).groups),
        ):
            named = name_groups(groups, texts)
            for group in groups:
                about = _mostly(group, gold_of, share=0.7)
                if not about:
                    continue
                said = f"{named[group.id].title}, {', '.join(named[group.id].keywords)}"
                nearness = vectors @ embedder.embed([said], "question")[0]
                places[kind].append(int((nearness > nearness[golds.index(about)]).sum()))
    for kind, found in places.items():
        part.add(f"name nearest to its label, {kind}", float(np.mean(np.array(found) < 1)), "share")
        part.add(f"name in the top three, {kind}", float(np.mean(np.array(found) < 3)), "share")


def _true_groups(asked: Sequence[Asked], embedder: Embedder) -> list[Group]:
    groups = []
    for gold in sorted({one.gold for one in asked if one.gold}):
        own = [one.question for one in asked if one.gold == gold]
        if len(own) < 3:
            continue
        vectors = embedder.embed([one.text for one in own], "question")
        order = np.argsort(-(vectors @ vectors.mean(axis=0)), kind="stable")[:10]
        ids = [one.id for one in own]
        central = tuple(ids[at] for at in order)
        groups.append(Group(id=gold, members=tuple(sorted(ids)), n_asked=len(ids), central=central, theme=""))
    return groups


def _mostly(group: Group, gold: dict[str, str], share: float = 0.5) -> str:
    """Give the gold gap that at least *share* of a group is of, or nothing."""
    best, n = Counter(gold[id] for id in group.members).most_common(1)[0]
    return best if n >= share * len(group.members) else ""


def _measure_causes(part: Part, embedder: Embedder, *, quick: bool) -> None:
    for language in ("en",) if quick else ("en", "de", "fr"):
        true: list[tuple[str, str, str]] = []
        found: list[tuple[str, str, str]] = []
        sisters: list[bool] = []
        for seed in CAUSE_SEEDS[: 1 if quick else None]:
            planted = plant(load(language), seed, embedder)
            of_true = on_true_groups(planted, embedded=True)
            true += of_true
            found += on_found_groups(planted, embedded=True)
            sisters += [named == "missing" for gap, _, named in of_true if gap in planted.sisters]
        part.add(f"{language} cause, balanced, true groups", balanced(true), "share")
        part.add(f"{language} cause, balanced, found groups", balanced(found), "share")
        for name in (*CLASSES, *APART):
            if any(truth == name for _, truth, _ in true):
                part.add(f"{language} cause {name}", recall(true, name), "recall")
        part.add(f"{language} cause missing beside related passages", float(np.mean(sisters)), "recall")
        part.notes.append(f"{language} causes: {len(true)} true groups, {len(found)} found groups")
        bare = plant(load(language), CAUSE_SEEDS[0], None)
        words = balanced(on_true_groups(bare, embedded=False), [*CLASSES[:3], *CLASSES[4:]])
        part.add(f"{language} cause, balanced, without an embedder", words, "share")


def _measure_size(part: Part, embedder: Embedder, size: int) -> None:
    """Time a long log: the mixes' questions with many typing errors, so that few are repeats word by word."""
    chance = random.Random(size)
    asked = mix(mix_pools(), mix_noise(), size, seed=1)
    texts = [
        with_typo(one.question.text, chance) if chance.random() < 0.6 else one.question.text for one in asked
    ]
    # A typing error moves a vector a little; embedding so many texts would take longer than all the rest.
    meant = embedder.embed([one.question.text for one in asked], "question")
    noise = np.random.default_rng(size).normal(scale=_TYPO_NOISE, size=meant.shape)
    vectors = (meant + noise).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    questions = [
        type(one.question)(id=one.question.id, text=text) for one, text in zip(asked, texts, strict=True)
    ]
    took, used, found = _watched(lambda: group_questions(questions, vectors))
    plain_took = plain_used = None
    if size <= SIZES[0]:
        distance = 1 - vectors.astype(np.float64) @ vectors.T
        plain_took, plain_used, _ = _watched(
            lambda: AgglomerativeClustering(
                n_clusters=None, metric="precomputed", linkage="average", distance_threshold=0.5
            ).fit_predict(np.clip(distance, 0, 2))
        )
        plain_used += distance.nbytes / 2**20
    n = len(questions)
    part.add(f"{n:,} questions, time", took, "s", plain_took, better="lower")
    part.add(f"{n:,} questions, memory", used, "MB", plain_used, better="lower")
    seen = agreement(asked, found)
    part.add(f"{n:,} questions, gap F1", seen.f1, "share")
    part.add(f"{n:,} questions, junk", seen.junk, "share", better="lower")
    part.notes.append(
        f"{n:,} questions: {len(set(texts)):,} different ones, {len(found.groups)} groups from {found.min_size} on"
    )


def _watched(work: Callable[[], Grouping]) -> tuple[float, float, Grouping]:
    """Run *work*; gives seconds, the most megabytes it added, and its result."""
    process = psutil.Process()
    before, most, done = process.memory_info().rss, 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.01):
            most = max(most, process.memory_info().rss - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    try:
        result = work()
    finally:
        took = time.perf_counter() - started
        done.set()
        watcher.join()
    return took, most / 2**20, result
