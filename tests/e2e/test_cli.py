"""The command over real files; the installed one in processes of its own where that matters."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kbm.entrypoints.cli.main import app
from kbm.testing.builders import ONE_FOLDER_TOML

Run = Callable[..., subprocess.CompletedProcess[str]]

TOML = ONE_FOLDER_TOML.replace(
    'owner = "owner@test.example"',
    'owner = "owner@test.example", sponsor = "s@test.example", data_protection = "d@test.example"',
)


@pytest.fixture
def company(tmp_path: Path) -> Path:
    """Make a folder with a kbm.toml and three documents."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (tmp_path / "kbm.toml").write_text(TOML)
    (docs / "leave.md").write_text(
        "# Leave\n\nEmployees get 30 days of leave a year.\n\n# Notice\n\nFour weeks.\n"
    )
    (docs / "presse.txt").write_text("Die Presse KB 40 hält 40 Tonnen. Sie wiegt 900 Kilogramm.")
    (docs / "prix.csv").write_text("article;prix;délai\nA-100;12,50;3 jours\nB-200;99,00;5 jours\n")
    return tmp_path


@pytest.fixture
def here(company: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in the company's folder, for commands run in this process."""
    monkeypatch.chdir(company)
    return company


@pytest.fixture
def run(here: Path) -> Run:
    """Run kbm in the company's folder, in this process: starting another takes longer than most commands."""
    del here

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        done = CliRunner().invoke(app, list(arguments))
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)

    return call


@pytest.fixture
def run_apart(company: Path) -> Run:
    """Run the installed command in the company's folder, in a process of its own."""

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("KBM_")}
        return subprocess.run(
            [sys.executable, "-m", "kbm", *arguments],
            cwd=company,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return call


def test_the_whole_way_from_a_folder_to_a_cited_answer(run_apart: Run) -> None:
    first = run_apart("nightly")
    answer = json.loads(run_apart("ask", "helper", "How many days of leave?", "--json").stdout)

    assert first.returncode == 0, first.stderr
    assert answer["release"] == "1.0.0"
    assert answer["citations"][0]["quote"] == "Employees get 30 days of leave a year."
    assert answer["citations"][0]["item_id"] == "leave.md"
    assert answer["ai_generated"] is True


def test_the_second_night_does_no_work_and_says_so(run: Run) -> None:
    run("nightly")

    again = run("nightly")

    assert again.returncode == 0
    assert "0 documents stored" in again.stdout
    assert "up to date" in again.stdout


def test_a_change_is_published_as_a_patch_and_the_verdict_is_kept(run: Run, company: Path) -> None:
    run("nightly")
    (company / "docs" / "new.txt").write_text("The canteen opens at eleven.")

    night = run("nightly")
    releases = json.loads(run("releases", "helper", "--json").stdout)["releases"]

    assert night.returncode == 0
    assert [(one["version"], one["state"], one["gate"]) for one in releases] == [
        ("1.0.1", "live", "unproved"),
        ("1.0.0", "retired", "unproved"),
    ]


def test_a_gpt_that_holds_its_patches_leaves_the_candidate_to_a_person(run: Run, company: Path) -> None:
    (company / "kbm.toml").write_text(TOML + 'release = { nightly = "hold" }\n')
    run("nightly")
    (company / "docs" / "new.txt").write_text("The canteen opens at eleven.")

    night = run("nightly")
    releases = json.loads(run("releases", "helper", "--json").stdout)["releases"]

    assert night.returncode == 3
    assert [(one["version"], one["state"]) for one in releases] == [("1.0.1", "candidate"), ("1.0.0", "live")]


def test_build_and_publish_by_hand(run_apart: Run) -> None:
    run_apart("sync")
    run_apart("build", "helper")

    published = run_apart("publish", "helper", "1.0.0")

    assert published.returncode == 0
    assert "1.0.0 answers now" in published.stdout


def test_a_plan_lists_what_would_come(run: Run) -> None:
    plan = json.loads(run("sync", "--plan", "--json").stdout)["plans"][0]

    assert plan["added"] == ["leave.md", "presse.txt", "prix.csv"]
    assert plan["state"] == "planned"


def test_a_missing_folder_removes_nothing(run: Run, company: Path) -> None:
    run("nightly")
    (company / "docs").rename(company / "elsewhere")

    sync = run("sync")
    (company / "elsewhere").rename(company / "docs")

    assert sync.returncode == 1
    assert json.loads(run("sources", "--json").stdout)["sources"][0]["documents"] == 3


def test_bad_documents_are_quarantined_with_a_reason_and_the_run_goes_on(run: Run, company: Path) -> None:
    (company / "docs" / "empty.docx").write_bytes(b"")
    (company / "docs" / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    (company / "docs" / "picture.bin").write_bytes(bytes(range(256)) * 10)

    night = run("nightly")
    quarantine = json.loads(run("sources", "--json").stdout)["quarantine"]

    assert night.returncode == 0
    assert {(one["item_id"], one["reason"]) for one in quarantine} == {
        ("empty.docx", "empty"),
        ("broken.pdf", "damaged"),
        ("picture.bin", "unsupported"),
    }


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["ask", "nope", "Anything?"], 2, "no GPT named 'nope'; there is: helper"),
        (["ask", "helper", ""], 2, "the question is empty"),
        (["ask", "helper", "x" * 100_000], 2, "100,000 characters"),
        (["ask", "helper", "Anything?"], 2, "kbm nightly helper"),
        (["publish", "helper", "1.0.0"], 2, "no release of helper"),
        (["build", "helper"], 1, "nothing to release"),
        (["sync", "dosc"], 2, "did you mean 'docs'?"),
        (["serve", "--host", "192.0.2.7"], 2, "no key is made yet"),
        (["plans", "approve", "7"], 2, "no held plan"),
    ],
)
@pytest.mark.usefixtures("here")
def test_a_mistake_is_told_in_one_paragraph(arguments: list[str], code: int, said: str) -> None:
    result = CliRunner().invoke(app, arguments)

    assert result.exit_code == code
    assert said in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('name = "Test company"', 'nmae = "Test company"', "did you mean 'name'?"),
        ('sources = ["docs"]', 'sources = ["dosc"]', "did you mean 'docs'?"),
        ('kind = "files"', 'kind = "flies"', "did you mean 'files'?"),
        ('url = "./docs"', 'ulr = "./docs"', "did you mean 'url'?"),
        ('readers = ["everyone"]', 'readers = ["all"]', "'everyone', 'group:NAME' or 'user:NAME'"),
        ('embedder = "none"', 'embedder = "minlim"', "did you mean 'minilm'?"),
        ("[gpts.helper]", "[gpts.helper", "not valid TOML"),
        ('people = { owner = "owner@test.example", ', "people = { ", "owner is missing"),
    ],
)
def test_a_wrong_configuration_names_key_value_and_choices(
    here: Path, before: str, after: str, said: str
) -> None:
    (here / "kbm.toml").write_text(TOML.replace(before, after))

    result = CliRunner().invoke(app, ["nightly"])

    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_second_process_is_told_who_works(run_apart: Run, company: Path) -> None:
    import fcntl

    (company / ".kbm").mkdir()
    with open(company / ".kbm" / "work.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write("nightly helper, process 4711 on here")
        held.flush()

        result = run_apart("sync")

    assert result.returncode == 75
    assert "process 4711" in result.stderr


@pytest.mark.slow
def test_killed_at_any_moment_the_same_command_completes(run_apart: Run, company: Path) -> None:
    for n in range(60):
        (company / "docs" / f"page-{n}.md").write_text(f"# Page {n}\n\nTopic {n} is told on page {n}.\n")
    for after_s in (0.8, 1.6, 2.4):
        process = subprocess.Popen(
            [sys.executable, "-m", "kbm", "nightly"],
            cwd=company,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(after_s)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    done = run_apart("nightly", "--json")
    straight = company / "straight"
    straight.mkdir()
    (straight / "kbm.toml").write_text(TOML.replace("./docs", "../docs"))
    other = run_apart("--config", "straight/kbm.toml", "nightly", "--json")

    assert done.returncode == 0, done.stderr
    build = json.loads(done.stdout)["gpts"][0]["build"]
    assert build["documents"] == 63
    assert build["digest"] == json.loads(other.stdout)["gpts"][0]["build"]["digest"]


def test_init_writes_a_start_and_never_overwrites(run: Run, company: Path) -> None:
    (company / "kbm.toml").unlink()

    first, second = run("init", "docs"), run("init", "docs")

    assert first.returncode == 0
    assert run("check").returncode == 0
    assert second.returncode == 2
    assert "is there already" in second.stderr


def test_a_quote_is_printed_as_it_stands_but_never_steers_the_terminal(run: Run, company: Path) -> None:
    (company / "docs" / "odd.txt").write_text(
        "The valve code is root:x:0:0 and :smile: in [red]brackets[/red] \x1b[31mhere."
    )
    run("nightly")

    shown = run("ask", "helper", "What is the valve code?").stdout

    assert "root:x:0:0 and :smile: in [red]brackets[/red]" in shown
    assert "\x1b" not in shown


def test_a_source_that_cannot_be_read_at_all_ends_the_night_with_1(run: Run, company: Path) -> None:
    run("nightly")
    (company / "docs").rename(company / "elsewhere")

    night = run("nightly")

    assert night.returncode == 1
    assert "0 sources read" in night.stdout


def test_a_data_folder_that_cannot_be_made_is_told_in_one_paragraph(here: Path) -> None:
    (here / ".kbm").write_text("a file where the folder should be")

    result = CliRunner().invoke(app, ["nightly"])

    assert result.exit_code == 1
    assert "the data folder cannot be" in result.stderr
    assert "Traceback" not in result.stderr
