"""``kbm import-questions`` and ``kbm questions``, from a file to the listing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kbm.entrypoints.cli.main import app
from kbm.testing.builders import ONE_FOLDER_TOML

Run = Callable[..., Result]
TICKETS = """\
ticket;question;asked_at;user;answered;count
1;Wie erreiche ich anna@keller.example?;01.11.2026 09:00;ben;nein;3
2;Wie viele Urlaubstage gibt es?;02.11.2026;;ja;
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run kbm in a folder with a kbm.toml and a file of tickets."""
    (tmp_path / "kbm.toml").write_text(ONE_FOLDER_TOML)
    (tmp_path / "docs").mkdir()
    (tmp_path / "tickets.csv").write_text(TICKETS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Result:
        done = CliRunner().invoke(app, list(arguments))
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return call


def test_tickets_are_imported_once_and_listed_without_personal_data(run: Run) -> None:
    first = json.loads(run("import-questions", "helper", "tickets.csv", "--vouch", "--json").stdout)
    second = json.loads(run("import-questions", "helper", "tickets.csv", "--json").stdout)
    listed = json.loads(run("questions", "helper", "--json").stdout)["questions"]
    failed = json.loads(run("questions", "helper", "--failed", "--json").stdout)["questions"]
    shown = run("questions", "helper").stdout

    assert first == {
        "gpt": "helper",
        "questions": 2,
        "imported": 2,
        "updated": 0,
        "ignored_columns": ["ticket"],
    }
    assert second["imported"] == 0
    assert [
        (one["question"], one["outcome"], one["count"], one["source"], one["vouched"]) for one in listed
    ] == [
        ("Wie viele Urlaubstage gibt es?", "answered", 1, "imported", True),
        ("Wie erreiche ich [e-mail]?", "unanswered", 3, "imported", True),
    ]
    assert listed[0]["asked_at"] == "2026-11-02T00:00:00+00:00"
    assert "user" not in listed[0]
    assert "label" not in listed[0]
    assert [one["id"] for one in failed] == [listed[1]["id"]]
    assert "[e-mail]" in shown


def test_a_file_with_one_bad_line_imports_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_text(TICKETS + "3;Wann?;gestern;;;\n", encoding="utf-8")
    refused = run("import-questions", "helper", "tickets.csv")

    assert refused.exit_code == 2
    assert "line 4: asked_at 'gestern' is no date" in " ".join(refused.stderr.split())
    assert json.loads(run("questions", "helper", "--json").stdout)["questions"] == []


def test_an_import_is_in_the_audit_log_and_an_unknown_gpt_is_refused(run: Run, tmp_path: Path) -> None:
    run("import-questions", "helper", "tickets.csv")

    assert run("import-questions", "helpr", "tickets.csv").exit_code == 2
    assert run("questions", "helpr").exit_code == 2
    assert run("audit", "verify").exit_code == 0
    with sqlite3.connect(tmp_path / ".kbm/catalogue.db") as catalogue:
        logged = catalogue.execute("SELECT action, subject FROM audit WHERE action = 'questions_imported'")
        assert logged.fetchall() == [("questions_imported", "helper")]
