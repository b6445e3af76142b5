"""Which number a release gets: proposed by rule, raised by people, never lowered.

PATCH is refreshed or corrected content; MINOR is new topics: a source more, or many new documents at once; MAJOR is
other rules of indexing or answering, a source gone, or wider readers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum

from kbm.domain.documents import EVERYONE
from kbm.domain.releases import Version

NEW_TOPIC_DOCUMENTS, NEW_TOPIC_SHARE = 10, 0.10
"""More new documents than both are new topics: the same bounds as the brake's for removals."""


class Bump(IntEnum):
    """How far the number moves."""

    PATCH = 0
    MINOR = 1
    MAJOR = 2

    @property
    def word(self) -> str:
        """Give the name that people type."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What sets a candidate apart from the release it is compared with."""

    n_before: int  # documents
    n_added: int
    same_index_spec: bool = True
    same_answer_spec: bool = True
    sources_added: tuple[str, ...] = ()
    sources_removed: tuple[str, ...] = ()
    n_widened: int = 0  # documents that more people may read than then


def propose(found: Difference) -> tuple[Bump, tuple[str, ...]]:
    """Give the bump and the reasons for it; a PATCH needs none."""
    major = [
        (not found.same_index_spec, "passages or vectors are made by other rules"),
        (not found.same_answer_spec, "instructions or other rules of answering changed"),
        (bool(found.sources_removed), f"no longer answers from {', '.join(found.sources_removed)}"),
        (found.n_widened > 0, f"{found.n_widened} documents have wider readers"),
    ]
    minor = [
        (bool(found.sources_added), f"answers from {', '.join(found.sources_added)} too"),
        (
            found.n_added > max(NEW_TOPIC_DOCUMENTS, NEW_TOPIC_SHARE * found.n_before),
            f"{found.n_added} new documents at once",
        ),
    ]
    reasons = tuple(why for holds, why in (*major, *minor) if holds)
    if any(holds for holds, _ in major):
        return Bump.MAJOR, reasons
    return (Bump.MINOR if reasons else Bump.PATCH), reasons


def between(base: Version, other: Version) -> Bump:
    """Tell how far *other* lies from *base*."""
    if other.major != base.major:
        return Bump.MAJOR
    return Bump.MINOR if other.minor != base.minor else Bump.PATCH


def number(base: Version, bump: Bump, taken: Collection[Version]) -> Version:
    """Give the first number of the line that *bump* leads to which no release ever had."""
    match bump:
        case Bump.MAJOR:
            found = base.next_major()
        case Bump.MINOR:
            found = base.next_minor()
        case _:
            found = base.next_patch()
    while found in taken:
        found = found.next_patch()
    return found


def widened(then: Mapping[int, frozenset[str]], now: Mapping[int, frozenset[str]]) -> int:
    """Count the documents, by number, that more readers may read *now* than *then*."""
    return sum(
        no in then and EVERYONE not in then[no] and not readers <= then[no] for no, readers in now.items()
    )
