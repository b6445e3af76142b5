"""The night of a service: when it starts, that it starts once, and how it ends. The processes are real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from datetime import time as of_day
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from structlog.testing import capture_logs

from kbm.entrypoints.scheduler import NICENESS, RETRY_AFTER_S, Scheduler
from kbm.testing.fakes import FakeClock

BERLIN = ZoneInfo("Europe/Berlin")
HALF_PAST_TWO = of_day(2, 30)


class Nights:
    """A scheduler over a clock, whose night writes a line and ends with a code."""

    def __init__(
        self, folder: Path, now: datetime, *, code: int = 0, body: str = "", at: of_day = HALF_PAST_TWO
    ) -> None:
        self.folder, self.code, self.body, self.at = folder, code, body, at
        self.clock = FakeClock(now)
        self.started = folder / "started"
        self.scheduler = self.another()

    def another(self) -> Scheduler:
        """Make a second scheduler over the same folder, as a restarted or second service is."""
        began = f"import os, sys, time\nopen({str(self.started)!r}, 'a').write('x')"
        night = f"{began}\n{self.body}\nsys.exit({self.code})"
        return Scheduler(
            [sys.executable, "-S", "-c", night],
            self.at,
            self.folder / "night.day",
            self.clock,
            zone=BERLIN,
            end_within_s=0.5,
        )

    @property
    def n(self) -> int:
        return len(self.started.read_text()) if self.started.exists() else 0

    def look(self, scheduler: Scheduler | None = None) -> int:
        """Look at the clock, wait for a night that this started, and count all so far."""
        chosen = scheduler or self.scheduler
        chosen.tick()
        if chosen._night is not None:
            chosen._night.wait(20)
            chosen.tick()
        return self.n

    def run_to(self, end: datetime, step: timedelta) -> list[datetime]:
        """Let time pass; gives the moments at which a night started."""
        found = []
        while self.clock.now() < end:
            before = self.n
            if self.look() > before:
                found.append(self.clock.now())
            self.clock.advance(seconds=step.total_seconds())
        return found


def berlin(*parts: int, fold: int = 0) -> datetime:
    return datetime(*parts, tzinfo=BERLIN, fold=fold).astimezone(UTC)  # type: ignore[arg-type,misc]


def test_a_night_starts_once_a_day_at_its_hour(tmp_path: Path) -> None:
    nights = Nights(tmp_path, berlin(2026, 11, 2, 12))

    assert nights.run_to(berlin(2026, 11, 5, 12), timedelta(minutes=15)) == [
        berlin(2026, 11, 3, 2, 30),
        berlin(2026, 11, 4, 2, 30),
        berlin(2026, 11, 5, 2, 30),
    ]


def test_the_first_start_of_a_service_does_not_begin_with_a_night(tmp_path: Path) -> None:
    nights = Nights(tmp_path, berlin(2026, 11, 2, 12))

    assert nights.look() == 0
    assert nights.look() == 0


def test_a_machine_that_slept_past_the_hour_catches_up_once(tmp_path: Path) -> None:
    nights = Nights(tmp_path, berlin(2026, 11, 2, 23))
    nights.look()
    nights.clock.advance(hours=9)

    assert [nights.look() for _ in range(3)] == [1, 1, 1]


def test_three_missed_nights_are_one(tmp_path: Path) -> None:
    nights = Nights(tmp_path, berlin(2026, 11, 2, 23))
    nights.look()
    nights.clock.advance(days=3, hours=9)

    assert [nights.look() for _ in range(3)] == [1, 1, 1]


def test_a_service_that_was_down_at_the_hour_catches_up_when_it_starts(tmp_path: Path) -> None:
    nights = Nights(tmp_path, berlin(2026, 11, 2, 23))
    nights.look()
    nights.clock.advance(hours=9)

    assert nights.look(nights.another()) == 1


def test_a_restart_after_the_night_does_not_repeat_it(tmp_path: Path) -> None:
    nights = Nights(tmp_path, berlin(2026, 11, 2, 23))
    nights.look()
    nights.clock.advance(hours=4)
    nights.look()

    assert nights.look(nights.another()) == 1


def test_two_services_over_one_folder_have_one_night(tmp_path: Path) -> None:
    nights = Nights(tmp_path, berlin(2026, 11, 2, 23))
    second = nights.another()
    nights.look()
    nights.look(second)
    nights.clock.advance(hours=4)
    nights.look()

    assert nights.look(second) == 1


def test_the_hour_that_is_left_out_in_spring_moves_the_night_behind_it(tmp_path: Path) -> None:
    nights = Nights(tmp_path, berlin(2027, 3, 27, 12))

    assert nights.run_to(berlin(2027, 3, 28, 12), timedelta(minutes=10)) == [berlin(2027, 3, 28, 3, 30)]


def test_the_hour_that_comes_twice_in_autumn_has_one_night(tmp_path: Path) -> None:
    nights = Nights(tmp_path, berlin(2026, 10, 24, 12))

    assert nights.run_to(berlin(2026, 10, 25, 12), timedelta(minutes=10)) == [berlin(2026, 10, 25, 2, 30)]


def test_a_clock_set_back_starts_no_second_night(tmp_path: Path) -> None:
    nights = Nights(tmp_path, berlin(2026, 11, 2, 23))
    nights.look()
    nights.clock.advance(hours=4)
    nights.look()
    nights.clock.advance(hours=-3)
    nights.look()
    nights.clock.advance(hours=3)

    assert nights.look() == 1


def test_a_clock_that_was_years_ahead_does_not_end_the_nights(tmp_path: Path) -> None:
    nights = Nights(tmp_path, berlin(2038, 1, 19, 12))
    nights.look()
    nights.clock.advance(days=-4000)
    now = nights.clock.now()

    assert len(nights.run_to(now + timedelta(days=3), timedelta(hours=1))) in {2, 3}


@pytest.mark.parametrize("left", [b"", b"2026", b"\x00\x00"])
def test_a_note_that_was_cut_short_counts_as_a_first_start(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "night.day").write_bytes(left)
    nights = Nights(tmp_path, berlin(2026, 11, 2, 12))

    assert nights.look() == 0
    nights.clock.advance(days=1)
    assert nights.look() == 1


def test_a_busy_night_is_tried_once_more_after_a_quarter_of_an_hour(tmp_path: Path) -> None:
    nights = Nights(tmp_path, berlin(2026, 11, 2, 23), code=75)
    nights.look()
    nights.clock.advance(hours=4)
    counts = [nights.look()]
    nights.clock.advance(seconds=RETRY_AFTER_S - 1)
    counts.append(nights.look())
    nights.clock.advance(seconds=1)
    counts.append(nights.look())
    nights.clock.advance(hours=5)
    counts.append(nights.look())

    assert counts == [1, 1, 2, 2]


@pytest.mark.parametrize(("code", "outcome"), [(0, "done"), (1, "failed"), (3, "held"), (-9, "killed")])
def test_how_a_night_ended_is_logged_and_only_a_busy_one_repeated(
    tmp_path: Path, code: int, outcome: str
) -> None:
    body = "os.kill(os.getpid(), 9)" if code == -9 else ""
    nights = Nights(tmp_path, berlin(2026, 11, 2, 23), code=max(code, 0), body=body)
    nights.look()
    nights.clock.advance(hours=4)
    with capture_logs() as logs:
        nights.look()
    nights.clock.advance(hours=1)

    [ended] = [one for one in logs if one["event"] == "night_ended"]
    assert (ended["exit_code"], ended["outcome"]) == (code, outcome)
    assert nights.look() == 1


def test_a_night_that_takes_longer_than_a_day_is_not_joined_by_another(tmp_path: Path) -> None:
    nights = Nights(tmp_path, berlin(2026, 11, 2, 23), body="time.sleep(60)")
    nights.scheduler.tick()
    nights.clock.advance(hours=4)
    nights.scheduler.tick()
    nights.clock.advance(days=1)
    nights.scheduler.tick()
    nights.scheduler.tick()
    _wait_for(nights.started)
    nights.scheduler.end_night()

    assert nights.n == 1


def test_a_night_gives_way_to_answers(tmp_path: Path) -> None:
    nights = Nights(tmp_path, berlin(2026, 11, 2, 23), body="time.sleep(60)")
    nights.scheduler.tick()
    nights.clock.advance(hours=4)
    nights.scheduler.tick()
    night = nights.scheduler._night
    assert night is not None
    nice = os.getpriority(os.PRIO_PROCESS, night.pid)
    nights.scheduler.end_night()

    assert nice == min(os.getpriority(os.PRIO_PROCESS, 0) + NICENESS, 19)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("time.sleep(60)", -signal.SIGTERM),
        (
            "import signal; signal.signal(15, signal.SIG_IGN); open(deaf, 'w').write('x'); time.sleep(60)",
            -9,
        ),
    ],
    ids=["listens", "deaf"],
)
def test_a_night_under_way_ends_with_the_service(tmp_path: Path, body: str, code: int) -> None:
    ready = tmp_path / ("deaf" if "deaf" in body else "started")
    nights = Nights(tmp_path, berlin(2026, 11, 2, 23), body=f"deaf = {str(tmp_path / 'deaf')!r}\n{body}")
    nights.scheduler.tick()
    nights.clock.advance(hours=4)
    nights.scheduler.tick()
    _wait_for(ready)
    with capture_logs() as logs:
        nights.scheduler.end_night()

    assert [(one["event"], one["exit_code"]) for one in logs] == [("night_ended_early", code)]


def test_a_service_with_a_scheduler_answers_runs_its_night_and_ends_both(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/leave.txt").write_text("Employees get 30 days of leave a year.")
    past = (datetime.now() - timedelta(minutes=1)).strftime("%H:%M")
    (tmp_path / "kbm.toml").write_text(
        f"""\
[kbm]
name = "Test company"
embedder = "none"
nightly_at = "{past}"

[sources.docs]
kind = "files"
url = "./docs"
readers = ["everyone"]

[gpts.helper]
title = "Helper"
sources = ["docs"]
people = {{ owner = "owner@test.example" }}
"""
    )
    (tmp_path / ".kbm").mkdir()
    yesterday = date.today() - timedelta(days=2)
    (tmp_path / ".kbm/night.day").write_text(yesterday.isoformat())
    service = subprocess.Popen(
        [sys.executable, "-m", "kbm", "serve", "--port", "0", "--with-scheduler"],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if not key.startswith("KBM_")},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert service.stderr is not None
    lines: list[str] = []
    try:
        while not any("listening" in line for line in lines):
            lines.append(service.stderr.readline())
            assert lines[-1], "".join(lines)
        address = next(word for word in " ".join(lines).split() if word.startswith("http://")).rstrip(",")
        released, until = None, time.monotonic() + 60
        while released is None and time.monotonic() < until:
            time.sleep(0.3)
            released = httpx.get(f"{address}/v1/gpts").json()["gpts"][0]["release"]
    finally:
        service.terminate()
        _, rest = service.communicate(timeout=40)

    assert released == "1.0.0"
    assert service.returncode == 0
    assert "Traceback" not in rest
    assert any((tmp_path / ".kbm/reports").glob("*.md"))


def _wait_for(path: Path) -> None:
    until = time.monotonic() + 20
    while not path.exists() or not path.stat().st_size:
        assert time.monotonic() < until, f"{path} did not come"
        time.sleep(0.02)
