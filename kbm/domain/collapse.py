"""Recognise that many documents changed for the worse at once.

A session that ran out, a maintenance page, an export that broke off: the source lists every document and hands out
something else. One such change is nothing to a machine, since people do empty, shorten and translate documents.
What gives it away is the number: as many as a brake would not let go must not be replaced either.

A text that keeps at least half of its words, its language and a fifth of its length is never suspected, so ordinary
edits are stored as they come and only the others wait until all are seen.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from kbm.domain.language import guess_language
from kbm.domain.sync import Brake

SHRUNK_TO = 0.2
"""A text below this share of its earlier length has shrunk."""

LONG_ENOUGH = 200
"""Characters below which shrinking means nothing: a note of one line may become a shorter one."""

KEPT_WORDS = 0.5
"""A text that keeps less of its words than this is another text."""

SAME_TEXT = 0.8
"""Share of common words from which on two texts are the same: a login page may name the page it was asked for."""

_LANGUAGE_CHARS = 80
_SKETCH = 64
_MAX_TEXTS = 64
_WORD = re.compile(r"\w+")


class Sign(StrEnum):
    """What is odd about one change."""

    EMPTY = "empty"
    SHRUNK = "shrunk"
    LANGUAGE = "language"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True, kw_only=True)
class OddChange:
    """A change that is suspicious if many are like it. ``before`` names the text that was there."""

    signs: frozenset[Sign]
    before: str
    sketch: tuple[int, ...] = ()


def look_at(before: str, after: str, *, named: str) -> OddChange | None:
    """Compare two texts of a document; None when the change is an ordinary edit. *named* names the earlier one."""
    if not before.strip():
        return None
    if not after.strip():
        return OddChange(signs=frozenset({Sign.EMPTY}), before=named)
    signs = set()
    if len(before) >= LONG_ENOUGH and len(after) < SHRUNK_TO * len(before):
        signs.add(Sign.SHRUNK)
    if min(len(before), len(after)) >= _LANGUAGE_CHARS:
        languages = {guess_language(before), guess_language(after)}
        if len(languages) == 2 and "" not in languages:
            signs.add(Sign.LANGUAGE)
    old, new = _words(before), _words(after)
    if old and len(old & new) < KEPT_WORDS * len(old):
        signs.add(Sign.REPLACED)
    if not signs:
        return None
    return OddChange(signs=frozenset(signs), before=named, sketch=tuple(sorted(new)[:_SKETCH]))


def hold_collapsed(
    changes: Mapping[str, OddChange], n_known: int, brake: Brake
) -> tuple[frozenset[str], tuple[str, ...]]:
    """Say which of the odd changes of a scan wait for a person, and why; nothing when they are few."""
    held: set[str] = set()
    because: list[str] = []
    for ids in _of_one_text(changes):
        # What was one text before may become another one: a note that stands in every folder.
        n = len({changes[id].before for id in ids})
        if brake.holds_same_text(n, n_known):
            held |= ids
            because.append(
                f"{len(ids)} of {n_known} documents would get the same text: a login or maintenance page?"
            )
    for sign, words in _WORDS_FOR.items():
        ids = {id for id, change in changes.items() if sign in change.signs}
        if brake.holds_contents(len(ids), n_known) and not ids <= held:
            held |= ids
            because.append(f"{len(ids)} of {n_known} documents would {words}")
    return frozenset(held), tuple(because)


_WORDS_FOR = {
    Sign.EMPTY: "become empty",
    Sign.SHRUNK: f"shrink to less than {SHRUNK_TO:.0%} of their text",
    Sign.LANGUAGE: "change their language",
}


def _words(text: str) -> frozenset[int]:
    return frozenset(zlib.crc32(word.encode("utf-8", "replace")) for word in _WORD.findall(text.casefold()))


def _of_one_text(changes: Mapping[str, OddChange]) -> list[set[str]]:
    """Group the changes by what they became; a text that is like none of the first texts makes a group."""
    groups: list[tuple[tuple[int, ...], set[str]]] = []
    for id, change in changes.items():
        if not change.sketch:
            continue
        for sketch, ids in groups:
            if _alike(sketch, change.sketch):
                ids.add(id)
                break
        else:
            if len(groups) < _MAX_TEXTS:
                groups.append((change.sketch, {id}))
    return [ids for _, ids in groups]


def _alike(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Tell whether two texts have nearly the same words, by the smallest hashes of both."""
    left, right = set(one), set(other)
    smallest = sorted(left | right)[: max(_SKETCH, min(len(one), len(other)))]
    return sum(word in left and word in right for word in smallest) >= SAME_TEXT * len(smallest)
