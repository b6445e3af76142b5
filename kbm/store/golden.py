"""The golden questions of each GPT."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from kbm.domain.evaluation import GoldenQuestion, GoldenState
from kbm.errors import NotFound
from kbm.faults import fault_point
from kbm.ports import Clock
from kbm.store.engine import iso, to_json, writing
from kbm.store.schema import golden_question

_LISTS = ("expected", "must_contain", "must_not_contain", "readers")
_TEXTS = ("question", "language", "origin", "state")
_FLAGS = ("critical", "answerable")


class Golden:
    """The catalogue's part about golden questions."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reads, self._writes, self._clock = engine, writing(engine), clock

    def put(self, gpt: str, questions: Sequence[GoldenQuestion]) -> None:
        """Store questions in one transaction; one of the same id is replaced."""
        with fault_point("golden.store"), self._writes.begin() as connection:
            put_questions(connection, gpt, questions, at=self._clock.now())

    def all(self, gpt: str) -> list[GoldenQuestion]:
        """List a GPT's questions, by id."""
        query = select(golden_question).where(golden_question.c.gpt == gpt).order_by(golden_question.c.id)
        with self._reads.connect() as connection:
            return [_question(row) for row in connection.execute(query)]

    def set_state(self, gpt: str, id: str, state: GoldenState) -> None:
        """Confirm a question or put it up for review.

        Raises:
            NotFound: there is none of that id.
        """
        which = (golden_question.c.gpt == gpt) & (golden_question.c.id == id)
        with self._writes.begin() as connection:
            if connection.execute(update(golden_question).where(which).values(state=state)).rowcount == 0:
                raise NotFound(f"golden question of {gpt}", id)

    def remove(self, gpt: str, id: str) -> None:
        """Delete a question.

        Raises:
            NotFound: there is none of that id.
        """
        which = (golden_question.c.gpt == gpt) & (golden_question.c.id == id)
        with self._writes.begin() as connection:
            if connection.execute(delete(golden_question).where(which)).rowcount == 0:
                raise NotFound(f"golden question of {gpt}", id)


def put_questions(
    connection: Connection, gpt: str, questions: Sequence[GoldenQuestion], *, at: datetime
) -> None:
    """Store questions in a transaction under way; one of the same id is replaced."""
    for one in questions:
        values: dict[str, Any] = {name: to_json(getattr(one, name)) for name in _LISTS}  # Any: columns
        values |= {name: getattr(one, name) for name in _TEXTS}
        values |= {name: int(getattr(one, name)) for name in _FLAGS}
        connection.execute(
            insert(golden_question)
            .values(gpt=gpt, id=one.id, added_at=iso(at), **values)
            .on_conflict_do_update(index_elements=["gpt", "id"], set_=values)
        )


def _question(row: Row[Any]) -> GoldenQuestion:
    """Make a question of a row of the table."""
    lists = {name: tuple(json.loads(getattr(row, name))) for name in _LISTS}
    return GoldenQuestion(
        id=row.id,
        question=row.question,
        language=row.language,
        expected=lists["expected"],
        must_contain=lists["must_contain"],
        must_not_contain=lists["must_not_contain"],
        readers=lists["readers"],
        critical=bool(row.critical),
        answerable=bool(row.answerable),
        origin=row.origin,
        state=GoldenState(row.state),
    )
