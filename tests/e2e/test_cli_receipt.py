"""``kbm receipt`` over a real company, and the journal's steps under ``kill -9``."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kbm.entrypoints.cli.main import app
from kbm.services.retrieve import Caller
from kbm.testing.builders import ONE_FOLDER_TOML, kbm_over
from kbm.testing.fakes import FakeClock, FakeConnector, NoProgress
from tests.integration.deaths import deaths

LEAVE = "How many days of leave do employees get?"


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["--config", str(folder / "kbm.toml"), *arguments])
    return done.exit_code, done.stdout


def test_the_command_shows_verifies_and_fails_with_its_exit_code(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "leave.txt").write_text(
        "Employees get 30 days of leave a year. Ask four weeks ahead."
    )
    (tmp_path / "kbm.toml").write_text(ONE_FOLDER_TOML)
    run(tmp_path, "nightly")
    id = json.loads(run(tmp_path, "ask", "helper", LEAVE, "--json")[1])["answer_id"]
    shown = run(tmp_path, "receipt", id, "--json")
    exact = run(tmp_path, "receipt", id, "--verify", "--json")
    told = run(tmp_path, "receipt", id, "--question", LEAVE)
    wrong = run(tmp_path, "receipt", id, "--question", "something else")
    with sqlite3.connect(tmp_path / ".kbm" / "journal.db") as journal:
        journal.execute("UPDATE answer SET confidence = 1.0")
    journal.close()
    failed = run(tmp_path, "receipt", id, "--verify", "--json")

    assert (shown[0], json.loads(shown[1])["verification"]) == (0, None)
    assert (exact[0], json.loads(exact[1])["verification"]["level"]) == (0, "exact")
    assert told[0] == 0
    assert "exact" in told[1]
    assert "30 days" not in told[1] + exact[1]
    assert wrong[0] == 2
    assert (failed[0], json.loads(failed[1])["verification"]["level"]) == (1, "failed")
    assert run(tmp_path, "receipt", "nope")[0] == 2


WORK = """
import sys
from datetime import timedelta
from pathlib import Path
from kbm.services.retrieve import Caller
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeClock, FakeConnector

folder, work, chunk = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
clock = FakeClock()
clock.advance(days=31)
with kbm_over(folder, FakeConnector(), clock=clock) as kbm:
    if work == "ask":
        kbm.ask.run("helper", "How heavy is the press?", Caller())
    elif work == "forget":
        kbm.forget_questions.run()
    else:
        kbm.journal.redact([chunk])
"""


@pytest.mark.parametrize(("point", "when"), deaths("journal.record", "journal.forget", "journal.redact"))
def test_killed_at_any_step_receipts_hold_and_the_work_can_be_done_again(
    tmp_path: Path, point: str, when: str
) -> None:
    work = {"journal.record": "ask", "journal.forget": "forget", "journal.redact": "redact"}[point]
    clock = FakeClock()
    source = FakeConnector(
        items={"leave.txt": "Employees get 30 days of leave a year.", "press.txt": "The press."}
    )
    with kbm_over(tmp_path, source, clock=clock) as kbm:
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
        kbm.build.run(kbm.gpt_to_build("helper"), NoProgress())
        kbm.publish.run("helper", "1.0.0", who="anna", why="test")
        answer = kbm.ask.run("helper", LEAVE, Caller())
        seal = kbm.receipt.run(answer.id).seal
    arguments = [sys.executable, "-c", WORK, str(tmp_path), work, answer.citations[0].passage.chunk_id]
    killed = subprocess.run(
        arguments,
        env={**os.environ, "KBM_FAULT": f"{point}:{when}:kill"},
        check=False,
        capture_output=True,
        timeout=120,
    )
    with kbm_over(tmp_path, source, clock=clock) as kbm:
        receipt = kbm.receipt.run(answer.id)
        whole = receipt.fits(kbm.secret.mac)
    again = subprocess.run(arguments, check=False, capture_output=True, timeout=120)
    with sqlite3.connect(tmp_path / ".kbm" / "journal.db") as journal:
        questions = journal.execute("SELECT count(question) FROM answer").fetchone()[0]
    journal.close()

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (receipt.seal, whole) == (seal, True)
    assert again.returncode == 0, again.stderr
    assert questions == {"ask": 3 if when == "after" else 2, "forget": 0, "redact": 0}[work]
