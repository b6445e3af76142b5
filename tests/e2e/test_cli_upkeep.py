"""Commands around releases and nights, as a person and a program see them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kbm import faults
from kbm.entrypoints.cli.golden import _COLUMNS
from kbm.entrypoints.cli.main import app
from kbm.testing.builders import ONE_FOLDER_TOML

Run = Callable[..., Result]
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    faults.arm("")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run kbm in a folder with one document, in this process."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "leave.txt").write_text("Employees get 30 days of leave a year.")
    (tmp_path / "kbm.toml").write_text(ONE_FOLDER_TOML + "release = { keep = 2 }\n")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments))

    return call


def test_releases_tell_what_was_put_away_and_what_a_label_keeps(run: Run, tmp_path: Path) -> None:
    for n in range(5):
        (tmp_path / "docs" / "news.txt").write_text(f"Edition {n} of the news.")
        assert run("nightly").exit_code == 0
    run("label", "helper", "1.0.4", "audit 2026")
    done = run("compact")
    assert done.exit_code == 0, done.output

    told = {one["version"]: one for one in json.loads(run("releases", "helper", "--json").stdout)["releases"]}
    shown = run("releases", "helper").stdout

    assert [told[f"1.0.{n}"]["content"] for n in range(5)] == ["evicted", *["indexed"] * 4]
    assert (told["1.0.4"]["label"], told["1.0.3"]["label"]) == ("audit 2026", None)
    assert "retired, put away" in shown
    assert "audit 2026" in shown


def test_a_backup_replaces_no_file_unless_it_is_told_to(run: Run, tmp_path: Path) -> None:
    run("nightly")
    target = tmp_path / "kbm.tar.gz"
    target.write_text("the only copy of something")

    refused = run("backup", "kbm.tar.gz")
    kept = target.read_text()
    replaced = run("backup", "kbm.tar.gz", "--force")

    assert (refused.exit_code, kept) == (2, "the only copy of something")
    assert "--force" in refused.stderr
    assert replaced.exit_code == 0
    assert target.read_bytes()[:2] == b"\x1f\x8b"


@pytest.mark.parametrize(
    "arguments",
    [
        ["build", "helper", "--bump", "huge", "--json"],
        ["ask", "--json"],
        ["releases", "helper", "--json", "--colour"],
        ["plans", "approve", "seven", "--json"],
        ["nope", "--json"],
    ],
)
def test_a_command_typed_wrong_is_told_as_json_to_who_asked_for_json(run: Run, arguments: list[str]) -> None:
    said = run(*arguments)

    assert said.exit_code == 2
    error = json.loads(said.stdout)["error"]
    assert error["code"] == "usage"
    assert error["detail"]
    assert error["hint"].startswith("see kbm")


def test_a_night_that_dies_as_a_whole_writes_a_report_that_says_so(run: Run, tmp_path: Path) -> None:
    run("nightly")
    (tmp_path / "docs" / "new.txt").write_text("The canteen opens at eleven.")
    faults.arm("sync.store:before:EIO")

    night = run("nightly")

    faults.arm("")
    report = max((tmp_path / ".kbm" / "reports").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    told = json.loads(report.read_text())
    assert night.exit_code == 1
    assert "the night ended before it was done" in night.stderr
    assert told["outcome"] == "failed"
    assert "the night ended before it was done: OSError: Input/output error" in told["died"]
    assert "before its end" in told["subject"] or "abgebrochen" in told["subject"]
    assert "Input/output error" in report.with_suffix(".md").read_text()


def test_the_columns_of_golden_questions_are_documented() -> None:
    page = (ROOT / "docs" / "releases.md").read_text(encoding="utf-8")

    assert [name for name in _COLUMNS if f"| `{name}` |" not in page] == []
