"""What does not stay in the journal: people's words after a while, and whole lines after a longer one.

Everything is overwritten with zeros and brought out of the log file, so that it is out of the disk as far as SQLite
can tell. Work is done in slices: an answer that waits for its line must not wait long. A run that is cut short is
finished by the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Select, and_, delete, or_, select, update

from kbm.faults import fault_point
from kbm.store.engine import iso, writing
from kbm.store.gap_members import forget_members
from kbm.store.journal_schema import answer, feedback, imported_question, key_use

Id = TypeVar("Id", str, int)

SLICE = 500
"""Rows changed in one transaction."""


class Forgetting:
    """The journal's part about what goes."""

    def __init__(self, engine: Engine) -> None:
        self._reads, self._writes = engine, writing(engine)

    def words(self, before: datetime) -> tuple[int, int, int]:
        """Clear questions, labels and comments from before a moment, and drop what was imported before it.

        Gives how many answers and comments were cleared, and how many imported questions dropped. Receipts stay
        whole, since they hold a keyed hash of the question.
        """
        then = iso(before)
        old_answers = self._ids(
            select(answer.c.id).where(
                answer.c.asked_at < then,
                or_(answer.c.question.is_not(None), answer.c.user_label.is_not(None)),
            )
        )
        old_comments = self._ids(
            select(feedback.c.id).where(feedback.c.at < then, feedback.c.comment.is_not(None))
        )
        old_imports = self._ids(select(imported_question.c.id).where(imported_question.c.imported_at < then))
        cleared = {"question": None, "kept_mac": None, "user_label": None}
        for some in slices(old_answers):
            with fault_point("journal.forget"), self._writes.begin() as connection:
                overwrite(connection)
                connection.execute(update(answer).where(answer.c.id.in_(some)).values(cleared))
                forget_members(connection, some)
        for some in slices(old_comments):
            with fault_point("journal.forget"), self._writes.begin() as connection:
                overwrite(connection)
                connection.execute(update(feedback).where(feedback.c.id.in_(some)).values(comment=None))
        for some in slices(old_imports):
            with fault_point("journal.forget"), self._writes.begin() as connection:
                overwrite(connection)
                connection.execute(delete(imported_question).where(imported_question.c.id.in_(some)))
                forget_members(connection, some)
        if old_answers or old_comments or old_imports:
            empty_wal(self._reads)
        return len(old_answers), len(old_comments), len(old_imports)

    def lines(self, before: datetime, persons_before: datetime) -> int:
        """Drop answers from before a moment with all that was said of them; gives how many.

        Counts of requests go with them; those of people who signed in go from before *persons_before*.
        """
        old = self._ids(select(answer.c.id).where(answer.c.asked_at < iso(before)))
        for some in slices(old):
            with fault_point("journal.drop"), self._writes.begin() as connection:
                overwrite(connection)
                connection.execute(delete(feedback).where(feedback.c.answer_id.in_(some)))
                connection.execute(delete(answer).where(answer.c.id.in_(some)))
        person = key_use.c.subject.startswith("oidc:")
        day, persons_day = before.date().isoformat(), persons_before.date().isoformat()
        with fault_point("journal.drop"), self._writes.begin() as connection:
            connection.execute(
                delete(key_use).where(or_(key_use.c.day < day, and_(person, key_use.c.day < persons_day)))
            )
        if old:
            empty_wal(self._reads)
        return len(old)

    def _ids(self, query: Select[Any]) -> Sequence[Any]:
        """Give the ids of rows; Any is SQLAlchemy's own."""
        with self._reads.connect() as connection:
            return connection.scalars(query).all()


def overwrite(connection: Connection) -> None:
    """Let SQLite write zeros over what this connection clears."""
    connection.exec_driver_sql("PRAGMA secure_delete=ON")


def slices(ids: Sequence[Id]) -> Iterator[Sequence[Id]]:
    """Cut ids into what one transaction changes."""
    for start in range(0, len(ids), SLICE):
        yield ids[start : start + SLICE]


def empty_wal(engine: Engine) -> None:
    """Bring what was overwritten from the log file into the database, and cut the log off."""
    pooled = engine.raw_connection()  # not in a transaction, where it would do nothing
    try:
        pooled.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        pooled.close()
