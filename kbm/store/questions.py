"""What the journal tells about questions: read by replays, canaries and, later, by agents. Never written here."""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import Engine, func, select

from kbm.domain.answers import Verdict
from kbm.domain.questions import LoggedQuestion
from kbm.ports import Clock
from kbm.store.engine import iso, to_json
from kbm.store.journal_schema import answer, feedback

_NEWEST = 2_000
"""Questions of a replay at most; a month of a busy assistant has more, and two minutes must do."""


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
