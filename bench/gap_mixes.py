"""Mixes of failed questions with known gaps and noise, and how well groups agree with them.

The recipe of a mix of n questions: about 1.4 √n gaps with Zipf sizes, a quarter noise (unrelated questions, and ones
of a gap that was asked about once), repeats, and typing errors in a tenth.
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from bench.corpora import SHARED, load
from kbm.domain.gaps import FailedQuestion, Grouping

GIVEN = ("mix-200-0", "mix-200-1", "mix-1000-0", "mix-1000-1")
PURE = 0.7
"""Share of one gold gap from which a group counts as found."""
_NOISE, _TYPOS, _REPEATS = 0.25, 0.10, 0.08
_LEAST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question of a mix; ``gold`` is empty for noise, ``label`` says in words what the gap is about."""

    question: FailedQuestion
    gold: str
    label: str = ""
    day: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How groups agree with gold gaps, all shares; ``pieces`` counts pure groups by found gap."""

    f1: float
    precision: float
    recall: float
    junk: float
    b3: float
    pieces: float


def available() -> bool:
    """Tell whether the mixes are there."""
    return (SHARED / "gaps").is_dir()


@cache
def given(name: str) -> tuple[Asked, ...]:
    """Read a mix."""
    lines = (SHARED / "gaps" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(
        Asked(
            question=FailedQuestion(id=row["id"], text=row["query"]),
            gold=row["gold"] or "",
            label=row["label"] or "",
            day=row["day"],
        )
        for row in map(json.loads, lines)
    )


@cache
def mix_pools() -> Mapping[str, list[str]]:
    """Give the different questions of all given mixes, by gap; of at least eight."""
    pools: dict[str, set[str]] = defaultdict(set)
    for name in GIVEN:
        for one in given(name):
            if one.gold:
                pools[one.gold].add(one.question.text)
    return {gold: sorted(texts) for gold, texts in sorted(pools.items()) if len(texts) >= 8}


@cache
def mix_noise() -> tuple[str, ...]:
    """Give the unrelated questions of all given mixes."""
    found = {one.question.text for name in GIVEN for one in given(name) if not one.gold}
    return tuple(sorted(found))


@cache
def made_up_pools() -> Mapping[str, list[str]]:
    """Give German questions as people of a company ask them, by what they are about; written for this bench."""
    pools: dict[str, list[str]] = {}
    about = ""
    text = (Path(__file__).parent / "gap_questions" / "de.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("["):
            about = line.strip("[]")
            pools[about] = []
        elif line and not line.startswith("#"):
            pools[about].append(line)
    return pools


def german_mix(n: int, seed: int) -> list[Asked]:
    """Mix the made-up German questions with questions of an encyclopaedia as noise."""
    noise = [one.text for one in load("de").questions]
    return mix(made_up_pools(), noise, n, seed)


def mix(pools: Mapping[str, Sequence[str]], noise: Sequence[str], n: int, seed: int) -> list[Asked]:
    """Mix *n* questions by the recipe; a small pool is repeated."""
    chance = random.Random(seed)
    names = chance.sample(sorted(pools), min(len(pools), round(1.4 * n**0.5)))
    n_noise = round(_NOISE * n)
    share = (n - n_noise) / sum(1 / place for place in range(1, len(names) + 1))
    rows: list[tuple[str, str]] = []
    for place, name in enumerate(names, 1):
        wanted = max(2, round(share / place))
        different = chance.sample(list(pools[name]), len(pools[name]))
        different = different[: max(1, round(wanted * (1 - _REPEATS)))]
        texts = different + [chance.choice(different) for _ in range(wanted - len(different))]
        rows += [(with_typo(text, chance) if chance.random() < _TYPOS else text, name) for text in texts]
    lone = [name for name in sorted(pools) if name not in names][: n // 40]
    rows += [(chance.choice(list(pools[name])), "") for name in lone]
    rows += [(text, "") for text in chance.sample(list(noise), min(len(noise), n_noise - len(lone)))]
    chance.shuffle(rows)
    return [
        Asked(question=FailedQuestion(id=f"q{at:05d}", text=text), gold=gold)
        for at, (text, gold) in enumerate(rows)
    ]


def with_typo(text: str, chance: random.Random) -> str:
    """Swap, drop or double a letter."""
    places = [at for at in range(len(text) - 1) if text[at].isalpha() and text[at + 1].isalpha()]
    if not places:
        return text
    at = chance.choice(places)
    kinds = (text[at + 1] + text[at], text[at + 1], text[at : at + 2] + text[at + 1])
    return text[:at] + chance.choice(kinds) + text[at + 2 :]


def agreement(asked: Sequence[Asked], found: Grouping) -> Agreement:
    """Judge groups; what is in no group is alone, as every noise question is alone in the gold."""
    gold = {one.question.id: one.gold for one in asked}
    wanted = {name for name, n in Counter(gold.values()).items() if name and n >= _LEAST}
    pure: list[str] = []
    n_junk = 0
    for group in found.groups:
        counted = Counter(gold[id] for id in group.members)
        n_junk += counted.pop("", 0) > len(group.members) / 2
        best, n = counted.most_common(1)[0] if counted else ("", 0)
        if n >= PURE * len(group.members):
            pure.append(best)
    n_shown = max(1, len(found.groups))
    precision, recall = len(pure) / n_shown, len(set(pure) & wanted) / max(1, len(wanted))
    return Agreement(
        f1=2 * precision * recall / max(1e-9, precision + recall),
        precision=precision,
        recall=recall,
        junk=n_junk / n_shown,
        b3=_b3(gold, found),
        pieces=len(pure) / max(1, len(set(pure))),
    )


def _b3(gold: Mapping[str, str], found: Grouping) -> float:
    group_of = {id: group.id for group in found.groups for id in group.members}
    rows = [(name or f"~{id}", group_of.get(id, f"~{id}")) for id, name in gold.items()]
    both, golds, groups = Counter(rows), Counter(row[0] for row in rows), Counter(row[1] for row in rows)
    precision = float(np.mean([both[row] / groups[row[1]] for row in rows]))
    recall = float(np.mean([both[row] / golds[row[0]] for row in rows]))
    return 2 * precision * recall / (precision + recall)
