"""Bring the stored documents of a source up to date.

Scan, plan, apply. The plan is made before anything changes; what it holds stays as it is. Each item is stored in a
transaction of its own together with its version, after its bytes, so that a run that dies leaves whole items behind
and the next run fetches only the rest. What a document says is known once it is fetched: changes that would be odd if
many were like them wait until the last one is there (:mod:`kbm.domain.collapse`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

import structlog

from kbm.domain.catalogue import CurrentVersion, PlanRecord, StoredItem
from kbm.domain.collapse import OddChange, hold_collapsed, look_at
from kbm.domain.documents import Blob, Reason, lay_out, narrowed
from kbm.domain.identity import ContentHash, Digest
from kbm.domain.sync import (
    Approval,
    Brake,
    Event,
    Mark,
    PlanState,
    Ref,
    SourceState,
    SyncPlan,
    plan_sync,
)
from kbm.errors import ConnectorError, ConnectorUnavailable
from kbm.ports import Connector, Progress
from kbm.services.needs import Documents, Erasures, Parsing, Plans, RawStore, Room, Texts
from kbm.services.read_items import ItemReader, name_of
from kbm.services.source_needs import Sources

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceToSync:
    """A source as configured. ``root`` names what is read, without secrets; empty: it is not told."""

    name: str
    kind: str
    connector: Connector
    readers: frozenset[str]
    brake: Brake
    max_document_bytes: int
    root: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncResult:
    """What a sync did. ``plan_id`` is set when the plan was stored."""

    plan: SyncPlan
    state: PlanState
    plan_id: int | None = None
    n_stored: int = 0
    n_reparsed: int = 0
    quarantined: tuple[tuple[str, str], ...] = ()  # item id, reason
    not_fetched: tuple[str, ...] = ()

    @property
    def incomplete(self) -> bool:
        """Tell whether a part of the source could not be listed, or an item not be had."""
        return bool(self.plan.failed_scopes or self.not_fetched)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """The use case with what it needs."""

    documents: Documents
    sources: Sources
    texts: Texts
    plans: Plans
    erasures: Erasures
    raw: RawStore
    parsing: Parsing
    room: Room

    def plan(self, source: SourceToSync) -> SyncPlan:
        """Scan a source and say what a sync would change; nothing is changed.

        Raises:
            ConnectorError: the source could not be listed at all.
        """
        return self._plan(source, self.sources.state(source.name))

    def _plan(self, source: SourceToSync, state: SourceState) -> SyncPlan:
        erased: set[str] = set()
        # Other default readers concern every document, not only those that changed since: list all of them.
        cursor = state.cursor if state.readers == source.readers else None
        plan = plan_sync(
            source.name,
            _without_erased(source.connector.scan(cursor), self.erasures.erased_in(source.name), erased),
            self.documents.known(source.name),
            default_readers=source.readers,
            brake=source.brake,
            approved=state.approval.items,
            shown=state.approval.readers,
            versions=state.approval.versions,
            moved=_moved(source, state),
            last=self.documents.last_readers(source.name),
        )
        return replace(plan, n_erased=len(erased))

    def run(self, source: SourceToSync, progress: Progress) -> SyncResult:
        """Scan a source and apply the safe part of the plan.

        Raises:
            ConnectorError: the source could not be listed; everything stored of it stays.
            DiskFull: what is new does not fit on the disk; withdrawn and narrowed documents are hidden all the same.
        """
        state = self.sources.state(source.name)
        try:
            plan = self._plan(source, state)
        except ConnectorError as error:
            self.sources.scan_ended(source.name, source.kind, failed_scopes=("",), error=str(error))
            raise
        if not plan.does_nothing:
            self._apply_visibility(source, plan)
        plan, stored, quarantined, not_fetched = self._fetch_all(source, plan, state.approval, progress)
        reparsed = self._parse_again(source, progress)
        self._scan_ended(source, state, plan, stored, not_fetched)
        outcome = PlanState.HELD if plan.held else PlanState.APPLIED
        plan_id = None
        if not plan.does_nothing:
            plan_id = self.plans.put(plan, outcome)
        elif not plan.failures:
            self.plans.settle(source.name)
        log.info(
            "source_synced",
            source=source.name,
            added=len(plan.added),
            changed=len(plan.taken),
            removed=len(plan.removed) - len(plan.held_removals),
            held=len(plan.held),
            quarantined=len(quarantined),
        )
        return SyncResult(
            plan=plan,
            state=outcome,
            plan_id=plan_id,
            n_stored=len(stored),
            n_reparsed=reparsed,
            quarantined=tuple(quarantined),
            not_fetched=tuple(not_fetched),
        )

    def hold_unlisted(self, configured: Collection[str]) -> list[SyncPlan]:
        """Make a held plan for each source that is stored but no longer configured.

        Its documents stay as they are until a person approves; a line missing from a file is no proof.
        """
        held = []
        for record in self.documents.sources():
            items = self.documents.known(record.name)
            if record.name in configured or not items:
                continue
            plan = SyncPlan(
                source=record.name,
                removed=tuple(sorted(items)),
                held=frozenset(items),
                held_because=(f"source {record.name!r} is no longer in kbm.toml",),
            )
            self.plans.put(plan, PlanState.HELD)
            held.append(plan)
        return held

    def approve(
        self, record: PlanRecord, source: SourceToSync | None, who: str, progress: Progress
    ) -> SyncPlan:
        """Let a held plan through: list again, and apply at most what was shown.

        *source* is None when it is no longer configured; all that was shown is then removed. Who decided is logged
        before anything is done, so that it is known whatever becomes of this run; running it again completes it.

        Raises:
            ConnectorError: the source could not be listed; what was approved is applied by its next sync.
        """
        if source is None:
            self.sources.approve(record.plan.source, Approval(), plan=record.id, who=who)
            self.documents.remove(record.plan.source, record.plan.held_removals)
            plan = record.plan
        else:
            shown = record.plan
            approval = Approval(
                items=shown.held_removals | shown.wider.keys(), readers=shown.wider, versions=shown.contents
            )
            self.sources.approve(source.name, approval, plan=record.id, who=who)
            plan = self.run(source, progress).plan
        self.plans.decide(record.id)
        return plan

    def _apply_visibility(self, source: SourceToSync, plan: SyncPlan) -> None:
        """Withdraw and narrow first: hiding must not wait for fetching."""
        self.documents.remove(source.name, [id for id in plan.removed if id not in plan.held])
        known = self.documents.known(source.name) if plan.readers_changed else {}
        readers = {}
        for id in plan.readers_changed:
            before, after = known[id].readers, _readers_of(plan.refs[id], source.readers)
            now = narrowed(before, after) if id in plan.held else after
            if now != before:
                readers[id] = now
        self.documents.set_readers(source.name, readers)

    def _fetch_all(
        self, source: SourceToSync, plan: SyncPlan, approval: Approval, progress: Progress
    ) -> tuple[SyncPlan, list[str], list[tuple[str, str]], list[str]]:
        """Store what is new; gives the plan with what else it holds, and what was stored, quarantined, not had."""
        todo = [*plan.added, *(id for id in plan.changed if id not in plan.contents)]
        stored: list[str] = []
        quarantined: list[tuple[str, str]] = []
        not_fetched: list[str] = []
        if not todo:
            return plan, stored, quarantined, not_fetched

        def store(item: StoredItem) -> None:
            self.documents.store([item])
            if item.reason is None:
                stored.append(item.item_id)
            quarantined.extend((one.item_id, one.reason) for one in (item, *item.attachments) if one.reason)

        known = self.documents.known(source.name)
        before = self._versions_before(source, plan, len(known))
        odd: dict[str, tuple[OddChange, StoredItem]] = {}
        self.room.need(sum(plan.refs[id].size or 0 for id in todo), f"store what is new in {source.name}")
        with progress.stage(f"sync {source.name}", len(todo)) as stage:
            for id in todo:
                ref = plan.refs[id]
                held_with = known[id].readers if id in known else plan.returned.get(id, frozenset())
                readers = held_with if id in plan.held else _readers_of(ref, source.readers)
                try:
                    item = self._reader.read(
                        source.name, source.connector, ref, readers, source.max_document_bytes
                    )
                except ConnectorUnavailable as error:
                    # Left as it is: its stored version stays and the next run asks again.
                    not_fetched.append(f"{id}: {error}")
                    log.warning("item_not_fetched", source=source.name, why=error.code)
                else:
                    agreed = approval.versions.get(id) == ref.version
                    change = None if agreed or id not in before else self._change(before[id], item)
                    if change is None:
                        store(item)
                    else:
                        odd[id] = change, item
                stage.advance(1, id)
        held, because = hold_collapsed(
            {id: change for id, (change, _) in odd.items()}, len(known), source.brake
        )
        for id, (_, item) in odd.items():
            if id not in held:
                store(item)
        if not held:
            return plan, stored, quarantined, not_fetched
        self.documents.note_contents([odd[id][1] for id in sorted(held)])
        plan = replace(
            plan,
            held=plan.held | held,
            held_because=(*plan.held_because, *because),
            contents={**plan.contents, **{id: plan.refs[id].version for id in held}},
        )
        return plan, stored, quarantined, not_fetched

    def _versions_before(
        self, source: SourceToSync, plan: SyncPlan, n_known: int
    ) -> dict[str, CurrentVersion]:
        """Give what is stored of the changed items; nothing while they are too few to be held whatever they say."""
        n = len(plan.taken)
        if not (source.brake.holds_same_text(n, n_known) or source.brake.holds(n, n_known)):
            return {}
        current = self.documents.current_versions([source.name])
        return {one.item_id: one for one in current if one.item_id in plan.taken}

    def _change(self, before: CurrentVersion, item: StoredItem) -> OddChange | None:
        if item.content == before.content:
            return None
        if item.reason in (Reason.EMPTY, Reason.NO_TEXT):
            after = ""
        elif item.reason is None and item.content and item.parser_digest:
            after = self._text_of(item.content, item.parser_digest)
        else:  # what cannot be read is quarantined and replaces nothing
            return None
        return look_at(self._text_of(before.content, before.parser_digest), after, named=before.content)

    def _text_of(self, content: ContentHash, parser_digest: Digest) -> str:
        record = self.texts.parsed(content, parser_digest)
        return lay_out(record.elements)[0] if record else ""

    def _scan_ended(
        self,
        source: SourceToSync,
        state: SourceState,
        plan: SyncPlan,
        stored: Collection[str],
        not_fetched: Collection[str],
    ) -> None:
        done = frozenset(stored)
        touched = {id: ref.modified for id, ref in plan.refs.items() if id in done}
        self.sources.measure(
            source.name,
            new=[touched[id] for id in plan.added if id in touched],
            changed=[touched[id] for id in plan.changed if id in touched],
            n_removed=len(plan.removed) - len(plan.held_removals),
        )
        self.sources.scan_ended(
            source.name,
            source.kind,
            # What is held must be listed again, and a scope that failed asked again: from where this scan began.
            cursor=state.cursor if plan.held else plan.cursor,
            root=None if plan.held and _moved(source, state) else source.root,
            readers=None if plan.held else source.readers,
            failed_scopes=plan.failed_scopes,
            error="; ".join([*plan.failures, *not_fetched]) or None,
        )

    @property
    def _reader(self) -> ItemReader:
        return ItemReader(texts=self.texts, raw=self.raw, parsing=self.parsing)

    def _parse_again(self, source: SourceToSync, progress: Progress) -> int:
        """Parse documents of an earlier parser again, from the raw store; returns how many."""
        todo = self.documents.parsed_otherwise(source.name, self.parsing.digests())
        if not todo:
            return 0
        with progress.stage(f"parse {source.name} again", len(todo)) as stage:
            for item in todo:
                data = self.raw.get(item.content) if item.content else None
                if data is None:
                    log.warning("raw_content_missing", source=source.name, content=item.content)
                else:
                    blob = Blob(data=data, name=name_of(item.item_id), media_type=item.media_type)
                    self.documents.store([self._reader.parse_into(item, blob, title_given=True)])
                stage.advance(1, item.item_id)
        return len(todo)


def _moved(source: SourceToSync, state: SourceState) -> str:
    """Say that another place is read than at the last scan; empty when it is the same, or not known."""
    if not state.root or not source.root or state.root == source.root:
        return ""
    return f"{source.root} is read now, {state.root} before"


def _without_erased(
    events: Iterator[Event], is_erased: Callable[[str], bool], met: set[str]
) -> Iterator[Event]:
    """Pass over what a person had erased, with what failed about it: its name must not come back either."""
    for event in events:
        id = None if isinstance(event, Mark) else event.id
        if id is not None and is_erased(id):
            met.add(id)
        else:
            yield event


def _readers_of(ref: Ref, default: frozenset[str]) -> frozenset[str]:
    return default if ref.readers is None else ref.readers
