"""What the journal tells about questions: read by replays, canaries and, later, by agents. Never written here."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, Row, func, select

from kbm.domain.answers import Cause, Outcome, Verdict
from kbm.domain.identity import ChunkId
from kbm.domain.question_log import Logged, Source, Used
from kbm.domain.questions import LoggedQuestion
from kbm.ports import Clock
from kbm.store.engine import iso, moment, to_json
from kbm.store.journal_schema import answer, feedback, imported_question

_NEWEST = 2_000
"""Questions of a replay at most; a month of a busy assistant has more, and two minutes must do."""

_LISTED = 10_000
"""Questions that the log gives at most of each kind: more than an agent clusters in a night."""


class Questions:
    """The journal's part about what was asked."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reads, self._clock = engine, clock

    def since(self, gpt: str, moment: datetime) -> list[LoggedQuestion]:
        """List the questions a GPT was asked since *moment* and that are still readable, newest first.

        A question that the same readers asked several times is listed once.
        """
        query = (
            select(func.max(answer.c.id).label("id"), answer.c.question, answer.c.readers)
            .where(answer.c.gpt == gpt, answer.c.asked_at >= iso(moment), answer.c.question.is_not(None))
            .group_by(answer.c.question_mac, answer.c.readers)
            .order_by(func.max(answer.c.asked_at).desc())
            .limit(_NEWEST)
        )
        with self._reads.connect() as connection:
            return [
                LoggedQuestion(
                    answer_id=row.id, question=row.question, readers=frozenset(json.loads(row.readers))
                )
                for row in connection.execute(query)
            ]

    def log(self, gpt: str, since: datetime) -> list[Logged]:
        """List what a GPT was asked since a moment, here and elsewhere, newest first; forgotten questions are not.

        The newest verdict of an answer counts. At most 10,000 are listed of each.
        """
        newest = select(func.max(feedback.c.id)).group_by(feedback.c.answer_id)
        asked = (
            select(answer, feedback.c.verdict)
            .join(feedback, (feedback.c.answer_id == answer.c.id) & feedback.c.id.in_(newest), isouter=True)
            .where(answer.c.gpt == gpt, answer.c.asked_at >= iso(since), answer.c.question.is_not(None))
            .order_by(answer.c.asked_at.desc(), answer.c.id)
            .limit(_LISTED)
        )
        moment_of = func.coalesce(imported_question.c.asked_at, imported_question.c.imported_at)
        elsewhere = (
            select(imported_question)
            .where(imported_question.c.gpt == gpt, imported_question.c.imported_at >= iso(since))
            .order_by(moment_of.desc(), imported_question.c.id)
            .limit(_LISTED)
        )
        with self._reads.connect() as connection:
            found = [_asked(row) for row in connection.execute(asked)]
            found += [_imported(row) for row in connection.execute(elsewhere)]
        return sorted(found, key=_when, reverse=True)

    def used(self, gpt: str, since: datetime) -> dict[str, Used]:
        """Give what the answers of a GPT since a moment rested on; of those that an erasure touched, nothing."""
        query = (
            select(answer.c.id, answer.c.hits, answer.c.citations, answer.c.withheld)
            .where(answer.c.gpt == gpt, answer.c.asked_at >= iso(since))
            .order_by(answer.c.asked_at.desc())
            .limit(_LISTED)
        )
        found = {}
        with self._reads.connect() as connection:
            for row in connection.execute(query):
                hits, cited = json.loads(row.hits), json.loads(row.citations)
                found[row.id] = Used(
                    hits=tuple(ChunkId(one) for one in hits if isinstance(one, str)),
                    cited=tuple(ChunkId(one[0]) for one in cited if isinstance(one, list)),
                    withheld=row.withheld,
                )
        return found

    def on_canary(self, gpt: str, moment: datetime) -> tuple[int, int]:
        """Count what a GPT's canary answered since *moment*, and how many of that were reported as a problem."""
        mine = (answer.c.gpt == gpt) & (answer.c.canary == 1) & (answer.c.asked_at >= iso(moment))
        problems = (
            select(func.count(feedback.c.answer_id.distinct()))
            .join(answer, answer.c.id == feedback.c.answer_id)
            .where(mine, feedback.c.verdict == Verdict.PROBLEM)
        )
        with self._reads.connect() as connection:
            n_answers = connection.scalar(select(func.count()).select_from(answer).where(mine)) or 0
            return n_answers, connection.scalar(problems) or 0

    def verdicts(self, gpt: str, readers: frozenset[str], since: datetime) -> list[tuple[float, Verdict]]:
        """List what people thought of a GPT's answers, with the confidence of each; the newest verdict counts.

        Only of answers to just these *readers*, with nothing degraded.
        """
        newest = select(func.max(feedback.c.id)).group_by(feedback.c.answer_id)
        query = (
            select(answer.c.confidence, feedback.c.verdict)
            .join(answer, answer.c.id == feedback.c.answer_id)
            .where(
                answer.c.gpt == gpt,
                answer.c.readers == to_json(sorted(readers)),
                answer.c.degraded == to_json([]),
                answer.c.asked_at >= iso(since),
                feedback.c.id.in_(newest),
            )
        )
        with self._reads.connect() as connection:
            return [(row.confidence, Verdict(row.verdict)) for row in connection.execute(query)]

    def gpt_of(self, answer_id: str) -> str | None:
        """Tell which GPT gave an answer."""
        with self._reads.connect() as connection:
            return connection.scalar(select(answer.c.gpt).where(answer.c.id == answer_id))


def _asked(row: Row[Any]) -> Logged:
    """Make a logged question of an answer's row; Any is SQLAlchemy's own."""
    return Logged(
        id=row.id,
        question=row.question,
        asked_at=datetime.fromisoformat(row.asked_at),
        outcome=Outcome(row.outcome),
        cause=Cause(row.cause) if row.cause else None,
        confidence=row.confidence,
        verdict=Verdict(row.verdict) if row.verdict else None,
        release=row.release,
        door=row.door or "",
        readers=frozenset(json.loads(row.readers)),
        label=row.user_label,
    )


def _imported(row: Row[Any]) -> Logged:
    return Logged(
        id=row.id,
        question=row.question,
        asked_at=moment(row.asked_at),
        outcome=Outcome(row.outcome) if row.outcome else None,
        source=Source.IMPORTED,
        label=row.user_label,
        n_asked=row.n_asked,
        vouched=row.vouched_by is not None,
    )


def _when(one: Logged) -> tuple[datetime, str]:
    return one.asked_at or datetime.min.replace(tzinfo=UTC), one.id
