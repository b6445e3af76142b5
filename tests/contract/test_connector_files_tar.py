"""The connector ``files`` over a tar archive keeps the promises of every connector, and refuses hostile archives."""

from __future__ import annotations

import io
import lzma
import os
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kbm_connectors.files import FilesConnector
from kbm_connectors.files_tar import ENDINGS

from kbm.domain.sync import Event, Failed, Mark, Ref
from kbm.testing.contracts.connector import ConnectorContract

MODES = {
    "gz": "w:gz",
    "tgz": "w:gz",
    "xz": "w:xz",
    "txz": "w:xz",
    "bz2": "w:bz2",
    "tbz2": "w:bz2",
    "tar": "w",
}


def tarred(items: Mapping[str, str], mode: str = "w") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as archive:  # type: ignore[call-overload]  # the mode is a variable
        for id, text in items.items():
            info = tarfile.TarInfo(id)
            info.size, info.mtime = len(text.encode()), 1_600_000_000
            archive.addfile(info, io.BytesIO(text.encode()))
    return made.getvalue()


@dataclass
class Archive:
    """An export that is written anew with every change."""

    path: Path
    items: dict[str, str] = field(default_factory=dict)

    def connect(self) -> FilesConnector:
        return FilesConnector("export", {"url": self.path.name}, self.path.parent)

    def make(self, id: str, text: str) -> None:
        self.items[id] = text
        self._write()

    edit = make

    def remove(self, id: str) -> None:
        del self.items[id]
        self._write()

    def break_root(self) -> None:
        data = self.path.read_bytes().rstrip(b"\0")  # what fills up the last record says nothing
        self.path.write_bytes(data[: len(data) // 2])

    def _write(self) -> None:
        self.path.write_bytes(tarred(self.items, MODES[self.path.name.rpartition(".")[2]]))


class TestTar(ConnectorContract):
    ids = ("a.txt", "policies/b.txt", "policies/2026/ü c.txt")

    @pytest.fixture(params=["export.tar", "export.tar.gz", "export.tar.xz"])
    def source(self, request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
        return Archive(tmp_path / request.param)


class TestTarThatVanishes(TestTar):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Archive:
        class Vanishing(Archive):
            def break_root(self) -> None:
                self.path.unlink()

        return Vanishing(tmp_path / "export.tgz")


def scanned(path: Path, **settings: object) -> tuple[FilesConnector, list[Event]]:
    connector = FilesConnector("export", {"url": path.name, **settings}, path.parent)
    return connector, list(connector.scan(None))


def ids(events: list[Event]) -> list[str]:
    return [event.id for event in events if isinstance(event, Ref)]


def told(events: list[Event]) -> list[str]:
    return [event.why for event in events if isinstance(event, Failed)]


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_compression_is_read_whatever_the_name_says(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"export{ending}"
    path.write_bytes(tarred({"a.txt": "A"}, MODES[ending.rpartition(".")[2]]))
    connector, events = scanned(path)

    assert [connector.fetch(event).data for event in events if isinstance(event, Ref)] == [b"A"]
    assert FilesConnector.recognises(str(path), tmp_path) == {"url": str(path)}


@pytest.mark.parametrize("ending", [".tar", ".tar.gz"])
@pytest.mark.parametrize("cut", [1, 511, 1024, 1536, 2048, 10_000])
def test_an_archive_that_is_cut_off_anywhere_vouches_for_nothing(
    tmp_path: Path, ending: str, cut: int
) -> None:
    path = tmp_path / f"export{ending}"
    data = tarred({"a.txt": "A" * 700, "b.txt": "B", "c.txt": os.urandom(8_000).hex()}, "w")
    if ending == ".tar":
        data = data.rstrip(b"\0")
        data += b"\0" * (-len(data) % 512)
        path.write_bytes(data[: len(data) - cut + 1])
    else:
        path.write_bytes(tarred({"c.txt": os.urandom(8_000).hex()}, "w:gz")[:-cut])
    _, events = scanned(path)

    assert [(event.scope, event.retry) for event in events if isinstance(event, Failed)] == [("", True)]
    assert not any(isinstance(event, Ref | Mark) for event in events)


def test_a_download_whose_rest_is_zeros_vouches_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "export.tar"
    data = tarred({"a.txt": "A", "b.txt": "B" * 2_000_000})
    path.write_bytes(data[:1024] + bytes(len(data) - 1024))
    _, events = scanned(path)

    assert not any(isinstance(event, Mark) for event in events)


def test_a_header_that_is_damaged_in_the_middle_vouches_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "export.tar"
    data = bytearray(tarred({"a.txt": "A", "b.txt": "B", "c.txt": "C"}))
    data[1024 + 20] ^= 0xFF
    path.write_bytes(data)
    _, events = scanned(path)

    assert not any(isinstance(event, Ref | Mark) for event in events)


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/passwd", "a/../../b.txt", "./../b.txt"])
def test_a_name_that_leads_out_is_told_and_not_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / "export.tar"
    path.write_bytes(tarred({"a.txt": "A", name: "out"}))
    _, events = scanned(path)

    assert ids(events) == ["a.txt"]
    assert told(events) == ["its name leads out of the archive; not read"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (tarfile.SYMTYPE, "a link in an archive; not followed"),
        (tarfile.LNKTYPE, "a link in an archive; not followed"),
        (tarfile.FIFOTYPE, "no file; not read"),
        (tarfile.CHRTYPE, "no file; not read"),
    ],
)
def test_what_is_no_file_is_told_and_not_read(tmp_path: Path, kind: bytes, says: str) -> None:
    path = tmp_path / "export.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("b.txt")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    _, events = scanned(path)

    assert ids(events) == []
    assert told(events) == [says]


def test_a_link_that_was_appended_takes_the_place_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "export.tar"
    path.write_bytes(tarred({"a.txt": "A"}))
    with tarfile.open(path, "a") as archive:
        info = tarfile.TarInfo("a.txt")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    _, events = scanned(path)

    assert ids(events) == []


def test_what_was_appended_later_counts(tmp_path: Path) -> None:
    path = tmp_path / "export.tar"
    (tmp_path / "a.txt").write_text("old")
    subprocess.run(["/bin/tar", "-cf", path, "-C", tmp_path, "./a.txt"], check=True)
    (tmp_path / "a.txt").write_text("new")
    subprocess.run(["/bin/tar", "-rf", path, "-C", tmp_path, "./a.txt"], check=True)
    connector, events = scanned(path)

    assert ids(events) == ["a.txt"]
    assert connector.fetch(Ref(id="a.txt", version="1")).data == b"new"


def test_an_archive_of_nothing_but_air_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "export.tar.xz"
    with lzma.open(path, "wb") as packed:
        for _ in range(30):
            packed.write(bytes(1_000_000))
    _, events = scanned(path)

    assert [event.retry for event in events if isinstance(event, Failed)] == [False]
    assert "unpacks to more than" in told(events)[0]


def test_a_header_that_asks_for_all_memory_is_no_header(tmp_path: Path) -> None:
    path = tmp_path / "export.tar"
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, 50_000_000_000
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(20_000))
    _, events = scanned(path)

    assert told(events) == ["export.tar is no whole tar archive: still being written, or damaged"]


def test_headers_upon_headers_are_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "export.tar"
    info = tarfile.TarInfo("././@PaxHeader")
    info.type = tarfile.XHDTYPE
    path.write_bytes(info.tobuf(tarfile.USTAR_FORMAT) * 5_000 + tarred({"a.txt": "A"}))
    _, events = scanned(path)

    assert not any(isinstance(event, Ref | Mark) for event in events)


@pytest.mark.parametrize(
    ("settings", "name"),
    [({}, "Pr\\x81fung.txt"), ({"metadata_encoding": "cp850"}, "Prüfung.txt")],
)
def test_names_in_an_old_code_page_come_out_as_they_were_written(
    tmp_path: Path, settings: dict[str, str], name: str
) -> None:
    path = tmp_path / "export.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, encoding="cp850") as archive:
        archive.addfile(tarfile.TarInfo("Prüfung.txt"))
    _, events = scanned(path, **settings)

    assert ids(events) == [name]


def test_an_archive_packed_anew_changes_nothing_and_an_edit_of_the_same_size_does(tmp_path: Path) -> None:
    path = tmp_path / "export.tar.gz"

    def versions(items: dict[str, str]) -> dict[str, str]:
        path.write_bytes(tarred(items, "w:gz"))
        return {event.id: event.version for event in scanned(path)[1] if isinstance(event, Ref)}

    before = versions({"a.txt": "A", "b.txt": "B"})

    assert versions({"b.txt": "B", "a.txt": "A"}) == before
    assert versions({"a.txt": "X", "b.txt": "B"})["a.txt"] != before["a.txt"]


def test_a_file_keeps_its_time(tmp_path: Path) -> None:
    path = tmp_path / "export.tar"
    path.write_bytes(tarred({"a.txt": "A"}))
    [ref] = [event for event in scanned(path)[1] if isinstance(event, Ref)]

    assert ref.modified == datetime.fromtimestamp(1_600_000_000, UTC)


def test_an_archive_that_is_replaced_while_it_is_listed_vouches_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "export.tar"
    path.write_bytes(tarred({"a.txt": "A", "b.txt": "B"}))
    events = FilesConnector("export", {"url": path.name}, tmp_path).scan(None)
    next(events)
    path.write_bytes(tarred({"a.txt": "A"}))

    assert not any(isinstance(event, Mark) for event in events)
