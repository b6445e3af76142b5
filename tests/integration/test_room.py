"""A disk that is full, or would become so: said before the work begins, and nothing that answers is touched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import structlog
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from kbm import faults
from kbm.bootstrap import Kbm
from kbm.config import Settings, load_settings
from kbm.entrypoints.api.app import create_app
from kbm.entrypoints.cli.main import app
from kbm.errors import DiskFull, KbmError, StorageFailed
from kbm.services.answer_log import NOT_WRITTEN
from kbm.services.retrieve import Caller
from kbm.services.rows import ROW_BYTES
from kbm.store.room import Room
from kbm.testing.builders import ONE_FOLDER_TOML, kbm_over, settings
from kbm.testing.fakes import FakeConnector, FakeEmbedder, NoProgress

PAGES = {
    "leave.txt": "Employees get 30 days of leave a year.",
    "press.txt": "The press holds 40 tons and weighs 900 kilograms.",
}
MB = 1_000_000


@dataclass(slots=True)
class FakeRoom:
    """Keeps what it was asked for, and refuses once it is full."""

    full: bool = False
    full_from: int = 10**9
    asked: list[tuple[int, str]] = field(default_factory=list)

    def need(self, n_bytes: int, what: str) -> None:
        """Refuse, if it is full."""
        self.asked.append((n_bytes, what))
        if self.full or len(self.asked) >= self.full_from:
            raise DiskFull(f"to {what}, more must be free")


def sync(kbm: Kbm, room: FakeRoom) -> None:
    replace(kbm.sync, room=room).run(kbm.source_to_sync("docs"), NoProgress())


def build(kbm: Kbm, room: FakeRoom) -> str:
    made = replace(kbm.build, room=room).run(kbm.gpt_to_build("helper"), NoProgress())
    return str(made.release.version)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "LOCK" and not path.name.startswith("catalogue.db-")
    }


def test_a_build_asks_for_its_new_rows_and_for_nothing_once_they_are_there(tmp_path: Path) -> None:
    room = FakeRoom()
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as kbm:
        sync(kbm, FakeRoom())
        build(kbm, room)
        build(kbm, room)

    assert room.asked == [(2 * ROW_BYTES, "build helper")]


def test_without_room_there_is_no_candidate_and_the_same_build_completes_later(tmp_path: Path) -> None:
    connector, room = FakeConnector(items=dict(PAGES)), FakeRoom()
    with kbm_over(tmp_path, connector) as kbm:
        sync(kbm, room)
        kbm.publish.run("helper", build(kbm, room), who="anna", why="test")
        connector.items["notice.txt"] = "The notice period is four weeks."
        sync(kbm, room)
        before = files(tmp_path / ".kbm" / "index")

        with pytest.raises(DiskFull, match="to build helper"):
            build(kbm, FakeRoom(full=True))

        assert files(tmp_path / ".kbm" / "index") == before
        assert len(kbm.catalogue.releases.all("helper")) == 1
        assert kbm.ask.run("helper", "How many days of leave?", Caller()).release == "1.0.0"
        build(kbm, room)
        assert len(kbm.catalogue.releases.all("helper")) == 2


def test_without_room_a_sync_fetches_nothing_but_still_hides_what_was_withdrawn(tmp_path: Path) -> None:
    connector = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, connector) as kbm:
        sync(kbm, FakeRoom())
        connector.fetched.clear()
        connector.items["notice.txt"] = "The notice period is four weeks."
        del connector.items["press.txt"]

        with pytest.raises(DiskFull, match="to store what is new in docs"):
            sync(kbm, FakeRoom(full=True))

        assert connector.fetched == []
        assert set(kbm.catalogue.documents.known("docs")) == {"leave.txt"}
        sync(kbm, FakeRoom())
        assert set(kbm.catalogue.documents.known("docs")) == {"leave.txt", "notice.txt"}


def test_a_sync_that_has_nothing_to_store_needs_no_room(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as kbm:
        sync(kbm, FakeRoom())

        sync(kbm, FakeRoom(full=True))


def test_the_reserve_and_twice_the_new_bytes_must_be_free(tmp_path: Path) -> None:
    Room(tmp_path, reserve_mb=0).need(1, "try")

    with pytest.raises(
        DiskFull, match=r"2,000,000,000 MB must be free on the disk of .*, and [\d,.]+ MB are"
    ):
        Room(tmp_path, reserve_mb=0).need(10**15, "try")
    with pytest.raises(DiskFull, match="1,000,000,000 MB must be free") as full:
        Room(tmp_path, reserve_mb=10**9).need(1, "try")
    assert full.value.exit_code == 1


@pytest.mark.parametrize("full_then", [True, False])
def test_a_gpt_that_finds_the_disk_full_tells_the_night_what_is_needed_and_what_is_free(
    tmp_path: Path, full_then: bool
) -> None:
    connector, room = FakeConnector(items=dict(PAGES)), FakeRoom()
    with kbm_over(tmp_path, connector) as kbm:
        nightly = replace(kbm.nightly, build=replace(kbm.build, room=room))
        faults.arm("build.segment:before:ENOSPC")
        room.full_from = 2 if full_then else 99  # the build was let in

        night = nightly.run(
            [kbm.source_to_sync("docs")],
            [(kbm.gpt_to_build("helper"), kbm.night_policy("helper"))],
            NoProgress(),
            configured=["docs"],
            who="night",
        )
        faults.arm("")

        [error] = [one.error for one in night.gpts]
        if full_then:
            assert str(error) == "to bring helper up to date, more must be free"
        else:
            assert isinstance(error, StorageFailed)
            assert "the disk was full while helper was brought up to date" in str(error)
        assert room.asked[-1] == (0, "bring helper up to date")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 24 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None:
        pytest.skip("there is no mount command")
    command = [mount, "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run([umount, "-l", str(folder)], check=True)


def test_on_a_full_disk_live_answers_and_the_same_command_completes_once_there_is_room(
    small_disk: Path,
) -> None:
    connector = FakeConnector(items=dict(PAGES))
    with _kbm_on(small_disk, connector) as kbm:
        _night(kbm)
        for n in range(60):
            connector.items[f"page-{n}.txt"] = f"Topic {n} is told on page {n}, at length. " * 60
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())

        kbm.ask.run("helper", "How many days of leave?", Caller())  # a service has its databases open

        # More than the estimate is free, so the build begins; another program then takes what is left.
        _fill(small_disk, leave=0)
        with pytest.raises((KbmError, OSError)) as full:
            replace(kbm.build, room=FakeRoom()).run(kbm.gpt_to_build("helper"), NoProgress())
        assert isinstance(full.value, StorageFailed) or "No space left" in str(full.value)
        with pytest.raises(DiskFull, match=r"1\.0 MB must be free .*, and 0\.0 MB are"):
            Room(small_disk, reserve_mb=1).need(1, "build helper")
        answered = kbm.ask.run("helper", "How many days of leave?", Caller())
        assert (answered.release, answered.outcome) == ("1.0.0", "answered")

        (small_disk / "ballast").unlink()
        _night(kbm)

        assert str(kbm.catalogue.releases.newest("helper").version) != "1.0.0"  # type: ignore[union-attr]
        assert {one.problem for one in kbm.rebuild.check("helper")} == {""}


def test_what_is_started_on_a_full_disk_answers_from_live_and_says_that_it_keeps_no_line(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (small_disk / "docs").mkdir()
    for name, words in PAGES.items():
        (small_disk / "docs" / name).write_text(words)
    (small_disk / "kbm.toml").write_text(ONE_FOLDER_TOML.replace("[kbm]", "[kbm]\nreserve_mb = 1"))
    monkeypatch.chdir(small_disk)
    assert CliRunner().invoke(app, ["nightly"]).exit_code == 0
    _fill(small_disk, leave=0)
    body = {"question": "How many days of leave?"}

    asked = CliRunner().invoke(app, ["ask", "helper", body["question"], "--json"])
    structlog.reset_defaults()  # the command's log went to a stream that is closed
    with Kbm(load_settings(small_disk / "kbm.toml")) as kbm, TestClient(create_app(kbm)) as client:
        kbm.warm_up()
        answered = client.post("/v1/gpts/helper/ask", json=body)
        verdict = {"verdict": "helpful"}
        fed_back = client.post(f"/v1/answers/{answered.json()['answer_id']}/feedback", json=verdict)
        built = CliRunner().invoke(app, ["build", "helper", "--json"])
        structlog.reset_defaults()
        (small_disk / "ballast").unlink()
        again = client.post("/v1/gpts/helper/ask", json=body).json()

        assert kbm.receipt.run(again["answer_id"]).answer_id == again["answer_id"]
    assert asked.exit_code == 0, asked.output
    assert answered.status_code == 200, answered.text
    for answer in (json.loads(asked.stdout), answered.json()):
        assert (answer["release"], answer["outcome"]) == ("1.0.0", "answered")
        assert answer["degraded"] == [NOT_WRITTEN]
    assert fed_back.status_code == 404
    assert (built.exit_code, json.loads(built.stdout)["error"]["code"]) == (1, "storage")
    assert again["degraded"] == []


def test_a_log_that_holds_something_is_never_passed_over_on_a_full_disk(small_disk: Path) -> None:
    with _kbm_on(small_disk, FakeConnector(items=dict(PAGES))) as kbm:
        _night(kbm)
        folder = small_disk / ".kbm"
        shutil.copy(folder / "catalogue.db-wal", small_disk / "log")
    shutil.move(small_disk / "log", folder / "catalogue.db-wal")
    _fill(small_disk, leave=0)

    with _kbm_on(small_disk, FakeConnector()) as kbm, pytest.raises(StorageFailed):
        kbm.catalogue.releases.live("helper")


def _kbm_on(folder: Path, connector: FakeConnector) -> Kbm:
    made: Settings = settings(folder)
    made = made.model_copy(update={"kbm": made.kbm.model_copy(update={"reserve_mb": 1})})
    return Kbm(made, connectors={"docs": connector}, embedder=FakeEmbedder())


def _night(kbm: Kbm) -> None:
    """Sync, build and publish under the lease."""
    with kbm.working("nightly", "helper"):
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
        made = kbm.build.run(kbm.gpt_to_build("helper"), NoProgress()).release
    kbm.publish.run("helper", str(made.version), who="anna", why="test")


def _fill(folder: Path, *, leave: int) -> None:
    """Let another file take all of the disk but *leave* bytes."""
    found = os.statvfs(folder)
    with (folder / "ballast").open("wb") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, max(found.f_bavail * found.f_frsize - leave, 1))
