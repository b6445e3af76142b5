"""Back up and restore real data folders, while they are worked on, and after something was erased."""

from __future__ import annotations

import json
import sqlite3
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kbm import faults
from kbm.bootstrap import Kbm
from kbm.errors import ArchiveRefused, KbmError, StorageFailed, UsageError
from kbm.services.retrieve import Caller
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, FakeEmbedder, NoProgress
from tests.integration.backed_up_company import PAGES, QUESTION, build, first, restore, sync
from tests.integration.deaths import deaths


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    faults.arm("")


@pytest.fixture
def source() -> FakeConnector:
    return FakeConnector(items=dict(PAGES))


def erase(kbm: Kbm) -> None:
    kbm.erase.run("docs:maria.txt", who="dpo", reason="request 12", progress=NoProgress())


def files_with(folder: Path, text: str) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_a_restored_folder_answers_as_before_from_the_same_digest_without_embedding(
    tmp_path: Path, source: FakeConnector
) -> None:
    file = tmp_path / "kbm.tar.gz"
    with kbm_over(tmp_path / "a", source) as kbm:
        first(kbm)
        before = kbm.ask.run("helper", QUESTION, Caller())
        digest = kbm.catalogue.releases.get("helper", "1.0.0").digest
        kbm.backup.run(file, NoProgress(), who="anna")
    embedder = FakeEmbedder()

    done = restore(tmp_path / "b", file, embedder=embedder)

    assert done.live == {"helper": ("1.0.0", digest)}
    assert (done.n_vectors, embedder.n_embedded) == (3, 0)
    with kbm_over(tmp_path / "b", source, embedder=embedder) as kbm:
        after = kbm.ask.run("helper", QUESTION, Caller())
        assert (after.text, after.confidence) == (before.text, before.confidence)
        assert kbm.journal.recorded(before.id) is not None
        embedder.n_embedded = 0
        source.items["new.txt"] = "A new page about the canteen."
        source.fetched.clear()
        sync(kbm)
        build(kbm, "1.0.1")
        assert (source.fetched, embedder.n_embedded) == (["new.txt"], 1)


def test_a_backup_taken_while_nights_and_questions_go_on_is_of_one_moment(
    tmp_path: Path, source: FakeConnector
) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def repeat(work: Callable[[int], None]) -> threading.Thread:
        def run() -> None:
            n = 0
            try:
                while not stop.is_set():
                    n += 1
                    work(n)
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    with kbm_over(tmp_path / "a", source) as kbm, kbm_over(tmp_path / "a", source) as asked:
        first(kbm)

        def night(n: int) -> None:
            source.items[f"page{n}.txt"] = f"Page {n} tells about topic {n}."
            sync(kbm)
            build(kbm, f"1.0.{n}")
            kbm.compact.run(["helper"], NoProgress())

        threads = [repeat(night), repeat(lambda _: _answer(asked))]
        for n in range(4):
            kbm.backup.run(tmp_path / f"{n}.tar.gz", NoProgress(), who="anna")
        stop.set()
        for thread in threads:
            thread.join()
        digests = {str(one.version): one.digest for one in kbm.catalogue.releases.all("helper")}

    assert failures == []
    for n in range(4):
        version, digest = restore(tmp_path / f"b{n}", tmp_path / f"{n}.tar.gz").live["helper"]
        assert digests[version] == digest


def _answer(kbm: Kbm) -> None:
    kbm.ask.run("helper", QUESTION, Caller())


def test_what_was_erased_after_the_backup_is_not_restored(tmp_path: Path, source: FakeConnector) -> None:
    file = tmp_path / "kbm.tar.gz"
    with kbm_over(tmp_path / "a", source) as kbm:
        first(kbm)
        kbm.backup.run(file, NoProgress(), who="anna")
        erase(kbm)
        digest = kbm.catalogue.releases.get("helper", "1.0.0").digest

    done = restore(tmp_path / "a", file, force=True)

    assert done.n_erased == 1
    assert done.live == {"helper": ("1.0.0", digest)}
    assert files_with(tmp_path / "a" / ".kbm", "74,250") == []
    with kbm_over(tmp_path / "a", source) as kbm:
        assert kbm.sync.plan(kbm.source_to_sync("docs")).n_erased == 1


def test_a_ledger_kept_apart_is_replayed_on_another_machine(tmp_path: Path, source: FakeConnector) -> None:
    file, ledger = tmp_path / "kbm.tar.gz", tmp_path / "erased.json"
    with kbm_over(tmp_path / "a", source) as kbm:
        first(kbm)
        kbm.backup.run(file, NoProgress(), who="anna")
        source.items["later.txt"] = "Came after the backup and was erased as well."
        sync(kbm)
        erase(kbm)
        kbm.erase.run("docs:later.txt", who="dpo", reason="request 13", progress=NoProgress())
        kbm.write_ledger(ledger)
    assert "maria" not in ledger.read_text(encoding="utf-8").lower()

    done = restore(tmp_path / "b", file, ledger=ledger)

    assert done.n_erased == 1
    assert files_with(tmp_path / "b" / ".kbm", "74,250") == []
    with kbm_over(tmp_path / "b", source) as kbm:
        sync(kbm)
        assert {one.item_id for one in kbm.catalogue.documents.current_versions(["docs"])} == {
            "leave.txt",
            "press.txt",
        }


def test_a_folder_that_is_not_empty_is_only_replaced_by_force_and_then_kept(
    tmp_path: Path, source: FakeConnector
) -> None:
    file = tmp_path / "kbm.tar.gz"
    with kbm_over(tmp_path / "a", source) as kbm:
        first(kbm)
        kbm.backup.run(file, NoProgress(), who="anna")

    with pytest.raises(UsageError, match="not empty"):
        restore(tmp_path / "a", file)
    done = restore(tmp_path / "a", file, force=True)

    assert done.replaced is not None
    assert (done.replaced / "catalogue.db").exists()


def test_the_ledger_of_another_company_is_not_mixed_in(tmp_path: Path, source: FakeConnector) -> None:
    file = tmp_path / "kbm.tar.gz"
    with kbm_over(tmp_path / "a", source) as kbm:
        first(kbm)
        kbm.backup.run(file, NoProgress(), who="anna")
    with kbm_over(tmp_path / "other", source) as kbm:
        first(kbm)
        erase(kbm)

    with pytest.raises(ArchiveRefused, match="another key"):
        restore(tmp_path / "other", file, force=True)


def test_a_backup_is_readable_by_its_owner_only_and_holds_no_chroma(
    tmp_path: Path, source: FakeConnector
) -> None:
    with kbm_over(tmp_path / "a", source) as kbm:
        first(kbm)

        made = kbm.backup.run(tmp_path / "kbm.tar.gz", NoProgress(), who="anna")

        assert made.path.stat().st_mode & 0o777 == 0o600
        assert not any("chroma" in name or "erasing" in name for name in made.manifest.files)
        assert {"catalogue.db", "journal.db", "secret.key"} <= set(made.manifest.files)
        assert len([name for name in made.manifest.files if name.startswith("raw/")]) == 3


@pytest.mark.parametrize(("point", "when"), deaths("backup.databases", "backup.files", "backup.publish"))
def test_a_backup_that_died_leaves_the_earlier_one_or_the_whole_new_one(
    tmp_path: Path, source: FakeConnector, point: str, when: str
) -> None:
    file = tmp_path / "kbm.tar.gz"
    with kbm_over(tmp_path / "a", source) as kbm:
        first(kbm)
        kbm.backup.run(file, NoProgress(), who="anna")
        faults.arm(f"{point}:{when}:ENOSPC")
        with pytest.raises(OSError, match=point):
            kbm.backup.run(file, NoProgress(), who="anna", force=True)
        faults.arm("")

    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["kbm.tar.gz"]
    assert restore(tmp_path / "b", file).live["helper"][0] == "1.0.0"


@pytest.mark.parametrize(
    ("point", "when"), deaths("restore.unpack", "restore.erasures", "restore.aside", "restore.publish")
)
def test_a_restore_that_died_is_run_again_and_still_knows_what_was_erased(
    tmp_path: Path, source: FakeConnector, point: str, when: str
) -> None:
    file = tmp_path / "kbm.tar.gz"
    with kbm_over(tmp_path / "a", source) as kbm:
        first(kbm)
        kbm.backup.run(file, NoProgress(), who="anna")
        erase(kbm)
    faults.arm(f"{point}:{when}:EIO")
    with pytest.raises(OSError, match=point):
        restore(tmp_path / "a", file, force=True)
    faults.arm("")
    with kbm_over(tmp_path / "a", source) as kbm:  # whenever it dies, there is a data folder
        assert kbm.ask.run("helper", QUESTION, Caller()).release == "1.0.0"

    restore(tmp_path / "a", file, force=True)

    swapped = point == "restore.aside" or (point, when) == ("restore.publish", "after")
    assert len(list((tmp_path / "a").glob(".kbm.before-*"))) == 1 + swapped
    assert files_with(tmp_path / "a" / ".kbm", "74,250") == []
    assert not (tmp_path / "a" / "..kbm.restoring").exists()


def test_where_folders_cannot_be_swapped_a_restore_that_died_is_told_and_nothing_begins_anew(
    tmp_path: Path, source: FakeConnector
) -> None:
    with kbm_over(tmp_path, source) as kbm:
        first(kbm)
    (tmp_path / ".kbm").rename(tmp_path / ".kbm.before-20261124T101112-1")
    (tmp_path / "..kbm.restoring").mkdir()

    with kbm_over(tmp_path, source) as kbm, pytest.raises(StorageFailed, match="was cut short") as told:
        kbm.catalogue.releases.live("helper")

    assert "mv" in told.value.hint
    assert not (tmp_path / ".kbm").exists()


def test_an_index_that_was_damaged_in_the_backup_is_written_anew_to_its_digest(
    tmp_path: Path, source: FakeConnector
) -> None:
    file = tmp_path / "kbm.tar.gz"
    with kbm_over(tmp_path / "a", source) as kbm:
        first(kbm)
        digest = kbm.catalogue.releases.get("helper", "1.0.0").digest
        roar = next((tmp_path / "a" / ".kbm" / "index").rglob("rel-1.roar"))
        roar.write_bytes(roar.read_bytes()[:-1] + b"!")
        kbm.backup.run(file, NoProgress(), who="anna")

    done = restore(tmp_path / "b", file)

    assert done.mended == ("helper 1.0.0",)
    assert done.live == {"helper": ("1.0.0", digest)}


def test_the_databases_in_a_backup_are_whole(tmp_path: Path, source: FakeConnector) -> None:
    file = tmp_path / "kbm.tar.gz"
    with kbm_over(tmp_path / "a", source) as kbm:
        first(kbm)
        kbm.backup.run(file, NoProgress(), who="anna")
    with tarfile.open(file) as archive:
        archive.extractall(tmp_path / "out", filter="data")

    for name in ("catalogue.db", "journal.db"):
        connection = sqlite3.connect(tmp_path / "out" / name)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
    listed = json.loads((tmp_path / "out" / "manifest.json").read_bytes())["files"]
    assert set(listed) == {
        str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()
    } - {"manifest.json"}


def test_errors_of_a_restore_are_told(tmp_path: Path) -> None:
    with pytest.raises((KbmError, OSError)):
        restore(tmp_path / "b", tmp_path / "nothing.tar.gz")
