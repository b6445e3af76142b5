"""The connector ``rows``: what a document is, and what its profile may be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any  # cells and settings under test: whatever a person may write

import pytest
from kbm_connectors.rows import MEDIA_TYPE, RowsConnector

from kbm.domain.sync import Mark, Ref
from kbm.errors import ConfigError, ConnectorUnavailable
from tests.unit.connectors.exports import connector, documents, refs, write

REPORT = (
    "Keller Maschinenbau\r\n"
    'Stand "23.11.2026\r\n'
    "\r\n"
    "Preisliste;Artikel;Bezeichnung;Preis;Gültig ab\r\n"
    'Händler;000123;"Rohr, gebogen\r\n90°";"1.234,50";01.01.2026\r\n'
    'Händler;000124;Schraube 3/4";0,05;01.01.2026\r\n'
    "\r\n"
    "Endkunde;000123;Rohr;1.499,00;01.02.2026\r\n"
    "Summe;;;2.733,55;\r\n"
    "Seite 1\r\n"
)
PROFILE: dict[str, Any] = {"encoding": "cp1252", "header_row": 4, "key": ["Preisliste"], "stop_at": "Summe"}


# --- what a document is


def test_a_report_becomes_a_document_per_key(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", REPORT, "cp1252")
    one = connector(
        tmp_path, **PROFILE, title="Preisliste {Preisliste}", intro="Preise ab {Gültig ab}, netto."
    )
    events = list(one.scan(None))
    first = events[0]
    assert isinstance(first, Ref)
    blob = one.fetch(first)

    assert [event.id for event in events if isinstance(event, Ref)] == ["Händler", "Endkunde"]
    assert events[-1] == Mark(cursor=None, full=True)
    assert (first.title, first.media_type, first.size) == ("Preisliste Händler", MEDIA_TYPE, len(blob.data))
    assert (blob.name, blob.media_type) == ("Händler.rows.json", MEDIA_TYPE)
    assert json.loads(blob.data) == {
        "title": "Preisliste Händler",
        "intro": "Preise ab 01.01.2026, netto.",
        "columns": ["Preisliste", "Artikel", "Bezeichnung", "Preis", "Gültig ab"],
        "rows": [
            ["Händler", "000123", "Rohr, gebogen 90°", "1.234,50", "01.01.2026"],
            ["Händler", "000124", 'Schraube 3/4"', "0,05", "01.01.2026"],
        ],
    }


@pytest.mark.parametrize(
    ("name", "encoding", "delimiter"),
    [
        ("a.csv", "utf-8", ";"),
        ("a.csv", "utf-8-sig", ","),
        ("a.csv", "cp1252", "|"),
        ("a.csv", "cp850", ";"),
        ("a.txt", "utf-16", "\t"),
        ("a.tsv", "utf-8-sig", None),
    ],
)
def test_encodings_and_separators(tmp_path: Path, name: str, encoding: str, delimiter: str | None) -> None:
    text = "K|Maß\n000|Größe €\n" if encoding not in ("cp850",) else "K|Maß\n000|Größe\n"
    write(tmp_path / name, text.replace("|", delimiter or "\t"), encoding)

    made = documents(connector(tmp_path, name, encoding=encoding, delimiter=delimiter))

    assert made["000"]["columns"] == ["K", "Maß"]
    assert made["000"]["rows"][0][1].startswith("Größe")


def test_several_key_columns_are_joined_and_escaped(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "K;L\na/b;c\na;b/c\n100%;\n")

    made = refs(connector(tmp_path, key=["K", "L"]))

    assert {id: ref.title for id, ref in made.items()} == {
        "a%2Fb/c": "a/b / c",
        "a/b%2Fc": "a / b/c",
        "100%25/": "100%",
    }


def test_column_names_with_dots_and_brackets_work_in_templates(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "Art.-Nr.;Preis (EUR);{x}\n7;1,00;y\n")

    made = refs(connector(tmp_path, key="Art.-Nr.", title="{Art.-Nr.}: {Preis (EUR)} {{}}"))

    assert made["7"].title == "7: 1,00 {{}}"


def test_an_edit_of_one_group_changes_one_version(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "K;P\na;1\nb;2\n")
    before = refs(connector(tmp_path))
    write(tmp_path / "a.csv", "K;P\nb;2\na;1,5\n")
    after = refs(connector(tmp_path))

    assert before["b"].version == after["b"].version
    assert before["a"].version != after["a"].version


def test_another_profile_makes_other_versions(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "K;P\na;1\n")

    assert refs(connector(tmp_path))["a"].version != refs(connector(tmp_path, drop=["P"]))["a"].version


def test_unnamed_columns_and_separators_at_the_end_do_no_harm(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "K;;P;\na;;1;\nb;;2;;;\n")

    assert documents(connector(tmp_path))["b"] == {
        "title": "b",
        "intro": "",
        "columns": ["K", "P"],
        "rows": [["b", "2"]],
    }


def test_the_file_is_read_once_for_all_fetches(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "K;P\na;1\nb;2\n")
    one = connector(tmp_path)
    listed = refs(one)
    (tmp_path / "a.csv").unlink()

    assert [json.loads(one.fetch(ref).data)["rows"] for ref in listed.values()] == [
        [["a", "1"]],
        [["b", "2"]],
    ]


def test_a_group_that_is_gone_is_told(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "K;P\na;1\n")

    with pytest.raises(ConnectorUnavailable, match="'b'"):
        connector(tmp_path).fetch(Ref(id="b", version="1"))


# --- settings


@pytest.mark.parametrize(
    ("url", "profile", "told"),
    [
        ("a.csv", {"key": []}, "sources.prices.profile.key"),
        ("a.csv", {"encoding": "cp1225"}, "usual ones: utf-8-sig, cp1252"),
        ("a.csv", {"encoding": "base64"}, "no encoding of that name"),
        ("a.csv", {"delimiter": "x"}, "';', ',', '\\t' or '|'"),
        ("a.csv", {"header_row": -1}, "sources.prices.profile.header_row = -1"),
        ("a.csv", {"header_row": 0}, "columns must name every column"),
        ("a.csv", {"sheet": 0}, "counted from 1"),
        ("a.csv", {"mask": ["K"]}, "'K' is the key"),
        ("a.csv", {"drop": ["P"], "title": "{P}"}, "'P' is dropped"),
        ("a.csv", {"delimeter": ";"}, "sources.prices.profile.delimeter: unknown key"),
        ("a.xls", {}, ".xls cannot be read"),
        ("a.docx", {}, ".csv"),
        ("*/a.csv", {}, "only the file name may hold"),
        ("https://user:pw@erp.example/x.csv", {}, "https://"),
    ],
)
def test_wrong_settings_name_source_key_and_choices(
    tmp_path: Path, url: str, profile: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        connector(tmp_path, url, **profile)

    assert "sources.prices" in str(refused.value)
    assert told in str(refused.value)
    assert "pw" not in str(refused.value)


def test_a_missing_profile_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sources\.prices\.profile: this key is needed"):
        RowsConnector("prices", {"url": "a.csv"}, tmp_path)
