"""Plain text, delimited text and rows."""

from __future__ import annotations

import json

import pytest

from kbm.domain.documents import ElementKind, ParsedDocument, Reason
from kbm.errors import ParseFailed
from kbm.parsing import media_types, tidy
from kbm.parsing.plain import PlainParser
from kbm.parsing.rows import RowsParser
from kbm.parsing.text_decoding import SNIFF_BYTES, Decoded, decode, is_text
from tests.unit.parsing.files import LOREM, blob, only_table, texts


def text(data: str | bytes, name: str = "a.txt") -> ParsedDocument:
    return tidy.document(PlainParser().parse(blob(data, name), media_types.TEXT))


def table(data: str | bytes) -> ParsedDocument:
    return tidy.document(PlainParser().parse(blob(data, "a.csv"), media_types.CSV))


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
def test_encodings_are_told_apart(encoding: str) -> None:
    assert texts(text("Größe „5 €“\n\nzwei".encode(encoding))) == ["Größe „5 €“", "zwei"]


def test_the_code_page_of_dos_is_told_by_letters_inside_of_words() -> None:
    dos = "Müller, Straße 4, Öl für Größe 12, réglage, façade"
    windows = "Er sagte: „Größe 12“ – und „Öl“ für Müller … Straße™, à l’été"

    assert decode(dos.encode("cp850")) == Decoded(dos, "cp850")
    assert decode(windows.encode("cp1252")) == Decoded(windows, "cp1252")


def test_a_few_broken_bytes_do_not_turn_utf8_into_a_code_page() -> None:
    parsed = text("Größe, Öl, Prüfung ".encode() * 3 + b"\xff Ende")

    assert "Größe, Öl, Prüfung" in texts(parsed)[0]
    assert parsed.warnings


def test_a_character_at_the_end_of_the_sample_is_no_sign_of_damage() -> None:
    data = b"a" * (SNIFF_BYTES - 1) + "ü".encode() * 10

    assert is_text(data)
    assert decode(data).encoding == "utf-8"


def test_nul_bidi_and_half_characters_do_not_survive() -> None:
    parsed = text(
        "ver\x00trag \u202egpj.exe\u202c und u\u0308ber\u00adall \ud800".encode("utf-8", "surrogatepass")
    )

    assert texts(parsed)[0].startswith("vertrag gpj.exe und überall")
    texts(parsed)[0].encode("utf-8")


def test_wrapped_lines_are_joined_and_short_ones_are_not() -> None:
    second = "Ein zweiter Satz folgt auf der nächsten Zeile und ist so lang wie der erste war, etwa"
    wrapped = f"{LOREM}\n{second}\nund endet."

    assert texts(text(f"{wrapped}\n\nKeller GmbH\nWerkstraße 5\nTalbrück")) == [
        wrapped.replace("\n", " "),
        "Keller GmbH",
        "Werkstraße 5",
        "Talbrück",
    ]


@pytest.mark.parametrize(
    ("first", "following", "joined"),
    [
        ("der Betriebs-", "leiter", "der Betriebsleiter"),
        ("die Ein-", "und Ausgänge", "die Ein- und Ausgänge"),
        ("Teil KB-", "40 passt", "Teil KB-40 passt"),
        ("state-of-", "the-art", "state-of-the-art"),
    ],
)
def test_hyphens_at_line_ends(first: str, following: str, joined: str) -> None:
    assert texts(text(f"{first}\n{following}")) == [joined]


def test_clear_headings_are_found() -> None:
    parsed = text(
        f"Handbuch\n========\n\n{LOREM}\n\n1.2 Wartung\n\n{LOREM}\n\nANHANG\n\nNur ein Satz.\n\nSchluss"
    )

    assert texts(parsed, ElementKind.TITLE) == ["Handbuch", "1.2 Wartung", "ANHANG"]
    assert parsed.title == "Handbuch"
    assert parsed.elements[3].headings == ("Handbuch", "1.2 Wartung")


def test_lists_columns_and_logs_keep_their_lines() -> None:
    parsed = text("- eins\n- zwei\n  geht weiter\n\nKB 40    2900 kg\nKB 90    13800 kg\n")

    assert texts(parsed, ElementKind.LIST_ITEM) == ["eins", "zwei geht weiter"]
    assert texts(parsed, ElementKind.TABLE) == ["KB 40  2900 kg\nKB 90  13800 kg"]
    assert text("08:00:01 start\n08:00:02 end", "x.log").elements[0].kind is ElementKind.CODE


def test_a_paragraph_without_end_is_cut_at_sentences() -> None:
    pieces = texts(text(f"{LOREM} " * 600))

    assert len(pieces) > 10
    assert all(piece.endswith(".") and len(piece) < 20_000 for piece in pieces)
    assert all(len(piece) <= 20_000 for piece in texts(text("x" * 90_000)))


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
def test_the_separator_is_found(separator: str) -> None:
    rows = [["Artikel", "Preis", "Lager"], ["000042", "12.50", "7"], ["000043", "8.00", "0"]]

    assert only_table(table("\n".join(separator.join(row) for row in rows))).cells == tuple(map(tuple, rows))


def test_decimal_commas_do_not_separate() -> None:
    assert only_table(table("Artikel;Preis;Rabatt\n1;12,50;3,5\n2;8,00;1,0")).cells[1] == (
        "1",
        "12,50",
        "3,5",
    )


def test_an_old_export_is_read() -> None:
    data = 'Preisliste Süd;;\r\n"Artikel";"Bezeichnung";"Preis"\r\n'
    data += '42;"Dorn ""M"";\r\nlang";8,00 €\r\n43;Rolle\r\n'

    parsed = table(data.encode("cp1252"))

    assert texts(parsed, ElementKind.TEXT) == ["Preisliste Süd"]
    assert only_table(parsed).cells == (
        ("Artikel", "Bezeichnung", "Preis"),
        ("42", 'Dorn "M"; lang', "8,00 €"),
        ("43", "Rolle", ""),
    )
    assert "1 of 3 rows" in parsed.warnings[0]


def test_many_columns_and_huge_cells_are_read() -> None:
    wide = ",".join(map(str, range(20_000)))

    assert len(only_table(table(f"{wide}\n{wide}")).cells[0]) == 20_000
    assert len(only_table(table(f"a,b,c\n1,2,{'x' * 500_000}")).cells[1][2]) == 500_000


def rows(record: object) -> ParsedDocument:
    return RowsParser().parse(blob(json.dumps(record), "x", media_types.ROWS), media_types.ROWS)


def test_rows_become_an_intro_and_a_labelled_table() -> None:
    parsed = rows(
        {
            "title": "Preisliste 1",
            "intro": "Stand Mai.",
            "columns": ["Nr", "Teil", "Preis"],
            "rows": [["1", "Öl", "5"]],
        }
    )

    assert parsed.title == "Preisliste 1"
    assert texts(parsed) == ["Stand Mai.", "Nr: 1 | Teil: Öl | Preis: 5"]
    assert only_table(parsed).cells == (("Nr", "Teil", "Preis"), ("1", "Öl", "5"))


def test_two_columns_are_keys_and_values() -> None:
    parsed = rows({"title": "", "intro": "", "columns": ["Feld", "Wert"], "rows": [["Gewicht", "5 kg"]]})

    assert "Gewicht: 5 kg" in only_table(parsed).text


@pytest.mark.parametrize(
    "record", [[], {"columns": ["a"]}, {"columns": ["a"], "rows": [[1]]}, {"columns": "a", "rows": []}]
)
def test_other_json_is_damage(record: object) -> None:
    with pytest.raises(ParseFailed) as caught:
        rows(record)

    assert caught.value.reason == Reason.DAMAGED
