"""Sources, their documents, and who may read them."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, func, or_, select, update
from sqlalchemy.dialects.sqlite import insert

from kbm.domain.catalogue import CurrentVersion, DocumentRecord, SourceRecord, StoredItem, VisibilityState
from kbm.domain.identity import ContentHash, Digest, DocumentId, VersionId, document_id, version_id
from kbm.domain.sync import Known, PlanState
from kbm.faults import fault_point
from kbm.ports import Clock
from kbm.store.engine import iso, moment, to_json, writing
from kbm.store.schema import (
    document,
    document_version,
    parsed,
    source,
    sync_plan,
    visibility_change,
)
from kbm.store.sources import delays_of
from kbm.store.versions import put_contents, put_version

_MANY = 500
"""Ids per statement; SQLite takes no more than some thousand parameters."""


class Documents:
    """The catalogue's part about sources and documents."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reads, self._writes, self._clock = engine, writing(engine), clock

    # -- sources ---------------------------------------------------------------------------------------------

    def sources(self) -> list[SourceRecord]:
        """List every source ever synced, by name."""
        documents = (
            select(
                document.c.source,
                func.count().label("n"),
                func.count(document.c.reason).label("quarantined"),
                func.count(parsed.c.poor).label("poor"),
            )
            .outerjoin(document_version, document_version.c.id == document.c.version_id)
            .outerjoin(
                parsed,
                and_(
                    parsed.c.content == document_version.c.content,
                    parsed.c.parser_digest == document_version.c.parser_digest,
                ),
            )
            .where(document.c.present == 1)
            .group_by(document.c.source)
            .subquery()
        )
        held = (
            select(sync_plan.c.source, func.count().label("n"))
            .where(sync_plan.c.state == PlanState.HELD)
            .group_by(sync_plan.c.source)
            .subquery()
        )
        query = (
            select(source, documents.c.n, documents.c.quarantined, documents.c.poor, held.c.n.label("held"))
            .outerjoin(documents, documents.c.source == source.c.name)
            .outerjoin(held, held.c.source == source.c.name)
            .order_by(source.c.name)
        )
        with self._reads.connect() as connection:
            return [
                SourceRecord(
                    name=row.name,
                    kind=row.kind,
                    synced_at=moment(row.synced_at),
                    tried_at=moment(row.tried_at),
                    last_error=row.last_error,
                    failed_scopes=tuple(json.loads(row.failed_scopes)),
                    delays=delays_of(row.delays),
                    n_documents=row.n or 0,
                    n_quarantined=row.quarantined or 0,
                    n_poorly_read=row.poor or 0,
                    n_held_plans=row.held or 0,
                )
                for row in connection.execute(query)
            ]

    # -- documents -------------------------------------------------------------------------------------------

    def known(self, name: str) -> dict[str, Known]:
        """Give what is stored of a source's listed items; attachments go with their mail."""
        query = select(
            document.c.item_id, document.c.ref_version, document.c.readers, document.c.scope
        ).where(document.c.source == name, document.c.present == 1, document.c.parent_no.is_(None))
        with self._reads.connect() as connection:
            return {
                row.item_id: Known(version=row.ref_version, readers=_readers(row.readers), scope=row.scope)
                for row in connection.execute(query)
            }

    def last_readers(self, name: str) -> dict[str, frozenset[str]]:
        """Give the readers that a source's withdrawn items had; they count again if an item comes back."""
        query = select(document.c.item_id, document.c.readers).where(
            document.c.source == name, document.c.present == 0, document.c.parent_no.is_(None)
        )
        with self._reads.connect() as connection:
            return {row.item_id: _readers(row.readers) for row in connection.execute(query)}

    def store(self, items: Sequence[StoredItem]) -> None:
        """Write items with versions and attachments in one transaction; repeating it changes nothing."""
        with fault_point("sync.store"), self._writes.begin() as connection:
            for item in items:
                no = self._store_one(connection, item, parent_no=None)
                kept = [self._store_one(connection, child, parent_no=no) for child in item.attachments]
                if item.reason is None:
                    self._remove(connection, and_(document.c.parent_no == no, document.c.no.not_in(kept)))

    def note_contents(self, items: Sequence[StoredItem]) -> None:
        """Note which contents belong to known items although they are not taken: an erasure must find them."""
        with fault_point("sync.store"), self._writes.begin() as connection:
            for item in items:
                id = document_id(item.source, item.item_id)
                no = connection.scalar(select(document.c.no).where(document.c.id == id))
                if no is not None:
                    put_contents(connection, no, item)

    def _store_one(self, connection: Connection, item: StoredItem, *, parent_no: int | None) -> int:
        now = iso(self._clock.now())
        id = document_id(item.source, item.item_id)
        before = connection.execute(
            select(document.c.no, document.c.readers, document.c.present).where(document.c.id == id)
        ).first()
        readers = to_json(sorted(item.readers))
        values: dict[str, Any] = {  # Any: values of columns
            "parent_no": parent_no,
            "title": item.title,
            "url": item.url,
            "author": item.author,
            "modified": iso(item.modified),
            "media_type": item.media_type,
            "ref_version": item.ref_version,
            "scope": item.scope,
            "readers": readers,
            "present": 1,
            "removed_at": None,
            "reason": item.reason,
            "reason_text": item.reason_text,
            "changed_at": now,
        }
        version = None
        if item.content is not None and item.parser_digest is not None and item.reason is None:
            version = version_id(id, item.content, item.parser_digest)
            values["version_id"] = version
        if before is None:
            no = connection.execute(
                insert(document)
                .values(id=id, source=item.source, item_id=item.item_id, first_seen=now, **values)
                .returning(document.c.no)
            ).scalar_one()
        else:
            no = before.no
            connection.execute(update(document).where(document.c.no == no).values(**values))
        if before is None or before.readers != readers or not before.present:
            self._note(connection, no, "readers" if before is None or before.present else "returned", readers)
        put_contents(connection, no, item)
        if version is not None:
            put_version(connection, version, no, item, now)
        return int(no)

    def parsed_otherwise(self, name: str, parser_digests: Collection[Digest]) -> list[StoredItem]:
        """List a source's items whose version was not parsed by one of these parsers, attachments apart."""
        query = _records().where(
            document.c.source == name,
            document.c.present == 1,
            document.c.parent_no.is_(None),
            document.c.reason.is_(None),
            document_version.c.parser_digest.not_in(parser_digests),
        )
        with self._reads.connect() as connection:
            return [
                StoredItem(
                    source=row.source,
                    item_id=row.item_id,
                    ref_version=row.ref_version,
                    readers=_readers(row.readers),
                    scope=row.scope,
                    title=row.title,
                    url=row.url,
                    author=row.author,
                    modified=moment(row.modified),
                    media_type=row.media_type,
                    content=ContentHash(row.content),
                )
                for row in connection.execute(query.order_by(document.c.item_id))
            ]

    def set_readers(self, name: str, readers: dict[str, frozenset[str]]) -> None:
        """Change who may read items, and their attachments, on every release at once."""
        with fault_point("sync.readers"), self._writes.begin() as connection:
            for item_id, names in readers.items():
                stored = to_json(sorted(names))
                parent = connection.scalar(
                    select(document.c.no).where(document.c.source == name, document.c.item_id == item_id)
                )
                # What is withdrawn stays so in the log; its readers are set anew when it returns.
                family = ((document.c.no == parent) | (document.c.parent_no == parent)) & (
                    document.c.present == 1
                )
                for no in connection.scalars(select(document.c.no).where(family)).all():
                    connection.execute(update(document).where(document.c.no == no).values(readers=stored))
                    self._note(connection, no, "readers", stored)

    def remove(self, name: str, item_ids: Collection[str]) -> None:
        """Withdraw items and their attachments: hidden on every release at once, gone from the next one."""
        ids = sorted(item_ids)
        for start in range(0, len(ids), _MANY):
            listed = and_(document.c.source == name, document.c.item_id.in_(ids[start : start + _MANY]))
            with fault_point("sync.remove"), self._writes.begin() as connection:
                parents = select(document.c.no).where(listed)
                self._remove(connection, document.c.parent_no.in_(parents))
                self._remove(connection, listed)

    def _remove(self, connection: Connection, which: Any) -> None:
        """Withdraw the documents that an SQL expression selects; its type is SQLAlchemy's own."""
        rows = connection.execute(
            select(document.c.no, document.c.readers).where(which, document.c.present == 1)
        ).all()
        for row in rows:
            connection.execute(
                update(document)
                .where(document.c.no == row.no)
                .values(present=0, removed_at=iso(self._clock.now()))
            )
            self._note(connection, row.no, "withdrawn", row.readers)

    def _note(self, connection: Connection, no: int, change: str, readers: str) -> None:
        connection.execute(
            insert(visibility_change).values(
                document_no=no, change=change, readers=readers, at=iso(self._clock.now())
            )
        )

    def current_versions(self, sources: Collection[str]) -> list[CurrentVersion]:
        """List what the next release of a GPT with these sources takes, by version id."""
        query = (
            select(document, document_version.c.content, document_version.c.parser_digest)
            .join(document_version, document_version.c.id == document.c.version_id)
            .where(document.c.source.in_(sources), document.c.present == 1)
            .order_by(document.c.version_id)
        )
        with self._reads.connect() as connection:
            return [
                CurrentVersion(
                    version_id=VersionId(row.version_id),
                    document_no=row.no,
                    document_id=DocumentId(row.id),
                    source=row.source,
                    item_id=row.item_id,
                    title=row.title,
                    url=row.url,
                    content=ContentHash(row.content),
                    parser_digest=Digest(row.parser_digest),
                )
                for row in connection.execute(query)
            ]

    def quarantine(self, name: str | None = None) -> list[DocumentRecord]:
        """List present documents whose newest content could not be parsed, by source and item."""
        query = _records().where(document.c.reason.is_not(None), document.c.present == 1)
        if name is not None:
            query = query.where(document.c.source == name)
        with self._reads.connect() as connection:
            rows = connection.execute(query.order_by(document.c.source, document.c.item_id))
            return [_record(row) for row in rows]

    def retry_quarantined(self, sources: Collection[str]) -> int:
        """Let the next sync fetch these sources' quarantined documents again; returns how many there are."""
        bad = and_(document.c.source.in_(sources), document.c.reason.is_not(None), document.c.present == 1)
        mails = select(document.c.parent_no).where(bad, document.c.parent_no.is_not(None))
        with self._writes.begin() as connection:
            n = connection.scalar(select(func.count()).select_from(document).where(bad)) or 0
            connection.execute(
                update(document).where(or_(bad, document.c.no.in_(mails))).values(ref_version="")
            )
        return n

    def read_again(self, name: str, item_ids: Collection[str]) -> None:
        """Let the next sync fetch items of a source again, whatever their version."""
        with fault_point("sync.again"), self._writes.begin() as connection:
            connection.execute(
                update(document)
                .where(document.c.source == name, document.c.item_id.in_(sorted(item_ids)))
                .values(ref_version="")
            )

    def document(self, id: str) -> DocumentRecord | None:
        """Give a document by its id."""
        with self._reads.connect() as connection:
            row = connection.execute(_records().where(document.c.id == id)).first()
        return _record(row) if row else None

    # -- visibility ------------------------------------------------------------------------------------------

    def epoch(self) -> int:
        """Give the number of the last visibility change; 0 before the first."""
        with self._reads.connect() as connection:
            return connection.scalar(select(func.max(visibility_change.c.epoch))) or 0

    def visibility(self) -> VisibilityState:
        """Give the readers of every present document, with the epoch they hold for."""
        with self._reads.begin() as connection:
            epoch = connection.scalar(select(func.max(visibility_change.c.epoch))) or 0
            rows = connection.execute(
                select(document.c.no, document.c.readers).where(document.c.present == 1)
            ).all()
        names: dict[str, frozenset[str]] = {}
        for row in rows:
            names.setdefault(row.readers, _readers(row.readers))
        return VisibilityState(epoch=epoch, readers={row.no: names[row.readers] for row in rows})

    def visibility_at(self, epoch: int) -> VisibilityState:
        """Give the readers of every document that was present at an epoch, from the log of changes."""
        last = (
            select(visibility_change.c.document_no, func.max(visibility_change.c.epoch).label("epoch"))
            .where(visibility_change.c.epoch <= epoch)
            .group_by(visibility_change.c.document_no)
            .subquery()
        )
        query = select(visibility_change).join(last, last.c.epoch == visibility_change.c.epoch)
        with self._reads.connect() as connection:
            rows = connection.execute(query.where(visibility_change.c.change != "withdrawn")).all()
        names: dict[str, frozenset[str]] = {}
        for row in rows:
            names.setdefault(row.readers, _readers(row.readers))
        return VisibilityState(epoch=epoch, readers={row.document_no: names[row.readers] for row in rows})


def _records() -> Any:
    """Start a query for document records; SQLAlchemy's own type is too long to help."""
    return select(document, document_version.c.content, document_version.c.parser_digest).outerjoin(
        document_version, document_version.c.id == document.c.version_id
    )


def _record(row: Row[Any]) -> DocumentRecord:
    """Make a record of a row of :func:`_records`."""
    return DocumentRecord(
        no=row.no,
        id=DocumentId(row.id),
        source=row.source,
        item_id=row.item_id,
        title=row.title,
        url=row.url,
        author=row.author,
        modified=moment(row.modified),
        readers=_readers(row.readers),
        present=bool(row.present),
        version_id=VersionId(row.version_id) if row.version_id else None,
        content=ContentHash(row.content) if row.content else None,
        parser_digest=Digest(row.parser_digest) if row.parser_digest else None,
        reason=row.reason,
        reason_text=row.reason_text,
    )


def _readers(stored: str) -> frozenset[str]:
    return frozenset(json.loads(stored))
