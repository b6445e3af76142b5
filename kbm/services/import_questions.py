"""Take in questions that people asked elsewhere, of a help desk: what is missing shows before the first day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from kbm.domain.people import Entry
from kbm.domain.question_log import PastQuestion
from kbm.services.needs import Audit, Keyed
from kbm.services.question_needs import ImportedQuestions

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFile:
    """What a file held, and how much of it was new; *more* of it was known and counts for more now."""

    n_questions: int
    n_new: int
    n_more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportQuestions:
    """The use case with what it needs."""

    imported: ImportedQuestions
    audit: Audit
    secret: Keyed

    def run(self, gpt: str, questions: Sequence[PastQuestion], *, who: str, vouched: bool) -> ImportedFile:
        """Store what is new, without personal data that has a form; doing it again stores nothing twice.

        *vouched*: who imports them stands for their being kept and read here, names of people included.
        """
        # Logged before, once for the same content: the two databases have no transaction in common, and what is
        # stored without its entry would stay so.
        told = self.secret.mac("imported-file", "\n".join(one.question for one in questions))[:16]
        detail: dict[str, str | int | float | bool | None] = {
            "questions": len(questions),
            "content": told,
            "vouched": vouched,
        }
        self.audit.append_once(Entry(who=who, action="questions_imported", subject=gpt, detail=detail))
        n_new, n_more = self.imported.add(gpt, questions, who if vouched else None)
        log.info("questions_imported", gpt=gpt, questions=len(questions), new=n_new, more=n_more)
        return ImportedFile(n_questions=len(questions), n_new=n_new, n_more=n_more)
