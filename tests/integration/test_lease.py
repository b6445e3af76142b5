"""One process at a time works on a data folder, and one that was taken for dead writes nothing more."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import select

from kbm import faults
from kbm.clock import SystemClock
from kbm.domain.identity import Digest
from kbm.errors import Busy, LeaseLost
from kbm.store.catalogue import Catalogue, open_catalogue
from kbm.store.engine import open_database
from kbm.store.lease import Fence, Leases
from kbm.store.schema import job
from kbm.testing.fakes import FakeClock

HOLDER = """
import sys
from pathlib import Path
from kbm.clock import SystemClock
from kbm.store.catalogue import open_catalogue
from kbm.store.engine import writing

catalogue = open_catalogue(Path(sys.argv[1]), SystemClock())
with catalogue.leases.hold("nightly offers"):
    print("held", flush=True)
    for line in sys.stdin:
        catalogue.jobs.begin("build", line.strip())
        print("written", flush=True)
"""

IN_A_TRANSACTION = HOLDER.replace('offers"):', 'offers"), writing(catalogue._engine).begin():')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a data folder with a catalogue."""
    made = tmp_path / ".kbm"
    with opened(made):
        return made


@contextmanager
def opened(folder: Path, clock: FakeClock | None = None) -> Iterator[Catalogue]:
    catalogue = open_catalogue(folder, clock or SystemClock())
    try:
        yield catalogue
    finally:
        catalogue.close()


@contextmanager
def holder(
    folder: Path, script: str = HOLDER, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Start a process that holds the lease and writes a job for each line it is sent."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    try:
        if environment is None:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def sql(folder: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(folder / "catalogue.db") as connection:
        connection.execute(statement, values)
    connection.close()


def row(folder: Path) -> dict[str, Any]:  # Any: the columns have different types
    with sqlite3.connect(folder / "catalogue.db") as connection:
        connection.row_factory = sqlite3.Row
        found = dict(connection.execute("SELECT * FROM lease").fetchone())
    connection.close()
    return found


def let_run_out(folder: Path) -> None:
    sql(folder, "UPDATE lease SET until = 0")


def jobs(folder: Path) -> list[str]:
    engine = open_database(folder, "catalogue")
    with engine.connect() as connection:
        found = list(connection.scalars(select(job.c.subject).order_by(job.c.id)))
    engine.dispose()
    return found


def test_a_second_process_is_told_at_once_what_works_where_and_since_when(folder: Path) -> None:
    with holder(folder) as first, opened(folder) as catalogue:
        began = time.monotonic()
        with pytest.raises(Busy) as busy, catalogue.leases.hold("sync docs"):
            pass

        assert time.monotonic() - began < 1
        assert f"nightly offers, process {first.pid} on {os.uname().nodename} since 20" in str(busy.value)
        assert busy.value.exit_code == 75


def test_the_next_holder_gets_a_token_nobody_had(folder: Path) -> None:
    tokens = []
    with opened(folder) as catalogue:
        for _ in range(3):
            with catalogue.leases.hold("sync"):
                tokens.append(row(folder)["token"])

    assert tokens == [1, 2, 3]
    assert (row(folder)["holder"], (folder / "work.lock").read_text()) == (None, "")


def test_a_killed_holder_is_followed_at_once(folder: Path) -> None:
    with holder(folder) as first, opened(folder) as catalogue:
        first.kill()
        os.waitid(os.P_PID, first.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie

        with catalogue.leases.hold("sync"):
            assert json.loads(row(folder)["holder"])["pid"] == os.getpid()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", ["lease.take", "lease.release"])
def test_killed_at_a_step_of_the_lease_it_is_followed_at_once(folder: Path, point: str, when: str) -> None:
    with holder(folder, environment={"KBM_FAULT": f"{point}:{when}:kill"}) as first:
        first.communicate("", timeout=30)
        assert first.returncode == -signal.SIGKILL

        with opened(folder) as catalogue, catalogue.leases.hold("sync"):
            catalogue.jobs.begin("sync", "docs")

    assert jobs(folder) == ["docs"]


def test_a_stopped_holder_is_waited_for_while_its_lease_is_good(folder: Path) -> None:
    with holder(folder) as first, opened(folder) as catalogue:
        first.send_signal(signal.SIGSTOP)

        with pytest.raises(Busy), catalogue.leases.hold("sync"):
            pass
        assert first.poll() is None


def test_a_stopped_holder_whose_lease_ran_out_is_ended_and_replaced(folder: Path) -> None:
    with holder(folder) as first, opened(folder) as catalogue:
        first.send_signal(signal.SIGSTOP)
        let_run_out(folder)

        with structlog.testing.capture_logs() as events, catalogue.leases.hold("sync"):
            catalogue.jobs.begin("sync", "docs")

        assert first.wait(5) == -signal.SIGKILL
        assert [(one["event"], one["log_level"], one["pid"]) for one in events] == [
            ("lease_taken_over", "warning", first.pid)
        ]
    assert jobs(folder) == ["docs"]


def test_a_holder_stopped_in_the_middle_of_a_transaction_is_replaced_too(folder: Path) -> None:
    with holder(folder, IN_A_TRANSACTION) as first, opened(folder) as catalogue:
        first.send_signal(signal.SIGSTOP)
        # Nobody can write, so the lease has to run out by the clock: for this one it is years later.
        late = Leases(catalogue._engine, Fence(), FakeClock(), folder)

        with late.hold("sync"):
            catalogue.jobs.begin("sync", "docs")

        assert first.wait(5) == -signal.SIGKILL


def test_who_takes_over_and_dies_half_way_is_followed(folder: Path) -> None:
    for when in ("before", "after"):
        with holder(folder) as first:
            first.send_signal(signal.SIGSTOP)
            let_run_out(folder)
            token = row(folder)["token"]
            with holder(folder, environment={"KBM_FAULT": f"lease.fence:{when}:kill"}) as second:
                second.communicate("", timeout=30)
                assert second.returncode == -signal.SIGKILL
            assert first.poll() is None
            assert row(folder)["token"] == token + (when == "after")

            with opened(folder) as catalogue, catalogue.leases.hold("sync"):
                catalogue.jobs.begin("sync", when)

            assert first.wait(5) == -signal.SIGKILL
    assert jobs(folder) == ["before", "after"]


def test_a_holder_that_was_fenced_but_not_killed_can_write_nothing(folder: Path) -> None:
    with holder(folder) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        first.stdin.write("one\n")
        first.stdin.flush()
        assert first.stdout.readline() == "written\n"

        sql(folder, "UPDATE lease SET token = token + 1")
        said = first.communicate("two\nthree\n", timeout=30)

        assert "written" not in said[0]
        assert "LeaseLost" in said[1]
    assert jobs(folder) == ["one"]


def test_every_write_of_a_fenced_holder_is_refused_and_its_reads_go_on(folder: Path) -> None:
    with opened(folder) as catalogue:
        writes: list[Callable[[], object]] = [
            lambda: catalogue.jobs.begin("build", "lost"),
            lambda: catalogue.documents.remove("docs", ["a.txt"]),
            lambda: catalogue.releases.forget_segments("helper", Digest("0" * 64)),
            lambda: catalogue.plans.settle("docs"),
        ]

        def work() -> None:
            sql(folder, "UPDATE lease SET token = token + 1")
            for write in writes:
                with pytest.raises(LeaseLost):
                    write()
            assert catalogue.releases.all("helper") == []

        with pytest.raises(LeaseLost, match="another one took its work over"), catalogue.leases.hold("build"):
            work()

        assert jobs(folder) == []
        with catalogue.leases.hold("build"):
            catalogue.jobs.begin("build", "again")
    assert jobs(folder) == ["again"]


def test_work_that_ends_without_a_write_still_hears_that_it_lost_the_lease(folder: Path) -> None:
    with opened(folder) as catalogue, pytest.raises(LeaseLost) as lost, catalogue.leases.hold("doctor"):
        sql(folder, "UPDATE lease SET token = token + 1")

    assert lost.value.exit_code == 75


def test_a_process_without_the_lease_writes_while_another_one_holds_it(folder: Path) -> None:
    with holder(folder), opened(folder) as catalogue:
        catalogue.jobs.begin("publish", "helper")

    assert jobs(folder) == ["helper"]


@pytest.mark.parametrize("days", [1, -1])
def test_setting_the_wall_clock_steals_nothing(folder: Path, days: int) -> None:
    clock = FakeClock()
    with opened(folder, clock) as first, opened(folder, clock) as second, first.leases.hold("nightly"):
        clock.jump(days=days)

        with pytest.raises(Busy) as busy, second.leases.hold("sync"):
            pass
        assert busy.value.hint.startswith("wait until it is done")
        first.jobs.begin("nightly", "docs")

    assert jobs(folder) == ["docs"]


def test_the_lease_is_renewed_while_the_work_goes_on(folder: Path) -> None:
    clock, fence = FakeClock(), Fence()
    engine = open_database(folder, "catalogue", fence.check)
    with Leases(engine, fence, clock, folder, renew_every_s=0.02).hold("build"):
        first = row(folder)["until"]
        clock.advance(seconds=50)
        _wait_until(lambda: row(folder)["until"] == first + 50)
    engine.dispose()


def test_a_renewal_that_fails_is_tried_again_and_the_work_goes_on(folder: Path) -> None:
    clock, fence = FakeClock(), Fence()
    engine = open_database(folder, "catalogue", fence.check)
    try:
        with (
            structlog.testing.capture_logs() as events,
            Leases(engine, fence, clock, folder, renew_every_s=0.02).hold("build"),
        ):
            first = row(folder)["until"]
            clock.advance(seconds=5)
            faults.arm("lease.renew:before:ENOSPC")
            _wait_until(lambda: len(events) > 1)
            faults.arm("")
            _wait_until(lambda: row(folder)["until"] == first + 5)
    finally:
        faults.arm("")
        engine.dispose()

    assert {(one["event"], one["why"]) for one in events} == {("lease_not_renewed", "OSError")}


@pytest.mark.parametrize("changed", [{"host": "elsewhere"}, {"boot": "another"}, {"started": 1}])
def test_a_holder_that_cannot_be_told_from_others_is_never_killed(
    folder: Path, changed: dict[str, object]
) -> None:
    with holder(folder) as first, opened(folder) as catalogue:
        other = {**json.loads(row(folder)["holder"]), **changed}
        sql(folder, "UPDATE lease SET until = 0, holder = ?", json.dumps(other))
        token = row(folder)["token"]

        with pytest.raises(Busy) as busy, catalogue.leases.hold("sync"):
            pass
        assert "end it where it runs" in busy.value.hint
        assert (first.poll(), row(folder)["token"]) == (None, token)


def test_a_process_that_could_not_clear_its_row_is_not_killed_for_it(folder: Path) -> None:
    """The row still names it, but the lock belongs to another one by then."""
    with holder(folder) as long_done, opened(folder) as catalogue:
        let_run_out(folder)
        (folder / "work.lock").write_text("sync docs, process 1 on here")

        with pytest.raises(Busy, match="process 1 on here"), catalogue.leases.hold("sync"):
            pass
        assert long_done.poll() is None


def test_removing_the_lock_file_lets_nobody_in_while_its_holder_works(folder: Path) -> None:
    with holder(folder) as first, opened(folder) as catalogue:
        (folder / "work.lock").unlink()

        with pytest.raises(Busy, match=f"process {first.pid}"), catalogue.leases.hold("sync"):
            pass


def test_a_row_of_another_start_of_the_machine_holds_nobody_up(folder: Path) -> None:
    with opened(folder) as catalogue:
        with catalogue.leases.hold("sync"):
            left = json.loads(row(folder)["holder"])
        sql(
            folder,
            "UPDATE lease SET holder = ?, until = ?",
            json.dumps({**left, "pid": 1, "boot": "earlier"}),
            time.monotonic() + 1e6,
        )

        with catalogue.leases.hold("sync"):
            assert row(folder)["token"] == 2


@pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")
def test_a_holder_of_another_user_is_left_alone() -> None:
    with tempfile.TemporaryDirectory() as made, holder(Path(made)) as first:
        folder = Path(made)
        first.send_signal(signal.SIGSTOP)
        let_run_out(folder)
        token = row(folder)["token"]
        for path in (folder, *folder.iterdir()):
            path.chmod(0o777)
        told, tell = os.pipe()
        if os.fork() == 0:
            try:
                os.setresuid(65534, 65534, 65534)
                with opened(folder) as catalogue, catalogue.leases.hold("sync"):
                    os.write(tell, b"held")
            except BaseException as error:
                os.write(tell, f"{error} {getattr(error, 'hint', '')}".encode())
            finally:
                os._exit(0)
        os.close(tell)
        with os.fdopen(told) as said:
            assert "end it where it runs" in said.read()
        os.wait()

        assert (first.poll(), row(folder)["token"]) == (None, token)


def _wait_until(holds: Callable[[], bool]) -> None:
    for _ in range(500):
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come about within 10 s")
