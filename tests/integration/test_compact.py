"""What no release needs any more goes; what one needs stays, and a release that was put away comes back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from kbm.bootstrap import Kbm
from kbm.domain.releases import Release, ReleaseContent
from kbm.domain.retention import Retention
from kbm.errors import IndexDamaged, ReleaseEvicted
from kbm.services.compact import Compact, Compacted
from kbm.services.retrieve import Caller
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeClock, FakeConnector, FakeEmbedder, NoProgress

KEEP = 2
ABC = "abcdefghijkl"


class House:
    """A kbm whose one page changes every night, and what keeps it small."""

    def __init__(self, kbm: Kbm, source: FakeConnector, clock: FakeClock, keep: int) -> None:
        self.kbm, self.source, self.clock = kbm, source, clock
        self.compact = Compact(
            retention={"helper": Retention(keep=keep, purge_after=timedelta(days=90))},
            releases=kbm.catalogue.releases,
            retaining=kbm.catalogue.retention,
            indexes=kbm.indexes,
            raw=kbm.raw,
            embedder=kbm.embedder,
            open_vectors=lambda: kbm.vectors,
            clock=clock,
        )

    def night(self, n: int, *, publish: bool = True) -> Release:
        """Change one page, build, publish."""
        self.source.items["leave.txt"] = f"Employees get {n} days of leave a year."
        self.kbm.sync.run(self.kbm.source_to_sync("docs"), NoProgress())
        made = self.kbm.build.run(self.kbm.gpt_to_build("helper"), NoProgress()).release
        if publish:
            # Not by the use case: its probe takes a second, and is no matter here.
            self.kbm.catalogue.releases.publish("helper", str(made.version), who="anna", why="test")
        self.clock.advance(days=1)
        return made

    def nights(self, n: int) -> list[Release]:
        return [self.night(at) for at in range(30, 30 + n)]

    def tidy(self) -> Compacted:
        return self.compact.after_publish("helper", NoProgress())

    def content(self) -> dict[str, ReleaseContent]:
        return {str(one.version): one.content for one in self.kbm.catalogue.releases.all("helper")}

    def release(self, version: str) -> Release:
        return self.kbm.catalogue.releases.get("helper", version)

    def says(self, version: str | None = None) -> str:
        found = self.kbm.retrieve.run("helper", "days of leave a year", Caller(), release=version)
        return found.passages[0].text


@contextmanager
def house(folder: Path, *, keep: int = KEEP, embedder: FakeEmbedder | None = None) -> Iterator[House]:
    clock = FakeClock()
    pages = {f"{letter}.txt": f"Machine {letter} has the number {letter * 3}." for letter in ABC}
    source = FakeConnector(items=pages)
    with kbm_over(folder, source, clock=clock, embedder=embedder) as kbm:
        yield House(kbm, source, clock, keep)


def test_releases_beyond_those_kept_are_put_away_and_live_and_previous_never(tmp_path: Path) -> None:
    with house(tmp_path) as it:
        it.nights(6)

        done = it.tidy()

        assert [str(one.version) for one in done.evicted] == ["1.0.1", "1.0.0"]
        gone = [version for version, content in it.content().items() if content is ReleaseContent.EVICTED]
        assert sorted(gone) == ["1.0.0", "1.0.1"]
        assert "35 days" in it.says()
        assert it.tidy().evicted == ()


def test_labelled_releases_and_the_newest_candidate_stay(tmp_path: Path) -> None:
    with house(tmp_path) as it:
        it.nights(6)
        it.night(50, publish=False)
        it.kbm.catalogue.releases.set_label("helper", "1.0.0", "audit 2026", who="anna")

        it.tidy()

        assert it.content()["1.0.0"] is ReleaseContent.INDEXED
        assert it.content()["1.0.6"] is ReleaseContent.INDEXED
        assert "30 days" in it.says("1.0.0")


def test_a_release_that_was_put_away_says_when_and_what_brings_it_back(tmp_path: Path) -> None:
    with house(tmp_path) as it:
        it.nights(6)
        it.tidy()

        with pytest.raises(ReleaseEvicted, match="put away on 2026-11-08") as told:
            it.says("1.0.0")

        assert "kbm ask helper" in told.value.hint
        assert "--release 1.0.0" in told.value.hint


def test_a_release_comes_back_to_the_same_digest_without_embedding(tmp_path: Path) -> None:
    embedder = FakeEmbedder()
    with house(tmp_path, embedder=embedder) as it:
        first = it.nights(6)[0]
        it.compact.run(["helper"], NoProgress())
        n_embedded = embedder.n_embedded

        back = it.kbm.rebuild.bring_back("helper", it.release("1.0.0"), NoProgress())

        assert back.content is ReleaseContent.INDEXED
        assert back.index_digest == first.index_digest
        assert it.kbm.indexes.probe("helper", first.index_spec, first.seq).digest == first.index_digest
        assert embedder.n_embedded == n_embedded
        assert "30 days" in it.says("1.0.0")
        assert it.kbm.rebuild.bring_back("helper", back, NoProgress()) == back


def test_what_comes_back_otherwise_stays_put_away(tmp_path: Path) -> None:
    with house(tmp_path) as it:
        it.nights(6)
        it.compact.run(["helper"], NoProgress())
        old = it.release("1.0.0")
        with it.kbm.catalogue.retention._writes.begin() as connection:
            connection.exec_driver_sql("UPDATE chunk SET text = 'forged' WHERE text LIKE '%30 days%'")

        with pytest.raises(IndexDamaged, match="another digest"):
            it.kbm.rebuild.bring_back("helper", old, NoProgress())

        assert it.content()["1.0.0"] is ReleaseContent.EVICTED


def test_content_is_purged_after_its_time_and_what_others_hold_stays(tmp_path: Path) -> None:
    with house(tmp_path) as it:
        made = it.nights(6)
        it.tidy()
        only_first = it.kbm.catalogue.releases.members("helper", made[0].seq) - (
            it.kbm.catalogue.releases.members("helper", made[2].seq)
        )
        raw_before = set((tmp_path / ".kbm" / "raw").rglob("*"))
        it.clock.advance(days=91)

        done = it.tidy()

        assert [str(one.version) for one in done.purged] == ["1.0.1", "1.0.0"]
        assert done.n_versions == 2
        assert it.kbm.catalogue.texts.places(sorted(only_first), made[0].index_spec.chunker_digest) == []
        gone = raw_before - set((tmp_path / ".kbm" / "raw").rglob("*"))
        assert sorted(path.read_text() if path.exists() else "gone" for path in gone) == ["gone", "gone"]
        assert "32 days" in it.says("1.0.2")
        assert "35 days" in it.says()
        assert not any(one.problem for one in it.kbm.rebuild.check("helper"))
        with pytest.raises(ReleaseEvicted, match="purged on"):
            it.kbm.catalogue.releases.members("helper", made[0].seq)
        with pytest.raises(ReleaseEvicted, match="purged on"):
            it.kbm.rebuild.bring_back("helper", it.release("1.0.0"), NoProgress())


def test_a_page_that_comes_back_after_its_purge_is_released_again(tmp_path: Path) -> None:
    with house(tmp_path) as it:
        it.nights(6)
        it.tidy()
        it.clock.advance(days=91)
        it.tidy()

        again = it.night(30)

        assert "30 days" in it.says()
        assert it.kbm.indexes.probe("helper", again.index_spec, again.seq).digest == again.index_digest


def test_what_is_in_quarantine_keeps_its_bytes(tmp_path: Path) -> None:
    with house(tmp_path) as it:
        it.source.items["scan.pdf"] = "%PDF-1.4 nothing that can be read"
        it.nights(6)
        it.tidy()
        it.clock.advance(days=91)

        it.tidy()

        (record,) = it.kbm.catalogue.documents.quarantine()
        assert record.item_id == "scan.pdf"
        assert any(b"nothing that can be read" in data for data in _raw(tmp_path))


def _raw(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in (folder / ".kbm" / "raw").rglob("*") if path.is_file()]


def test_vectors_of_purged_content_go_and_those_of_evicted_releases_stay(tmp_path: Path) -> None:
    embedder = FakeEmbedder()
    with house(tmp_path, embedder=embedder) as it:
        it.nights(6)
        it.compact.run(["helper"], NoProgress())
        assert it.kbm.vectors.count() == len(ABC) + 6
        it.clock.advance(days=91)

        done = it.compact.run(["helper"], NoProgress())

        assert done.n_vectors == 2
        assert it.kbm.vectors.count() == len(ABC) + 4
        n_embedded = embedder.n_embedded
        it.night(33)
        assert embedder.n_embedded == n_embedded


def test_many_nights_leave_live_few_segments_and_no_rows_of_nobody(tmp_path: Path) -> None:
    with house(tmp_path) as it:
        for n in range(12):
            it.night(30 + n)
            it.tidy()

        (folder,) = (tmp_path / ".kbm" / "index" / "helper").iterdir()
        assert len(list(folder.glob("rel-*.json"))) == KEEP + 2
        assert len(list(folder.glob("*.kseg"))) <= 6
        assert not any(one.problem for one in it.kbm.rebuild.check("helper"))
        done = it.compact.run(["helper"], NoProgress())
        assert done.n_segments == len(list(folder.glob("*.kseg"))) == 2
        assert it.compact.run(["helper"], NoProgress()).n_segments_before == 2


def test_a_damaged_index_is_not_copied_and_all_else_goes_on(tmp_path: Path) -> None:
    with house(tmp_path) as it:
        it.nights(6)
        victim = min((tmp_path / ".kbm" / "index").rglob("*.kseg"))
        data = bytearray(victim.read_bytes())
        data[len(data) // 2] ^= 1
        victim.write_bytes(data)

        done = it.compact.run(["helper"], NoProgress())

        assert [one.code for one in done.problems] == ["index_damaged"]
        assert len(done.evicted) == 2
        it.kbm.rebuild.fix("helper", it.kbm.rebuild.check("helper"), NoProgress())
        assert it.compact.run(["helper"], NoProgress()).problems == ()


def test_a_service_that_has_a_release_open_lets_go_of_merged_files(tmp_path: Path) -> None:
    with house(tmp_path) as it:
        live = it.nights(4)[-1]
        before = it.kbm.indexes.open("helper", live.index_spec, live.seq, live.index_digest)

        it.compact.run(["helper"], NoProgress())

        after = it.kbm.indexes.open("helper", live.index_spec, live.seq, live.index_digest)
        assert after is not before
        assert len(after._segments) < len(before._segments)
        assert it.kbm.indexes.open("helper", live.index_spec, live.seq, live.index_digest) is after
