"""Names for gaps, in the words of those who asked.

The title is the shortest of the central questions as typed; beside it stand the words that tell this gap from the
others (TF-IDF over groups). A word must stand in two questions of the group, which keeps typing errors out, and a
title that holds a word nobody else uses gives way to the next one for the same reason. Titles of a chat model come
later and are judged against these.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from kbm.domain.gaps import GapName, Group
from kbm_agents.words import content_words, folded

N_KEYWORDS = 3
_LEAST_CHARS = 3
_STEM_CHARS = 5
"""Letters that two words must share at their start to count as forms of one."""


def name_groups(groups: Sequence[Group], texts: Mapping[str, str]) -> dict[str, GapName]:
    """Name every group, by its id; *texts* are questions by their id, of all groups and of no group."""
    words_of = {id: content_words(text) for id, text in texts.items()}
    everywhere = Counter(word for found in words_of.values() for word in set(found))
    inside = {group.id: _having(group, texts, words_of) for group in groups}
    in_groups = Counter(word for having in inside.values() for word in having.elements())
    usual = sum(in_groups.values()) / max(1, len(groups))
    return {
        group.id: GapName(
            title=_title(group, texts, words_of, everywhere),
            keywords=_keywords(inside[group.id], in_groups, usual),
        )
        for group in groups
    }


def _having(group: Group, texts: Mapping[str, str], words_of: Mapping[str, Sequence[str]]) -> Counter[str]:
    """Count in how many different questions of a group each word stands; in one, if there is only one."""
    different = {folded(texts[id]): id for id in sorted(group.members)}
    counted = Counter(word for id in different.values() for word in set(words_of[id]))
    least = 2 if len(different) > 1 else 1
    return Counter({word: n for word, n in counted.items() if n >= least and _says_something(word)})


def _says_something(word: str) -> bool:
    return not word.isdigit() and (len(word) >= _LEAST_CHARS or any(char.isdigit() for char in word))


def _keywords(having: Counter[str], in_groups: Counter[str], usual: float) -> tuple[str, ...]:
    score = {word: n * math.log(1 + usual / in_groups[word]) for word, n in having.items()}
    chosen: list[str] = []
    for word in sorted(score, key=lambda word: (-score[word], word)):
        if len(chosen) < N_KEYWORDS and not any(_same_word(word, other) for other in chosen):
            chosen.append(word)
    return tuple(chosen)


def _same_word(word: str, other: str) -> bool:
    shorter = min(len(word), len(other), _STEM_CHARS)
    return word[:shorter] == other[:shorter] and shorter >= _LEAST_CHARS


def _title(
    group: Group, texts: Mapping[str, str], words_of: Mapping[str, Sequence[str]], everywhere: Counter[str]
) -> str:
    def order(id: str) -> tuple[bool, int, int]:
        odd = any(everywhere[word] < 2 for word in words_of[id])
        return odd, len(texts[id]), group.central.index(id)

    # Of one question alone every word is odd, and its title is that question.
    return " ".join(texts[min(group.central, key=order)].split())
