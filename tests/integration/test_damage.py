"""Damaged files of an index or of the vectors are found, and written anew from the catalogue to the same digest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from kbm.bootstrap import Kbm
from kbm.entrypoints.api.app import create_app
from kbm.indexes import Indexes
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, FakeEmbedder, NoProgress


def _release(kbm: Kbm) -> None:
    kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
    made = kbm.build.run(kbm.gpt_to_build("helper"), NoProgress()).release
    kbm.catalogue.releases.publish("helper", str(made.version), who="anna", why="test")


def _damage(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how in ("deleted", "a folder"):
        path.unlink()
    if how == "a folder":
        path.mkdir()
        (path / "notes.txt").write_text("left here by mistake")
    if how == "cut short":
        path.write_bytes(data[: len(data) * 2 // 3])
    if how == "flipped":
        data[len(data) // 2] ^= 0x10
        path.write_bytes(data)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a company with two releases, to be copied."""
    folder = tmp_path_factory.mktemp("sealed")
    source = FakeConnector(items={"a.txt": "The press holds 40 tons."})
    with kbm_over(folder, source) as kbm:
        _release(kbm)
        source.items["b.txt"] = "The saw cuts 90 millimetres."
        _release(kbm)
    return folder


@pytest.mark.parametrize("how", ["deleted", "cut short", "flipped", "a folder"])
@pytest.mark.parametrize("name", ["*.kseg", "rel-2.roar", "rel-2.json"])
def test_a_damaged_index_file_is_found_and_rebuilt_to_the_same_digest(
    tmp_path: Path, sealed: Path, name: str, how: str
) -> None:
    shutil.copytree(sealed, tmp_path / "copy")
    _damage(max((tmp_path / "copy" / ".kbm" / "index").rglob(name)), how)
    embedder = FakeEmbedder()
    with kbm_over(
        tmp_path / "copy",
        FakeConnector(),
        embedder=embedder,
        indexes=Indexes(tmp_path / "copy" / ".kbm" / "index"),
    ) as kbm:
        digests = [one.index_digest for one in kbm.catalogue.releases.all("helper")]
        findings = kbm.rebuild.check("helper")
        kbm.rebuild.fix("helper", findings, NoProgress())

        assert [bool(one.problem) for one in findings] == [True, False]
        assert not any(one.problem for one in kbm.rebuild.check("helper"))
        assert [one.index_digest for one in kbm.catalogue.releases.all("helper")] == digests
        assert embedder.n_embedded == 0


@pytest.mark.parametrize(("name", "how"), [("rel-2.json", "a folder"), ("*.kseg", "cut short")])
def test_a_caller_is_told_of_damage_without_paths_or_bytes_of_the_house(
    tmp_path: Path, sealed: Path, name: str, how: str
) -> None:
    shutil.copytree(sealed, tmp_path / "copy")
    _damage(max((tmp_path / "copy" / ".kbm" / "index").rglob(name)), how)
    with kbm_over(tmp_path / "copy", FakeConnector()) as kbm, TestClient(create_app(kbm)) as client:
        said = client.post("/v1/gpts/helper/ask", json={"question": "How much does the press hold?"})

    assert (said.status_code, said.json()["code"]) == (503, "index_damaged")
    assert said.json()["detail"] == (
        "the index of the release that should answer is damaged, so it is not read any further"
    )
    assert str(tmp_path) not in said.text


def test_damaged_vectors_are_found_and_releases_come_to_the_same_digest_without_them(tmp_path: Path) -> None:
    source = FakeConnector(items={"a.txt": "The press holds 40 tons."})
    with kbm_over(tmp_path, source) as kbm:
        _release(kbm)
    for path in (tmp_path / ".kbm" / "chroma").glob("chroma.sqlite3*"):
        path.unlink()
    _damage(next((tmp_path / ".kbm" / "index").rglob("*.kseg")), "flipped")
    with kbm_over(tmp_path, source) as kbm:
        assert kbm.rebuild.check_vectors() == "1 of 1 vectors are not those that were stored"
        kbm.rebuild.fix_vectors()
        kbm.rebuild.fix("helper", kbm.rebuild.check("helper"), NoProgress())

        assert not any(one.problem for one in kbm.rebuild.check("helper"))
    with kbm_over(tmp_path, source) as kbm:
        assert kbm.rebuild.check_vectors() == ""
