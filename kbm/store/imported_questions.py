"""Questions that were asked elsewhere, of a help desk's export: they count as asked, and have no answer here."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.dialects.sqlite import insert as upsert

from kbm.domain.personal_data import redact
from kbm.domain.question_log import PastQuestion
from kbm.faults import fault_point
from kbm.ports import Clock
from kbm.store.engine import iso, writing
from kbm.store.forgetting import SLICE
from kbm.store.journal_schema import imported_question
from kbm.store.secret import Secret


class ImportedQuestions:
    """The journal's part about what was asked elsewhere."""

    def __init__(self, engine: Engine, secret: Secret, clock: Clock) -> None:
        self._reads, self._writes, self._secret, self._clock = engine, writing(engine), secret, clock

    def add(self, gpt: str, questions: Sequence[PastQuestion], vouched_by: str | None) -> tuple[int, int]:
        """Store questions that are not there yet, redacted; gives how many were new, and how many count for more now.

        A question is known by its words, its time, its label and which of its like it is, so the same file gives
        the same again. It comes in whole or, after a kill, is finished by running it again.
        """
        seen: Counter[str] = Counter()
        rows = []
        for one in questions:
            said = json.dumps([gpt, one.question, iso(one.asked_at), one.user, one.outcome])
            seen[said] += 1
            rows.append(
                {
                    "id": f"i{self._secret.mac('imported', f'{seen[said]} {said}')[:23]}",
                    "gpt": gpt,
                    "question": redact(one.question),
                    "asked_at": iso(one.asked_at),
                    "user_label": self._secret.label(gpt, one.user),
                    "outcome": one.outcome,
                    "n_asked": one.n_asked,
                    "imported_at": iso(self._clock.now()),
                    "vouched_by": vouched_by,
                }
            )
        n_new = n_more = 0
        for start in range(0, len(rows), SLICE):
            new, more = self._put(rows[start : start + SLICE])
            n_new, n_more = n_new + new, n_more + more
        return n_new, n_more

    def _put(self, rows: Sequence[dict[str, Any]]) -> tuple[int, int]:
        """Store rows in one transaction; Any is what columns take."""
        known = select(imported_question.c.id, imported_question.c.n_asked).where(
            imported_question.c.id.in_([row["id"] for row in rows])
        )
        with fault_point("journal.import"), self._writes.begin() as connection:
            before = {row.id: row.n_asked for row in connection.execute(known)}
            made = upsert(imported_question)
            made = made.on_conflict_do_update(
                index_elements=["id"],
                set_={"n_asked": made.excluded.n_asked},
                where=made.excluded.n_asked > imported_question.c.n_asked,
            )
            connection.execute(made, rows)
        n_more = sum(1 for row in rows if row["id"] in before and row["n_asked"] > before[row["id"]])
        return len(rows) - len(before), n_more
