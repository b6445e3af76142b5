"""What a company's knowledge must be after each step, in plain dictionaries.

Nothing of kbm is imported: the model says again, in a few lines, which documents a release holds, who may read them,
and what a sync changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

EVERYONE = "everyone"


@dataclass(frozen=True, slots=True)
class Page:
    """A document: its text and who may read it."""

    text: str
    readers: frozenset[str]


@dataclass(slots=True)
class Made:
    """A release: item → text, its digest, and whether its index is there to be asked."""

    content: dict[str, str]
    digest: str
    is_askable: bool = True


@dataclass(slots=True)
class World:
    """The source as it is, and all that kbm is to know of it."""

    source: dict[str, Page] = field(default_factory=dict)
    stored: dict[str, Page] = field(default_factory=dict)
    last: dict[str, frozenset[str]] = field(default_factory=dict)  # readers of what is gone
    erased: set[str] = field(default_factory=set)
    releases: dict[str, Made] = field(default_factory=dict)
    live: str | None = None
    previous: str | None = None
    canary: str | None = None
    moves: list[tuple[datetime, str]] = field(default_factory=list)

    def texts(self) -> dict[str, str]:
        """Give what a release built now would hold."""
        return {item: page.text for item, page in self.stored.items()}

    def readable(self, release: str, caller: frozenset[str]) -> dict[str, str]:
        """Give what a caller may be shown of a release."""
        return {
            item: text
            for item, text in self.releases[release].content.items()
            if item in self.stored and may_read(self.stored[item].readers, caller)
        }

    def at(self, moment: datetime) -> str | None:
        """Give the release that answered at a moment, by the order of moves."""
        return next((version for at, version in reversed(self.moves) if at <= moment), None)


def words(n: int) -> str:
    """Make three words that stand in the n-th text only; letters alone, and no two alike."""
    drawn = hashlib.blake2b(str(n).encode(), digest_size=27).digest()
    letters = "".join(chr(ord("a") + one % 26) for one in drawn)
    return f"{letters[:9]} {letters[9:18]} {letters[18:]}"


def text(n: int) -> str:
    """Make the n-th text."""
    return f"The office keeps {words(n)} in its archive. Ask there for it."


def question(of: str) -> str:
    """Ask for a text by its own words."""
    return " ".join(of.split()[3:6])


def may_read(readers: Iterable[str], caller: frozenset[str]) -> bool:
    """Tell whether one of the readers holds for a caller."""
    return any(one == EVERYONE or one in caller for one in readers)


def synced(
    world: World,
    *,
    complete: bool = True,
    approved: frozenset[str] = frozenset(),
    shown: Mapping[str, frozenset[str]] | None = None,
) -> dict[str, Page]:
    """Say what is stored after a sync; a person let *approved* items go, or get the wider readers *shown*."""
    listed = {item: page for item, page in world.source.items() if item not in world.erased}
    gone = world.stored.keys() - listed.keys() if complete else set()
    held = set() if listed else gone - approved
    after = {item: page for item, page in world.stored.items() if item not in gone or item in held}
    for item, page in listed.items():
        known = world.stored.get(item)
        before = known.readers if known else world.last.get(item)
        readers = page.readers
        agreed = item in approved and not _widens((shown or {}).get(item, readers), readers)
        if before is not None and not agreed and _widens(before, readers):
            # Nobody gains by it before a person agrees, or by coming back; who loses, loses at once.
            readers = before if EVERYONE in readers else before & readers
        after[item] = Page(page.text, readers)
    return after


def between(before: Mapping[str, Page], after: Mapping[str, Page], item: str) -> set[Page | None]:
    """Give the states an item may be in when a sync died: hiding comes first, and a text never before it."""
    then, now = before.get(item), after.get(item)
    halfway = Page(then.text, now.readers) if then and now else None
    return {then, now} | ({halfway} if halfway else set())


def _widens(before: frozenset[str], after: frozenset[str]) -> bool:
    return EVERYONE not in before and not after <= before
