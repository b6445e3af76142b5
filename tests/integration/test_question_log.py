"""What the journal keeps of a question: no personal data, no label in plain, no longer than it may."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from kbm.bootstrap import Kbm
from kbm.domain.answers import Outcome, Verdict
from kbm.domain.question_log import PastQuestion, Source
from kbm.domain.receipts import Level
from kbm.services.retrieve import Caller
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeClock
from tests.integration.answered_company import (
    LEAVE,
    asked,
    bytes_of_the_journal,
    company,
    released,
    tamper,
    verified,
)

WITH_MAIL = f"{LEAVE} Answer to anna.schmidt@keller.example"
PENGUIN = "Which penguin won the eurovision contest?"


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(folder / ".kbm" / "journal.db") as connection:
        return connection.execute(query).fetchall()


def log(kbm: Kbm, *, failed: bool = False) -> list[tuple[str, str | None]]:
    """List questions with the one that each asks again, newest first."""
    found = kbm.list_questions.run("helper", kbm.clock.now() - timedelta(days=30), failed=failed)
    words = {one.id: one.question for one in found}
    return [(one.question, words.get(one.reask_of or "")) for one in found]


# -- what is not written down ------------------------------------------------------------------------------------


def test_personal_data_and_labels_never_reach_the_file(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        made = asked(released(kbm), WITH_MAIL, user="Zacharias")
        kbm.ask.feedback(made.id, Verdict.PROBLEM, "call me: +49 711 1234567")
        [one] = kbm.list_questions.run("helper", kbm.clock.now() - timedelta(days=1))
        written = bytes_of_the_journal(tmp_path)

    assert one.question == f"{LEAVE} Answer to [e-mail]"
    assert rows(tmp_path, "SELECT comment FROM feedback") == [("call me: [phone]",)]
    assert not [word for word in (b"anna.schmidt", b"Zacharias", b"1234567") if word in written]


def test_a_label_is_another_hash_at_another_gpt_and_in_another_data_folder(tmp_path: Path) -> None:
    gpts = {"helper": ["docs"], "other": ["docs"]}
    labels = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        with kbm_over(folder, {"docs": company()}, gpts=gpts) as kbm:
            asked(released(kbm), user="anna")
            labels += [kbm.secret.label("helper", "anna"), kbm.secret.label("other", "anna")]
            assert rows(folder, "SELECT user_label FROM answer") == [(labels[-2],)]

    assert len({*labels}) == 4


def test_key_and_door_are_kept_and_somebody_signed_in_is_a_hash(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        released(kbm)
        asked(kbm, caller=Caller(subject="key:ab12cd34", door="rest"))
        asked(kbm, caller=Caller(subject="oidc:f00", door="mcp"))
        asked(kbm, caller=Caller(subject="open", door="cli"))
        label = kbm.secret.label("helper", "oidc:f00")

    assert rows(tmp_path, "SELECT key_id, door, user_label FROM answer ORDER BY rowid") == [
        ("ab12cd34", "rest", None),
        ("", "mcp", label),
        ("", "cli", None),
    ]


# -- receipts ----------------------------------------------------------------------------------------------------


def test_a_redacted_question_verifies_as_evidence_and_exactly_in_its_own_words(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        made = asked(released(kbm), WITH_MAIL)
        alone, given = verified(kbm, made), verified(kbm, made, question=WITH_MAIL)

        assert (alone.level, alone.differences) == (Level.EVIDENCE, ())
        assert "personal data was taken out of the question before it was kept" in alone.notes
        assert given.level is Level.EXACT


@pytest.mark.parametrize("change", ["question = 'What else?'", "kept_mac = NULL", "kept_mac = 'f00'"])
def test_a_redacted_question_that_was_changed_fails(tmp_path: Path, change: str) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        made = asked(released(kbm), WITH_MAIL)
        tamper(tmp_path, "journal", f"UPDATE answer SET {change}")

        assert verified(kbm, made).level is Level.FAILED


# -- asked again -------------------------------------------------------------------------------------------------


def test_a_failed_question_asked_again_in_other_words_within_half_an_hour_is_a_reask(tmp_path: Path) -> None:
    clock = FakeClock()
    again = "eurovision contest, penguin winner"
    with kbm_over(tmp_path, company(), clock=clock) as kbm:
        asked(released(kbm), PENGUIN, user="anna")
        clock.advance(minutes=29)
        asked(kbm, again, user="anna")
        asked(kbm, again, user="ben")
        asked(kbm, again)
        clock.advance(minutes=31)
        asked(kbm, "the eurovision penguin", user="anna")

        assert sorted(log(kbm, failed=True), key=str) == [
            (PENGUIN, None),
            (again, PENGUIN),
            (again, None),
            (again, None),
            ("the eurovision penguin", None),
        ]


def test_an_answer_that_did_not_help_counts_as_failed(tmp_path: Path) -> None:
    clock = FakeClock()
    with kbm_over(tmp_path, company(), clock=clock) as kbm:
        made = asked(released(kbm), user="anna")
        clock.advance(minutes=1)
        asked(kbm, "days off for employees", user="anna")
        before = log(kbm)
        kbm.ask.feedback(made.id, Verdict.UNHELPFUL, None)

        assert [about for _, about in before] == [None, None]
        assert sorted(about or "" for _, about in log(kbm)) == ["", LEAVE]
        assert [question for question, _ in log(kbm, failed=True)].count(LEAVE) == 1


# -- asked elsewhere ---------------------------------------------------------------------------------------------


def test_questions_asked_elsewhere_are_redacted_marked_and_come_in_once(tmp_path: Path) -> None:
    clock = FakeClock()
    past = [
        PastQuestion(question="How do I reach anna@keller.example?", outcome=Outcome.UNANSWERED, user="ben"),
        PastQuestion(question="How do I reach anna@keller.example?", outcome=Outcome.UNANSWERED, user="ben"),
        PastQuestion(question=LEAVE, asked_at=clock.now() - timedelta(days=200), n_asked=5),
    ]
    more = [*past[:2], PastQuestion(question=LEAVE, asked_at=past[2].asked_at, n_asked=7)]
    with kbm_over(tmp_path, company(), clock=clock) as kbm:
        first = kbm.import_questions.run("helper", past, who="anna", vouched=True)
        second = kbm.import_questions.run("helper", past, who="anna", vouched=True)
        third = kbm.import_questions.run("helper", more, who="anna", vouched=True)
        found = kbm.list_questions.run("helper", clock.now() - timedelta(days=30))

        assert (first.n_new, second.n_new, second.n_more, third.n_new, third.n_more) == (3, 0, 0, 0, 1)
        assert sorted((one.question, one.n_asked, one.vouched) for one in found) == [
            ("How do I reach [e-mail]?", 1, True),
            ("How do I reach [e-mail]?", 1, True),
            (LEAVE, 7, True),
        ]
        assert {(one.source, one.release, one.confidence) for one in found} == {(Source.IMPORTED, "", None)}
        assert b"anna@keller" not in bytes_of_the_journal(tmp_path)
        assert not kbm.list_questions.run("other", clock.now() - timedelta(days=30))


# -- what goes ---------------------------------------------------------------------------------------------------


def test_imports_go_with_their_retention_and_lines_with_theirs(tmp_path: Path) -> None:
    clock = FakeClock()
    with kbm_over(tmp_path, company(), clock=clock) as kbm:
        made = asked(released(kbm), user="anna")
        kbm.ask.feedback(made.id, Verdict.HELPFUL, "fine")
        kbm.import_questions.run("helper", [PastQuestion(question="Zacharias?")], who="anna", vouched=False)
        clock.advance(days=31)
        words = kbm.forget_questions.run()
        clock.advance(days=3 * 365 - 32)
        kept = kbm.forget_questions.run()
        clock.advance(days=2)
        lines = kbm.forget_questions.run()

        assert (words.n_answers, words.n_comments, words.n_imported, words.n_dropped) == (1, 1, 1, 0)
        assert (kept.n_dropped, lines.n_dropped, kbm.forget_questions.run().n_dropped) == (0, 1, 0)
        assert rows(tmp_path, "SELECT (SELECT count(*) FROM answer) + (SELECT count(*) FROM feedback)") == [
            (0,)
        ]
        assert b"zacharias" not in bytes_of_the_journal(tmp_path).lower()
        assert made.id.encode() not in bytes_of_the_journal(tmp_path)
