"""The connector ``files`` over a zip archive keeps the promises of every connector, and refuses hostile archives."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from kbm_connectors.files import FilesConnector
from kbm_connectors.files_zip import MAX_DEPTH, RATIO_FROM

from kbm.domain.sync import Event, Failed, Mark, Ref
from kbm.errors import ConnectorRefused
from kbm.testing.contracts.connector import ConnectorContract


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
        self.path.write_bytes(self.path.read_bytes()[:-30])

    def _write(self) -> None:
        with zipfile.ZipFile(self.path, "w", zipfile.ZIP_DEFLATED) as archive:
            for id, text in self.items.items():
                archive.writestr(id, text)


class TestZip(ConnectorContract):
    ids = ("a.txt", "policies/b.txt", "policies/2026/ü c.txt")

    @pytest.fixture
    def source(self, tmp_path: Path) -> Archive:
        return Archive(tmp_path / "export.zip")


class TestZipThatVanishes(TestZip):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Archive:
        class Vanishing(Archive):
            def break_root(self) -> None:
                self.path.unlink()

        return Vanishing(tmp_path / "export.zip")


class TestZipInAZip(TestZip):
    ids = ("inner.zip/a.txt", "inner.zip/policies/b.txt", "inner.zip/c.txt")

    @pytest.fixture
    def source(self, tmp_path: Path) -> Archive:
        class Nested(Archive):
            def _write(self) -> None:
                with zipfile.ZipFile(self.path, "w") as archive:
                    archive.writestr("inner.zip", packed({id[10:]: text for id, text in self.items.items()}))

        return Nested(tmp_path / "export.zip")


def packed(items: Mapping[str, str | bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for id, text in items.items():
            archive.writestr(id, text)
    return made.getvalue()


def scanned(path: Path, **settings: object) -> tuple[FilesConnector, list[Event]]:
    connector = FilesConnector("export", {"url": path.name, **settings}, path.parent)
    return connector, list(connector.scan(None))


def ids(events: list[Event]) -> list[str]:
    return [event.id for event in events if isinstance(event, Ref)]


@pytest.mark.parametrize(
    "name", ["../outside.txt", "/etc/passwd", "a/../../b.txt", "C:/windows.txt", "..\\outside.txt"]
)
def test_a_name_that_leads_out_is_told_and_not_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / "export.zip"
    path.write_bytes(packed({"a.txt": "A", name: "out"}))

    _, events = scanned(path)

    assert ids(events) == ["a.txt"]
    assert [event.why for event in events if isinstance(event, Failed)] == [
        "its name leads out of the archive; not read"
    ]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("spelled", "settings"), [("utf-8", {}), ("cp437", {}), ("cp1252", {"metadata_encoding": "cp1252"})]
)
def test_names_without_the_flag_come_out_as_they_were_written(
    tmp_path: Path, spelled: str, settings: dict[str, str]
) -> None:
    name = "Prüfung für Öfen.txt"
    stand_in = "x" * len(name.encode(spelled))
    path = tmp_path / "export.zip"
    path.write_bytes(packed({stand_in: "text"}).replace(stand_in.encode(), name.encode(spelled)))

    connector, events = scanned(path, **settings)

    assert ids(events) == [name]
    assert connector.fetch(Ref(id=name, version="1")).data == b"text"


def test_a_bomb_is_listed_and_refused(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    path.write_bytes(packed({"bomb.txt": b"0" * (RATIO_FROM + 1), "a.txt": "A"}))

    connector, events = scanned(path)

    assert ids(events) == ["bomb.txt", "a.txt"]
    with pytest.raises(ConnectorRefused, match="200 times"):
        connector.fetch(Ref(id="bomb.txt", version="1"))


def test_archives_are_opened_to_a_depth_and_what_lies_deeper_is_told(tmp_path: Path) -> None:
    inner = packed({"deep.txt": "deep"})
    for _ in range(MAX_DEPTH):
        inner = packed({"in.zip": inner, "a.txt": "A"})
    path = tmp_path / "export.zip"
    path.write_bytes(packed({"in.zip": inner}))

    _, events = scanned(path)
    failed = [event.scope for event in events if isinstance(event, Failed)]

    assert sorted(ids(events)) == ["in.zip/a.txt", "in.zip/in.zip/a.txt"]
    assert failed == ["/".join(["in.zip"] * (MAX_DEPTH + 1))]


def test_a_damaged_archive_inside_keeps_what_was_in_it(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    path.write_bytes(packed({"in.zip": packed({"a.txt": "A"})[:-10], "b.txt": "B"}))

    _, events = scanned(path)

    assert ids(events) == ["b.txt"]
    assert [event.scope for event in events if isinstance(event, Failed)] == ["in.zip"]


def test_an_encrypted_member_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    data = bytearray(packed({"a.txt": "A"}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)

    connector, events = scanned(path)

    assert ids(events) == ["a.txt"]
    with pytest.raises(ConnectorRefused, match="encrypted"):
        connector.fetch(Ref(id="a.txt", version="1"))


def test_an_archive_that_is_replaced_while_it_is_listed_vouches_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    path.write_bytes(packed({"a.txt": "A", "b.txt": "B"}))
    connector = FilesConnector("export", {"url": path.name}, tmp_path)
    events = connector.scan(None)
    next(events)
    path.write_bytes(packed({"a.txt": "A"}))

    assert not any(isinstance(event, Mark) for event in events)


def test_an_archive_packed_anew_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    path.write_bytes(packed({"a.txt": "A", "b.txt": "B"}))
    _, before = scanned(path)
    path.write_bytes(packed({"b.txt": "B", "a.txt": "A"}))
    _, after = scanned(path)

    assert versions(before) == versions(after)


def versions(events: list[Event]) -> dict[str, str]:
    return {event.id: event.version for event in events if isinstance(event, Ref)}


def test_a_wiki_export_has_the_titles_people_know(tmp_path: Path) -> None:
    page = "<html><head><title>IT : VPN : so geht es</title></head><body><p>Text</p></body></html>"
    path = tmp_path / "export.zip"
    path.write_bytes(
        packed(
            {
                "IT/VPN_98304.html": page,
                "IT/index.html": page,
                "IT/styles/site.css": "x",
                "IT/attachments/1/a.pdf": "x",
            }
        )
    )
    _, confluence = scanned(path, export="confluence")
    path.write_bytes(packed({f"Home {'0a' * 16}/Reisekosten {'1b' * 16}.md": "# Reisekosten"}))
    _, notion = scanned(path, export="notion")

    assert [(event.id, event.title) for event in confluence if isinstance(event, Ref)] == [
        ("IT/VPN_98304.html", "VPN : so geht es"),
        ("IT/attachments/1/a.pdf", ""),
    ]
    assert [event.title for event in notion if isinstance(event, Ref)] == ["Reisekosten"]
