"""From questions asked in vain to a release that answers them: at the command line and over HTTP."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from kbm.bootstrap import Kbm
from kbm.config import load_settings
from kbm.entrypoints.api.app import create_app
from kbm.entrypoints.cli.agents import no_formula
from kbm.entrypoints.cli.main import app
from tests.e2e.served import served
from tests.integration.asked_in_vain import HEALTHY, KILOMETRES, OWNER, PRESSES, TRAVEL

Run = Callable[..., tuple[int, str, str]]
NEUTRAL = "What is paid per kilometre for a trip with the own car?"
TOML = """\
[kbm]
name = "Test company"
embedder = "none"

[sources.presses]
kind = "files"
url = "./presses"
readers = ["everyone"]

[sources.travel]
kind = "files"
url = "./travel"
readers = ["everyone"]

[gpts.helper]
title = "Helper"
sources = ["presses"]
people = { owner = "owner@test.example", sponsor = "boss@test.example" }

[gpts.clerk]
title = "Clerk"
sources = ["travel"]
people = { owner = "clerk@test.example" }
"""


def call(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, list(arguments))
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def told(*arguments: str) -> Any:
    """Run a command and give its JSON."""
    code, out, error = call(*arguments, "--json")
    assert code == 0, error
    return json.loads(out)


def ask(url: str, question: str, user: str = "") -> dict[str, Any]:
    body = {"question": question} | ({"user": user} if user else {})
    answer = httpx.post(f"{url}/v1/gpts/helper/ask", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a company whose people asked over HTTP, and whose agents have looked; each test has a copy."""
    folder = tmp_path_factory.mktemp("story")
    for name, pages in (("presses", PRESSES), ("travel", TRAVEL)):
        (folder / name).mkdir()
        for page, text in pages.items():
            (folder / name / page).write_text(text)
    (folder / "kbm.toml").write_text(TOML)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert call("nightly")[0] == 0
        with (
            Kbm(load_settings(folder / "kbm.toml")) as kbm,
            served(create_app(kbm, hosts={"127.0.0.1"})) as url,
        ):
            for n in range(6):
                for at, question in enumerate((*KILOMETRES, *HEALTHY[1:])):
                    ask(url, question, f"person-{n}-{at}")
            kbm.ask.settle()
            done = httpx.post(f"{url}/v1/gpts/helper/review", timeout=600)
            assert done.status_code == 200, done.text
    return folder


@pytest.fixture
def folder(reviewed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(reviewed, tmp_path / "company")
    monkeypatch.chdir(tmp_path / "company")
    return tmp_path / "company"


def test_what_was_asked_in_vain_is_answered_after_one_approval_and_a_night(folder: Path) -> None:
    with Kbm(load_settings(folder / "kbm.toml")) as kbm, served(create_app(kbm, hosts={"127.0.0.1"})) as url:
        before = ask(url, KILOMETRES[0])
        [gap] = httpx.get(f"{url}/v1/gpts/helper/gaps").json()["gaps"]
        waiting = httpx.get(f"{url}/v1/gpts/helper/suggestions").json()["suggestions"]
        short = next(one for one in waiting if one["kind"] == "attach_source")
        at = f"{url}/v1/gpts/helper/suggestions/{short['id']}"
        shown = httpx.get(at).json()
        unseen = httpx.post(f"{at}/approve", json={"seen": "0" * 64, "as": OWNER})
        body = {"seen": shown["seal"], "as": OWNER, "golden": [NEUTRAL]}
        done = httpx.post(f"{at}/approve", json=body)
        again = httpx.post(f"{at}/approve", json=body)

    assert before["outcome"] != "answered"
    assert (gap["cause"], gap["state"]) == ("wrong_scope", "open")
    assert shown["gap"] == gap["id"]
    assert shown["broken"] == 0
    assert shown["gap_answered"][1] > shown["gap_answered"][0]
    assert set(shown["asked"]) == set(KILOMETRES)
    assert any("38 cents" in one["text"] for one in shown["evidence"])
    assert (unseen.status_code, done.status_code, again.status_code) == (409, 200, 409)
    assert done.json()["state"] == "approved"

    code, said, _ = call("nightly")
    assert code == 3, "what answers from more than before waits for a person"
    assert "answers from travel too; a MINOR waits for a person" in " ".join(said.split())
    assert call("publish", "helper", "1.1.0", "--why", "trips too")[0] == 0
    [night] = told("review", "helper")["reviews"]
    with Kbm(load_settings(folder / "kbm.toml")) as kbm, served(create_app(kbm, hosts={"127.0.0.1"})) as url:
        after = ask(url, KILOMETRES[0])
        gaps = httpx.get(f"{url}/v1/gpts/helper/gaps", params={"all": True}).json()["gaps"]
        found = httpx.get(at.replace(at.split("/v1")[0], url)).json()

    assert night["closed_gaps"] == [gap["id"]]
    assert after["outcome"] == "answered"
    assert any("38 cents" in one["text"] for one in after["sentences"])
    assert [(one["state"], one["closed_in"]) for one in gaps] == [("closed", found["applied_in"])]
    assert (found["state"], found["decided_by"]) == ("verified", OWNER)


@pytest.mark.usefixtures("folder")
def test_gaps_and_suggestions_are_told_to_programs_and_to_people() -> None:
    [gap] = told("gaps", "helper")["gaps"]
    shown = told("gaps", "helper", gap["id"])
    waiting = told("suggestions", "list", "--gpt", "helper")["suggestions"]
    one = told("suggestions", "show", waiting[0]["id"])
    _, listed, _ = call("gaps", "helper")
    _, in_words, _ = call("suggestions", "show", waiting[0]["id"])

    assert (gap["asked"], gap["people"]) == (24, 24)
    assert set(shown["questions"]) == set(KILOMETRES)
    assert one["seal"] == waiting[0]["seal"]
    assert gap["id"][:8] in listed
    assert told("gaps", "helper", gap["id"][:8])["id"] == gap["id"]
    assert one["seal"] in in_words.replace("\n", "")
    assert told("gaps", "clerk")["gaps"] == []
    assert call("gaps", "clerk", gap["id"])[0] != 0


def test_gaps_go_to_a_file_for_a_spreadsheet_in_which_nothing_is_a_formula(folder: Path) -> None:
    code, _, _ = call("gaps", "helper", "--csv", "gaps.csv")
    with (folder / "gaps.csv").open(encoding="utf-8-sig", newline="") as file:
        head, row = csv.reader(file)

    assert code == 0
    assert head[:2] == ["gap", "question"]
    assert "kilometre" in row[1]


@pytest.mark.parametrize("cell", ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\tx", "\r=1"])
def test_a_question_that_begins_like_a_formula_is_text(cell: str) -> None:
    assert no_formula(cell) == f"'{cell}"
    assert no_formula("What is =1?") == "What is =1?"


@pytest.mark.usefixtures("folder")
def test_who_decides_at_the_command_line_is_whose_the_key_is_once_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    id = told("suggestions", "list", "--gpt", "helper")["suggestions"][0]["id"]
    refused = call("suggestions", "reject", id, "--reason", "no", "--as", "stranger@test.example")
    nobody = call("suggestions", "reject", id, "--reason", "no")
    tokens = {
        who: told("keys", "create", who, "--allow", "review", "--allow", "decide", "--person", who)["key"]
        for who in (OWNER, "stranger@test.example")
    }
    without = call("suggestions", "reject", id, "--reason", "no", "--as", OWNER)
    monkeypatch.setenv("KBM_KEY", tokens["stranger@test.example"])
    stranger = call("suggestions", "reject", id, "--reason", "no", "--as", OWNER)
    monkeypatch.setenv("KBM_KEY", tokens[OWNER])
    done = told("suggestions", "reject", id, "--reason", "no", "--as", "stranger@test.example")

    assert [one[0] != 0 for one in (refused, nobody, without, stranger)] == [True] * 4
    assert (done["state"], done["decided_by"]) == ("rejected", OWNER)
    assert told("suggestions", "list", "--gpt", "helper", "--all")["suggestions"][0]["state"] == "rejected"


def test_what_kbm_keeps_for_itself_is_named_nowhere_and_goes_through_all_upkeep(folder: Path) -> None:
    seen = [
        call(*one.split())[1]
        for one in (
            *(
                "sources",
                "sources --json",
                "releases helper",
                "releases helper --json",
                "questions helper",
            ),
            *("doctor", "compact", "backup kbm.tar.gz", "export helper out", "nightly", "plans list"),
        )
    ]
    with Kbm(load_settings(folder / "kbm.toml")) as kbm, served(create_app(kbm, hosts={"127.0.0.1"})) as url:
        seen += [httpx.get(f"{url}{path}").text for path in ("/v1/gpts", "/v1/models", "/v1/sources")]
        inside = [httpx.get(f"{url}/v1/gpts/@company{path}").status_code for path in ("", "/gaps")]
        asked = httpx.post(f"{url}/v1/gpts/@company/ask", json={"question": "x"}).status_code
    seen += [path.read_text() for path in (folder / ".kbm" / "reports").rglob("*.html")]
    restored = call("restore", "kbm.tar.gz", "--force")

    assert [one for one in seen if "@company" in one or "@drafts" in one or "@overlays" in one] == []
    assert (*inside, asked) == (404, 404, 404)
    assert restored[0] == 0, restored
    assert call("doctor")[0] == 0
    assert told("gaps", "helper")["gaps"]
