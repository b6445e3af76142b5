"""Metadata files of a DMS export: what they say goes with the document, and a broken one never opens it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from kbm_connectors.files import FilesConnector

from kbm.domain.sync import Event, Failed, Ref
from kbm.errors import ConfigError

XML = """<?xml version="1.0" encoding="utf-8"?>
<doc:record xmlns:doc="urn:dms"><doc:Title>Rahmenvertrag Öfen</doc:Title>
<field name="Author">Anna Keller</field><modified>24.11.2026 08:15</modified>
<readers><reader>Personal</reader><reader>user:bert</reader></readers></doc:record>"""
MAP = {"Personal": "group:hr", "Alle": "everyone"}


def scan(root: Path, file: str = "{name}.xml", **more: object) -> dict[str, Event]:
    settings = {"url": "dms", "include": ["**/*.pdf"], "metadata": {"file": file, "readers_map": MAP, **more}}
    events = FilesConnector("dms", settings, root).scan(None)
    return {str(event.id): event for event in events if isinstance(event, (Ref, Failed))}


def write(root: Path, name: str, text: str) -> None:
    path = root / "dms" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_the_side_file_says_title_author_date_and_readers(tmp_path: Path) -> None:
    write(tmp_path, "a/contract.pdf", "x")
    write(tmp_path, "a/contract.pdf.xml", XML)
    found = scan(tmp_path, readers="reader")
    ref = found["a/contract.pdf"]

    assert found.keys() == {"a/contract.pdf"}
    assert isinstance(ref, Ref)
    assert (ref.title, ref.author) == ("Rahmenvertrag Öfen", "Anna Keller")
    assert ref.modified == datetime(2026, 11, 24, 8, 15).astimezone()
    assert ref.readers == frozenset({"group:hr", "user:bert"})


def test_json_beside_the_stem_is_read_too(tmp_path: Path) -> None:
    write(tmp_path, "contract.pdf", "x")
    write(
        tmp_path,
        "contract.json",
        '{"meta": {"Title": "T", "modified": "2026-11-24T08:15:00Z", "readers": ["Alle"]}}',
    )
    ref = scan(tmp_path, "{stem}.json")["contract.pdf"]

    assert isinstance(ref, Ref)
    assert (ref.title, ref.modified) == ("T", datetime(2026, 11, 24, 8, 15, tzinfo=UTC))
    assert ref.readers == frozenset({"everyone"})


def test_readers_that_nobody_mapped_let_nobody_in(tmp_path: Path) -> None:
    write(tmp_path, "contract.pdf", "x")
    write(tmp_path, "contract.pdf.xml", "<r><readers>Vorstand; Betriebsrat</readers></r>")
    ref = scan(tmp_path)["contract.pdf"]

    assert isinstance(ref, Ref)
    assert ref.readers == frozenset()


def test_without_a_side_file_the_source_cannot_tell(tmp_path: Path) -> None:
    write(tmp_path, "contract.pdf", "x")
    ref = scan(tmp_path)["contract.pdf"]

    assert isinstance(ref, Ref)
    assert ref.readers is None


@pytest.mark.parametrize(
    "text",
    [
        "<record><title>cut",
        "",
        "<r><modified>yesterday</modified></r>",
        "<!DOCTYPE r [<!ENTITY a 'x'>]><r>&a;",
    ],
)
def test_a_side_file_that_cannot_be_understood_keeps_the_document_as_it_was(
    tmp_path: Path, text: str
) -> None:
    write(tmp_path, "contract.pdf", "x")
    write(tmp_path, "contract.pdf.xml", text)
    failed = scan(tmp_path)["contract.pdf"]

    assert isinstance(failed, Failed)
    assert "contract.pdf.xml cannot be understood" in failed.why


def test_another_title_is_another_version_and_other_readers_are_not(tmp_path: Path) -> None:
    write(tmp_path, "contract.pdf", "x")
    versions = []
    for title, readers in (("A", "Alle"), ("A", "Personal"), ("B", "Personal")):
        write(tmp_path, "contract.pdf.xml", f"<r><title>{title}</title><readers>{readers}</readers></r>")
        ref = scan(tmp_path)["contract.pdf"]
        assert isinstance(ref, Ref)
        versions.append(ref.version)

    assert versions[0] == versions[1] != versions[2]


def test_the_name_of_the_side_file_alone_is_enough(tmp_path: Path) -> None:
    write(tmp_path, "contract.pdf", "x")
    write(tmp_path, "contract.pdf.xml", "<r><title>T</title></r>")
    connector = FilesConnector("dms", {"url": "dms", "metadata": "{name}.xml"}, tmp_path)

    assert [one.title for one in connector.scan(None) if isinstance(one, Ref)] == ["T"]


@pytest.mark.parametrize("file", ["side.xml", "{name}.txt", "../{name}.xml", "{name}{stem}.xml"])
def test_a_pattern_that_names_no_side_file_is_refused(tmp_path: Path, file: str) -> None:
    with pytest.raises(ConfigError, match="metadata"):
        FilesConnector("dms", {"url": "dms", "metadata": {"file": file}}, tmp_path)
