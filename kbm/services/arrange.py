"""From ranked passages to those that are shown: preferred ones forward, equal ones once, neighbours beside.

All of it looks at passages the caller may read and at nothing else, so what somebody may not read changes none of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache

from kbm.domain.answers import Passage
from kbm.domain.identity import ChunkId

_SIGNS = re.compile(r"[\W_]+")

AS_GOOD = 0.9
"""Share of the most that any hit holds of the question's weight from which on a hit answers as well as others."""

NEARLY_ALL = 0.8
"""A passage that lies wholly inside another one is the same, if it is this share of it."""


def prefer(
    passages: Sequence[Passage], items: Collection[str], held: Callable[[Sequence[str]], Sequence[float]]
) -> list[Passage]:
    """Move passages of preferred *items* (``source:item_id``) to the front, where they answer as well as others.

    *held* gives the share of the question's weight that each of some texts holds. What ranks by itself moves nothing:
    scores tell an order and not how much better one is.
    """
    wanted = frozenset(items)
    if not any(_item(one) in wanted for one in passages):
        return list(passages)
    shares = held([" ".join((one.title, *one.section, one.text)) for one in passages])
    enough = AS_GOOD * max(shares)
    first = [
        _item(one) in wanted and 0 < share >= enough for one, share in zip(passages, shares, strict=True)
    ]
    front = [
        replace(one, score=passages[0].score) for one, moves in zip(passages, first, strict=True) if moves
    ]
    return front + [one for one, moves in zip(passages, first, strict=True) if not moves]


def fold(passages: Sequence[Passage]) -> list[tuple[Passage, tuple[Passage, ...]]]:
    """Keep what several documents say in the same words once, by the best ranked, with the others beside it.

    Equal means the same letters and digits under the same heading, whatever the spaces and signs, or one wholly
    inside the other. A word or a number that differs is a difference that somebody must see.
    """
    kept: list[tuple[Passage, list[Passage]]] = []
    letters = cache(_letters)
    for one in passages:
        for first, same in kept:
            if one.document_id != first.document_id and _same(one, first, letters):
                if all(one.document_id != known.document_id for known in same):
                    same.append(one)
                break
        else:
            kept.append((one, []))
    return [(first, tuple(same)) for first, same in kept]


def with_neighbours(
    passages: Sequence[Passage], beside: Mapping[ChunkId, Sequence[Passage]]
) -> tuple[Passage, ...]:
    """Put what stands right before and after each passage beside it, in the order of the text, each once."""
    shown = {one.chunk_id for one in passages}
    found: list[Passage] = []
    for one in passages:
        near = [other for other in beside.get(one.chunk_id, ()) if other.chunk_id not in shown]
        shown |= {other.chunk_id for other in near}
        found += [one, *sorted(near, key=lambda other: other.start)]
    return tuple(found)


def _same(one: Passage, other: Passage, letters: Callable[[str], str]) -> bool:
    if [name.casefold() for name in one.section] != [name.casefold() for name in other.section]:
        return False
    short, long = sorted((letters(one.text), letters(other.text)), key=len)
    return short == long or (len(short) >= NEARLY_ALL * len(long) and short in long)


def _item(passage: Passage) -> str:
    return f"{passage.source}:{passage.item_id}"


def _letters(text: str) -> str:
    return _SIGNS.sub("", text.casefold())
