"""What `kbm connect` proposes for a table reads that table."""

from __future__ import annotations

from pathlib import Path
from typing import Any  # profiles

import openpyxl
import pytest
from kbm_connectors.rows import RowsConnector

from kbm.errors import ConnectorRefused
from tests.unit.connectors.exports import refs, write

REPORT = """Keller Maschinenbau, Preisliste                 Seite 1
Stand 23.11.2026

Nr      Bezeichnung             Preis  Gültig ab
000123  Rohr, gebogen        1.234,50  01.01.2026
000124  Schraube 3/4"            0,05  01.01.2026
000125  Größe L                -12,00  01.02.2026
Summe                        1.222,55
"""


def proposed(root: Path, name: str) -> tuple[dict[str, Any], list[str]]:
    made = RowsConnector.recognises(name, root)
    assert made is not None
    return made["profile"], list(refs(RowsConnector("new", made, root)))


def test_columns_of_fixed_width_are_found_where_every_line_is_blank(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", REPORT, "cp850")
    profile, items = proposed(tmp_path, "a.txt")

    assert items == ["000123", "000124", "000125"]
    assert profile == {
        "encoding": "cp850",
        "fixed": {"Nr": "1-7", "Bezeichnung": "9-21", "Preis": "30-37", "Gültig ab": "40-"},
        "header_row": 4,
        "key": ["Nr"],
        "title": "Nr {Nr}",
        "decimal": ",",
        "numbers": ["Preis"],
        "dates": ["Gültig ab"],
        "stop_at": "Summe",
    }


def test_columns_are_taken_as_a_line_below_the_header_draws_them(tmp_path: Path) -> None:
    lines = REPORT.splitlines(keepends=True)
    lines.insert(4, "------- -------------------- --------  ----------\n")
    write(tmp_path / "a.txt", "".join(lines), "cp850")
    profile, items = proposed(tmp_path, "a.txt")

    assert profile["fixed"] == {"Nr": "1-7", "Bezeichnung": "9-28", "Preis": "30-37", "Gültig ab": "40-49"}
    assert items == ["000123", "000124", "000125"]


def test_every_line_counts_not_only_the_first_ones(tmp_path: Path) -> None:
    lines = [f"{n:<8}{'x' * (3 + n // 1000):<20}{n:>9}\n" for n in range(12_000)]
    write(tmp_path / "a.txt", f"{'Nr':<8}{'Name':<20}{'Menge':>9}\n" + "".join(lines))
    profile, items = proposed(tmp_path, "a.txt")

    assert len(items) == 12_000
    assert profile["fixed"] == {"Nr": "1-7", "Name": "9-22", "Menge": "33-37"}


def test_drawn_lines_of_old_programs_do_not_look_like_letters(tmp_path: Path) -> None:
    text = "Nr;Stück\n" + "─" * 30 + ";\n1;für\n2;Öl\n"
    write(tmp_path / "a.csv", text, "cp850")
    made = RowsConnector.recognises("a.csv", tmp_path)

    assert made is not None
    assert made["profile"]["encoding"] == "cp850"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_told_by_its_zeros(tmp_path: Path, encoding: str) -> None:
    write(tmp_path / "a.csv", "Nr\tName\n007\tÖl\n008\tFett\n", encoding)
    profile, items = proposed(tmp_path, "a.csv")

    assert (profile["encoding"], profile["delimiter"], items) == (encoding, "\t", ["007", "008"])


def test_a_total_line_far_below_is_found(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "Nr;Preis\n" + "".join(f"{n};1,00\n" for n in range(3000)) + "Summe;3000,00\n")
    profile, items = proposed(tmp_path, "a.csv")

    assert profile["stop_at"] == "Summe"
    assert len(items) == 3000


def test_a_table_without_a_header_has_its_columns_numbered(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "007;Öl;1,50\n008;Fett;2,00\n")
    profile, items = proposed(tmp_path, "a.csv")

    assert profile["header_row"] == 0
    assert profile["columns"] == ["Column 1", "Column 2", "Column 3"]
    assert items == ["007", "008"]


def test_article_numbers_are_no_amounts(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "Nr;Alt;Preis;Menge\n1;00.5;1.5;7\n2;01.5;2.25;8\n")
    profile, _ = proposed(tmp_path, "a.csv")

    assert profile["numbers"] == ["Preis"]


def test_the_sheet_with_the_table_is_chosen(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.worksheets[0].append(["Deckblatt"])
    prices = book.create_sheet("Preise")
    for row in (["Stand heute"], ["Nr", "Preis"], ["007", "1,50"], ["008", "2,00"], ["Gesamt", "3,50"]):
        prices.append(row)
    book.create_sheet("Notizen").append(["Wer", "Was"])
    book.save(tmp_path / "a.xlsx")
    profile, items = proposed(tmp_path, "a.xlsx")

    assert (profile["sheet"], profile["header_row"], profile["stop_at"]) == ("Preise", 2, "Gesamt")
    assert items == ["007", "008"]


def test_the_element_that_repeats_most_is_a_row(tmp_path: Path) -> None:
    text = '<e><kopf><a>1</a></kopf><o id="1"/><o id="2"/>' + "".join(
        f'<r nr="{n}"><p>1,5{n}</p></r>' for n in range(3)
    )
    write(tmp_path / "a.xml", f"{text}</e>")
    profile, items = proposed(tmp_path, "a.xml")

    assert (profile["record"], profile["columns"], profile["numbers"]) == ("r", ["@nr", "p"], ["p"])
    assert items == ["0", "1", "2"]


def test_an_xml_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    write(tmp_path / "a.xml", '<!DOCTYPE e [<!ENTITY x "y">]><e><r k="1"/><r k="2"/></e>')
    made = RowsConnector.recognises("a.xml", tmp_path)

    with pytest.raises(ConnectorRefused, match="a document type"):
        RowsConnector.completes("new", made or {}, tmp_path)


def test_what_is_no_table_is_left_to_others(tmp_path: Path) -> None:
    write(tmp_path / "a.xml", "<mediawiki><page><id>1</id></page><page><id>2</id></page></mediawiki>")
    write(tmp_path / "b.txt", "Ein Brief.\n\nEr hat mehrere Zeilen und keine Spalten,\nnur Text.\n")
    write(tmp_path / "c.db", "no database")

    assert [RowsConnector.recognises(name, tmp_path) for name in ("a.xml", "b.txt", "c.db", "d.csv")] == [
        None
    ] * 4
