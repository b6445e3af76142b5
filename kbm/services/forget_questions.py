"""Forget what people wrote once its retention is over, and drop whole lines of the journal once theirs is.

First go questions, labels and comments, and what was imported; receipts stay whole, and verify, until they go too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import structlog

from kbm.ports import Clock
from kbm.services.question_needs import Forgetting

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """How many answers lost their question, how many verdicts their comment, and what was dropped whole."""

    n_answers: int
    n_comments: int
    n_imported: int = 0
    n_dropped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetQuestions:
    """The use case with what it needs."""

    forgetting: Forgetting
    clock: Clock
    retention: timedelta
    receipt_retention: timedelta

    def run(self) -> Forgotten:
        """Do both; safe beside answers that are being given."""
        now = self.clock.now()
        n_dropped = self.forgetting.lines(now - self.receipt_retention, now - self.retention)
        n_answers, n_comments, n_imported = self.forgetting.words(now - self.retention)
        log.info(
            "questions_forgotten",
            answers=n_answers,
            comments=n_comments,
            imported=n_imported,
            dropped=n_dropped,
        )
        return Forgotten(
            n_answers=n_answers, n_comments=n_comments, n_imported=n_imported, n_dropped=n_dropped
        )
