"""From an address to a block in kbm.toml, over real files."""

from __future__ import annotations

import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import openpyxl
import pytest

from kbm.bootstrap import Kbm
from kbm.config import load_settings
from kbm.errors import ConfigError, ConnectorRefused, NotFound, UsageError
from kbm.services.connect import personal_data, toml_block
from kbm.testing.builders import ONE_FOLDER_TOML
from kbm.testing.fakes import NoProgress
from tests.unit.connectors.dav_server import serving


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "kbm.toml").write_text(f"# ours\n{ONE_FOLDER_TOML}# the end", encoding="utf-8")
    letters = tmp_path / "Letters 2026"
    (letters / "hr").mkdir(parents=True)
    (letters / "hr" / "a.txt").write_text("Write to anna@keller.example, or call +49 30 1234567.")
    (letters / "b.md").write_text("# Travel\n\nBy train.")
    return tmp_path


@contextmanager
def opened(root: Path) -> Iterator[Kbm]:
    with Kbm(load_settings(root / "kbm.toml")) as kbm:
        yield kbm


def test_a_folder_is_recognised_tried_and_written_and_every_comment_stays(root: Path) -> None:
    before = (root / "kbm.toml").read_text()
    with opened(root) as kbm:
        made = kbm.connect.propose(str(root / "Letters 2026"), readers=["group:office"])
        kbm.connect.write(made)
    with opened(root) as kbm:
        stored = kbm.sync.run(kbm.source_to_sync("letters-2026"), NoProgress()).n_stored

    assert (made.kind, made.n_listed, stored) == ("files", 2, 2)
    assert [(one.item_id, one.title, dict(one.personal_data)) for one in made.samples] == [
        ("b.md", "Travel", {}),
        ("hr/a.txt", "a", {"e-mail": 1, "phone": 1}),
    ]
    assert (root / "kbm.toml").read_text() == f"{before}\n\n{made.block}"
    assert made.block == (
        '[sources.letters-2026]\nkind = "files"\nurl = "./Letters 2026"\nreaders = ["group:office"]\n'
    )


def test_what_is_connected_already_is_told_and_nothing_is_written(root: Path) -> None:
    with opened(root) as kbm:
        kbm.connect.write(kbm.connect.propose(str(root / "Letters 2026")))
    before = (root / "kbm.toml").read_bytes()
    with opened(root) as kbm, pytest.raises(UsageError, match="'letters-2026' reads"):
        kbm.connect.propose(str(root / "Letters 2026"), name="other")
    with opened(root) as kbm, pytest.raises(UsageError, match="has a source 'docs' already"):
        kbm.connect.propose(str(root / "Letters 2026" / "hr"), name="docs")

    assert (root / "kbm.toml").read_bytes() == before


def test_a_block_is_never_written_twice_even_if_it_was_proposed_twice(root: Path) -> None:
    with opened(root) as kbm:
        made = kbm.connect.propose(str(root / "Letters 2026"))
        kbm.connect.write(made)
        before = (root / "kbm.toml").read_bytes()

        with pytest.raises(ConfigError, match="nothing was changed"):
            kbm.connect.write(made)

    assert (root / "kbm.toml").read_bytes() == before


TABLES = {
    "cp1252": ("Artikel;Größe;Preis\n000017;groß;1.234,50\n000018;klein;2,00\n", "cp1252", ";"),
    "cp850": ("Artikel;Größe;Preis\n000017;groß;1.234,50\n000018;mäßig;2,00\n", "cp850", ";"),
    "utf-8": ("Artikel,Größe,Preis\n000017,groß,1.5\n000018,klein,2\n", "utf-8-sig", ","),
    "utf-16": ("Artikel\tGröße\tPreis\n000017\tgroß\t1,5\n000018\tklein\t2\n", "utf-16", "\t"),
}


@pytest.mark.parametrize("written", TABLES)
def test_a_table_gets_a_profile_that_reads_it(root: Path, written: str) -> None:
    text, encoding, delimiter = TABLES[written]
    (root / "preise.csv").write_bytes(text.encode(written))
    with opened(root) as kbm:
        made = kbm.connect.propose(str(root / "preise.csv"))
        kbm.connect.write(made)
    with opened(root) as kbm:
        kbm.sync.run(kbm.source_to_sync("preise"), NoProgress())
        stored = kbm.catalogue.documents.known("preise")

    assert made.settings["profile"] == {
        "encoding": encoding,
        "delimiter": delimiter,
        "columns": ["Artikel", "Größe", "Preis"],
        "key": ["Artikel"],
        "title": "Artikel {Artikel}",
        **({"decimal": ","} if "1.5" not in text else {}),
        "numbers": ["Preis"],
    }
    assert stored.keys() == {"000017", "000018"}


def test_title_lines_and_a_total_are_left_out(root: Path) -> None:
    report = (
        "Preisliste;;\nStand 24.11.2026;;\n\nNr.;Name;Preis\n007;Bolzen;1,00\n008;Mutter;2,00\nSumme;;3,00\n"
    )
    (root / "report.csv").write_text(report, encoding="cp1252")
    with opened(root) as kbm:
        made = kbm.connect.propose(str(root / "report.csv"))

    assert made.settings["profile"]["header_row"] == 4
    assert made.settings["profile"]["stop_at"] == "Summe"
    assert [one.item_id for one in made.samples] == ["007", "008"]


def test_a_workbook_gets_a_profile_too(root: Path) -> None:
    book = openpyxl.Workbook()
    for row in (
        ["Stand", "heute", None],
        ["Kunde", "Ort", "Umsatz"],
        ["Müller", "Ulm", 12],
        ["Maier", "Bonn", 7],
    ):
        book.worksheets[0].append(row)
    book.save(root / "kunden.xlsx")
    with opened(root) as kbm:
        made = kbm.connect.propose(str(root / "kunden.xlsx"))

    assert made.settings["profile"] == {
        "header_row": 2,
        "columns": ["Kunde", "Ort", "Umsatz"],
        "key": ["Kunde"],
        "title": "Kunde {Kunde}",
    }
    assert [one.title for one in made.samples] == ["Kunde Müller", "Kunde Maier"]


def test_views_of_one_database_become_sources_of_their_own(root: Path) -> None:
    with closing(sqlite3.connect(root / "erp.sqlite")) as database, database:
        database.execute("CREATE TABLE customers AS SELECT '007' AS nr, 'Bond' AS name")
        database.execute("CREATE VIEW prices AS SELECT '000123' AS nr, '1,50' AS price")
    with opened(root) as kbm:
        with pytest.raises(ConfigError, match="There is: prices, customers"):
            kbm.connect.propose(str(root / "erp.sqlite"))
        kbm.connect.write(kbm.connect.propose(str(root / "erp.sqlite"), more={"view": "prices"}))
    with opened(root) as kbm:
        with pytest.raises(UsageError, match="'erp' reads"):
            kbm.connect.propose(str(root / "erp.sqlite"), more={"view": "prices"})
        other = kbm.connect.propose(str(root / "erp.sqlite"), more={"view": "customers"})
        kbm.sync.run(kbm.source_to_sync("erp"), NoProgress())
        stored = kbm.catalogue.documents.known("erp")

    assert stored.keys() == {"000123"}
    assert (other.name, other.settings["profile"]["columns"]) == ("erp-2", ["nr", "name"])


def test_an_archive_and_a_repository_are_recognised(root: Path) -> None:
    with zipfile.ZipFile(root / "export.zip", "w") as archive:
        archive.writestr("a.txt", "A page.")
    (root / "Letters 2026" / ".git").mkdir()
    with opened(root) as kbm:
        made = kbm.connect.propose(str(root / "export.zip"))
        with pytest.raises(ConnectorRefused, match="git"):
            kbm.connect.propose(str(root / "Letters 2026"))

    assert (made.kind, made.settings, made.n_listed) == ("files", {"url": "./export.zip"}, 1)


def test_what_nothing_recognises_is_told_with_what_there_is(root: Path) -> None:
    (root / "picture.bmp").write_bytes(b"BM")
    with opened(root) as kbm:
        with pytest.raises(UsageError, match="there is nothing at"):
            kbm.connect.propose(str(root / "nowhere"))
        with pytest.raises(UsageError, match="no connector recognises"):
            kbm.connect.propose(str(root / "picture.bmp"))
        with pytest.raises(UsageError, match="no connector recognises") as unknown:
            kbm.connect.propose("https://bob:hunter2@wiki.example/x")
        with pytest.raises(NotFound, match="no connector named 'sharepont'"):
            kbm.connect.propose("https://wiki.example", kind="sharepont")
        with pytest.raises(ConnectorRefused, match="matches include"):
            kbm.connect.propose(str(root / "docs" / ".."), kind="files", more={"include": ["*.nothing"]})

    assert "hunter2" not in str(unknown.value) + unknown.value.hint


def test_a_file_with_windows_line_ends_and_a_mark_keeps_both(root: Path) -> None:
    path = root / "kbm.toml"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    before = path.read_bytes()
    with opened(root) as kbm:
        kbm.connect.write(kbm.connect.propose(str(root / "Letters 2026")))

    assert path.read_bytes().startswith(before)
    assert b"\n" not in path.read_bytes().replace(b"\r\n", b"")
    assert "letters-2026" in load_settings(path).sources


def test_names_and_texts_come_through_toml(root: Path) -> None:
    hostile = 'a"b\\c\x7f\n# [x]'
    block = toml_block(
        "s", {"kind": "rows", "url": hostile, "profile": {"key": [hostile], "x y": {"z": True}}}, []
    )
    path = root / "kbm.toml"
    path.write_text(f"{ONE_FOLDER_TOML}\n{block}", encoding="utf-8")
    source = load_settings(path).sources["s"]

    assert source.settings["url"] == hostile
    assert source.settings["profile"] == {"key": [hostile], "x y": {"z": True}}


def test_what_looks_like_a_placeholder_already_is_no_personal_data() -> None:
    assert personal_data("[e-mail] and [phone], but bob@test.example") == {"e-mail": 1}


def test_a_webdav_folder_is_recognised_by_its_address(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAV_PASSWORD", "correct-horse")
    keys = {"user": "kbm", "password": "env:DAV_PASSWORD", "allow_private": True}
    with serving() as server, opened(root) as kbm:
        server.files["hr/leave.txt"] = "30 days."
        made = kbm.connect.propose(f"http://127.0.0.1:{server.port}/dav", more=keys)
        kbm.connect.write(made)
    written = (root / "kbm.toml").read_text()

    assert made.kind == "files"
    assert [one.item_id for one in made.samples] == ["hr/leave.txt"]
    assert f'url = "webdav+http://127.0.0.1:{server.port}/dav"' in written
    assert "correct-horse" not in written
