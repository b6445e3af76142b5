"""Canaries: which release some people get, since when, and how it ended."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update

from kbm.domain.canary import Audience, Canary, CanaryState, ReplayReport
from kbm.domain.people import Entry
from kbm.domain.releases import Release, Version
from kbm.errors import UsageError
from kbm.faults import fault_point
from kbm.ports import Clock
from kbm.store.audit import append
from kbm.store.engine import iso, moment, to_json, writing
from kbm.store.schema import canary, pointer

CANARY = "canary"

_RUNNING = (
    select(canary, pointer.c.seq)
    .join(pointer, (pointer.c.gpt == canary.c.gpt) & (pointer.c.name == CANARY))
    .where(canary.c.state == CanaryState.RUNNING)
)


class Canaries:
    """The catalogue's part about canaries."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reads, self._writes, self._clock = engine, writing(engine), clock

    def running(self, gpt: str) -> Canary | None:
        """Give the canary of a GPT that is under way."""
        with self._reads.connect() as connection:
            row = connection.execute(_RUNNING.where(canary.c.gpt == gpt)).first()
        return _canary(row) if row else None

    def start(
        self, gpt: str, made: Release, audience: Audience, replay: ReplayReport, *, who: str, why: str
    ) -> Canary:
        """Let *made* answer its audience from the next question on.

        Raises:
            UsageError: one is under way already.
        """
        now = self._clock.now()
        with fault_point("canary.start"), self._writes.begin() as connection:
            if connection.execute(_RUNNING.where(canary.c.gpt == gpt)).first() is not None:
                raise UsageError(
                    f"{gpt} has a canary already; nothing was changed",
                    hint=f"kbm canary stop {gpt}, or kbm canary promote {gpt}",
                )
            connection.execute(
                insert(canary).values(
                    gpt=gpt,
                    # A form of an earlier canary, rc.2 and so on, is promoted to the number it was meant for.
                    target=str(replace(made.version, rc=None)),
                    rc=made.version.rc or 1,
                    group=audience.group,
                    share=audience.share,
                    salt=secrets.token_hex(8),
                    state=CanaryState.RUNNING,
                    started_at=iso(now),
                    who=who,
                    why=why,
                    replay=to_json(asdict(replay)),
                )
            )
            _point(connection, gpt, made.seq)
            detail = {"release": str(made.version), "digest": made.digest, "audience": str(audience)}
            append(
                connection, Entry(who=who, action="canary", subject=gpt, detail=detail, reason=why), at=now
            )
        started = self.running(gpt)
        if started is None:
            raise UsageError(f"the canary of {gpt} was stopped as soon as it had started")
        return started

    def rebase(self, found: Canary, made: Release, target: Version) -> None:
        """Let the canary's audience get its next form."""
        now = self._clock.now()
        with fault_point("canary.rebase"), self._writes.begin() as connection:
            moved = connection.execute(
                update(canary)
                .where(canary.c.id == found.id, canary.c.state == CanaryState.RUNNING)
                .values(rc=made.version.rc or found.rc, target=str(target))
            ).rowcount
            if not moved:  # stopped meanwhile
                return
            _point(connection, found.gpt, made.seq)
            detail = {"release": str(made.version), "digest": made.digest}
            append(
                connection,
                Entry(who="nightly", action="canary-rebase", subject=found.gpt, detail=detail),
                at=now,
            )

    def end(self, found: Canary, state: CanaryState, *, who: str, why: str) -> bool:
        """End a canary; its audience gets live from the next question on. False if it had ended already."""
        now = self._clock.now()
        with fault_point("canary.end"), self._writes.begin() as connection:
            ended = connection.execute(
                update(canary)
                .where(canary.c.id == found.id, canary.c.state == CanaryState.RUNNING)
                .values(state=state, ended_at=iso(now), ended_why=why)
            ).rowcount
            if ended:
                connection.execute(
                    delete(pointer).where(pointer.c.gpt == found.gpt, pointer.c.name == CANARY)
                )
                entry = Entry(who=who, action=f"canary-{state}", subject=found.gpt, reason=why)
                append(connection, entry, at=now)
        return bool(ended)

    def note(self, found: Canary, *, errors: int = 0, violations: int = 0) -> tuple[int, int]:
        """Count what went wrong on a canary; gives both counts since it started."""
        with self._writes.begin() as connection:
            row = connection.execute(
                update(canary)
                .where(canary.c.id == found.id)
                .values(n_errors=canary.c.n_errors + errors, n_violations=canary.c.n_violations + violations)
                .returning(canary.c.n_errors, canary.c.n_violations)
            ).one()
        return row.n_errors, row.n_violations

    def last_replay(self, gpt: str) -> ReplayReport | None:
        """Give the replay that the newest canary started on."""
        query = select(canary.c.replay).where(canary.c.gpt == gpt).order_by(canary.c.id.desc()).limit(1)
        with self._reads.connect() as connection:
            stored = connection.scalar(query)
        if stored is None:
            return None
        found = json.loads(stored)
        return ReplayReport(**{**found, "examples": tuple(found["examples"])})


def _point(connection: Connection, gpt: str, seq: int) -> None:
    connection.execute(delete(pointer).where(pointer.c.gpt == gpt, pointer.c.name == CANARY))
    connection.execute(insert(pointer).values(gpt=gpt, name=CANARY, seq=seq))


def _canary(row: Row[Any]) -> Canary:
    """Make a canary of a row of :data:`_RUNNING`."""
    started = moment(row.started_at)
    if started is None:  # the column is not nullable
        raise ValueError(f"canary {row.id} has no date")
    return Canary(
        id=row.id,
        gpt=row.gpt,
        seq=row.seq,
        target=Version.parse(row.target),
        rc=row.rc,
        audience=Audience(group=row.group, share=row.share),
        salt=row.salt,
        state=CanaryState(row.state),
        started_at=started,
        who=row.who,
        why=row.why,
        ended_at=moment(row.ended_at),
        ended_why=row.ended_why or "",
    )
