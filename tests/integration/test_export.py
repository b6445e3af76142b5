"""Export a release, and take it in elsewhere: equal digest, equal answers, and nothing from a crafted folder."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kbm import faults
from kbm.bootstrap import Kbm
from kbm.errors import ArchiveRefused, KbmError, UsageError
from kbm.services.retrieve import Caller
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, FakeEmbedder, NoProgress

PAGES = {
    "leave.txt": "Employees get 30 days of leave a year, and five more after ten years.",
    "press.txt": "The press holds 40 tons and weighs 900 kilograms.\n\nIts oil is changed twice a year.",
    "pay.txt": "The director earns 174,250 euros a year.",
}
QUESTIONS = ["How many days of leave do employees get a year?", "How heavy is the press?", "oil of the press"]


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    faults.arm("")


@pytest.fixture
def source() -> FakeConnector:
    return FakeConnector(items=dict(PAGES), readers={"pay.txt": frozenset({"board"})})


@pytest.fixture
def exported(tmp_path: Path, source: FakeConnector) -> Path:
    folder = tmp_path / "export"
    with kbm_over(tmp_path / "a", source) as kbm:
        first(kbm)
        kbm.export_release.run("helper", "1.0.0", folder, NoProgress())
    return folder


def first(kbm: Kbm) -> None:
    kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
    kbm.build.run(kbm.gpt_to_build("helper"), NoProgress())
    kbm.publish.run("helper", "1.0.0", who="anna", why="test")


def take_in(kbm: Kbm, folder: Path) -> str:
    return kbm.import_release.run(folder, NoProgress()).digest


def answers(kbm: Kbm) -> list[tuple[str, float, list[str]]]:
    made = [kbm.ask.run("helper", question, Caller(), release="1.0.0") for question in QUESTIONS]
    return [(one.text, one.confidence, [cited.passage.item_id for cited in one.citations]) for one in made]


def everything(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in {".lock", ".db", ".db-wal", ".db-shm"}
    }


def test_both_sides_have_the_same_digest_and_give_the_same_answers(
    tmp_path: Path, source: FakeConnector, exported: Path
) -> None:
    with kbm_over(tmp_path / "a", source) as kbm:
        here = kbm.catalogue.releases.get("helper", "1.0.0").digest, answers(kbm)
    embedder = FakeEmbedder()
    with kbm_over(tmp_path / "b", FakeConnector(), embedder=embedder) as kbm:
        assert take_in(kbm, exported) == here[0]
        assert embedder.n_embedded == 0

        kbm.publish.run("helper", "1.0.0", who="anna", why="imported")

        assert (kbm.catalogue.releases.get("helper", "1.0.0").digest, answers(kbm)) == here
        assert not any(one.problem for one in kbm.rebuild.check("helper"))


def test_readers_come_along(tmp_path: Path, exported: Path) -> None:
    with kbm_over(tmp_path / "b", FakeConnector()) as kbm:
        take_in(kbm, exported)

        def found(*readers: str) -> str:
            caller = Caller(readers=frozenset({"everyone", *readers}))
            hits = kbm.retrieve.run("helper", "director earns euros", caller, release="1.0.0")
            return " ".join(passage.text for passage in hits.passages)

        assert "174,250" not in found()
        assert "174,250" in found("board")


def test_an_import_gives_nobody_more_than_the_source_gives_by_default_here(
    tmp_path: Path, exported: Path
) -> None:
    with kbm_over(tmp_path / "b", FakeConnector(), readers={"docs": ["group:hr"]}) as kbm:
        take_in(kbm, exported)
        kbm.publish.run("helper", "1.0.0", who="anna", why="imported")

        def found(*readers: str) -> list[str]:
            hits = kbm.retrieve.run("helper", QUESTIONS[0], Caller(readers=frozenset({"everyone", *readers})))
            return [passage.item_id for passage in hits.passages]

        assert found() == []
        assert "leave.txt" in found("group:hr")
        assert "pay.txt" not in found(
            "group:hr", "board"
        )  # who may read by both: nobody, until a sync says more


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"threshold": "x"}, "threshold"),
        ({"threshold": 0.9, "uncertain_below": 0.1}, "threshold"),
        ({"languages": "de"}, "languages"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_an_answer_spec_of_other_types_is_refused_by_its_field(
    tmp_path: Path, exported: Path, change: dict[str, Any], told: str
) -> None:
    spec = json.loads((exported / "manifest.json").read_text())["answer_spec"]
    _resealed(exported, answer_spec=spec | change)

    with kbm_over(tmp_path / "b", FakeConnector()) as kbm, pytest.raises(ArchiveRefused, match=told):
        take_in(kbm, exported)


@pytest.mark.parametrize("title", ["\ud800", 5])
def test_a_title_that_no_database_holds_is_refused(tmp_path: Path, exported: Path, title: object) -> None:
    _lines(exported, "documents.jsonl", lambda line: line.update(title=title))

    with kbm_over(tmp_path / "b", FakeConnector()) as kbm, pytest.raises(ArchiveRefused):
        take_in(kbm, exported)


def test_the_next_sync_brings_imported_documents_up_to_date_and_embeds_nothing_twice(
    tmp_path: Path, source: FakeConnector, exported: Path
) -> None:
    embedder = FakeEmbedder()
    with kbm_over(tmp_path / "b", source, embedder=embedder) as kbm:
        take_in(kbm, exported)
        kbm.publish.run("helper", "1.0.0", who="anna", why="imported")

        result = kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())

        assert (result.plan.added, len(result.plan.changed)) == ((), 3)
        assert not kbm.build.run(kbm.gpt_to_build("helper"), NoProgress()).built
        assert embedder.n_embedded == 0


def test_a_withdrawn_document_is_exported_for_nobody(tmp_path: Path, source: FakeConnector) -> None:
    with kbm_over(tmp_path / "a", source) as kbm:
        first(kbm)
        kbm.catalogue.documents.remove("docs", ["leave.txt"])
        kbm.export_release.run("helper", "1.0.0", tmp_path / "export", NoProgress())
    with kbm_over(tmp_path / "b", FakeConnector()) as kbm:
        take_in(kbm, tmp_path / "export")

        hits = kbm.retrieve.run("helper", "days of leave", Caller(), release="1.0.0")

        assert not any("leave" in passage.text for passage in hits.passages)


def test_taking_it_in_again_changes_nothing(tmp_path: Path, exported: Path) -> None:
    with kbm_over(tmp_path / "b", FakeConnector()) as kbm:
        first_time = take_in(kbm, exported)
        epoch = kbm.catalogue.documents.epoch()

        assert take_in(kbm, exported) == first_time
        assert len(kbm.catalogue.releases.all("helper")) == 1
        assert kbm.catalogue.documents.epoch() == epoch


def test_a_number_that_means_another_content_here_is_refused(tmp_path: Path, exported: Path) -> None:
    with kbm_over(tmp_path / "b", FakeConnector(items={"other.txt": "Another text."})) as kbm:
        first(kbm)
        digest = kbm.catalogue.releases.get("helper", "1.0.0").digest

        with pytest.raises(UsageError, match="a number means one only"):
            take_in(kbm, exported)

        assert kbm.catalogue.releases.get("helper", "1.0.0").digest == digest
        assert len(kbm.catalogue.documents.current_versions(["docs"])) == 1


def test_a_gpt_or_source_that_is_not_configured_is_named(tmp_path: Path, exported: Path) -> None:
    with (
        kbm_over(tmp_path / "b", FakeConnector(), gpts={"other": ["docs"]}) as kbm,
        pytest.raises(UsageError, match="no GPT 'helper'"),
    ):
        take_in(kbm, exported)
    with (
        kbm_over(tmp_path / "c", {"wiki": FakeConnector()}) as kbm,
        pytest.raises(UsageError, match="no source docs"),
    ):
        take_in(kbm, exported)


def test_what_was_erased_here_does_not_come_in_with_a_release(
    tmp_path: Path, source: FakeConnector, exported: Path
) -> None:
    with kbm_over(tmp_path / "a", source) as kbm:
        kbm.erase.run("docs:pay.txt", who="dpo", reason="request 12", progress=NoProgress())

        with pytest.raises(ArchiveRefused, match="erased here"):
            take_in(kbm, exported)


def test_a_folder_that_is_not_empty_is_not_written_over(tmp_path: Path, source: FakeConnector) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "mine.txt").write_text("mine")
    with kbm_over(tmp_path / "a", source) as kbm:
        first(kbm)

        with pytest.raises(UsageError, match="not empty"):
            kbm.export_release.run("helper", "1.0.0", tmp_path / "export", NoProgress())

    assert [path.name for path in (tmp_path / "export").iterdir()] == ["mine.txt"]


# -- crafted folders -----------------------------------------------------------------------------------------


def _resealed(folder: Path, **changes: Any) -> None:
    """Change the manifest and let its checksums fit: an attacker would do so, too."""
    body = json.loads((folder / "manifest.json").read_bytes()) | changes
    for name in body["files"]:
        data = (folder / Path(name).name).read_bytes()
        body["files"][name] = [len(data), hashlib.blake2b(data, digest_size=32).hexdigest()]
    (folder / "manifest.json").write_text(json.dumps(body))


def _lines(folder: Path, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    lines = [json.loads(line) for line in (folder / name).read_text().splitlines()]
    for line in lines:
        change(line)
    (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    _resealed(folder)


def _vectors(folder: Path, change: Callable[[np.ndarray[Any, Any]], Any]) -> None:
    vectors = change(np.load(folder / "vectors.npy").copy())
    np.save(folder / "vectors.npy", vectors, allow_pickle=True)
    _resealed(folder)


def _nan(vectors: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    vectors[0, 0] = np.nan
    return vectors


def _link(folder: Path) -> None:
    shutil.move(folder / "vectors.npy", folder.parent / "elsewhere.npy")
    (folder / "vectors.npy").symlink_to(folder.parent / "elsewhere.npy")


CRAFTED: dict[str, Callable[[Path], object]] = {
    "another byte": lambda folder: (folder / "chunks.jsonl").write_text("{}"),
    "another digest": lambda folder: _resealed(folder, digest="0" * 64),
    "another index digest": lambda folder: _resealed(folder, index_digest="0" * 64),
    "wrong counts": lambda folder: _resealed(folder, n_chunks=17),
    "a file too many": lambda folder: (folder / "more.txt").write_text("x"),
    "a file too few": lambda folder: (folder / "vectors.npy").unlink(),
    "a name that leads away": lambda folder: _resealed(folder, files={"../documents.jsonl": [0, ""]}),
    "a link": _link,
    "a number that is none": lambda folder: _resealed(folder, version="../../1"),
    "no JSON": lambda folder: (folder / "manifest.json").write_text("{"),
    "deep JSON": lambda folder: (folder / "manifest.json").write_text("[" * 100_000),
    "another format": lambda folder: _resealed(folder, format=2),
    "NaN": lambda folder: _vectors(folder, _nan),
    "other vectors": lambda folder: _vectors(folder, lambda vectors: np.roll(vectors, 1, axis=0)),
    "double precision": lambda folder: _vectors(folder, lambda vectors: vectors.astype(np.float64)),
    "another shape": lambda folder: _vectors(folder, lambda vectors: vectors[:-1]),
    "pickled objects": lambda folder: _vectors(folder, lambda _: np.array([print], dtype=object)),
    "a changed passage": lambda folder: _lines(
        folder, "chunks.jsonl", lambda line: line.update(text=line["text"].replace("30", "99"))
    ),
    "a changed span": lambda folder: _lines(folder, "chunks.jsonl", lambda line: line.update(start=1)),
    "a changed id": lambda folder: _lines(folder, "chunks.jsonl", lambda line: line.update(id="0" * 32)),
    "a changed document": lambda folder: _lines(
        folder, "documents.jsonl", lambda line: line["parsed"]["elements"][0].__setitem__(1, "other")
    ),
    "another item": lambda folder: _lines(
        folder, "documents.jsonl", lambda line: line.update(item_id="../" + line["item_id"])
    ),
    "a kind that is none": lambda folder: _lines(
        folder, "documents.jsonl", lambda line: line["parsed"]["elements"][0].__setitem__(0, "script")
    ),
    "a field missing": lambda folder: _lines(folder, "documents.jsonl", lambda line: line.pop("readers")),
}


@pytest.mark.parametrize("what", CRAFTED)
def test_a_crafted_folder_is_refused_and_nothing_is_changed(
    tmp_path: Path, exported: Path, what: str
) -> None:
    CRAFTED[what](exported)
    with kbm_over(tmp_path / "b", FakeConnector()) as kbm:
        kbm.catalogue.releases.all("helper")
        before = everything(tmp_path / "b")

        with pytest.raises(ArchiveRefused):
            take_in(kbm, exported)

        assert everything(tmp_path / "b") == before
        assert kbm.catalogue.releases.all("helper") == []
        assert kbm.catalogue.documents.current_versions(["docs"]) == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_export_that_died_leaves_no_half_folder(tmp_path: Path, source: FakeConnector, when: str) -> None:
    folder = tmp_path / "export"
    with kbm_over(tmp_path / "a", source) as kbm:
        first(kbm)
        faults.arm(f"export.write:{when}:ENOSPC")
        with pytest.raises(OSError, match=r"export\.write"):
            kbm.export_release.run("helper", "1.0.0", folder, NoProgress())
        faults.arm("")
        assert folder.exists() == (when == "after")
        if when == "before":
            kbm.export_release.run("helper", "1.0.0", folder, NoProgress())
    with kbm_over(tmp_path / "b", FakeConnector()) as kbm:
        assert take_in(kbm, folder)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", ["import.store", "import.show"])
def test_an_import_that_died_is_finished_by_the_next(
    tmp_path: Path, source: FakeConnector, exported: Path, point: str, when: str
) -> None:
    with kbm_over(tmp_path / "a", source) as kbm:
        here = answers(kbm)
    with kbm_over(tmp_path / "b", FakeConnector()) as kbm:
        faults.arm(f"{point}:{when}:EIO")
        with pytest.raises(OSError, match=point):
            take_in(kbm, exported)
        faults.arm("")
        assert kbm.catalogue.documents.current_versions(["docs"]) == [] or (point, when) == (
            "import.show",
            "after",
        )

        take_in(kbm, exported)

        assert answers(kbm) == here


def test_errors_of_a_missing_folder_are_told(tmp_path: Path) -> None:
    with kbm_over(tmp_path / "b", FakeConnector()) as kbm, pytest.raises(KbmError, match="no whole export"):
        take_in(kbm, tmp_path / "nothing")
