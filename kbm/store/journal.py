"""What people asked, what they got, and what they thought of it."""

from __future__ import annotations

from sqlalchemy import Engine, insert, select

from kbm.domain.answers import Answer, Verdict
from kbm.domain.identity import ChunkId, digest
from kbm.errors import NotFound
from kbm.ports import Clock
from kbm.store.engine import iso, to_json, writing
from kbm.store.schema import answer, feedback
from kbm.store.secret import Secret


class Journal:
    """The journal database."""

    def __init__(self, engine: Engine, secret: Secret, clock: Clock) -> None:
        self._reads, self._writes, self._secret, self._clock = engine, writing(engine), secret, clock

    def close(self) -> None:
        """Close all connections."""
        self._reads.dispose()

    def record(self, made: Answer, question: str, hits: tuple[ChunkId, ...], user: str | None) -> None:
        """Store an answer with its question. Quotes are kept as spans, never as text."""
        with self._writes.begin() as connection:
            connection.execute(
                insert(answer).values(
                    id=made.id,
                    gpt=made.gpt,
                    release=made.release,
                    release_digest=made.release_digest,
                    canary=int(made.canary),
                    epoch=made.epoch,
                    readers=to_json(sorted(made.readers)),
                    k=made.k,
                    asked_at=iso(self._clock.now()),
                    question=question,
                    question_mac=self._secret.mac("question", question),
                    user_label=user,
                    outcome=made.outcome,
                    cause=made.cause,
                    confidence=made.confidence,
                    hits=to_json(hits),
                    citations=to_json(
                        [
                            [one.passage.chunk_id, one.start, one.end, digest("quote", one.quote)]
                            for one in made.citations
                        ]
                    ),
                    degraded=to_json(made.degraded),
                    took_ms=made.took_ms,
                )
            )

    def add_feedback(self, answer_id: str, verdict: Verdict, comment: str | None) -> None:
        """Store what somebody thought of an answer.

        Raises:
            NotFound: there is no such answer.
        """
        with self._writes.begin() as connection:
            if connection.execute(select(answer.c.id).where(answer.c.id == answer_id)).first() is None:
                raise NotFound("answer", answer_id)
            connection.execute(
                insert(feedback).values(
                    answer_id=answer_id, verdict=verdict, comment=comment, at=iso(self._clock.now())
                )
            )
