"""Sync plans and jobs: what is under way, what waits for a person."""

from __future__ import annotations

import json
import os
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from kbm.domain.catalogue import PlanRecord
from kbm.domain.sync import PlanState, SyncPlan
from kbm.faults import fault_point
from kbm.ports import Clock
from kbm.store.engine import iso, moment, to_json, writing
from kbm.store.schema import job, sync_plan


class Plans:
    """The catalogue's part about plans."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reads, self._writes, self._clock = engine, writing(engine), clock

    def put(self, plan: SyncPlan, state: PlanState) -> int:
        """Store a plan; held ones of the same source are settled by it. Returns its number."""
        with fault_point("sync.plan"), self._writes.begin() as connection:
            self._settle(connection, plan.source)
            return int(
                connection.execute(
                    insert(sync_plan)
                    .values(
                        source=plan.source,
                        state=state,
                        body=to_json(_body(plan)),
                        created_at=iso(self._clock.now()),
                    )
                    .returning(sync_plan.c.id)
                ).scalar_one()
            )

    def settle(self, source: str) -> None:
        """Close the held plans of a source whose reason is gone: a later scan found nothing to do."""
        with fault_point("sync.plan"), self._writes.begin() as connection:
            self._settle(connection, source)

    def _settle(self, connection: Connection, source: str) -> None:
        connection.execute(
            update(sync_plan)
            .where(sync_plan.c.source == source, sync_plan.c.state == PlanState.HELD)
            .values(
                state=PlanState.DECIDED,
                decided_at=func.coalesce(sync_plan.c.decided_at, iso(self._clock.now())),
                decided_by=func.coalesce(sync_plan.c.decided_by, "a later sync"),
            )
        )

    def held(self) -> list[PlanRecord]:
        """List the plans that wait for a person, oldest first."""
        query = select(sync_plan).where(sync_plan.c.state == PlanState.HELD).order_by(sync_plan.c.id)
        with self._reads.connect() as connection:
            return [_record(row) for row in connection.execute(query)]

    def get(self, id: int) -> PlanRecord | None:
        """Give a plan by its number."""
        with self._reads.connect() as connection:
            row = connection.execute(select(sync_plan).where(sync_plan.c.id == id)).first()
        return _record(row) if row else None

    def decide(self, id: int) -> None:
        """Note that what a person let through was done; who that was is noted when they say so."""
        with fault_point("sync.decide"), self._writes.begin() as connection:
            connection.execute(update(sync_plan).where(sync_plan.c.id == id).values(state=PlanState.DECIDED))


class Jobs:
    """The log of runs. A run that died shows as failed as soon as the next one starts."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._writes, self._clock = writing(engine), clock

    def begin(self, kind: str, subject: str) -> int:
        """Note that a run started; the caller holds the lock, so other running ones are dead."""
        now = iso(self._clock.now())
        with fault_point("job.begin"), self._writes.begin() as connection:
            connection.execute(
                update(job)
                .where(job.c.state == "running")
                .values(state="failed", ended_at=now, error="the process ended before the work did")
            )
            return int(
                connection.execute(
                    insert(job)
                    .values(kind=kind, subject=subject, state="running", pid=os.getpid(), started_at=now)
                    .returning(job.c.id)
                ).scalar_one()
            )

    def end(self, id: int, state: str, error: str | None = None) -> None:
        """Note how a run ended: done, held or failed."""
        with fault_point("job.end"), self._writes.begin() as connection:
            connection.execute(
                update(job)
                .where(job.c.id == id)
                .values(state=state, ended_at=iso(self._clock.now()), error=error)
            )


def _body(plan: SyncPlan) -> dict[str, Any]:
    """Give what is kept of a plan as JSON."""
    return {
        "added": plan.added,
        "changed": plan.changed,
        "removed": plan.removed,
        "readers_changed": plan.readers_changed,
        "unchanged": plan.unchanged,
        "failed_scopes": plan.failed_scopes,
        "failures": plan.failures,
        "held": sorted(plan.held),
        "held_because": plan.held_because,
        "wider": {id: sorted(names) for id, names in plan.wider.items()},
        "contents": dict(plan.contents),
    }


def _record(row: Row[Any]) -> PlanRecord:
    """Make a record of a row of the table."""
    body = json.loads(row.body)
    created_at = moment(row.created_at)
    if created_at is None:  # the column is not nullable
        raise ValueError(f"sync plan {row.id} has no date")
    return PlanRecord(
        id=row.id,
        state=PlanState(row.state),
        created_at=created_at,
        plan=SyncPlan(
            source=row.source,
            added=tuple(body["added"]),
            changed=tuple(body["changed"]),
            removed=tuple(body["removed"]),
            readers_changed=tuple(body["readers_changed"]),
            unchanged=body["unchanged"],
            failed_scopes=tuple(body["failed_scopes"]),
            failures=tuple(body["failures"]),
            held=frozenset(body["held"]),
            held_because=tuple(body["held_because"]),
            wider={id: frozenset(names) for id, names in body["wider"].items()},
            contents=body["contents"],
        ),
    )
