"""What the use cases about questions need from the journal, said as protocols."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from kbm.domain.question_log import Logged, PastQuestion


class Forgetting(Protocol):
    """See :class:`kbm.store.forgetting.Forgetting`."""

    def words(self, before: datetime) -> tuple[int, int, int]: ...
    def lines(self, before: datetime, persons_before: datetime) -> int: ...


class QuestionLog(Protocol):
    """See :class:`kbm.store.questions.Questions`."""

    def log(self, gpt: str, since: datetime) -> list[Logged]: ...


class ImportedQuestions(Protocol):
    """See :class:`kbm.store.imported_questions.ImportedQuestions`."""

    def add(self, gpt: str, questions: Sequence[PastQuestion], vouched_by: str | None) -> tuple[int, int]: ...
