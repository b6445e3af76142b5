"""Use cases over what people asked."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property

from kbm.bootstrap.parts import Parts
from kbm.sections import hours
from kbm.services.forget_questions import ForgetQuestions
from kbm.services.import_questions import ImportQuestions
from kbm.services.list_questions import ListQuestions


class Journaling(Parts):
    """What ``Kbm`` has for the log of questions."""

    @cached_property
    def forget_questions(self) -> ForgetQuestions:
        """Forget questions, and drop lines of the journal, whose retention is over."""
        section = self.settings.kbm
        return ForgetQuestions(
            forgetting=self.journal.forgetting,
            clock=self.clock,
            retention=timedelta(hours=hours(section.question_retention)),
            receipt_retention=timedelta(hours=hours(section.receipt_retention)),
        )

    @cached_property
    def import_questions(self) -> ImportQuestions:
        """Take in questions asked elsewhere."""
        return ImportQuestions(
            imported=self.journal.imported_questions, audit=self.catalogue.audit, secret=self.secret
        )

    @cached_property
    def list_questions(self) -> ListQuestions:
        """List what was asked."""
        return ListQuestions(questions=self.journal.questions)
