"""Bring the stored documents of a source up to date.

Scan, plan, apply. The plan is made before anything changes; what it holds stays as it is. Each item is stored in a
transaction of its own together with its version, after its bytes, so that a run that dies leaves whole items behind
and the next run fetches only the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

import structlog

from kbm.domain.catalogue import ParsedRecord, PlanRecord, StoredItem
from kbm.domain.documents import Blob, Reason, narrowed
from kbm.domain.sync import Brake, Event, Mark, PlanState, Ref, SyncPlan, plan_sync
from kbm.errors import ConnectorError, ConnectorUnavailable, KbmError, ParseFailed
from kbm.ports import Connector, Progress
from kbm.services.needs import Documents, Erasures, Parsing, Plans, RawStore, Room, Texts

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceToSync:
    """A source as configured."""

    name: str
    kind: str
    connector: Connector
    readers: frozenset[str]
    brake: Brake
    max_document_bytes: int


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
        erased: set[str] = set()
        approved = self.documents.approved(source.name)
        plan = plan_sync(
            source.name,
            _without_erased(
                _scan(source.connector, self.documents, source.name),
                self.erasures.erased_in(source.name),
                erased,
            ),
            self.documents.known(source.name),
            default_readers=source.readers,
            brake=source.brake,
            approved=frozenset(approved),
            shown={id: names for id, names in approved.items() if names is not None},
        )
        return replace(plan, n_erased=len(erased))

    def run(self, source: SourceToSync, progress: Progress) -> SyncResult:
        """Scan a source and apply the safe part of the plan.

        Raises:
            ConnectorError: the source could not be listed; everything stored of it stays.
            DiskFull: what is new does not fit on the disk; withdrawn and narrowed documents are hidden all the same.
        """
        try:
            plan = self.plan(source)
        except ConnectorError as error:
            self.documents.scan_ended(source.name, source.kind, error=str(error))
            raise
        if not plan.does_nothing:
            self._apply_visibility(source, plan)
        stored, quarantined, not_fetched = self._fetch_all(source, plan, progress)
        reparsed = self._parse_again(source, progress)
        failed = "; ".join([*plan.failures, *not_fetched]) or None
        # A scope that failed is asked again from the same cursor; what was stored is skipped then.
        self.documents.scan_ended(source.name, source.kind, cursor=plan.cursor, error=failed)
        state = PlanState.HELD if plan.held else PlanState.APPLIED
        plan_id = None
        if not plan.does_nothing:
            plan_id = self.plans.put(plan, state)
        elif not plan.failures:
            self.plans.settle(source.name)
        log.info(
            "source_synced",
            source=source.name,
            added=len(plan.added),
            changed=len(plan.changed),
            removed=len(plan.removed) - len(plan.held.intersection(plan.removed)),
            held=len(plan.held),
            quarantined=len(quarantined),
        )
        return SyncResult(
            plan=plan,
            state=state,
            plan_id=plan_id,
            n_stored=stored,
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

        *source* is None when it is no longer configured; all that was shown is then removed.

        Raises:
            ConnectorError: the source could not be listed; the plan stays held.
        """
        if source is None:
            self.documents.remove(record.plan.source, record.plan.held)
            plan = record.plan
        else:
            self.documents.approve(source.name, record.plan.held, record.plan.wider)
            plan = self.run(source, progress).plan
        self.plans.decide(record.id, who)
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
        self, source: SourceToSync, plan: SyncPlan, progress: Progress
    ) -> tuple[int, list[tuple[str, str]], list[str]]:
        known = self.documents.known(source.name)
        todo = [*plan.added, *plan.changed]
        quarantined: list[tuple[str, str]] = []
        not_fetched: list[str] = []
        stored = 0
        if not todo:
            return stored, quarantined, not_fetched
        self.room.need(sum(plan.refs[id].size or 0 for id in todo), f"store what is new in {source.name}")
        with progress.stage(f"sync {source.name}", len(todo)) as stage:
            for id in todo:
                ref = plan.refs[id]
                readers = known[id].readers if id in plan.held else _readers_of(ref, source.readers)
                try:
                    item = self._fetch_one(source, ref, readers)
                except ConnectorUnavailable as error:
                    # Left as it is: its stored version stays and the next run asks again.
                    not_fetched.append(f"{id}: {error}")
                    log.warning("item_not_fetched", source=source.name, why=error.code)
                else:
                    self.documents.store([item])
                    stored += item.reason is None
                    quarantined += [
                        (one.item_id, one.reason) for one in (item, *item.attachments) if one.reason
                    ]
                stage.advance(1, id)
        return stored, quarantined, not_fetched

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
                    blob = Blob(data=data, name=_name_of(item.item_id), media_type=item.media_type)
                    self.documents.store([self._parse_into(item, blob, title_given=True)])
                stage.advance(1, item.item_id)
        return len(todo)

    def _fetch_one(self, source: SourceToSync, ref: Ref, readers: frozenset[str]) -> StoredItem:
        item = StoredItem(
            source=source.name,
            item_id=ref.id,
            ref_version=ref.version,
            readers=readers,
            scope=ref.scope,
            title=ref.title or _title_of(ref.id),
            url=ref.url,
            author=ref.author,
            modified=ref.modified,
        )
        if ref.size is not None and ref.size > source.max_document_bytes:
            return _too_large(item, ref.size, source.max_document_bytes)
        try:
            blob = source.connector.fetch(ref)
        except ConnectorUnavailable:
            raise
        except ConnectorError as error:
            return replace(item, reason=Reason.UNREADABLE, reason_text=str(error))
        if len(blob.data) > source.max_document_bytes:
            return _too_large(item, len(blob.data), source.max_document_bytes)
        item = replace(item, media_type=blob.media_type)
        return self._parse_into(item, blob, title_given=bool(ref.title))

    def _parse_into(self, item: StoredItem, blob: Blob, *, title_given: bool = False) -> StoredItem:
        """Add content, version and attachments to an item, from the store where the content is known."""
        content = self.raw.put(blob.data)
        try:
            parser_digest = self.parsing.digest_for(blob)
        except ParseFailed as error:
            return replace(item, content=content, reason=error.reason, reason_text=str(error))
        record = self.texts.parsed(content, parser_digest)
        if record is None or any(self.raw.get(one) is None for _, _, one in record.attachments):
            # A release that was imported brings texts, but no bytes of attachments.
            record = self._parse(blob)
            self.texts.put_parsed(content, parser_digest, record)
        enclosed = tuple(content for _, _, content in record.attachments)
        item = replace(item, content=content, enclosed=enclosed, parser_digest=parser_digest)
        if record.reason is not None:
            return replace(item, reason=record.reason, reason_text=record.reason_text)
        item = replace(
            item,
            title=item.title if title_given else record.title or item.title,
            author=item.author or record.author,
            modified=item.modified or record.modified,
        )
        return replace(item, attachments=tuple(self._attachments(item, record)))

    def _parse(self, blob: Blob) -> ParsedRecord:
        try:
            made = self.parsing.parse(blob)
        except ParseFailed as error:
            return ParsedRecord(reason=error.reason, reason_text=str(error))
        return ParsedRecord(
            elements=made.elements,
            title=made.title,
            author=made.author,
            modified=made.modified,
            warnings=made.warnings,
            attachments=tuple((one.name, one.media_type, self.raw.put(one.data)) for one in made.attachments),
        )

    def _attachments(self, item: StoredItem, record: ParsedRecord) -> Iterator[StoredItem]:
        """Make documents of a mail's attachments; attachments of attachments are not followed."""
        if "/attachments/" in item.item_id:
            return
        for n, (name, media_type, content) in enumerate(record.attachments):
            data = self.raw.get(content)
            if data is None:
                raise KbmError(f"the raw store lost an attachment of {item.item_id}")
            child = replace(
                item,
                item_id=f"{item.item_id}/attachments/{n}-{name}",
                title=name,
                media_type=media_type,
                parser_digest=None,
                content=None,
                enclosed=(),
                attachments=(),
            )
            yield self._parse_into(child, Blob(data=data, name=name, media_type=media_type))


def _scan(connector: Connector, documents: Documents, name: str) -> Iterator[Event]:
    yield from connector.scan(documents.cursor(name))


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


def _name_of(item_id: str) -> str:
    return item_id.rstrip("/").rsplit("/", 1)[-1]


def _title_of(item_id: str) -> str:
    """Make a title of an item's name, for documents that have none: ``Urlaub_2026.txt`` is "Urlaub 2026"."""
    name = _name_of(item_id)
    stem, dot, ending = name.rpartition(".")
    return " ".join((stem if dot and stem and len(ending) <= 5 else name).replace("_", " ").split()) or name


def _too_large(item: StoredItem, size: int, limit: int) -> StoredItem:
    return replace(
        item,
        reason=Reason.TOO_LARGE,
        reason_text=f"{size / 1e6:.0f} MB; the limit is {limit / 1e6:.0f} MB (kbm.max_document_mb)",
    )
