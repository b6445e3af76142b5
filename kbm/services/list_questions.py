"""List what a GPT was asked, here and elsewhere, with what was asked again in other words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kbm.domain.question_log import Logged, with_reasks
from kbm.services.question_needs import QuestionLog


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuestions:
    """The use case with what it needs."""

    questions: QuestionLog

    def run(self, gpt: str, since: datetime, *, failed: bool = False) -> list[Logged]:
        """List the questions that are still readable, newest first; with *failed* those that got no sure answer.

        An imported question without a time counts from when it was imported.
        """
        found = with_reasks(self.questions.log(gpt, since))
        return [one for one in found if one.failed] if failed else found
