"""Nights that meet: processes over the sample company, one of which works while the others are told so."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kbm.config import CONFIG_NAME
from kbm.demo.company import copy_company

KBM = [sys.executable, "-m", "kbm"]


def company(folder: Path) -> Path:
    """Put the sample company there, searched by words alone; gives its kbm.toml."""
    copy_company(folder)
    config = folder / CONFIG_NAME
    config.write_text(config.read_text(encoding="utf-8").replace('embedder = "minilm"', 'embedder = "none"'))
    return config


@contextmanager
def night(config: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*KBM, "--config", config, "nightly"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def at_work(config: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a night, and wait until it works."""
    with night(config) as process:
        until_it_works(process, config)
        yield process


def until_it_works(process: subprocess.Popen[str], config: Path) -> None:
    """Wait until a night holds the lease and has stored something."""
    for _ in range(3000):
        if _rows(config, "SELECT 1 FROM lease WHERE holder IS NOT NULL") and _rows(
            config, "SELECT 1 FROM document LIMIT 1"
        ):
            return
        assert process.poll() is None
        time.sleep(0.01)
    raise AssertionError("the night did not begin within 30 s")


def run(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*KBM, "--config", config, *arguments], capture_output=True, text=True, timeout=300, check=False
    )


def catalogue(config: Path) -> Path:
    return config.parent / ".kbm" / "catalogue.db"


def sql(config: Path, statement: str) -> list[Any]:  # Any: rows of whatever is asked for
    connection = sqlite3.connect(catalogue(config))
    with connection:
        found = connection.execute(statement).fetchall()
    connection.close()
    return found


def everything(config: Path) -> str:
    """Give the whole content of the catalogue."""
    connection = sqlite3.connect(catalogue(config))
    told = "\n".join(connection.iterdump())
    connection.close()
    return told


def digests(config: Path) -> dict[str, list[tuple[str, str]]]:
    """Give number and digest of every release, by GPT."""
    found: dict[str, list[tuple[str, str]]] = {}
    for gpt in ("offers", "hr"):
        listed = json.loads(run(config, "releases", gpt, "--json").stdout)["releases"]
        found[gpt] = [(one["version"], one["digest"]) for one in listed]
    return found


def found_by_doctor(config: Path) -> set[str]:
    return {one["result"] for one in json.loads(run(config, "doctor", "--json").stdout)["indexes"]}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[tuple[str, str]]]]:
    """Give the releases of a night that nothing disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed") / "company"
    config = company(folder)
    assert run(config, "nightly").returncode == 0
    yield digests(config)
    shutil.rmtree(folder)


@pytest.mark.slow
def test_a_second_night_ends_at_once_and_names_the_first(tmp_path: Path) -> None:
    config = company(tmp_path / "company")
    with at_work(config) as first:
        before_s = _used_by_children_s()
        run(config, "releases", "hr")
        between_s = _used_by_children_s()
        with night(config) as second:
            said = second.communicate(timeout=60)[1]
        used_s = _used_by_children_s() - between_s

        assert (first.poll(), second.returncode) == (None, 75)
        assert f"nightly offers hr, process {first.pid} on" in " ".join(said.split())
        assert used_s < 2 * (between_s - before_s), "giving way costs what a small command costs"
        assert first.wait(120) == 0
    assert {gpt: [version for version, _ in made] for gpt, made in digests(config).items()} == {
        "offers": ["1.0.0"],
        "hr": ["1.0.0"],
    }


@pytest.mark.slow
def test_of_ten_nights_at_once_one_works_and_nine_give_way(
    tmp_path: Path, undisturbed: dict[str, list[tuple[str, str]]]
) -> None:
    config = company(tmp_path / "company")
    assert run(config, "releases", "hr").returncode == 0  # makes the catalogue
    told = [tmp_path / f"{n}.txt" for n in range(10)]
    running: dict[int, subprocess.Popen[bytes]] = {}
    for path in told:
        with path.open("w") as output:
            started = subprocess.Popen([*KBM, "--config", config, "nightly"], stdout=output, stderr=output)
        running[started.pid] = started
    used_s: dict[int, float] = {}
    for pid, process in running.items():
        _, status, used = os.wait4(pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        used_s[pid] = used.ru_utime + used.ru_stime
    codes = {pid: process.returncode for pid, process in running.items()}
    said = dict(zip(running, (path.read_text() for path in told), strict=True))

    worked = [pid for pid, code in codes.items() if code == 0]
    gave_way = [pid for pid, code in codes.items() if code == 75]
    assert (len(worked), len(gave_way)) == (1, 9)
    for pid in gave_way:
        assert f"process {worked[0]} on" in " ".join(said[pid].split())
        assert used_s[pid] < 2
    assert digests(config) == undisturbed
    assert found_by_doctor(config) == {"as sealed"}


@pytest.mark.slow
def test_a_killed_night_is_followed_at_once(
    tmp_path: Path, undisturbed: dict[str, list[tuple[str, str]]]
) -> None:
    config = company(tmp_path / "company")
    with at_work(config) as first:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()

    assert run(config, "nightly").returncode == 0
    assert digests(config) == undisturbed
    assert sql(config, "SELECT state, count(*) FROM job GROUP BY state ORDER BY state") == [
        ("done", 1),
        ("failed", 1),
    ]


@pytest.mark.slow
def test_a_night_that_was_stopped_is_replaced_once_its_lease_ran_out(
    tmp_path: Path, undisturbed: dict[str, list[tuple[str, str]]]
) -> None:
    config = company(tmp_path / "company")
    with at_work(config) as first:
        _stop_between_transactions(first, config)
        assert run(config, "nightly").returncode == 75
        sql(config, "UPDATE lease SET until = 0")

        assert run(config, "nightly").returncode == 0
        after = everything(config)
        first.send_signal(signal.SIGCONT)

        assert first.wait(10) == -signal.SIGKILL
        assert everything(config) == after
    assert digests(config) == undisturbed
    assert found_by_doctor(config) == {"as sealed"}


@pytest.mark.slow
def test_a_night_that_comes_back_after_its_work_was_taken_over_writes_nothing(
    tmp_path: Path, undisturbed: dict[str, list[tuple[str, str]]]
) -> None:
    """The case of a holder that could not be killed: only the token was raised."""
    config = company(tmp_path / "company")
    with at_work(config) as first:
        _stop_between_transactions(first, config)
        sql(config, "UPDATE lease SET token = token + 1")
        before = everything(config)
        first.send_signal(signal.SIGCONT)
        said = first.communicate(timeout=120)[1]

        assert first.returncode == 75
        assert "Traceback" not in said
        assert "another one took its work over" in " ".join(said.split())
        assert everything(config) == before
    assert run(config, "nightly").returncode == 0
    assert digests(config) == undisturbed
    assert found_by_doctor(config) == {"as sealed"}


@pytest.mark.slow
def test_publishing_and_rolling_back_need_no_lease(tmp_path: Path) -> None:
    config = company(tmp_path / "company")
    assert run(config, "nightly").returncode == 0
    page = tmp_path / "company" / "dms" / "hr" / "zz_new.md"
    page.write_text("# Parking\n\nThe car park opens at six.\n", encoding="utf-8")
    assert run(config, "sync").returncode == 0
    built = json.loads(run(config, "build", "hr", "--json").stdout)["version"]
    # Something else works for long: a process that holds the lease and waits.
    work = "import sys; from kbm.bootstrap import Kbm; from kbm.config import load_settings; " + (
        f"from pathlib import Path; kbm = Kbm(load_settings(Path({str(config)!r}))); "
        "w = kbm.working('build', 'offers'); w.__enter__(); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", work], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"

        published = run(config, "publish", "hr", built, "--why", "test")
        rolled_back = run(config, "rollback", "hr", "--reason", "test")
        refused = run(config, "build", "hr")

        assert (published.returncode, rolled_back.returncode, refused.returncode) == (0, 0, 75)
        holder.kill()


def _used_by_children_s() -> float:
    """Tell what the ended children used of the processors: others may want the same ones, so the wall says little."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _stop_between_transactions(process: subprocess.Popen[str], config: Path) -> None:
    """Stop a process where it does not keep the database locked, so that a test can write to it."""
    for _ in range(100):
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        connection = sqlite3.connect(catalogue(config), timeout=0)
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            process.send_signal(signal.SIGCONT)
            time.sleep(0.01)
        else:
            connection.rollback()
            return
        finally:
            connection.close()
    raise AssertionError("it kept the database locked")


def _rows(config: Path, question: str) -> list[Any]:
    """Ask a catalogue that may not be there yet."""
    if not catalogue(config).exists():
        return []
    try:
        return sql(config, question)
    except sqlite3.OperationalError:
        return []
