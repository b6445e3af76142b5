"""What differs between two releases, and between two texts.

A word diff over whole documents is unreadable where a paragraph was replaced, and quadratic where a price list has
ten thousand rows. So sentences and lines are matched first, and words only inside what is left between them. Words
that match by chance (an "and" between two changes) are folded into the change around them: a person reads one
replaced phrase, not a comb.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from difflib import SequenceMatcher
from enum import StrEnum
from typing import TypeVar

from kbm.domain.identity import DocumentId
from kbm.domain.releases import AnswerSpec, IndexSpec, ReleasedDocument

_Spec = TypeVar("_Spec", IndexSpec, AnswerSpec)

_UNIT = re.compile(r".+?(?:(?<=[.!?])\s+|\n+|\Z)", re.DOTALL)
_WORD = re.compile(r"\s+|\w+(?:[.,:/'’-]\w+)*|[^\w\s]")
_HAS_WORD = re.compile(r"\w")

_MOST_PAIRS = 4_000_000
"""Words of one side times words of the other up to which a block is compared word by word."""

_LEAST_ALIKE = 0.3
"""Share of characters two blocks must have in common to be shown interleaved rather than one after the other."""

_KEY_WORDS = 4
"""Words, signs and spaces at its begin that tell a table row from the others: ``Article: A-100``."""

_CONTEXT_WORDS = 8
"""Unchanged words kept beside a change."""


class Kind(StrEnum):
    """What became of a part of a text."""

    SAME = "same"
    REMOVED = "removed"
    ADDED = "added"
    SKIPPED = "skipped"  # an unchanged run that is not shown; its text is empty


@dataclass(frozen=True, slots=True)
class Part:
    """A run of text with one fate."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedDocument:
    """A document both releases hold, in different versions."""

    before: ReleasedDocument
    after: ReleasedDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """How a manifest differs from an earlier one; each list by source and item."""

    added: tuple[ReleasedDocument, ...] = ()
    changed: tuple[ChangedDocument, ...] = ()
    removed: tuple[ReleasedDocument, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A setting of an index or answer spec with its two values."""

    name: str
    before: object
    after: object


def changes_between(before: Iterable[ReleasedDocument], after: Iterable[ReleasedDocument]) -> Changes:
    """Compare two manifests by document. A moved file is another document: removed here, added there."""
    old, new = _by_id(before), _by_id(after)
    return Changes(
        added=_sorted(new[id] for id in new.keys() - old.keys()),
        changed=tuple(
            ChangedDocument(before=old[one.document_id], after=one)
            for one in _sorted(new[id] for id in new.keys() & old.keys() if new[id] != old[id])
        ),
        removed=_sorted(old[id] for id in old.keys() - new.keys()),
    )


def spec_changes(before: _Spec, after: _Spec) -> tuple[FieldChange, ...]:
    """Name the fields in which two specs differ, in the order of their declaration."""
    found = []
    for field in fields(before):
        one, other = getattr(before, field.name), getattr(after, field.name)
        if one != other:
            found.append(FieldChange(name=field.name, before=one, after=other))
    return tuple(found)


def word_diff(before: str, after: str) -> tuple[Part, ...]:
    """Compare two texts; nothing is lost.

    The parts that are not ``added`` join to *before*, those that are not ``removed`` to *after*. Where both are at
    one place, ``removed`` comes first.
    """
    old, new = _UNIT.findall(before), _UNIT.findall(after)
    parts: list[Part] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, old, new).get_opcodes():
        if tag == "equal":
            parts.append(Part(Kind.SAME, "".join(old[i1:i2])))
        else:
            parts += _units_diff(old[i1:i2], new[j1:j2])
    return _joined(parts)


def shortened(parts: Sequence[Part], context_words: int = _CONTEXT_WORDS) -> tuple[Part, ...]:
    """Leave out what lies far from any change; ``skipped`` stands where something was left out."""
    kept: list[Part] = []
    for at, part in enumerate(parts):
        if part.kind is not Kind.SAME:
            kept.append(part)
            continue
        words = _WORD.findall(part.text)
        n = 2 * context_words  # a word and the space after it
        head = words[:n] if at > 0 else []
        tail = words[-n:] if at < len(parts) - 1 else []
        if len(head) + len(tail) >= len(words):
            kept.append(part)
            continue
        some = (
            Part(Kind.SAME, "".join(head)),
            Part(Kind.SKIPPED, ""),
            Part(Kind.SAME, "".join(tail)),
        )
        kept += [one for one in some if one.text or one.kind is Kind.SKIPPED]
    return tuple(kept)


def _units_diff(old: Sequence[str], new: Sequence[str]) -> Iterator[Part]:
    """Compare sentences or rows of which none stayed as it was."""
    before, after = "".join(old), "".join(new)
    if len(old) == len(new):  # as many as there were: each one against its own successor
        for one, other in zip(old, new, strict=True):
            yield from _block_diff(one, other)
    elif len(_WORD.findall(before)) * len(_WORD.findall(after)) <= _MOST_PAIRS:
        yield from _block_diff(before, after)
    else:  # a long table with new rows: a row is known by how it begins
        matcher = SequenceMatcher(None, [_begin(one) for one in old], [_begin(one) for one in new])
        for tag, i1, i2, j1, j2 in matcher.get_opcodes():
            if tag == "equal":
                yield from _units_diff(old[i1:i2], new[j1:j2])
            else:
                yield from _block_diff("".join(old[i1:i2]), "".join(new[j1:j2]))


def _begin(unit: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(unit)[:_KEY_WORDS])


def _block_diff(before: str, after: str) -> Iterator[Part]:
    """Compare two passages word by word, or give them one after the other where that reads better."""
    old, new = _WORD.findall(before), _WORD.findall(after)
    apart = (Part(Kind.REMOVED, before), Part(Kind.ADDED, after))
    if not before or not after or len(old) * len(new) > _MOST_PAIRS:
        yield from apart
        return
    parts = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            parts.append(Part(Kind.SAME, "".join(old[i1:i2])))
        else:
            parts.append(Part(Kind.REMOVED, "".join(old[i1:i2])))
            parts.append(Part(Kind.ADDED, "".join(new[j1:j2])))
    alike = sum(len(part.text) for part in parts if part.kind is Kind.SAME and _HAS_WORD.search(part.text))
    yield from parts if alike >= _LEAST_ALIKE * max(len(before), len(after)) else apart


def _joined(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Merge neighbours of one kind and fold gaps without a word into the changes around them."""
    listed = [part for part in parts if part.text]
    done: list[Part] = []
    removed = added = ""
    for at, part in enumerate(listed):
        folds = (
            part.kind is Kind.SAME
            and (removed or added)
            and at < len(listed) - 1
            and "\n" not in part.text
            and not _HAS_WORD.search(part.text)
        )
        if part.kind is Kind.REMOVED or folds:
            removed += part.text
        if part.kind is Kind.ADDED or folds:
            added += part.text
        if part.kind is Kind.SAME and not folds:
            done += _change(removed, added)
            removed = added = ""
            if done and done[-1].kind is Kind.SAME:
                done[-1] = Part(Kind.SAME, done[-1].text + part.text)
            else:
                done.append(part)
    return (*done, *_change(removed, added))


def _change(removed: str, added: str) -> list[Part]:
    both = (Part(Kind.REMOVED, removed), Part(Kind.ADDED, added))
    return [part for part in both if part.text]


def _by_id(documents: Iterable[ReleasedDocument]) -> dict[DocumentId, ReleasedDocument]:
    return {document.document_id: document for document in documents}


def _sorted(documents: Iterable[ReleasedDocument]) -> tuple[ReleasedDocument, ...]:
    return tuple(sorted(documents, key=lambda one: (one.source, one.item_id)))
