"""What people asked, what they got, and what they thought of it.

Of an answer only its receipt is kept: ids, spans and keyed hashes, never the text of a document. Questions, labels
and comments are people's own words; they go when their retention is over, out of the file as well.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, Row, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from kbm import __version__
from kbm.domain.answers import Answer, Cause, Outcome, Verdict
from kbm.domain.filters import Filters
from kbm.domain.identity import ChunkId, Digest
from kbm.domain.personal_data import redact
from kbm.domain.questions import Asker
from kbm.domain.receipts import Erased, QuoteSpan, Receipt, Recorded, kept_hash, receipt_of
from kbm.errors import JournalDamaged, NotFound
from kbm.faults import fault_point
from kbm.ports import Clock
from kbm.store.engine import empty_free_pages, iso, to_json, writing
from kbm.store.forgetting import SLICE, Forgetting, empty_wal, overwrite
from kbm.store.gap_members import forget_evidence, forget_members
from kbm.store.gaps import Gaps
from kbm.store.imported_questions import ImportedQuestions
from kbm.store.journal_schema import agent_tokens, answer, feedback
from kbm.store.keys import KeyUses
from kbm.store.questions import Questions
from kbm.store.secret import Secret


class Journal:
    """The journal database."""

    def __init__(self, engine: Engine, secret: Secret, clock: Clock) -> None:
        self._reads, self._writes, self._secret, self._clock = engine, writing(engine), secret, clock
        self.questions = Questions(engine, clock)
        self.imported_questions = ImportedQuestions(engine, secret, clock)
        self.forgetting = Forgetting(engine)
        self.gaps = Gaps(engine, clock)
        self.key_uses = KeyUses(engine)

    @property
    def engine(self) -> Engine:
        """The database, for who searches all of it."""
        return self._reads

    def close(self) -> None:
        """Close all connections."""
        self._reads.dispose()

    # -- answers ---------------------------------------------------------------------------------------------

    def record(self, made: Answer, question: str, hits: tuple[ChunkId, ...], asker: Asker) -> None:
        """Store the sealed receipt of an answer, and its question without personal data.

        The receipt's hash is of the question as it was asked. Quotes are kept as spans, never as text.
        """
        receipt = receipt_of(
            made, question, hits, asked_at=self._clock.now(), made_with=__version__, mac=self._secret.mac
        )
        kept = redact(question)
        with fault_point("journal.record"), self._writes.begin() as connection:
            connection.execute(
                insert(answer).values(
                    id=receipt.answer_id,
                    gpt=receipt.gpt,
                    release=receipt.release,
                    release_digest=receipt.release_digest,
                    canary=int(receipt.canary),
                    epoch=receipt.epoch,
                    readers=to_json(sorted(receipt.readers)),
                    k=receipt.k,
                    asked_at=iso(receipt.asked_at),
                    question=kept,
                    kept_mac=None if kept == question else kept_hash(made.id, kept, self._secret.mac),
                    question_mac=receipt.question_mac,
                    user_label=self._secret.label(made.gpt, asker.label),
                    key_id=asker.key_id,
                    door=asker.door,
                    outcome=receipt.outcome,
                    cause=receipt.cause,
                    confidence=receipt.confidence,
                    degraded=to_json(receipt.degraded),
                    took_ms=made.took_ms,
                    withheld=made.withheld,
                    tokens=made.tokens,
                    cost=made.cost,
                    made_with=receipt.made_with,
                    filters=to_json(receipt.filters.as_json()) if receipt.filters else None,
                    model=receipt.model,
                    prompt_digest=receipt.prompt_digest,
                    seal=receipt.seal,
                    **_evidence(receipt),
                )
            )

    def recorded(self, answer_id: str) -> Recorded | None:
        """Give the receipt of an answer, and its question while that is kept; None if there is none.

        Raises:
            JournalDamaged: the row was changed in a way that it is no receipt any more.
        """
        with self._reads.connect() as connection:
            row = connection.execute(select(answer).where(answer.c.id == answer_id)).first()
        return _recorded(row) if row else None

    def tokens_since(self, gpt: str, moment: datetime) -> int:
        """Count the tokens that chat models took for a GPT since a moment, and for its agents since its day began."""
        query = select(func.coalesce(func.sum(answer.c.tokens), 0)).where(
            answer.c.gpt == gpt, answer.c.asked_at >= iso(moment)
        )
        of_agents = select(func.coalesce(func.sum(agent_tokens.c.n), 0)).where(
            agent_tokens.c.gpt == gpt, agent_tokens.c.day >= _day(moment)
        )
        with self._reads.connect() as connection:
            return int(connection.scalar(query) or 0) + int(connection.scalar(of_agents) or 0)

    def add_agent_tokens(self, gpt: str, n: int) -> None:
        """Count tokens that a chat model took for a GPT's agents."""
        with fault_point("journal.record"), self._writes.begin() as connection:
            connection.execute(
                upsert(agent_tokens)
                .values(gpt=gpt, day=_day(self._clock.now()), n=n)
                .on_conflict_do_update(
                    index_elements=[agent_tokens.c.gpt, agent_tokens.c.day], set_={"n": agent_tokens.c.n + n}
                )
            )

    # -- feedback --------------------------------------------------------------------------------------------

    def add_feedback(self, answer_id: str, verdict: Verdict, comment: str | None) -> None:
        """Store what somebody thought of an answer, the comment without personal data.

        Raises:
            NotFound: there is no such answer.
        """
        with fault_point("journal.feedback"), self._writes.begin() as connection:
            if connection.execute(select(answer.c.id).where(answer.c.id == answer_id)).first() is None:
                raise NotFound("answer", answer_id)
            connection.execute(
                insert(feedback).values(
                    answer_id=answer_id,
                    verdict=verdict,
                    comment=redact(comment) if comment else None,
                    at=iso(self._clock.now()),
                )
            )

    # -- what does not stay ----------------------------------------------------------------------------------

    def redact(self, chunks: Collection[ChunkId]) -> int:
        """Leave only marks of these chunks in every receipt; gives how many receipts named one of them.

        A question that was answered from one of them is forgotten with it: its words are often the document's. The
        seals of the receipts still fit. Repeating it changes nothing.
        """
        wanted, now = frozenset(chunks), iso(self._clock.now())
        last, n = "", 0
        while True:
            query = select(answer).where(answer.c.id > last).order_by(answer.c.id).limit(SLICE)
            with self._reads.connect() as connection:
                rows = connection.execute(query).all()
            if not rows:
                break
            last = rows[-1].id
            named = [row for row in rows if any(id in row.hits or id in row.citations for id in wanted)]
            if named:
                with fault_point("journal.redact"), self._writes.begin() as connection:
                    overwrite(connection)
                    for row in named:
                        left: dict[str, str | None] = {
                            **_evidence(_recorded(row).receipt.without(wanted, self._secret.mac))
                        }
                        if any(id in row.citations for id in wanted):
                            forget_members(connection, [row.id])
                            left |= {"question": None, "kept_mac": None, "user_label": None}
                        connection.execute(
                            update(answer).where(answer.c.id == row.id).values(redacted_at=now, **left)
                        )
                n += len(named)
        with fault_point("journal.redact"), self._writes.begin() as connection:
            overwrite(connection)
            forget_evidence(connection, wanted)
        empty_wal(self._reads)
        return n

    def empty_free_pages(self) -> None:
        """Write the journal anew without what was deleted, and cut its log off.

        Raises:
            Busy: somebody kept reading it for seconds.
        """
        empty_free_pages(self._reads)


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).date().isoformat()


def _evidence(receipt: Receipt) -> dict[str, str]:
    """Give hits and quotes as columns; what was erased is an object with its mark."""
    hits = [one if isinstance(one, str) else {"erased": one.mark} for one in receipt.hits]
    quotes = [
        {"erased": one.mark} if isinstance(one, Erased) else [one.chunk_id, one.start, one.end, one.hash]
        for one in receipt.quotes
    ]
    return {"hits": to_json(hits), "citations": to_json(quotes)}


def _recorded(row: Row[Any]) -> Recorded:
    """Make a receipt of a row of the table; Any is SQLAlchemy's own."""
    try:
        receipt = Receipt(
            answer_id=row.id,
            gpt=row.gpt,
            release=row.release,
            release_digest=Digest(row.release_digest),
            canary=bool(row.canary),
            epoch=row.epoch,
            readers=frozenset(json.loads(row.readers)),
            k=row.k,
            asked_at=datetime.fromisoformat(row.asked_at),
            question_mac=row.question_mac,
            outcome=Outcome(row.outcome),
            cause=Cause(row.cause) if row.cause else None,
            confidence=row.confidence,
            hits=tuple(
                Erased(mark=one["erased"]) if isinstance(one, dict) else ChunkId(one)
                for one in json.loads(row.hits)
            ),
            quotes=tuple(
                Erased(mark=one["erased"]) if isinstance(one, dict) else _quote(*one)
                for one in json.loads(row.citations)
            ),
            degraded=tuple(json.loads(row.degraded)),
            made_with=row.made_with,
            filters=Filters.of(json.loads(row.filters) if row.filters else None),
            model=row.model,
            prompt_digest=row.prompt_digest,
            seal=row.seal,
        )
    except (ValueError, TypeError, KeyError) as error:
        raise JournalDamaged(
            f"the journal's row of answer {row.id} was changed and is no receipt any more: {error}",
            hint="compare it with a backup: every receipt is written once",
        ) from error
    return Recorded(receipt=receipt, question=row.question, kept_mac=row.kept_mac)


def _quote(chunk_id: str, start: int, end: int, hash: str) -> QuoteSpan:
    return QuoteSpan(chunk_id=ChunkId(chunk_id), start=start, end=end, hash=hash)
