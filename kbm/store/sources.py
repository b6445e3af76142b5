"""What is kept of a source between scans: its cursor, what a person let through, how quick it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, select, update
from sqlalchemy.dialects.sqlite import insert

from kbm.domain.catalogue import Delay
from kbm.domain.identity import digest, document_id
from kbm.domain.people import Entry
from kbm.domain.sync import Approval, Json, SourceState
from kbm.faults import fault_point
from kbm.ports import Clock
from kbm.store.audit import append
from kbm.store.engine import iso, moment, to_json, writing
from kbm.store.schema import source, sync_plan

KEPT_DELAYS = 200
"""Measurements kept per kind of change and source, the newest."""


class Sources:
    """The catalogue's part about sources as a whole; their documents are in :mod:`kbm.store.documents`."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reads, self._writes, self._clock = engine, writing(engine), clock

    def state(self, name: str) -> SourceState:
        """Give what the next scan needs to know."""
        with self._reads.connect() as connection:
            row = connection.execute(select(source).where(source.c.name == name)).first()
        if row is None:
            return SourceState()
        approved: dict[str, dict[str, Any]] = json.loads(row.approved)  # Any: a list, or a text
        return SourceState(
            cursor=json.loads(row.cursor) if row.cursor else None,
            root=row.root,
            readers=None if row.readers is None else frozenset(json.loads(row.readers)),
            approval=Approval(
                items=frozenset(id for id, what in approved.items() if "item" in what),
                readers={
                    id: frozenset(what["readers"]) for id, what in approved.items() if "readers" in what
                },
                versions={id: what["version"] for id, what in approved.items() if "version" in what},
            ),
        )

    def approve(self, name: str, approval: Approval, *, plan: int, who: str) -> None:
        """Let this through in the next sync, and no more than this; with it goes who decided, once for each plan."""
        stored: dict[str, dict[str, Any]] = {id: {"item": True} for id in approval.items}
        for id, names in approval.readers.items():
            stored.setdefault(id, {})["readers"] = sorted(names)
        for id, version in approval.versions.items():
            stored.setdefault(id, {})["version"] = version
        with fault_point("sync.approve"), self._writes.begin() as connection:
            connection.execute(update(source).where(source.c.name == name).values(approved=to_json(stored)))
            self._log(connection, name, plan, who)

    def _log(self, connection: Connection, name: str, plan: int, who: str) -> None:
        """Note in the plan and in the audit log who let it through; the log names items by their digest alone."""
        found = connection.execute(select(sync_plan).where(sync_plan.c.id == plan)).first()
        if found is None or found.decided_by is not None:
            return
        now = self._clock.now()
        body = json.loads(found.body)
        connection.execute(
            update(sync_plan).where(sync_plan.c.id == plan).values(decided_at=iso(now), decided_by=who)
        )
        ids = [document_id(name, item) for item in body["held"]]
        entry = Entry(
            who=who,
            action="approve",
            subject=name,
            detail={"plan": plan, "items": len(ids), "digest": digest("plan", *sorted(ids))},
        )
        append(connection, entry, at=now)

    def forget_cursor(self, name: str) -> None:
        """Let the next sync list a source whole."""
        with fault_point("sync.again"), self._writes.begin() as connection:
            connection.execute(update(source).where(source.c.name == name).values(cursor=None))

    def scan_ended(
        self,
        name: str,
        kind: str,
        *,
        cursor: Json = None,
        root: str | None = None,
        readers: frozenset[str] | None = None,
        failed_scopes: Sequence[str] = (),
        error: str | None = None,
    ) -> None:
        """Note how a scan ended. Without error the cursor moves and approvals are spent; None keeps root, readers."""
        seen: dict[str, Any] = {  # Any: values of columns
            "kind": kind,
            "last_error": error,
            "tried_at": iso(self._clock.now()),
            "failed_scopes": to_json(list(failed_scopes)),
        }
        if root is not None:
            seen["root"] = root
        if readers is not None and error is None:
            seen["readers"] = to_json(sorted(readers))
        if error is None:
            seen |= {"cursor": to_json(cursor), "synced_at": iso(self._clock.now()), "approved": "{}"}
        with fault_point("sync.cursor"), self._writes.begin() as connection:
            connection.execute(
                insert(source)
                .values(name=name, **seen)
                .on_conflict_do_update(index_elements=["name"], set_=seen)
            )

    def measure(
        self,
        name: str,
        *,
        new: Sequence[datetime | None],
        changed: Sequence[datetime | None],
        n_removed: int,
    ) -> None:
        """Note how long after the source items were stored, given when the source says it was touched.

        An item that the last complete sync did not find came after it, whatever date it bears: copied files keep
        theirs. Deletions have no date at all and count from that sync. So does what has none. A first sync tells
        nothing.
        """
        now = self._clock.now()
        with self._reads.connect() as connection:
            row = connection.execute(
                select(source.c.synced_at, source.c.delays).where(source.c.name == name)
            ).first()
        since = moment(row.synced_at) if row else None
        if row is None or since is None or not (new or changed or n_removed):
            return
        delays: dict[str, list[float]] = json.loads(row.delays)
        touched = {"new": new, "changed": changed, "removed": [None] * n_removed}
        for kind, moments in touched.items():
            # A date in the future is a wrong clock somewhere, not a negative delay.
            measured = [max(round((now - max(since, at or since)).total_seconds(), 1), 0.0) for at in moments]
            delays[kind] = [*delays.get(kind, []), *measured][-KEPT_DELAYS:]
        with fault_point("sync.cursor"), self._writes.begin() as connection:
            connection.execute(update(source).where(source.c.name == name).values(delays=to_json(delays)))


def delays_of(stored: str) -> Mapping[str, Delay]:
    """Sum up the measurements of a source by kind of change."""
    found: dict[str, list[float]] = json.loads(stored)
    return {kind: Delay.of(seconds) for kind, seconds in found.items() if seconds}
