"""The connector ``rows``: which file of a series is read, and what a workbook gives."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any  # cells and settings under test: whatever a person may write

import openpyxl
import pytest

from kbm.errors import ConnectorRefused, ConnectorUnavailable
from tests.unit.connectors.exports import book, connector, documents, refs, write

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
