"""Watching folders: bursts, what hints miss, a busy data folder, and what stays untouched."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kbm.clock import SystemClock
from kbm.config import Settings, load_settings
from kbm.entrypoints.cli.watching import bring, watched_folders
from kbm.entrypoints.watch import Pace, Watch
from kbm.errors import Busy, ConfigError

QUICK = Pace(quiet_s=0.15, longest_s=2.0)
TOML = """\
[kbm]
name = "Test company"
embedder = "none"

[sources.docs]
kind = "files"
url = "./docs"
readers = ["everyone"]
on_change = "patch"
brake = { documents = 100000 }

[sources.slow]
kind = "files"
url = "./slow"
readers = ["everyone"]

[gpts.helper]
title = "Helper"
sources = ["docs", "slow"]
people = { owner = "owner@test.example" }

[gpts.other]
title = "Other"
sources = ["slow"]
people = { owner = "owner@test.example" }
"""


@pytest.fixture
def company(tmp_path: Path) -> Settings:
    """Make a company with one source that is watched and one that is not; nothing is released."""
    return _make(tmp_path / "company")


@pytest.fixture(scope="module")
def after_a_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Release the company once; tests get copies."""
    folder = tmp_path_factory.mktemp("after") / "company"
    _make(folder)
    ran = _kbm(folder, "nightly")
    assert ran.returncode == 0, ran.stderr
    return folder


@pytest.fixture
def released_company(after_a_night: Path, tmp_path: Path) -> Settings:
    """Give the company with 1.0.0 live."""
    shutil.copytree(after_a_night, tmp_path / "company")
    return load_settings(tmp_path / "company/kbm.toml")


def _make(folder: Path) -> Settings:
    for name in ("docs", "slow"):
        (folder / name).mkdir(parents=True)
        (folder / name / "first.txt").write_text(f"The first page of {name}.")
    (folder / "kbm.toml").write_text(TOML)
    return load_settings(folder / "kbm.toml")


def _kbm(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kbm", *arguments],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("KBM_")}


def released(settings: Settings, source: str = "docs", *, newest: bool = False) -> set[str]:
    """Give the item ids of a source in the live release, or in the newest one."""
    from kbm.bootstrap import Kbm

    with Kbm(settings) as kbm:
        releases = kbm.catalogue.releases
        made = releases.newest("helper") if newest else releases.live("helper")
        assert made is not None
        manifest = releases.manifest("helper", made.seq)
    return {one.item_id for one in manifest if one.source == source}


@contextmanager
def watching(
    settings: Settings,
    look: Callable[[set[str]], None] | None = None,
    *,
    pace: Pace = QUICK,
    again_s: float = 0.1,
) -> Iterator[list[set[str]]]:
    """Watch while the block runs; gives the sources of each look that is finished."""
    looks: list[set[str]] = []
    said: list[str] = []

    def noted(names: set[str]) -> None:
        look(names) if look else bring(settings, names)
        looks.append(names)

    watch = Watch(
        watched_folders(settings),
        noted,
        said.append,
        SystemClock(),
        ignored=settings.data_dir,
        pace=pace,
        try_again_s=again_s,
    )
    stop = threading.Event()
    thread = threading.Thread(target=watch.run, args=(stop,))
    thread.start()
    try:
        wait_until(lambda: bool(looks))
        yield looks
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


def settled(looks: list[set[str]], seconds: float = 1.0) -> None:
    """Wait until no look was finished for a while."""
    n, since = len(looks), time.monotonic()
    until = since + 60
    while time.monotonic() - since < seconds:
        assert time.monotonic() < until, "it never ends"
        if len(looks) != n:
            n, since = len(looks), time.monotonic()
        time.sleep(0.02)


def on_disk(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_burst_of_creating_moving_and_deleting_ends_as_the_folder_is(released_company: Settings) -> None:
    docs, chance = released_company.root / "docs", random.Random(3)
    with watching(released_company) as looks:
        for n in range(300):
            folder = docs / f"part{n % 7}"
            folder.mkdir(exist_ok=True)
            (folder / f"{n}.txt").write_text(f"Page {n} of the burst.")
            if n % 3 == 0:
                victim = chance.choice(sorted(docs.rglob("*.txt")))
                victim.rename(docs / f"moved-{n}.txt")
            if n % 4 == 0:
                chance.choice(sorted(docs.rglob("*.txt"))).unlink()
        shutil.rmtree(docs / "part3")
        (docs / "part5").rename(docs / "part-five")
        settled(looks, 1.5)

    # So many new documents at once are a MINOR, which waits for a person: it is built, and live stays.
    assert len(on_disk(docs)) > 100
    assert released(released_company, newest=True) == on_disk(docs)
    assert released(released_company) == {"first.txt"}


def test_what_changed_while_nobody_watched_is_found_at_the_start(released_company: Settings) -> None:
    (released_company.root / "docs/second.txt").write_text("The second page.")
    with watching(released_company):
        pass

    assert released(released_company) == {"first.txt", "second.txt"}


def test_a_lost_hint_is_made_up_for_by_the_next_reconcile(company: Settings) -> None:
    """The observer is deaf here, as it is on a share that another machine changes."""
    looked: list[set[str]] = []
    watch = Watch(
        {"docs": company.root / "absent"},
        looked.append,
        list[str]().append,
        SystemClock(),
        ignored=company.data_dir,
        pace=Pace(quiet_s=0.1, longest_s=1.0, reconcile_s=0.4),
    )
    stop = threading.Event()
    thread = threading.Thread(target=watch.run, args=(stop,))
    thread.start()
    try:
        wait_until(lambda: len(looked) >= 3)
    finally:
        stop.set()
        thread.join(30)

    assert looked[:3] == [{"docs"}] * 3


def test_many_writes_in_a_row_are_one_look(company: Settings) -> None:
    looks: list[set[str]] = []
    with watching(company, looks.append, pace=Pace(quiet_s=0.5, longest_s=30)):
        looks.clear()
        for n in range(40):
            (company.root / "docs/growing.txt").write_text("x" * n)
            time.sleep(0.02)
        settled(looks, 1.2)

    assert looks == [{"docs"}]


def test_a_folder_that_is_never_quiet_is_looked_at_all_the_same(company: Settings) -> None:
    looks: list[set[str]] = []
    with watching(company, looks.append, pace=Pace(quiet_s=0.6, longest_s=1.0)):
        looks.clear()
        until = time.monotonic() + 3.0
        while time.monotonic() < until:
            (company.root / "docs/log.txt").write_text(str(time.monotonic()))
            time.sleep(0.05)

        assert 2 <= len(looks) <= 3


def test_reading_the_folder_and_writing_the_data_folder_are_no_changes(company: Settings) -> None:
    inside = company.model_copy(update={"kbm": company.kbm.model_copy(update={"data_dir": "docs/.kbm"})})
    looks: list[set[str]] = []

    def look(names: set[str]) -> None:
        looks.append(names)
        (inside.data_dir).mkdir(exist_ok=True)
        (inside.data_dir / "catalogue.db-wal").write_text(str(time.monotonic()))
        for path in (company.root / "docs").glob("*.txt"):
            path.read_bytes()

    with watching(inside, look):
        settled(looks, 1.0)

    assert looks == [{"docs"}]


def test_a_busy_data_folder_is_tried_again_and_nothing_is_lost(released_company: Settings) -> None:
    tries = 0

    def look(names: set[str]) -> None:
        nonlocal tries
        tries += 1
        if tries <= 3:
            raise Busy("another process works on it")
        bring(released_company, names)

    (released_company.root / "docs/second.txt").write_text("The second page.")
    with watching(released_company, look):
        pass

    assert tries == 4
    assert released(released_company) == {"first.txt", "second.txt"}


def test_an_error_that_does_not_go_away_by_itself_waits_for_a_change(company: Settings) -> None:
    tries: list[set[str]] = []

    def look(names: set[str]) -> None:
        tries.append(names)
        if len(tries) == 1:
            raise ConfigError("kbm.toml cannot be used")

    def change() -> bool:
        (company.root / "docs/more.txt").write_text(str(time.monotonic()))
        time.sleep(0.2)
        return len(tries) > 1

    watch = Watch(
        watched_folders(company),
        look,
        list[str]().append,
        SystemClock(),
        ignored=company.data_dir,
        pace=QUICK,
    )
    stop = threading.Event()
    thread = threading.Thread(target=watch.run, args=(stop,))
    thread.start()
    try:
        wait_until(lambda: bool(tries))
        time.sleep(0.5)
        assert len(tries) == 1
        wait_until(change)
    finally:
        stop.set()
        thread.join(30)


@pytest.mark.slow
def test_a_folder_that_was_replaced_is_watched_again_after_a_reconcile(company: Settings) -> None:
    docs = company.root / "docs"
    looks: list[set[str]] = []
    with watching(company, looks.append, pace=Pace(quiet_s=0.1, longest_s=1, reconcile_s=6)):
        shutil.rmtree(docs)
        settled(looks, 1.0)
        docs.mkdir()
        n = len(looks)
        wait_until(lambda: len(looks) > n)  # the reconcile: nobody hears of the new folder
        n, since = len(looks), time.monotonic()
        (docs / "new.txt").write_text("a page of the new folder")
        wait_until(lambda: len(looks) > n)

    assert time.monotonic() - since < 4  # by a hint, before the next reconcile


def test_sources_that_are_not_watched_and_their_gpts_stay_as_they_are(released_company: Settings) -> None:
    (released_company.root / "docs/second.txt").write_text("The second page.")
    (released_company.root / "slow/second.txt").write_text("Only the night reads this.")
    night = bring(released_company, {"docs"})

    assert list(night.synced) == ["docs"]
    assert [(one.gpt, one.published) for one in night.gpts] == [("helper", True)]
    assert released(released_company, "slow") == {"first.txt"}


def test_a_gpt_without_a_release_waits_for_its_first_night(company: Settings) -> None:
    night = bring(company, {"docs"})

    assert (list(night.synced), night.gpts) == (["docs"], [])


def test_a_source_that_left_the_settings_is_left_to_the_night(released_company: Settings) -> None:
    toml = (
        released_company.path.read_text()
        .replace('["docs", "slow"]', '["docs"]')
        .replace('["slow"]', '["docs"]')
    )
    head, _, rest = toml.partition("[sources.slow]")
    released_company.path.write_text(head + rest[rest.index("[gpts.helper]") :])
    night = bring(load_settings(released_company.path), {"docs"})

    assert night.unlisted == []


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_command_watches_and_ends_in_a_line(released_company: Settings, ending: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "kbm", "watch"],
        cwd=released_company.root,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        assert process.stderr.readline().startswith("watching docs: ")
        (released_company.root / "docs/second.txt").write_text("The second page.")
        wait_until(lambda: released(released_company) == {"first.txt", "second.txt"})
        time.sleep(0.3)
        process.send_signal(ending)
        out, rest = process.communicate(timeout=30)
    finally:
        process.kill()

    assert process.returncode == 0
    assert "helper 1.0.1" in out
    assert rest.splitlines()[-1] == "no longer watching; what was finished is kept"
    assert "Traceback" not in rest


def test_without_a_source_to_watch_the_command_says_what_to_set(company: Settings) -> None:
    company.path.write_text(TOML.replace('on_change = "patch"', ""))
    ran = _kbm(company.root, "watch")

    assert ran.returncode == 2
    assert "on_change" in ran.stderr
