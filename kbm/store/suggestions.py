"""Suggestions: what agents proposed, the proof, and what people decided. A decision and its audit entry are one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Engine, Row, select, update
from sqlalchemy.dialects.sqlite import insert

from kbm.domain.evaluation import GoldenQuestion
from kbm.domain.people import Entry
from kbm.domain.suggestions import Preview, Proposal, Suggestion, SuggestionState
from kbm.errors import DecisionConflict, NotFound
from kbm.faults import fault_point
from kbm.ports import Clock
from kbm.store.audit import append
from kbm.store.engine import iso, moment, writing
from kbm.store.golden import put_questions
from kbm.store.schema import suggestion

PROPOSAL = TypeAdapter(Proposal)
PREVIEW = TypeAdapter(Preview)


class Suggestions:
    """The catalogue's part about suggestions."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reads, self._writes, self._clock = engine, writing(engine), clock

    def all(self, gpt: str | None = None, states: Collection[SuggestionState] = ()) -> list[Suggestion]:
        """List suggestions, of one GPT or all, in some states or any, the newest first."""
        query = select(suggestion).order_by(suggestion.c.created_at.desc(), suggestion.c.id)
        if gpt is not None:
            query = query.where(suggestion.c.gpt == gpt)
        if states:
            query = query.where(suggestion.c.state.in_(states))
        with self._reads.connect() as connection:
            return [_suggestion(row) for row in connection.execute(query)]

    def get(self, id: str) -> Suggestion:
        """Give one.

        Raises:
            NotFound: there is none of that id.
        """
        with self._reads.connect() as connection:
            return _get(connection, id)

    def put(self, some: Sequence[Suggestion]) -> None:
        """Store what agents found tonight in one transaction: new ones, and known ones that are still undecided."""
        with fault_point("review.suggestions"), self._writes.begin() as connection:
            for one in some:
                values = _values(one)
                connection.execute(
                    insert(suggestion)
                    .values(id=one.id, **values)
                    .on_conflict_do_update(index_elements=[suggestion.c.id], set_=values)
                )

    def decide(
        self, before: Suggestion, after: Suggestion, entry: Entry, golden: Sequence[GoldenQuestion] = ()
    ) -> Suggestion:
        """Let a person's decision count, with its entry in the audit log, if nobody decided meanwhile.

        *golden* are tests that come with it.

        Raises:
            DecisionConflict: it is no longer as *before*: somebody decided, or it was proposed anew.
        """
        now = self._clock.now()
        after = replace(after, decided_at=now, decided_by=entry.who)
        with fault_point("decide.store"), self._writes.begin() as connection:
            found = _get(connection, before.id)
            if (found.state, found.seal) != (before.state, before.seal):
                by = f" by {found.decided_by}" if found.decided_by else ""
                raise DecisionConflict(
                    f"suggestion {before.id} is {found.state}{by} meanwhile; nothing was changed",
                    hint=f"look at it again: kbm suggestions show {before.id}",
                )
            connection.execute(update(suggestion).where(suggestion.c.id == before.id).values(_values(after)))
            put_questions(connection, before.gpt, golden, at=now)
            append(connection, entry, at=now)
        return after

    def set_preview(self, id: str, preview: Preview | None) -> None:
        """Replace the proof of an undecided suggestion."""
        with fault_point("review.preview"), self._writes.begin() as connection:
            connection.execute(
                update(suggestion)
                .where(suggestion.c.id == id)
                .values(preview=None if preview is None else PREVIEW.dump_json(preview).decode())
            )

    def come_into_effect(self, ids: Collection[str], version: str) -> None:
        """Note that approved ones are in the release that answers now."""
        with fault_point("decide.applied"), self._writes.begin() as connection:
            connection.execute(
                update(suggestion)
                .where(suggestion.c.id.in_(ids), suggestion.c.state == SuggestionState.APPROVED)
                .values(state=SuggestionState.APPLIED, applied_in=version)
            )

    def set_state(self, ids: Collection[str], state: SuggestionState) -> None:
        """Note what became of decided ones by evidence, or of undecided ones by time."""
        with fault_point("review.states"), self._writes.begin() as connection:
            connection.execute(update(suggestion).where(suggestion.c.id.in_(ids)).values(state=state))

    def decided_since(self, gpt: str, ago: timedelta) -> int:
        """Count what people decided about a GPT in a while."""
        then = iso(self._clock.now() - ago)
        query = select(suggestion.c.id).where(suggestion.c.gpt == gpt, suggestion.c.decided_at >= then)
        with self._reads.connect() as connection:
            return len(connection.execute(query).all())


def _get(connection: Connection, id: str) -> Suggestion:
    row = connection.execute(select(suggestion).where(suggestion.c.id == id)).first()
    if row is None:
        raise NotFound("suggestion", id, hint="kbm suggestions list")
    return _suggestion(row)


def _values(one: Suggestion) -> dict[str, Any]:
    """Give the columns of a suggestion; Any: values of columns."""
    return {
        "gpt": one.gpt,
        "proposed_by": one.proposed_by,
        "proposal": PROPOSAL.dump_json(one.proposal).decode(),
        "preview": PREVIEW.dump_json(one.preview).decode() if one.preview else None,
        "state": one.state,
        "created_at": iso(one.created_at),
        "proposed_at": iso(one.proposed_at),
        "expires_at": iso(one.expires_at),
        "snoozed_until": iso(one.snoozed_until),
        "decided_at": iso(one.decided_at),
        "decided_by": one.decided_by,
        "applied_in": one.applied_in,
    }


def _suggestion(row: Row[Any]) -> Suggestion:
    """Make a suggestion of a row; Any is SQLAlchemy's own."""
    return Suggestion(
        id=row.id,
        gpt=row.gpt,
        proposed_by=row.proposed_by,
        proposal=PROPOSAL.validate_json(row.proposal),
        preview=PREVIEW.validate_json(row.preview) if row.preview else None,
        state=SuggestionState(row.state),
        created_at=datetime.fromisoformat(row.created_at),
        proposed_at=datetime.fromisoformat(row.proposed_at),
        expires_at=datetime.fromisoformat(row.expires_at),
        snoozed_until=moment(row.snoozed_until),
        decided_at=moment(row.decided_at),
        decided_by=row.decided_by,
        applied_in=row.applied_in,
    )
