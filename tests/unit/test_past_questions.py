"""Files of past questions: what is read of them, and how what cannot be is told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from kbm.domain.answers import Outcome
from kbm.domain.question_log import PastQuestion
from kbm.entrypoints.cli.past_questions import read_past_questions
from kbm.errors import UsageError

FULL = PastQuestion(
    question="Wie groß?",
    asked_at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
    user="anna",
    outcome=Outcome.UNANSWERED,
)


def read(folder: Path, name: str, data: str | bytes) -> list[PastQuestion]:
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_past_questions(folder / name)[0]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", "question,asked_at,user,outcome\nWie groß?,2026-03-01T10:30+01:00,anna,unanswered\n"),
        ("a.csv", "Question;Asked_At;User;Answered\r\nWie groß?;01.03.2026 09:30;anna;nein\r\n"),
        ("a.csv", "\ufeffquestion\tasked_at\tuser\tanswered\nWie groß?\t2026-03-01 09:30\tanna\tno\n"),
        ("a.csv", "question;asked_at;user;answered\nWie groß?;01.03.2026 09:30;anna;nein\n".encode("cp1252")),
        (
            "a.json",
            '[{"question": "Wie groß?", "asked_at": "2026-03-01T09:30Z", "user": "anna", "answered": false}]',
        ),
        (
            "a.jsonl",
            '\n{"question": "Wie groß?", "asked_at": "2026-03-01T09:30", "user": "anna", "answered": "n"}\n',
        ),
    ],
)
def test_every_form_reads_the_same(tmp_path: Path, name: str, data: str | bytes) -> None:
    assert read(tmp_path, name, data) == [FULL]


def test_a_question_alone_is_enough_and_lines_within_quotes_are_one(tmp_path: Path) -> None:
    assert read(tmp_path, "a.csv", 'question\n"How, and\nwhy?"\n') == [PastQuestion(question="How, and why?")]
    assert read(tmp_path, "a.json", '["How?"]') == [PastQuestion(question="How?")]
    assert read(tmp_path, "a.jsonl", '"How?"\n') == [PastQuestion(question="How?")]
    assert read(tmp_path, "a.csv", "question,count\nHow?,12\n") == [PastQuestion(question="How?", n_asked=12)]
    assert read(tmp_path, "a.csv", "question\n") == []


def test_other_columns_are_named_and_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("ticket,question,agent\n7,How?,ben\n")

    assert read_past_questions(tmp_path / "a.csv") == ([PastQuestion(question="How?")], ["agent", "ticket"])


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.csv", "question,asked_at\nHow?,2026-01-01\nWhy?,soon\n,2026-01-01\n", "line 3: asked_at 'soon'"),
        ("a.csv", 'question,count\n"a\nb",1\nWhy?,0\n', "line 4: count '0'"),
        ("a.csv", "question,count\nWhy?,1e5\n", "line 2: count '1e5'"),
        ("a.csv", "question\nHow, and why?\n", "line 2: it has more cells"),
        ("a.csv", "frage\nHow?\n", "line 1: no column 'question', only: frage"),
        ("a.csv", "", "line 1: no column 'question'"),
        ("a.csv", 'question\n"How?\n', "line 2: unexpected end of data"),
        ("a.csv", b"question\nok\n\x81\x8d\n", "line 3: neither UTF-8 nor cp1252"),
        ("a.csv", "question\nHow?\n".encode("utf-16"), "UTF-16"),
        ("a.csv", "question,outcome\nHow?,perhaps\n", "line 2: outcome 'perhaps' is none of"),
        ("a.csv", "question,answered\nHow?,perhaps\n", "line 2: answered 'perhaps'"),
        ("a.csv", "question,answered,outcome\nHow?,no,answered\n", "line 2: both"),
        ("a.csv", f"question\n{'x' * 5000}\n", "line 2: the question has 5,000 characters"),
        ("a.json", '[{"question": "How?"},\n {"question": 7}]', "question 2: no question"),
        ("a.json", '[{"question": "How?"},\n oops]', "line 2: no JSON"),
        ("a.json", "[" * 100_000, "nested too deep"),
        ("a.json", '{"a": 1}', "no list of questions"),
        ("a.jsonl", '{"question": "How?"}\n{"question": \n', "line 2: no JSON"),
        ("a.jsonl", "[1]\n", "line 1: neither an object nor a text"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_line(
    tmp_path: Path, name: str, data: str | bytes, told: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, name, data)

    assert told in str(caught.value)
    assert "nothing was imported" in str(caught.value)


def test_many_faults_are_told_up_to_ten(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="and 15 more"):
        read(tmp_path, "a.csv", "question,count\n" + "How?,none\n" * 25)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_past_questions(tmp_path / "none.csv")
