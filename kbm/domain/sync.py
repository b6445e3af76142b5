"""From what a source lists to what may be changed.

A scan yields :data:`Event` s. Only two things make a document go: the source says so (``Gone``), or a listing that
the connector vouches for as complete (``Mark(full=True)``) does not show it, and nothing failed at or above its
place. Everything else keeps the document. And even then the brake holds a removal that is too large to be normal,
and a complete listing of nothing at all always waits for a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from kbm.domain.documents import narrowed, widens

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """An item a source lists, without its body.

    ``id`` is stable in the source; ``version`` is opaque, and equal versions are not fetched again. ``readers``
    is ``None`` when the source cannot tell: its configured default applies. ``scope`` is the place in the source
    (a folder with ``/``) that a failure would name. ``size`` is in bytes.
    """

    id: str
    version: str
    title: str = ""
    url: str = ""
    author: str = ""
    media_type: str = ""
    modified: datetime | None = None
    size: int | None = None
    readers: frozenset[str] | None = None
    scope: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """The source itself says that the item no longer exists."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Something could not be listed; nothing under ``scope`` may be taken for deleted.

    An empty scope means the whole source. ``id`` names a single item when just that one failed.
    """

    scope: str
    why: str
    retry: bool = True
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A point the next scan can start from; ``full`` vouches that everything was listed."""

    cursor: Json
    full: bool = False


Event = Ref | Gone | Failed | Mark

FEW = 3
"""Fewer documents than this are never held because of what they became."""


class PlanState(StrEnum):
    """Where a plan stands."""

    PLANNED = "planned"  # shown, nothing applied
    APPLIED = "applied"
    HELD = "held"  # the safe part is applied, the rest waits for a person
    DECIDED = "decided"  # a person let the rest through, or a later scan took its place


@dataclass(frozen=True, slots=True, kw_only=True)
class Brake:
    """Removals are held when they exceed *both* bounds."""

    documents: int = 10
    share: float = 0.10

    def holds(self, n_removed: int, n_known: int) -> bool:
        """Tell whether removing *n_removed* of *n_known* documents needs a person."""
        # The share is a float: room for its rounding, or 29 of 100 would count as more than 29 %.
        return n_removed > self.documents and n_removed > self.share * n_known + 1e-9

    def holds_same_text(self, n: int, n_known: int) -> bool:
        """Tell whether *n* documents that turn into one text need a person: no small number of them is normal."""
        return n >= FEW and n > self.share * n_known + 1e-9

    def holds_contents(self, n: int, n_known: int) -> bool:
        """Tell whether *n* documents that lose their content need a person; half of a small source does, too."""
        return self.holds(n, n_known) or (self.holds_same_text(n, n_known) and 2 * n > n_known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is stored of an item: the version last fetched and who may read it."""

    version: str
    readers: frozenset[str]
    scope: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPlan:
    """What a scan would change in a source, by item id, each list sorted.

    ``held`` names the ids in ``removed``, ``readers_changed`` and ``changed`` that wait for a person, and those in
    ``added`` that were here with fewer readers, for the reasons in ``held_because``; all else may be applied.
    """

    source: str
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    readers_changed: tuple[str, ...] = ()
    unchanged: int = 0
    n_erased: int = 0  # the source lists them, but a person had them erased: they are passed over
    failed_scopes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    held: frozenset[str] = frozenset()
    held_because: tuple[str, ...] = ()
    wider: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The readers that held items would get: an approval lets these in and no others."""
    returned: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The readers that held items which come back get meanwhile: those who could read them before, and still may."""
    contents: Mapping[str, str] = field(default_factory=dict)
    """The versions of held items whose content waits: an approval takes these and no others."""
    cursor: Json = None
    refs: Mapping[str, Ref] = field(default_factory=dict, repr=False)

    @property
    def does_nothing(self) -> bool:
        """Tell whether applying it would change nothing."""
        return not (self.added or self.changed or self.removed or self.readers_changed)

    @property
    def held_removals(self) -> frozenset[str]:
        """Name the items that a person must let go."""
        return self.held.intersection(self.removed)

    @property
    def taken(self) -> frozenset[str]:
        """Name the changed items whose new content is taken."""
        return frozenset(self.changed) - self.contents.keys()


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What a person let through, for the next scan: items may go or get *readers*, contents may be replaced.

    ``readers`` and ``versions`` hold what was shown; anything else by then is held again.
    """

    items: frozenset[str] = frozenset()
    readers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """What is kept of a source between scans. ``root`` names what was read; None before the first scan.

    ``readers`` are the default readers that all known documents were held against; None as long as they were not.
    """

    cursor: Json = None
    root: str | None = None
    readers: frozenset[str] | None = None
    approval: Approval = field(default_factory=Approval)


def plan_sync(
    source: str,
    events: Iterable[Event],
    known: Mapping[str, Known],
    *,
    default_readers: frozenset[str],
    brake: Brake,
    approved: frozenset[str] = frozenset(),
    shown: Mapping[str, frozenset[str]] = MappingProxyType({}),
    versions: Mapping[str, str] = MappingProxyType({}),
    moved: str = "",
    last: Mapping[str, frozenset[str]] = MappingProxyType({}),
) -> SyncPlan:
    """Compare a scan with what is stored.

    *approved* are ids whose removal or wider readers a person has agreed to: they are not held, and do not count
    towards the brake. *shown* are the readers that person saw: if the source gives an item more by now, it is held.
    *moved* says in words that another place is read than before; then nothing goes and nothing is replaced by itself
    but the *versions* that person saw. *last* are the readers that removed items had: coming back is no way to get
    more.
    """
    refs: dict[str, Ref] = {}
    gone: set[str] = set()
    failed: list[Failed] = []
    cursor: Json = None
    complete = False
    for event in events:
        match event:
            case Ref():
                refs[event.id] = event
                gone.discard(event.id)
            case Gone():
                refs.pop(event.id, None)
                gone.add(event.id)
            case Failed():
                failed.append(event)
            case Mark():
                cursor, complete = event.cursor, complete or event.full

    added = sorted(id for id in refs if id not in known)
    changed = sorted(id for id, ref in refs.items() if id in known and ref.version != known[id].version)
    removed = gone & known.keys()
    unseen: set[str] = set()
    if complete:
        unseen = {
            id
            for id, item in known.items()
            if id not in refs and id not in gone and not _under_a_failure(id, item.scope, failed)
        }
        removed |= unseen
    rights = {
        id: (known[id].readers if id in known else last[id], _readers_of(ref, default_readers))
        for id, ref in refs.items()
        if id in known or id in last
    }
    readers_changed = sorted(id for id, (before, after) in rights.items() if id in known and before != after)

    held: set[str] = set()
    because: list[str] = []
    unproven = removed - approved
    if unseen - approved and not refs:
        # What a share that is not mounted looks like; a small source would pass under the brake.
        held |= unseen - approved
        because.append(
            f"the source lists nothing at all, but {len(known)} documents of it are known: is it connected?"
        )
    contents: dict[str, str] = {}
    if moved:
        contents = {id: refs[id].version for id in changed if versions.get(id) != refs[id].version}
        if unproven or contents:
            held |= unproven | contents.keys()
            because.append(
                f"{moved}: {len(unproven)} of {len(known)} documents would be removed, {len(contents)} replaced"
            )
    if brake.holds(len(unproven), len(known)):
        held |= unproven
        because.append(
            f"{len(unproven)} of {len(known)} documents would be removed "
            f"(more than {brake.documents} and more than {brake.share:.0%})"
        )
    wider = {
        id
        for id in rights
        if widens(*rights[id]) and (id not in approved or (id in shown and widens(shown[id], rights[id][1])))
    }
    if wider:
        held |= wider
        because.append(f"{len(wider)} documents would get more readers")
    return SyncPlan(
        source=source,
        added=tuple(added),
        changed=tuple(changed),
        removed=tuple(sorted(removed)),
        readers_changed=tuple(readers_changed),
        unchanged=len(refs) - len(added) - len(changed),
        failed_scopes=tuple(sorted({failure.scope for failure in failed if failure.id is None})),
        failures=tuple(
            f"{failure.id or failure.scope or 'the whole source'}: {failure.why}" for failure in failed
        ),
        held=frozenset(held),
        held_because=tuple(because),
        wider={id: rights[id][1] for id in sorted(wider)},
        returned={id: narrowed(*rights[id]) for id in sorted(wider - known.keys())},
        contents=contents,
        cursor=cursor,
        refs=refs,
    )


def _readers_of(ref: Ref, default: frozenset[str]) -> frozenset[str]:
    return default if ref.readers is None else ref.readers


def _under_a_failure(id: str, scope: str, failed: Iterable[Failed]) -> bool:
    for failure in failed:
        if failure.id is not None:
            if failure.id == id:
                return True
            continue
        place = failure.scope.rstrip("/") + "/"
        if place == "/" or f"{scope.rstrip('/')}/".startswith(place) or id.startswith(place):
            return True
    return False
