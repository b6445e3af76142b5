"""What was mended without asking, and when it may be tried again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine, select
from sqlalchemy.dialects.sqlite import insert

from kbm.domain.healing import Try
from kbm.domain.identity import Digest
from kbm.domain.people import Entry
from kbm.faults import fault_point
from kbm.ports import Clock
from kbm.store.audit import append
from kbm.store.engine import iso, writing
from kbm.store.schema import healing


class Healing:
    """The catalogue's part about tries."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reads, self._writes, self._clock = engine, writing(engine), clock

    def last(self, subjects: Collection[Digest]) -> dict[Digest, Try]:
        """Give the last try at each of some things."""
        query = select(healing).where(healing.c.subject.in_(subjects))
        with self._reads.connect() as connection:
            return {
                Digest(row.subject): Try(
                    subject=Digest(row.subject),
                    n=row.n,
                    at=datetime.fromisoformat(row.at),
                    problem=row.problem,
                )
                for row in connection.execute(query)
            }

    def begin(self, tries: Sequence[Try], entry: Entry) -> None:
        """Note tries with their entry in the audit log, before anything is done: one that dies counts too."""
        with fault_point("decide.store"), self._writes.begin() as connection:
            _put(connection, tries)
            append(connection, entry, at=self._clock.now())

    def end(self, tries: Sequence[Try]) -> None:
        """Note how they ended."""
        with fault_point("review.states"), self._writes.begin() as connection:
            _put(connection, tries)


def _put(connection: Connection, tries: Sequence[Try]) -> None:
    for one in tries:
        values = {"n": one.n, "at": iso(one.at), "problem": one.problem}
        connection.execute(
            insert(healing)
            .values(subject=one.subject, **values)
            .on_conflict_do_update(index_elements=[healing.c.subject], set_=values)
        )
