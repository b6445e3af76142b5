"""Sources at the command line: connected, watched, held, approved."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kbm.entrypoints.cli.main import app
from kbm.testing.builders import ONE_FOLDER_TOML

Run = Callable[..., tuple[int, str, str]]
LOGIN = "Please sign in with your company account to go on."


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    docs = tmp_path / "docs"
    docs.mkdir()
    for at in range(6):
        (docs / f"{at}.txt").write_text(
            f"Machine {at} weighs {at * 7} tons and stands in hall {at * 3}. " * 6
        )
    (tmp_path / "kbm.toml").write_text(ONE_FOLDER_TOML)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(app, list(arguments))
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    return call


def source(run: Run) -> dict[str, Any]:
    """Give the one source as programs see it."""
    code, told, _ = run("sources", "--json")
    assert code == 0
    [found] = json.loads(told)["sources"]
    return dict(found)


def test_sources_tell_when_and_how_quickly_they_are_synced(run: Run, tmp_path: Path) -> None:
    before = source(run)
    run("sync")
    (tmp_path / "docs" / "0.txt").write_text("Rewritten: machine 0 weighs 0 tons and stands in hall 0 now.")
    (tmp_path / "docs" / "new.txt").write_text("A new machine.")
    (tmp_path / "docs" / "1.txt").unlink()
    run("sync")
    after = source(run)
    _, shown, _ = run("sources")

    assert (before["documents"], before["synced_at"], before["delay_s"]) == (0, None, {})
    assert after["documents"] == 6
    assert after["synced_at"] <= after["next_sync_at"]
    assert {kind: one["n"] for kind, one in after["delay_s"].items()} == {
        "new": 1,
        "changed": 1,
        "removed": 1,
    }
    assert all(0 <= one["median"] <= one["worst"] < 600 for one in after["delay_s"].values())
    assert "next sync" in shown


def test_a_share_that_is_not_mounted_is_told_and_keeps_its_documents(run: Run, tmp_path: Path) -> None:
    run("sync")
    (tmp_path / "docs").rename(tmp_path / "away")
    code, _, _ = run("sync", "--json")
    found = source(run)

    assert code == 1
    assert (found["documents"], found["failed_scopes"]) == (6, [""])
    assert "no such file" in found["last_error"]


def test_a_login_page_is_held_worded_and_let_through_by_its_number(run: Run, tmp_path: Path) -> None:
    run("sync")
    for at in range(4):
        (tmp_path / "docs" / f"{at}.txt").write_text(LOGIN)
    held, _, _ = run("sync")
    _, listed, _ = run("plans")
    [plan] = json.loads(run("plans", "--json")[1])["plans"]
    code, told, _ = run("plans", "approve", str(plan["id"]), "--json")

    assert held == 3
    assert "4 of 6 documents would get the same text: a login or maintenance page?" in " ".join(
        listed.split()
    )
    assert plan["held"] == [f"{at}.txt" for at in range(4)]
    assert code == 0
    assert json.loads(told)["replaced"] == [f"{at}.txt" for at in range(4)]
    assert json.loads(run("plans", "--json")[1]) == {"plans": []}


def test_connect_shows_and_writes_only_when_told_to(run: Run, tmp_path: Path) -> None:
    (tmp_path / "artikel.csv").write_text("Artikel;Preis\n007;1,50\n008;2,00\n")
    before = (tmp_path / "kbm.toml").read_text()
    shown = run("connect", "artikel.csv")
    unchanged = (tmp_path / "kbm.toml").read_text()
    code, told, _ = run("connect", "artikel.csv", "--yes", "--json", "--reader", "everyone")
    again = run("connect", "artikel.csv", "--yes")

    assert shown[0] == 0
    assert "nothing was written" in shown[2]
    assert unchanged == before
    assert (code, json.loads(told)["written"]) == (0, True)
    assert (tmp_path / "kbm.toml").read_text() == f"{before}\n{json.loads(told)['block']}"
    assert again[0] == 2
    assert "reads ./artikel.csv already" in again[2]
    assert run("sync", "artikel")[0] == 0


def test_connect_without_a_kbm_toml_says_how_to_get_one(run: Run, tmp_path: Path) -> None:
    (tmp_path / "kbm.toml").unlink()
    code, _, told = run("connect", "docs")

    assert code == 2
    assert "kbm init" in told


@pytest.mark.parametrize("wrong", [("--reader", "hr"), ("--set", "hunter2"), ("--kind", "filez")])
def test_connect_refuses_what_it_cannot_use_and_repeats_no_value(run: Run, wrong: tuple[str, str]) -> None:
    code, told, error = run("connect", "docs", *wrong)

    assert code == 2
    assert "hunter2" not in told + error


def test_a_connector_that_never_met_a_live_server_is_called_unproven(run: Run, tmp_path: Path) -> None:
    assert source(run)["proven_live"] is True
    with (tmp_path / "kbm.toml").open("a") as file:
        file.write(
            '\n[sources.wiki]\nkind = "confluence"\nurl = "https://wiki.keller.example"\nreaders = []\n'
        )
    _, told, _ = run("sources", "--json")
    _, shown, _ = run("sources")

    assert {one["source"]: one["proven_live"] for one in json.loads(told)["sources"]} == {
        "docs": True,
        "wiki": False,
    }
    assert "unproven: built from published samples" in shown
