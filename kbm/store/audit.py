"""The audit log: decisions in a chain of hashes, their reasons beside it where they can be erased."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, text

from kbm.domain.identity import Digest
from kbm.domain.people import (
    FIRST_HASH,
    Break,
    ChainCheck,
    Entry,
    LoggedEntry,
    chain_hash,
    reason_hash,
    why_broken,
)
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

    def append_once(self, entry: Entry) -> None:
        """Log a decision unless it is logged already, by the same person with the same detail."""
        same = (
            (audit.c.who == entry.who)
            & (audit.c.action == entry.action)
            & (audit.c.subject == entry.subject)
            & (audit.c.detail == to_json(dict(entry.detail)))
        )
        with self._writes.begin() as connection:
            if connection.execute(select(audit.c.id).where(same).limit(1)).first() is None:
                append(connection, entry, at=self._clock.now())

    def entries(self) -> list[LoggedEntry]:
        """List all entries, oldest first."""
        with self._reads.connect() as connection:
            return [_entry(row) for row in connection.execute(_ENTRIES)]

    def verify(self, anchor: Digest | None = None) -> ChainCheck:
        """Check the chain, and that *anchor*, a hash noted earlier, is still in it; stop at the first break."""
        with self._reads.connect() as connection:
            return _verified(connection, anchor)


_ENTRIES = (
    select(audit, audit_reason.c.text)
    .outerjoin(audit_reason, audit_reason.c.audit_id == audit.c.id)
    .order_by(audit.c.id)
)


def _verified(connection: Connection, anchor: Digest | None) -> ChainCheck:
    n = n_erased = 0
    head = FIRST_HASH
    anchor_id = 0 if anchor == FIRST_HASH else None
    broken: Break | None = None
    for row in connection.execute(_ENTRIES):
        entry = _read(row)
        why = why_broken(n + 1, head, entry) if entry else "it is not written as kbm writes"
        if entry is None or why:
            broken = Break(id=row.id, why=why)
            break
        n, head = n + 1, entry.hash
        n_erased += entry.erased
        if head == anchor:
            anchor_id = n
    if broken is None:
        broken = _lost_outside(connection, n)
    if broken is None and anchor is not None and anchor_id is None:
        why = "the anchor is the hash of no entry: the log was cut short or written anew since it was noted"
        broken = Break(id=None, why=why)
    return ChainCheck(n_entries=n, head=head, n_reasons_erased=n_erased, anchor_id=anchor_id, broken=broken)


def _read(row: Row[Any]) -> LoggedEntry | None:
    """Read a row; None if it is not written as we write: what reads the same was changed all the same."""
    try:
        entry = _entry(row)
        as_written = (iso(entry.at), to_json(dict(entry.detail))) == (row.at, row.detail)
    except (ValueError, TypeError):
        return None
    texts = (row.who, row.action, row.subject, row.reason_hash, row.previous, row.hash)
    return entry if as_written and all(isinstance(one, str) for one in texts) else None


def _lost_outside(connection: Connection, n: int) -> Break | None:
    """Look for what the entries cannot show: a reason of no entry, and entries gone from the end."""
    orphan = connection.scalar(
        select(audit_reason.c.audit_id).where(audit_reason.c.audit_id.not_in(select(audit.c.id))).limit(1)
    )
    if orphan is not None:
        return Break(id=orphan, why="there is a reason of an entry that is not there")
    # SQLite never uses a number twice. Whoever deletes the last entry can mend this counter, too: only an anchor
    # kept elsewhere proves the end.
    given = connection.scalar(text("SELECT seq FROM sqlite_sequence WHERE name = 'audit'")) or 0
    return Break(id=n + 1, why="it was logged and is gone") if given > n else None


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
