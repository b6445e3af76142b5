"""Forget what people wrote once its retention is over: questions, labels and comments. Receipts stay whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import structlog

from kbm.ports import Clock
from kbm.services.needs import Journal

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """How many answers lost their question, and how many verdicts their comment."""

    n_answers: int
    n_comments: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetQuestions:
    """The use case with what it needs."""

    journal: Journal
    clock: Clock
    retention: timedelta

    def run(self) -> Forgotten:
        """Clear everything older than the retention; safe beside answers that are being given."""
        n_answers, n_comments = self.journal.forget_questions(self.clock.now() - self.retention)
        log.info("questions_forgotten", answers=n_answers, comments=n_comments)
        return Forgotten(n_answers=n_answers, n_comments=n_comments)
