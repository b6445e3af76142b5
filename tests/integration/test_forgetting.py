"""Questions, labels and comments are forgotten once their retention is over, out of the file too."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from kbm.domain.answers import Verdict
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeClock
from tests.integration.answered_company import (
    asked,
    bytes_of_the_journal,
    company,
    released,
)


def test_only_what_is_older_than_the_retention_is_forgotten_and_out_of_the_file_too(tmp_path: Path) -> None:
    clock = FakeClock()
    with kbm_over(tmp_path, company(), clock=clock) as kbm:
        released(kbm)
        old = asked(kbm, "How heavy is the press of Zacharias?", user="zacharias")
        kbm.ask.feedback(old.id, Verdict.PROBLEM, "Zacharias was here")
        clock.advance(days=29)
        young = asked(kbm, "How young may employees be?", user="young")
        kbm.ask.feedback(young.id, Verdict.HELPFUL, "thank you")
        clock.advance(days=2)
        there = bytes_of_the_journal(tmp_path)
        forgotten = kbm.forget_questions.run()
        gone = bytes_of_the_journal(tmp_path)

        assert (forgotten.n_answers, forgotten.n_comments) == (1, 1)
        assert there.lower().count(b"zacharias") >= 2
        assert b"zacharias" not in gone.lower()
        assert b"young" in gone
        assert b"thank you" in gone
        assert kbm.forget_questions.run().n_answers == 0


def test_many_questions_are_forgotten_in_slices(tmp_path: Path) -> None:
    clock = FakeClock()
    with kbm_over(tmp_path, company(), clock=clock) as kbm:
        asked(released(kbm))
        kbm.ask.close()
        with sqlite3.connect(tmp_path / ".kbm" / "journal.db") as connection:
            columns = [row[1] for row in connection.execute("PRAGMA table_info(answer)")][1:]
            listed = ", ".join(f'"{name}"' for name in columns)
            for n in range(1_200):
                connection.execute(
                    f"INSERT INTO answer (id, {listed}) SELECT ?, {listed} FROM answer LIMIT 1", (f"n{n}",)
                )
        connection.close()
        clock.advance(days=31)

        assert kbm.forget_questions.run().n_answers == 1_201
        assert kbm.forget_questions.run().n_answers == 0
