"""The audit log: decisions in a chain of hashes, their reasons beside it where they can be erased."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select

from kbm.domain.identity import Digest
from kbm.domain.people import FIRST_HASH, Entry, LoggedEntry, chain_hash, reason_hash
from kbm.ports import Clock
from kbm.store.engine import iso, moment, to_json, writing
from kbm.store.schema import audit, audit_reason


def append(connection: Connection, entry: Entry, *, at: datetime) -> None:
    """Log a decision in the transaction that carries it out: both happen or neither."""
    previous = connection.scalar(select(audit.c.hash).order_by(audit.c.id.desc()).limit(1)) or FIRST_HASH
    id = connection.execute(
        insert(audit)
        .values(
            at=iso(at),
            who=entry.who,
            action=entry.action,
            subject=entry.subject,
            detail=to_json(dict(entry.detail)),
            reason_hash=reason_hash(entry.reason),
            previous=previous,
            hash=chain_hash(Digest(previous), at, entry),
        )
        .returning(audit.c.id)
    ).scalar_one()
    if entry.reason:
        connection.execute(insert(audit_reason).values(audit_id=id, text=entry.reason))


class Audit:
    """The catalogue's part about who did what."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reads, self._writes, self._clock = engine, writing(engine), clock

    def append(self, entry: Entry) -> None:
        """Log a decision whose effect lies outside the catalogue, such as a backup."""
        with self._writes.begin() as connection:
            append(connection, entry, at=self._clock.now())

    def entries(self) -> list[LoggedEntry]:
        """List all entries, oldest first."""
        query = (
            select(audit, audit_reason.c.text)
            .outerjoin(audit_reason, audit_reason.c.audit_id == audit.c.id)
            .order_by(audit.c.id)
        )
        with self._reads.connect() as connection:
            return [_entry(row) for row in connection.execute(query)]


def _entry(row: Row[Any]) -> LoggedEntry:
    """Make an entry of a row of the tables."""
    at = moment(row.at)
    if at is None:  # the column is not nullable
        raise ValueError(f"audit entry {row.id} has no date")
    return LoggedEntry(
        id=row.id,
        at=at,
        who=row.who,
        action=row.action,
        subject=row.subject,
        detail=json.loads(row.detail),
        reason=row.text,
        reason_hash=Digest(row.reason_hash),
        previous=Digest(row.previous),
        hash=Digest(row.hash),
    )
