"""Backups that are damaged, or made to do harm: refused, and nothing is changed."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kbm.errors import ArchiveRefused
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, NoProgress
from tests.integration.backed_up_company import PAGES, first, restore


@pytest.fixture
def source() -> FakeConnector:
    return FakeConnector(items=dict(PAGES))


def _repacked(file: Path, change: Callable[[str, bytes], list[tarfile.TarInfo | tuple[str, bytes]]]) -> Path:
    made = file.with_name("crafted.tar.gz")
    with tarfile.open(file) as old, tarfile.open(made, "w:gz") as new:
        for member in old:
            data = old.extractfile(member)
            assert data is not None
            for one in change(member.name, data.read()):
                if isinstance(one, tarfile.TarInfo):
                    new.addfile(one)
                else:
                    info = tarfile.TarInfo(one[0])
                    info.size = len(one[1])
                    new.addfile(info, io.BytesIO(one[1]))
    return made


def _link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


CRAFTED: dict[str, Callable[[str, bytes], list[tarfile.TarInfo | tuple[str, bytes]]]] = {
    "a path upwards": lambda name, data: [("../evil", b"x"), (name, data)],
    "an absolute path": lambda name, data: [("/tmp/evil", b"x"), (name, data)],  # noqa: S108
    "a path through a folder": lambda name, data: [("reports/../../evil", b"x"), (name, data)],
    "a link": lambda name, data: [_link("reports/a", "/etc/passwd", tarfile.SYMTYPE), (name, data)],
    "a hard link": lambda name, data: [_link("reports/a", "catalogue.db", tarfile.LNKTYPE), (name, data)],
    "a device": lambda name, data: [_link("reports/a", "", tarfile.CHRTYPE), (name, data)],
    "a name twice": lambda name, data: [(name, data)] * (2 if name == "secret.key" else 1),
    "another byte": lambda name, data: [(name, b"X" + data[1:] if name.startswith("raw/") else data)],
    "a file less": lambda name, data: [] if name.startswith("raw/") else [(name, data)],
    "a file more": lambda name, data: (
        [("reports/more.md", b"x"), (name, data)] if "json" in name else [(name, data)]
    ),
    "no list": lambda name, data: [] if name == "manifest.json" else [(name, data)],
    "a list that is none": lambda name, data: [(name, b"[]" if name == "manifest.json" else data)],
}


@pytest.mark.parametrize("what", CRAFTED)
def test_a_crafted_backup_is_refused_and_nothing_is_changed(
    tmp_path: Path, source: FakeConnector, what: str
) -> None:
    file = tmp_path / "kbm.tar.gz"
    with kbm_over(tmp_path / "a", source) as kbm:
        first(kbm)
        kbm.backup.run(file, NoProgress(), who="anna")
    crafted = _repacked(file, CRAFTED[what])
    (tmp_path / "b").mkdir()
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(ArchiveRefused):
        restore(tmp_path / "b", crafted)

    assert sorted(tmp_path.rglob("*")) == before


def test_a_backup_cut_short_or_of_another_kind_is_refused(tmp_path: Path, source: FakeConnector) -> None:
    file = tmp_path / "kbm.tar.gz"
    with kbm_over(tmp_path / "a", source) as kbm:
        first(kbm)
        kbm.backup.run(file, NoProgress(), who="anna")
    data = file.read_bytes()
    for content in (
        data[: len(data) // 2],
        data[: len(data) * 9 // 10],
        b"",
        b"no archive at all",
        gzip.compress(b"text"),
    ):
        file.write_bytes(content)

        with pytest.raises(ArchiveRefused):
            restore(tmp_path / "b", file)
