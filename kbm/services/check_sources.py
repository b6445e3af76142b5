"""Say of each source what works and what a person must do, before a night finds out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from kbm.domain.catalogue import PlanRecord, SourceRecord
from kbm.errors import KbmError
from kbm.ports import Connector


class Stored(Protocol):
    """What is stored of sources; see :class:`kbm.store.documents.Documents`."""

    def sources(self) -> list[SourceRecord]: ...


class Plans(Protocol):
    """Plans that wait; see :class:`kbm.store.plans.Plans`."""

    def held(self) -> list[PlanRecord]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredSource:
    """A source as kbm.toml has it; *gpts* use it."""

    kind: str
    readers: frozenset[str]
    gpts: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSource:
    """What was found. ``problems`` keep it from being read; ``to_do`` does not, but is for a person."""

    name: str
    kind: str
    problems: tuple[str, ...]
    works: tuple[str, ...]
    to_do: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CheckSources:
    """Tries every source and looks at what is stored of it."""

    configured: Mapping[str, ConfiguredSource]
    connector: Callable[[str], Connector]
    is_proven_live: Callable[[str], bool]
    stored: Stored
    plans: Plans

    def run(self) -> list[CheckedSource]:
        """Check all of them, in the order of kbm.toml; nothing is changed."""
        stored = {one.name: one for one in self.stored.sources()}
        held: dict[str, list[int]] = {}
        for record in self.plans.held():
            held.setdefault(record.plan.source, []).append(record.id)
        return [
            self._checked(name, source, stored.get(name), held.get(name, ()))
            for name, source in self.configured.items()
        ]

    def _checked(
        self, name: str, source: ConfiguredSource, stored: SourceRecord | None, held: Collection[int]
    ) -> CheckedSource:
        try:
            problems = tuple(self.connector(name).check())
        except KbmError as error:
            problems = (" ".join(filter(None, [str(error), error.hint])),)
        works = [] if problems else ["it answers, and its documents can be listed"]
        if stored is not None and stored.n_documents:
            works.append(f"{stored.n_documents} documents are stored")
        return CheckedSource(
            name=name,
            kind=source.kind,
            problems=problems,
            works=tuple(works),
            to_do=tuple(self._to_do(name, source, stored, held)),
        )

    def _to_do(
        self, name: str, source: ConfiguredSource, stored: SourceRecord | None, held: Collection[int]
    ) -> Iterator[str]:
        if stored is None or stored.synced_at is None:
            yield f"it was never read: kbm sync {name}"
        for id in held:
            yield f"a plan waits for a decision: kbm plans, then kbm plans approve {id}"
        if stored is not None and stored.n_quarantined:
            yield f"{stored.n_quarantined} documents could not be read: kbm sources tells which and why"
        if stored is not None and stored.failed_scopes:
            places = ", ".join(scope or "the whole source" for scope in stored.failed_scopes)
            yield f"the last sync could not list {places}: give the account the right, or exclude it"
        if not source.readers:
            yield "readers is empty: nobody may read what the source does not tell readers of"
        if not source.gpts:
            yield f"no assistant uses it: add {name!r} to the sources of one"
        if not self.is_proven_live(source.kind):
            yield f"connectors of kind {source.kind!r} were never run against a live server: compare a few documents"
