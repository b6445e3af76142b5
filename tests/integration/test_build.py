"""Build and publish over sources in memory, with real SQLite, real Chroma and real index files."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from kbm.bootstrap import Kbm
from kbm.domain.releases import ReleaseState
from kbm.errors import IndexDamaged, KbmError, NotFound, UsageError
from kbm.indexes import Indexes
from kbm.services.build import BuildResult
from kbm.services.retrieve import Caller
from kbm.testing.builders import IndexesLookedAtHere, kbm_over
from kbm.testing.fakes import FakeClock, FakeConnector, FakeEmbedder, NoProgress

PAGES = {
    "leave.txt": "Employees get 30 days of leave a year.",
    "press.txt": "The press holds 40 tons and weighs 900 kilograms.",
}


def sync(kbm: Kbm, *names: str) -> None:
    for name in names or kbm.settings.sources:
        kbm.sync.run(kbm.source_to_sync(name), NoProgress())


def build(kbm: Kbm, gpt: str = "helper") -> BuildResult:
    return kbm.build.run(kbm.gpt_to_build(gpt), NoProgress())


def publish(kbm: Kbm, version: str, gpt: str = "helper") -> None:
    kbm.publish.run(gpt, version, who="anna", why="test")


def index_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / ".kbm" / "index").rglob("*") if path.is_file()}


def test_the_first_release_is_1_0_0_and_a_candidate(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as kbm:
        sync(kbm)

        made = build(kbm).release

        assert (str(made.version), made.state, made.n_documents) == ("1.0.0", ReleaseState.CANDIDATE, 2)
        assert kbm.catalogue.releases.live("helper") is None


def test_an_unchanged_build_embeds_nothing_and_writes_nothing(tmp_path: Path) -> None:
    embedder = FakeEmbedder()
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES)), embedder=embedder) as kbm:
        sync(kbm)
        build(kbm)
        before, files = embedder.n_embedded, index_files(tmp_path)

        sync(kbm)
        again = build(kbm)

        assert not again.built
        assert embedder.n_embedded == before
        assert index_files(tmp_path) == files


def test_only_the_changed_document_is_embedded_again(tmp_path: Path) -> None:
    embedder, source = FakeEmbedder(), FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source, embedder=embedder) as kbm:
        sync(kbm)
        build(kbm)
        before = embedder.n_embedded
        source.items["leave.txt"] = "Employees get 31 days of leave a year."
        sync(kbm)

        made = build(kbm)

        assert embedder.n_embedded == before + 1
        assert made.n_rows_added == 1
        assert str(made.release.version) == "1.0.1"


def test_two_gpts_share_vectors(tmp_path: Path) -> None:
    embedder = FakeEmbedder()
    gpts = {"one": ["docs"], "two": ["docs"]}
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES)), embedder=embedder, gpts=gpts) as kbm:
        sync(kbm)
        build(kbm, "one")
        before = embedder.n_embedded

        build(kbm, "two")

        assert embedder.n_embedded == before


def test_the_digest_is_equal_on_another_machine_with_another_history(tmp_path: Path) -> None:
    with kbm_over(tmp_path / "a", FakeConnector(items=dict(PAGES))) as kbm:
        sync(kbm)
        straight = build(kbm).release.digest
    source = FakeConnector(items={"leave.txt": "An older text."})
    with kbm_over(tmp_path / "b", source) as kbm:
        sync(kbm)
        build(kbm)
        source.items = dict(reversed(PAGES.items()))
        sync(kbm)

        assert build(kbm).release.digest == straight


def test_a_new_source_raises_the_minor_number(tmp_path: Path) -> None:
    docs, wiki = FakeConnector(items=dict(PAGES)), FakeConnector()
    with kbm_over(tmp_path, {"docs": docs, "wiki": wiki}) as kbm:
        sync(kbm)
        build(kbm)
        wiki.items["page.txt"] = "The wiki has a page."
        sync(kbm)

        assert str(build(kbm).release.version) == "1.1.0"


def test_another_embedder_raises_the_major_number(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        build(kbm)
    with kbm_over(tmp_path, source, embedder=FakeEmbedder(variant="better")) as kbm:
        assert str(build(kbm).release.version) == "2.0.0"


def test_nothing_stored_is_nothing_to_release(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector()) as kbm, pytest.raises(KbmError, match="nothing to release"):
        build(kbm)


def test_publishing_moves_the_pointer_and_keeps_the_one_before(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        build(kbm)
        publish(kbm, "1.0.0")
        source.items["new.txt"] = "The new machine bends tubes of 90 millimetres."
        sync(kbm)
        build(kbm)

        publish(kbm, "1.0.1")

        states = {str(one.version): one.state for one in kbm.catalogue.releases.all("helper")}
        assert states == {"1.0.0": ReleaseState.RETIRED, "1.0.1": ReleaseState.LIVE}


def test_an_earlier_release_still_answers_as_it_did(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        build(kbm)
        publish(kbm, "1.0.0")
        source.items["leave.txt"] = "Employees get 31 days of leave a year."
        sync(kbm)
        build(kbm)
        publish(kbm, "1.0.1")

        old = kbm.retrieve.run("helper", "how many days of leave", Caller(), release="1.0.0")
        new = kbm.retrieve.run("helper", "how many days of leave", Caller())

        assert "30 days" in old.passages[0].text
        assert "31 days" in new.passages[0].text


@pytest.mark.parametrize("looking", [Indexes, IndexesLookedAtHere])
def test_a_damaged_candidate_is_not_published_and_live_stays(tmp_path: Path, looking: type[Indexes]) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source, indexes=looking(tmp_path / ".kbm" / "index")) as kbm:
        sync(kbm)
        build(kbm)
        publish(kbm, "1.0.0")
        source.items["new.txt"] = "A new page."
        sync(kbm)
        build(kbm)
        newest = max((tmp_path / ".kbm" / "index").rglob("*.kseg"), key=lambda path: path.name)
        data = bytearray(newest.read_bytes())
        data[len(data) // 2] ^= 0xFF
        newest.write_bytes(data)

        with pytest.raises(IndexDamaged):
            publish(kbm, "1.0.1")

        live = kbm.catalogue.releases.live("helper")
        assert live is not None
        assert str(live.version) == "1.0.0"


def test_publishing_what_was_never_built_names_what_there_is(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as kbm:
        sync(kbm)
        build(kbm)

        with pytest.raises(NotFound, match=r"there is: 1\.0\.0"):
            publish(kbm, "9.9.9")


def test_a_build_that_died_while_embedding_goes_on_where_it_was(tmp_path: Path) -> None:
    source = FakeConnector(items={f"{n}.txt": f"Page {n} tells about topic {n}." for n in range(200)})
    with kbm_over(tmp_path, source, embedder=FakeEmbedder(fail_after=150)) as kbm:
        sync(kbm)
        with pytest.raises(KbmError):
            build(kbm)
    embedder = FakeEmbedder()
    with kbm_over(tmp_path, source, embedder=embedder) as kbm:
        made = build(kbm)

        assert made.release.n_chunks == 200
        assert embedder.n_passages == 200 - 2 * 64  # every whole batch was kept


def test_damaged_indexes_are_written_anew_to_the_same_digest(tmp_path: Path) -> None:
    embedder, source = FakeEmbedder(), FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source, embedder=embedder) as kbm:
        sync(kbm)
        build(kbm)
        publish(kbm, "1.0.0")
        source.items["leave.txt"] = "Employees get 31 days of leave a year."
        sync(kbm)
        build(kbm)
        before = embedder.n_embedded
    for path in (tmp_path / ".kbm" / "index").rglob("seg-*.kseg"):
        path.write_bytes(path.read_bytes()[:-100])
    with kbm_over(tmp_path, source, embedder=embedder, indexes=Indexes(tmp_path / ".kbm" / "index")) as kbm:
        findings = kbm.rebuild.check("helper")
        fixed = kbm.rebuild.fix("helper", findings, NoProgress())

        assert all(one.problem for one in findings)
        assert all(one.fixed for one in fixed)
        assert not any(one.problem for one in kbm.rebuild.check("helper"))
        assert embedder.n_embedded == before
        assert "30 days" in kbm.retrieve.run("helper", "days of leave", Caller()).passages[0].text


def two_releases(kbm: Kbm, source: FakeConnector) -> None:
    sync(kbm)
    build(kbm)
    publish(kbm, "1.0.0")
    source.items["leave.txt"] = "Employees get 31 days of leave a year."
    sync(kbm)
    build(kbm)
    publish(kbm, "1.0.1")


def test_a_rollback_lets_the_one_before_answer_without_building(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        two_releases(kbm, source)
        files = index_files(tmp_path)

        kbm.publish.roll_back("helper", to=None, who="anna", reason="31 is wrong")

        assert "30 days" in kbm.retrieve.run("helper", "days of leave", Caller()).passages[0].text
        assert index_files(tmp_path) == files


def test_a_rollback_run_again_never_brings_the_bad_release_back(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        two_releases(kbm, source)
        kbm.publish.roll_back("helper", to=None, who="anna", reason="31 is wrong")

        with pytest.raises(UsageError, match=r"rolled back from 1\.0\.1 to 1\.0\.0 already"):
            kbm.publish.roll_back("helper", to=None, who="anna", reason="31 is wrong")

        live = kbm.catalogue.releases.live("helper")
        assert live is not None
        assert str(live.version) == "1.0.0"


def test_a_rollback_needs_a_reason_and_somewhere_to_go(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        build(kbm)
        publish(kbm, "1.0.0")

        with pytest.raises(UsageError, match="needs its reason"):
            kbm.publish.roll_back("helper", to=None, who="anna", reason=" ")
        with pytest.raises(UsageError, match="no other release"):
            kbm.publish.roll_back("helper", to=None, who="anna", reason="why not")


def test_a_rollback_to_what_never_answered_is_refused(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        build(kbm)
        publish(kbm, "1.0.0")
        source.items["new.txt"] = "A new page."
        sync(kbm)
        build(kbm)

        with pytest.raises(UsageError, match="never answered"):
            kbm.publish.roll_back("helper", to="1.0.1", who="anna", reason="try")


def test_a_moment_is_answered_by_the_release_that_was_live_then(tmp_path: Path) -> None:
    source, clock = FakeConnector(items=dict(PAGES)), FakeClock()
    with kbm_over(tmp_path, source, clock=clock) as kbm:
        before = clock.now() - timedelta(days=1)
        sync(kbm)
        build(kbm)
        publish(kbm, "1.0.0")
        then = clock.now()
        clock.advance(days=7)
        source.items["leave.txt"] = "Employees get 31 days of leave a year."
        sync(kbm)
        build(kbm)
        publish(kbm, "1.0.1")

        old = kbm.ask.run("helper", "How many days of leave do employees get a year?", Caller(), as_of=then)

        assert old.release == "1.0.0"
        with pytest.raises(NotFound):
            kbm.ask.run("helper", "How many days of leave?", Caller(), as_of=before)
