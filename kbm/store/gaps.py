"""Gaps: groups of failed questions that keep their identity over nights.

They live in the journal, beside the questions they are made of: what a gap keeps of a question goes with it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, Row, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from kbm.domain.fixes import Evidence
from kbm.domain.gaps import Cause, GapName, OwnerQuestion
from kbm.domain.identity import ChunkId, DocumentId
from kbm.domain.known_gaps import Gap, GapState, LastReview
from kbm.errors import NotFound
from kbm.faults import fault_point
from kbm.ports import Clock
from kbm.store.engine import iso, moment, to_json, writing
from kbm.store.forgetting import overwrite
from kbm.store.journal_schema import gap, gap_question, review


class Gaps:
    """The journal's part about gaps."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reads, self._writes, self._clock = engine, writing(engine), clock

    def all(self, gpt: str | None = None) -> list[Gap]:
        """List gaps with their members, of one GPT or all, most asked first."""
        query = select(gap).order_by(gap.c.n_asked.desc(), gap.c.id)
        if gpt is not None:
            query = query.where(gap.c.gpt == gpt)
        with self._reads.connect() as connection:
            rows = connection.execute(query).all()
            members = _members(connection, [row.id for row in rows])
        return [_gap(row, members.get(row.id, ())) for row in rows]

    def get(self, id: str) -> Gap:
        """Give one.

        Raises:
            NotFound: there is none of that id.
        """
        with self._reads.connect() as connection:
            row = connection.execute(select(gap).where(gap.c.id == id)).first()
            members = _members(connection, [id])
        if row is None:
            raise NotFound("gap", id, hint="kbm gaps GPT")
        return _gap(row, members.get(id, ()))

    def put(self, made: LastReview, gaps: Sequence[Gap]) -> None:
        """Store what a night found in one transaction; gaps that it did not find stay as they were."""
        with fault_point("review.gaps"), self._writes.begin() as connection:
            overwrite(connection)
            for one in gaps:
                values = _values(one)
                connection.execute(
                    insert(gap)
                    .values(id=one.id, **values)
                    .on_conflict_do_update(index_elements=[gap.c.id], set_=values)
                )
                connection.execute(delete(gap_question).where(gap_question.c.gap_id == one.id))
                rows = [
                    {"gap_id": one.id, "question_id": id, "place": at} for at, id in enumerate(one.members)
                ]
                if rows:
                    connection.execute(insert(gap_question), rows)
            values = {
                "at": iso(made.at),
                "rare": to_json(made.rare),
                "themes": to_json(made.themes),
                "problems": to_json(made.problems),
                "figures": to_json(dict(made.figures)),
                "nights": to_json([[day, dict(figures)] for day, figures in made.nights]),
            }
            connection.execute(
                insert(review)
                .values(gpt=made.gpt, **values)
                .on_conflict_do_update(index_elements=[review.c.gpt], set_=values)
            )

    def last_review(self, gpt: str) -> LastReview | None:
        """Tell what the last review of a GPT found beside its gaps."""
        with self._reads.connect() as connection:
            row = connection.execute(select(review).where(review.c.gpt == gpt)).first()
        if row is None:
            return None
        return LastReview(
            gpt=gpt,
            at=datetime.fromisoformat(row.at),
            rare=tuple(json.loads(row.rare)),
            themes=tuple((id, tuple(gaps)) for id, gaps in json.loads(row.themes)),
            problems=tuple((name, why) for name, why in json.loads(row.problems)),
            figures=json.loads(row.figures),
            nights=tuple((day, figures) for day, figures in json.loads(row.nights)),
        )

    def set_state(self, id: str, state: GapState, *, closed_in: str = "") -> None:
        """Note that a gap is dismissed, closed by a release, open again."""
        now = self._clock.now()
        values: dict[str, Any] = {"state": state}  # Any: values of columns
        if state is GapState.DISMISSED:
            values["dismissed_at"] = gap.c.n_asked
        if state is GapState.CLOSED:
            values |= {"closed_at": iso(now), "closed_in": closed_in}
        if state is GapState.OPEN:
            values["dismissed_at"] = None
        with fault_point("review.gap"), self._writes.begin() as connection:
            connection.execute(update(gap).where(gap.c.id == id).values(values))

    def count(self, gpt: str) -> int:
        """Count the gaps of a GPT that are open."""
        query = select(func.count()).select_from(gap).where(gap.c.gpt == gpt, gap.c.state.in_(_STANDING))
        with self._reads.connect() as connection:
            return connection.scalar(query) or 0


_STANDING = (GapState.OPEN, GapState.REOPENED)


def _members(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    query = select(gap_question).where(gap_question.c.gap_id.in_(ids)).order_by(gap_question.c.place)
    for row in connection.execute(query):
        found.setdefault(row.gap_id, []).append(row.question_id)
    return {id: tuple(members) for id, members in found.items()}


def _values(one: Gap) -> dict[str, Any]:
    """Give the columns of a gap; Any: values of columns."""
    return {
        "gpt": one.gpt,
        "state": one.state,
        "title": one.name.title,
        "keywords": to_json(one.name.keywords),
        "theme": one.theme,
        "language": one.language,
        "cause": one.cause,
        "second": one.second,
        "ask": one.ask,
        "scores": to_json(dict(one.scores)),
        "evidence": to_json([[x.chunk_id, x.document_id, x.start, x.end] for x in one.evidence]),
        "n_asked": one.n_asked,
        "n_people": one.n_people,
        "centroid": np.array(one.centroid, dtype="<f4").tobytes() if one.centroid else None,
        "first_seen": iso(one.first_seen),
        "last_seen": iso(one.last_seen),
        "dismissed_at": one.dismissed_at,
        "closed_at": iso(one.closed_at),
        "closed_in": one.closed_in,
        "counts": to_json(one.counts),
    }


def _gap(row: Row[Any], members: tuple[str, ...]) -> Gap:
    """Make a gap of a row; Any is SQLAlchemy's own."""
    return Gap(
        id=row.id,
        gpt=row.gpt,
        state=GapState(row.state),
        name=GapName(title=row.title, keywords=tuple(json.loads(row.keywords))),
        theme=row.theme,
        language=row.language,
        cause=Cause(row.cause),
        second=Cause(row.second) if row.second else None,
        ask=OwnerQuestion(row.ask) if row.ask else None,
        scores=json.loads(row.scores),
        evidence=tuple(
            Evidence(chunk_id=ChunkId(chunk), document_id=DocumentId(document), start=start, end=end)
            for chunk, document, start, end in json.loads(row.evidence)
        ),
        members=members,
        n_asked=row.n_asked,
        n_people=row.n_people,
        centroid=tuple(np.frombuffer(row.centroid, dtype="<f4").tolist()) if row.centroid else (),
        first_seen=datetime.fromisoformat(row.first_seen),
        last_seen=datetime.fromisoformat(row.last_seen),
        dismissed_at=row.dismissed_at,
        closed_at=moment(row.closed_at),
        closed_in=row.closed_in,
        counts=tuple((day, n) for day, n in json.loads(row.counts)),
    )
