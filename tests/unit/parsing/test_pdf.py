"""PDF: paragraphs out of lines, headings, tables, pages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kbm.domain.documents import ElementKind, ParsedDocument, Reason
from kbm.errors import ParseFailed
from kbm.parsing import media_types, tidy
from kbm.parsing.pdf import PdfParser
from tests.unit.parsing.files import Put, blob, only_table, pdf, texts

WIDE = "Die Pumpe wird nach jedem Einsatz gereinigt und danach mit Wasser und"


def parse(data: bytes) -> ParsedDocument:
    return tidy.document(PdfParser().parse(blob(data, "a.pdf"), media_types.PDF))


def body(*lines: str, top: float = 700) -> list[Put]:
    return [Put(line, top - 14 * number) for number, line in enumerate(lines)]


def test_lines_become_paragraphs_without_the_hyphens_of_line_ends() -> None:
    parsed = parse(
        pdf(
            [
                [
                    *body(
                        WIDE,
                        "einem milden Mittel gespült, das im Lager steht und vom Betriebs-",
                        "leiter verwaltet wird.",
                    ),
                    *body("Der zweite Absatz.", top=630),
                ]
            ]
        )
    )

    assert texts(parsed) == [
        f"{WIDE} einem milden Mittel gespült, das im Lager steht und vom Betriebsleiter verwaltet wird.",
        "Der zweite Absatz.",
    ]


def test_larger_bold_and_numbered_lines_are_headings() -> None:
    parsed = parse(
        pdf(
            [
                [
                    Put("Betriebsanleitung", 780, size=20),
                    Put("1 Sicherheit", 740, size=14, bold=True),
                    *body(WIDE, "Seife.", top=715),
                    Put("1.1 Vor dem Start", 670, size=12.5, bold=True),
                    *body(WIDE, "Öl.", top=650),
                    Put("Hinweis zur Entsorgung", 610, bold=True),
                    *body(WIDE, "Sand.", top=590),
                ]
            ],
            title="Handbuch KB 40",
        )
    )
    paths = {element.text.rsplit(" ", 1)[-1]: element.headings for element in parsed.elements}

    assert paths["Seife."] == ("1 Sicherheit",)
    assert paths["Öl."] == ("1 Sicherheit", "1.1 Vor dem Start")
    assert paths["Sand."] == ("1 Sicherheit", "1.1 Vor dem Start", "Hinweis zur Entsorgung")
    assert (parsed.title, parsed.author) == ("Handbuch KB 40", "Anna")
    assert parsed.modified == datetime(2026, 3, 1, 11, tzinfo=UTC)


def test_headers_footers_and_page_numbers_of_a_long_document_are_dropped() -> None:
    pages = [
        [
            Put("Keller Maschinenbau", 810),
            *body(f"Absatz {n} über ein Thema."),
            Put(f"Ausgabe 9, Seite {n}", 30),
            Put(str(n), 15),
        ]
        for n in range(1, 6)
    ]

    parsed = parse(pdf(pages))

    assert texts(parsed) == [f"Absatz {n} über ein Thema." for n in range(1, 6)]
    assert [element.page for element in parsed.elements] == [1, 2, 3, 4, 5]


def test_a_short_document_keeps_its_frame_once() -> None:
    pages = [
        [Put("Keller Maschinenbau", 810), *body(f"Absatz {n}."), Put(f"Seite {n} von 2", 30)] for n in (1, 2)
    ]

    assert texts(parse(pdf(pages))) == ["Keller Maschinenbau", "Absatz 1.", "Absatz 2."]


def test_a_paragraph_goes_on_over_the_page() -> None:
    parsed = parse(pdf([body("Die Pumpe läuft", top=60), body("bis zum Mittag.", "Dann ruht sie.")]))

    assert [(element.text, element.page) for element in parsed.elements] == [
        ("Die Pumpe läuft bis zum Mittag.", 1),
        ("Dann ruht sie.", 2),
    ]


def test_bullets_are_list_items() -> None:
    parsed = parse(pdf([body("• Öl prüfen", "• Filter wechseln, falls er älter als ein Jahr ist", "- Fett")]))

    assert texts(parsed, ElementKind.LIST_ITEM) == [
        "Öl prüfen",
        "Filter wechseln, falls er älter als ein Jahr ist",
        "Fett",
    ]


def test_rows_of_a_table_are_not_glued_together() -> None:
    rows = (
        ("Strecke", "Preis", "Dauer"),
        ("Talbrück", "14 Euro", "2 Tage"),
        ("Harwick", "29 Euro", "5 Tage"),
    )
    page = [
        Put(cell, 700 - 20 * number, x=72 + 150 * column, bold=number == 0)
        for number, row in enumerate(rows)
        for column, cell in enumerate(row)
    ]

    table = only_table(parse(pdf([[*body("Es gelten die Sätze der Spedition.", top=740), *page]])))

    assert table.cells == rows
    assert table.text.split("\n")[0] == "Strecke: Talbrück | Preis: 14 Euro | Dauer: 2 Tage"


def test_a_cell_that_wraps_stays_one_cell() -> None:
    page = [
        Put("Drehmoment", 700),
        Put("520 Nm, in zwei Durchgängen und", 700, x=250),
        Put("über Kreuz", 686, x=250),
    ]
    page += [Put("Druck", 666), Put("6 bar", 666, x=250)]

    assert (
        only_table(parse(pdf([page]))).text
        == "Drehmoment: 520 Nm, in zwei Durchgängen und über Kreuz\nDruck: 6 bar"
    )


def test_an_encrypted_file_asks_for_a_copy_without_password() -> None:
    with pytest.raises(ParseFailed, match="password") as caught:
        parse(pdf([body("geheim")], password="secret"))

    assert caught.value.reason == Reason.ENCRYPTED


def test_a_file_cut_off_is_damaged_or_read_as_far_as_it_goes() -> None:
    data = pdf([body("Seite eins.")])

    assert texts(parse(data[:-20])) == ["Seite eins."]
    with pytest.raises(ParseFailed) as caught:
        parse(data[:100])
    assert caught.value.reason == Reason.DAMAGED


def test_pages_without_text_are_counted() -> None:
    square = b"ET 0 0 99 99 re f BT"
    drawn = pdf([body("Text."), [Put("." * 15, 500)], []]).replace(b"(" + b"." * 15 + b") Tj", square)
    parsed = parse(drawn)

    assert parsed.warnings == ("1 of 3 pages hold no text, only pictures",)
    assert (parsed.quality.n_pages, parsed.quality.n_empty_pages) == (3, 1)
    assert parse(pdf([[]])).elements == ()
