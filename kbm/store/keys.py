"""API keys, and how often each was used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from kbm.domain.access import Action, ApiKey, Rights
from kbm.domain.people import Entry
from kbm.errors import NotFound
from kbm.faults import fault_point
from kbm.ports import Clock
from kbm.store.audit import append
from kbm.store.engine import iso, moment, to_json, writing
from kbm.store.journal_schema import key_use
from kbm.store.schema import api_key


class Keys:
    """The catalogue's part about API keys. The keys themselves are nowhere, only their hashes."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reads, self._writes, self._clock = engine, writing(engine), clock

    def create(self, key: ApiKey) -> None:
        """Store a new key, and log who made it."""
        rights = key.rights
        with fault_point("keys.create"), self._writes.begin() as connection:
            connection.execute(
                insert(api_key).values(
                    id=key.id,
                    name=key.name,
                    hash=key.hash,
                    actions=to_json(sorted(rights.actions)),
                    gpts=None if rights.gpts is None else to_json(sorted(rights.gpts)),
                    readers=to_json(sorted(rights.readers)),
                    person=rights.person,
                    per_minute=rights.per_minute,
                    per_day=rights.per_day,
                    created_at=iso(key.created_at),
                    created_by=key.created_by,
                    expires_at=iso(key.expires_at),
                )
            )
            entry = Entry(
                who=key.created_by,
                action="key_created",
                subject=key.id,
                detail={"readers": len(rights.readers), "expires_at": iso(key.expires_at)},
            )
            append(connection, entry, at=key.created_at)

    def end(self, id: str, *, at: datetime | None, who: str) -> ApiKey:
        """Let a key open nothing any more: now, or from a moment on unless it ends earlier anyway.

        Raises:
            NotFound: there is no such key.
        """
        now = self._clock.now()
        with fault_point("keys.end"), self._writes.begin() as connection:
            row = connection.execute(select(api_key).where(api_key.c.id == id)).one_or_none()
            if row is None:
                raise NotFound("key", id, [one.id for one in connection.execute(select(api_key.c.id))])
            key = _key(row)
            if at is None:
                ended = replace(key, revoked_at=key.revoked_at or now)
            else:
                ended = replace(key, expires_at=min(at, key.expires_at or at))
            if ended != key:
                connection.execute(
                    update(api_key)
                    .where(api_key.c.id == id)
                    .values(revoked_at=iso(ended.revoked_at), expires_at=iso(ended.expires_at))
                )
                action = "key_revoked" if at is None else "key_expiry_set"
                detail = {"expires_at": iso(ended.expires_at)}
                append(connection, Entry(who=who, action=action, subject=id, detail=detail), at=now)
        return ended

    def find(self, id: str) -> ApiKey | None:
        """Give a key by the part of it that may be shown."""
        with self._reads.connect() as connection:
            row = connection.execute(select(api_key).where(api_key.c.id == id)).one_or_none()
        return _key(row) if row else None

    def all(self) -> list[ApiKey]:
        """List the keys, newest first; those that hold no more too."""
        query = select(api_key).order_by(api_key.c.created_at.desc(), api_key.c.id)
        with self._reads.connect() as connection:
            return [_key(row) for row in connection.execute(query)]

    def any(self) -> bool:
        """Tell whether a key was ever made; revoking the last one does not open the doors again."""
        with self._reads.connect() as connection:
            return connection.execute(select(api_key.c.id).limit(1)).first() is not None


class KeyUses:
    """The journal's part about how often subjects asked, by day."""

    def __init__(self, engine: Engine) -> None:
        self._reads, self._writes = engine, writing(engine)

    def add(self, day: str, requests: Mapping[str, int]) -> dict[str, int]:
        """Count requests of a day (``2026-11-24``) and give the day's sums so far."""
        with fault_point("keys.use"), self._writes.begin() as connection:
            sums = {}
            for subject, n in sorted(requests.items()):
                counted = upsert(key_use).values(subject=subject, day=day, n_requests=n)
                counted = counted.on_conflict_do_update(
                    index_elements=["subject", "day"],
                    set_={"n_requests": key_use.c.n_requests + counted.excluded.n_requests},
                )
                sums[subject] = connection.execute(counted.returning(key_use.c.n_requests)).scalar_one()
            return sums

    def on(self, day: str, subject: str) -> int:
        """Give the requests of one subject on a day."""
        where = (key_use.c.day == day) & (key_use.c.subject == subject)
        with self._reads.connect() as connection:
            return connection.scalar(select(key_use.c.n_requests).where(where)) or 0

    def last_days(self) -> dict[str, str]:
        """Give the last day on which each subject asked."""
        query = select(key_use.c.subject, func.max(key_use.c.day).label("day")).group_by(key_use.c.subject)
        with self._reads.connect() as connection:
            return {row.subject: row.day for row in connection.execute(query)}


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        hash=row.hash,
        rights=Rights(
            actions=frozenset(Action(one) for one in json.loads(row.actions)),
            gpts=None if row.gpts is None else frozenset(json.loads(row.gpts)),
            readers=frozenset(json.loads(row.readers)),
            per_minute=row.per_minute,
            per_day=row.per_day,
            person=row.person,
        ),
        created_at=datetime.fromisoformat(row.created_at),
        created_by=row.created_by,
        expires_at=moment(row.expires_at),
        revoked_at=moment(row.revoked_at),
    )
