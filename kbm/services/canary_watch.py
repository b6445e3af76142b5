"""Watches a canary while it answers, and stops it at once when a stop rule holds."""

from __future__ import annotations

import structlog

from kbm.domain.canary import Canary, CanaryFigures, CanaryState, must_stop
from kbm.services.needs import Canaries, Questions

log = structlog.get_logger()


class CanaryWatch:
    """Stops a canary at once when a stop rule holds; asked after every error and every complaint."""

    def __init__(self, *, canaries: Canaries, questions: Questions) -> None:
        self._canaries, self._questions = canaries, questions

    def running(self, gpt: str) -> Canary | None:
        """Give the canary that some callers of a GPT get."""
        return self._canaries.running(gpt)

    def error(self, canary: Canary) -> None:
        """Count an answer that the canary could not give."""
        self._decide(canary, *self._canaries.note(canary, errors=1))

    def violation(self, canary: Canary) -> None:
        """Count a passage that came up although its reader may not see it; it was not shown."""
        self._decide(canary, *self._canaries.note(canary, violations=1))

    def complaint(self, answer_id: str) -> None:
        """Look at the canary of the GPT that gave an answer somebody reported as a problem."""
        gpt = self._questions.gpt_of(answer_id)
        canary = self._canaries.running(gpt) if gpt else None
        if canary is not None:
            self._decide(canary, *self._canaries.note(canary))

    def _decide(self, canary: Canary, n_errors: int, n_violations: int) -> None:
        n_answers, n_problems = self._questions.on_canary(canary.gpt, canary.started_at)
        why = must_stop(
            CanaryFigures(
                n_answers=n_answers + n_errors,
                n_errors=n_errors,
                n_violations=n_violations,
                n_problems=n_problems,
            )
        )
        if why and self._canaries.end(canary, CanaryState.STOPPED, who="kbm", why=why):
            log.warning("canary_stopped", gpt=canary.gpt, why=why)
