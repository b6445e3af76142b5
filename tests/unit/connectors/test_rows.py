"""The connector ``rows``: nothing of a value is lost, nothing of a hidden column gets out, half a file is none."""

from __future__ import annotations

import json
import os
import threading
from datetime import datetime
from pathlib import Path
from typing import Any  # cells and settings under test: whatever a person may write

import openpyxl
import pytest
from kbm_connectors.rows import MEDIA_TYPE, RowsConnector

from kbm.domain.sync import Mark, Ref
from kbm.errors import ConfigError, ConnectorRefused, ConnectorUnavailable

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


def connector(root: Path, url: str = "a.csv", **profile: Any) -> RowsConnector:
    return RowsConnector("prices", {"url": url, "profile": {"key": ["K"], **profile}}, root)


def write(path: Path, text: str, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))


def book(
    path: Path, rows: list[list[Any]], formats: dict[str, str] | None = None, sheet: str = "Preise"
) -> None:
    made = openpyxl.Workbook()
    page = made.worksheets[0]
    page.title = sheet
    for row in rows:
        page.append(row)
    for cell, form in (formats or {}).items():
        page[cell].number_format = form
    made.save(path)


def refs(one: RowsConnector) -> dict[str, Ref]:
    return {event.id: event for event in one.scan(None) if isinstance(event, Ref)}


def documents(one: RowsConnector) -> dict[str, dict[str, Any]]:
    return {id: json.loads(one.fetch(ref).data) for id, ref in refs(one).items()}


def why(root: Path, **profile: Any) -> ConnectorRefused:
    with pytest.raises(ConnectorRefused) as refused:
        list(connector(root, **profile).scan(None))
    return refused.value


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


# --- nothing of a hidden column gets out


def test_masked_and_dropped_values_appear_nowhere(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "K;IBAN;Lohn\na;DE89;4711\na;DE90;4712\n")
    one = connector(tmp_path, mask=["IBAN"], drop="Lohn", title="{K} {IBAN}")
    listed = refs(one)
    told = repr(listed) + repr(one.fetch(listed["a"])) + repr(vars(one))

    assert not [secret for secret in ("DE89", "DE90", "4711", "4712") if secret in told]
    assert json.loads(one.fetch(listed["a"]).data)["rows"] == [["a", "•••"], ["a", "•••"]]
    assert listed["a"].title == "a •••"


def test_a_version_does_not_depend_on_masked_values(tmp_path: Path) -> None:
    versions = set()
    for secret in ("DE89", "FR76", ""):
        write(tmp_path / "a.csv", f"K;IBAN;Lohn\na;{secret};{secret}\n")
        versions.add(refs(connector(tmp_path, mask=["IBAN"], drop=["Lohn"]))["a"].version)

    assert len(versions) == 1


@pytest.mark.parametrize(
    "body",
    [
        "K;IBAN\na;DE89;DE89\n",
        "K;IBAN\n;DE89\n",
        'K;IBAN\na;"DE89\n',
        'K;IBAN\na;"DE89"DE89\n',
        "DE89;DE89\nK;IBAN\n",
        "K;IBAN;IBAN\na;DE89;DE89\n",
        "K;DE89\n",
        "K;IBAN\na;DE89\0\n",
        "K;IBAN\na;DE89\ufffd\n",
    ],
)
def test_no_error_tells_a_masked_value(tmp_path: Path, body: str) -> None:
    write(tmp_path / "a.csv", body)
    one = connector(tmp_path, mask=["IBAN"])

    with pytest.raises(ConnectorRefused) as refused:
        list(one.scan(None))

    told = [str(refused.value), refused.value.hint, *one.check()]
    assert not [text for text in told if "DE89" in text]
    assert refused.value.__cause__ is None or "DE89" not in str(refused.value.__cause__)


# --- half a file is none


@pytest.mark.parametrize(
    ("body", "profile", "told", "hint"),
    [
        ("K;P\na;1\nb;2;3\n", {}, "line 3: 3 cells, but the header has 2", "delimiter"),
        ("K;P\na;1\nb\n", {}, "line 3: 1 cells", "stop_at"),
        ("K;P\na;1\n;2\n", {}, "line 3: the key K is empty", "stop_at"),
        ('K;P\n"a\nb";1\nc;"2\n', {}, "line 4: a quoted value", "doubled"),
        ("K;K\na;1\n", {}, "line 1: columns of the same name: K", ""),
        (
            "Kunde;Preis\na;1\n",
            {"key": "Kunden"},
            "line 1: no column 'Kunden' among",
            "did you mean 'Kunde'?",
        ),
        ("K;P\na;1\n", {"mask": ["Q"]}, "no column 'Q'", "header_row"),
        ("K,P\na,1\n", {}, "no column 'K'", "split by ','"),
        ("K;P\na;1\n", {"header_row": 9}, "line 9: ends before the header", "header_row"),
        ("", {}, "ends before the header", ""),
        ("K;P\na;1\n", {"stop_at": "Summe"}, "may be cut off", "export it again"),
        ("K;;P\na;x;1\n", {}, "line 2: a cell is filled in a column that has no name", ""),
        ("K;P\na;1\0\n", {}, "line 2: holds characters that are none", "utf-16"),
        ("K;P\na;1\nb;\ufffd\n", {}, "line 3: holds characters that are none", "export it again"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_its_line(
    tmp_path: Path, body: str, profile: dict[str, Any], told: str, hint: str
) -> None:
    write(tmp_path / "a.csv", body)
    error = why(tmp_path, **profile)

    assert str(error).startswith("source prices: a.csv")
    assert told in str(error)
    assert hint in error.hint
    assert told in connector(tmp_path, **profile).check()[0]


@pytest.mark.parametrize(
    ("written", "read", "line", "hint"),
    [
        ("cp1252", "utf-8-sig", 30_001, "'cp1252' or 'cp850'"),
        ("utf-16", "utf-8", 1, "'utf-16'"),
        ("utf-8", "cp1252", 30_001, "'utf-8-sig'"),
        ("utf-8-sig", "cp1252", 1, "'utf-8-sig'"),
    ],
)
def test_a_wrong_encoding_is_named_with_its_line(
    tmp_path: Path, written: str, read: str, line: int, hint: str
) -> None:
    write(tmp_path / "a.csv", "K;P\n" + "a;1\n" * 29_999 + "b;Größe\n" + "c;1\n" * 9, written)
    error = why(tmp_path, encoding=read)

    if written != "utf-8-sig":
        assert f"line {line}:" in str(error)
    assert hint in error.hint or "encoding" in error.hint


def test_the_total_line_ends_a_table_but_a_word_that_starts_like_it_does_not(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "K;P\nSummenzähler;1\nSumme: 2 Sätze\n")

    assert list(refs(connector(tmp_path, stop_at="Summe"))) == ["Summenzähler"]


def test_a_file_that_grows_meanwhile_is_read_later(tmp_path: Path) -> None:
    path, done = tmp_path / "a.csv", threading.Event()
    write(path, "K;P\n" + "a;1\n" * 50_000)

    def append() -> None:
        while not done.wait(0.001):
            with open(path, "a") as file:
                file.write("a;1\n")

    writer = threading.Thread(target=append)
    writer.start()
    try:
        with pytest.raises(ConnectorUnavailable, match="written to"):
            list(connector(tmp_path).scan(None))
    finally:
        done.set()
        writer.join()


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.csv")

    with pytest.raises(ConnectorRefused, match="regular"):
        list(connector(tmp_path).scan(None))


# --- which file


def test_the_newest_of_a_series_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    for n, name in enumerate(["p_3.csv", "p_1.csv", "p_2.csv"]):
        write(tmp_path / name, f"K;P\n{name};1\n")
        os.utime(tmp_path / name, (1_000_000 + n, 1_000_000 + n))
    for other in ("~$p_9.csv", "p_9.docx", ".p_9.csv"):
        write(tmp_path / other, "x")
    one = connector(tmp_path, "./P_*.csv")

    assert list(refs(one)) == ["p_2.csv"]
    assert one.check() == ["p_2.csv is the newest and is read; not read: p_3.csv, p_1.csv"]


def test_a_newest_file_that_does_not_fit_is_not_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "p_1.csv", "K;P\na;1\n")
    write(tmp_path / "p_2.csv", "K;P\na\n")
    os.utime(tmp_path / "p_1.csv", (1, 1))

    with pytest.raises(ConnectorRefused, match=r"p_2\.csv"):
        list(connector(tmp_path, "p_*.csv").scan(None))


def test_no_file_is_an_outage_not_an_empty_table(tmp_path: Path) -> None:
    for url in ("a.csv", "p_*.csv", "nowhere/p_*.csv"):
        with pytest.raises(ConnectorUnavailable):
            list(connector(tmp_path, url).scan(None))


def test_a_link_a_pattern_finds_cannot_reach_elsewhere(tmp_path: Path) -> None:
    write(tmp_path / "secret.csv", "K;P\nsecret;1\n")
    write(tmp_path / "erp/p_1.csv", "K;P\na;1\n")
    (tmp_path / "erp/p_2.csv").symlink_to("../secret.csv")
    (tmp_path / "erp/p_3.csv").symlink_to("gone.csv")

    assert list(refs(connector(tmp_path, "erp/p_*.csv"))) == ["a"]


# --- workbooks


def test_cells_of_a_workbook_read_as_they_are_shown(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["Preisliste 2026"],
        [],
        ["K", "Artikel", "Preis", "Ab", "Rabatt", "Aktiv", "Notiz"],
        [17, 123, 1234.5, datetime(2026, 11, 23), 0.075, True, "zwei\nZeilen"],
        [],
        [17, 9, 12.000000000000002, None, None, None, None],
        ["Summe", None, 1246.5],
    ]
    formats = {
        "A4": "000000",
        "A6": "000000",
        "B4": "000000",
        "C4": '#,##0.00 "€"',
        "D4": "dd.mm.yyyy",
        "E4": "0.0%",
    }
    book(tmp_path / "a.xlsx", rows, formats)

    made = documents(connector(tmp_path, "a.xlsx", header_row=3, stop_at="Summe", decimal=","))

    assert made["000017"]["rows"] == [
        ["000017", "000123", "1.234,50 €", "23.11.2026", "7,5%", "TRUE", "zwei Zeilen"],
        ["000017", "9", "12", "", "", "", ""],
    ]


def test_a_sheet_is_found_by_name_or_number(tmp_path: Path) -> None:
    made = openpyxl.Workbook()
    made.worksheets[0].append(["K"])
    made.create_sheet("Preise").append(["K"])
    made["Preise"].append(["a"])
    made.save(tmp_path / "a.xlsx")

    for sheet in ("Preise", 2):
        assert list(refs(connector(tmp_path, "a.xlsx", sheet=sheet))) == ["a"]
    with pytest.raises(ConnectorRefused, match="no sheet 'Preis'; there is: Sheet, Preise") as refused:
        list(connector(tmp_path, "a.xlsx", sheet="Preis").scan(None))
    assert refused.value.hint == "did you mean 'Preise'?"
    with pytest.raises(ConnectorRefused, match="no sheet 3"):
        list(connector(tmp_path, "a.xlsx", sheet=3).scan(None))


def test_a_formula_without_a_stored_result_is_told(tmp_path: Path) -> None:
    book(tmp_path / "a.xlsx", [["K", "P"], ["a", "=1+1"]])
    one = connector(tmp_path, "a.xlsx")

    assert documents(one)["a"]["rows"] == [["a", ""]]
    assert "1 formulas have no stored result" in one.check()[0]


def test_what_is_no_workbook_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"\xd0\xcf\x11\xe0 an old workbook under a new name")

    with pytest.raises(ConnectorRefused, match=r"a\.xlsx: is no workbook") as refused:
        list(connector(tmp_path, "a.xlsx").scan(None))
    assert ".xls" in refused.value.hint


def test_a_damaged_sheet_is_refused(tmp_path: Path) -> None:
    book(tmp_path / "a.xlsx", [["K", "P"], *([[f"a{n}", n] for n in range(2000)])])
    data = bytearray((tmp_path / "a.xlsx").read_bytes())
    at = data.index(b"xl/worksheets/sheet1.xml") + 400
    data[at : at + 200] = bytes(200)
    (tmp_path / "a.xlsx").write_bytes(data)

    with pytest.raises(ConnectorRefused):
        list(connector(tmp_path, "a.xlsx").scan(None))


# --- settings


@pytest.mark.parametrize(
    ("url", "profile", "told"),
    [
        ("a.csv", {"key": []}, "sources.prices.profile.key"),
        ("a.csv", {"encoding": "cp1225"}, "usual ones: utf-8-sig, cp1252"),
        ("a.csv", {"encoding": "base64"}, "no encoding of that name"),
        ("a.csv", {"delimiter": "x"}, "';', ',', '\\t' or '|'"),
        ("a.csv", {"header_row": 0}, "sources.prices.profile.header_row = 0"),
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
