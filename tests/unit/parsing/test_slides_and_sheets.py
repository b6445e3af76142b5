"""PPTX and XLSX: slides as pages, cells as the sheet shows them."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from openpyxl.worksheet.worksheet import Worksheet
from pptx.util import Inches

from kbm.domain.documents import ElementKind, ParsedDocument, Reason
from kbm.errors import ParseFailed
from kbm.parsing import media_types, sheets, tidy
from kbm.parsing.office import OfficeParser
from tests.unit.parsing.files import blob, only_table, slides, texts, workbook


def parse(data: bytes, media_type: str) -> ParsedDocument:
    return tidy.document(OfficeParser().parse(blob(data), media_type))


def test_a_slide_is_a_page_under_its_title() -> None:
    def fill(presentation: Any) -> None:
        for title in ("Risiken", "Maßnahmen"):
            slide = presentation.slides.add_slide(presentation.slide_layouts[5])
            slide.shapes.title.text = title
            # Above the title on the slide, so read before it by place alone.
            box = slide.shapes.add_textbox(0, 0, Inches(4), Inches(0.2))
            box.text_frame.text = f"Kurz zu {title}"
        table = slide.shapes.add_table(2, 3, Inches(1), Inches(3), Inches(6), Inches(1)).table
        for column, (head, cell) in enumerate((("Teil", "Dichtung"), ("Menge", "4"), ("Wer", "Murat"))):
            table.cell(0, column).text, table.cell(1, column).text = head, cell
        slide.notes_slide.notes_text_frame.text = "Bis Oktober fertig."

    parsed = parse(slides(fill), media_types.PPTX)
    by_text = {element.text: (element.page, element.headings) for element in parsed.elements}

    assert texts(parsed, ElementKind.TITLE) == ["Risiken", "Maßnahmen"]
    assert by_text["Kurz zu Risiken"] == (1, ("Risiken",))
    assert by_text["Kurz zu Maßnahmen"] == (2, ("Maßnahmen",))
    assert by_text["Bis Oktober fertig."] == (2, ("Maßnahmen",))
    assert by_text["Teil: Dichtung | Menge: 4 | Wer: Murat"] == (2, ("Maßnahmen",))
    assert parsed.title == "Risiken"


@pytest.mark.parametrize(
    ("value", "number_format", "shown"),
    [
        (123, "000000", "000123"),
        (12.5, "0.00", "12.50"),
        (1234.5, "#,##0.00", "1234.50"),
        (1234.5, '#,##0.00 "€"', "1234.50 €"),
        (1234.5, "[$€-407] #,##0.00", "€ 1234.50"),
        (-3, "0.0", "-3.0"),
        (-3, "#,##0_);(#,##0)", "-3"),
        (0.125, "0.0%", "12.5%"),
        (0.1, "0%", "10%"),
        (2.5, "0.0##", "2.5"),
        (40, '0" mm"', "40 mm"),
        (12.0, "General", "12"),
        (0.1 + 0.2, "General", "0.3"),
        (1e-7, "General", "0.0000001"),
        (4711, "@", "4711"),
        (True, "General", "TRUE"),
        ("  a \n b ", "General", "a b"),
        ("00042", "@", "00042"),
        (datetime(2026, 3, 1), "dd.mm.yyyy", "01.03.2026"),
        (datetime(2026, 3, 1), "mm-dd-yy", "2026-03-01"),
        (datetime(2026, 3, 1, 14, 5), "dd/mm/yyyy hh:mm", "01/03/2026 14:05"),
        (datetime(2026, 3, 1, 14, 5, 9), "yyyy-mm-dd hh:mm:ss", "2026-03-01 14:05:09"),
        (datetime(2026, 3, 1), "[$-407]d. mmmm yyyy", "2026-03-01"),
        (datetime(2026, 3, 1, 14, 5), "h:mm AM/PM", "2026-03-01 14:05"),
        (date(2026, 3, 1), "yyyy", "2026"),
        (time(8, 30), "hh:mm", "08:30:00"),
        (timedelta(hours=26, minutes=5), "[h]:mm", "26:05"),
        (None, "General", ""),
    ],
)
def test_a_cell_is_given_as_its_reader_sees_it(value: object, number_format: str, shown: str) -> None:
    assert sheets.shown(value, number_format) == shown


def test_a_sheet_is_a_heading_with_titles_notes_and_tables() -> None:
    def fill(sheet: Worksheet) -> None:
        for row in (
            ["Preisliste 2026"],
            [],
            ["Artikel", "Preis", "Ab"],
            [42, 12.5, date(2026, 3, 1)],
            [],
            ["Nur netto."],
        ):
            sheet.append(row)
        sheet["A4"].number_format = "000000"
        sheet["B4"].number_format = "0.00"
        sheet["C4"].number_format = "dd.mm.yyyy"

    parsed = parse(workbook(fill), media_types.XLSX)

    assert texts(parsed) == [
        "Preise",
        "Preisliste 2026",
        "Artikel: 000042 | Preis: 12.50 | Ab: 01.03.2026",
        "Nur netto.",
    ]
    assert {element.headings for element in parsed.elements[1:]} == {("Preise",)}


def test_a_title_right_above_a_table_is_its_heading() -> None:
    def fill(sheet: Worksheet) -> None:
        for row in (["Maschinen"], ["Typ", "Gewicht", "Preis"], ["KB 40", 2900, 71300]):
            sheet.append(row)

    assert only_table(parse(workbook(fill), media_types.XLSX)).headings == ("Preise", "Maschinen")


def test_hidden_sheets_are_left_out_and_long_ones_cut_with_their_header() -> None:
    def fill(sheet: Worksheet) -> None:
        sheet.append(["Nr", "Name", "Ort"])
        for number in range(450):
            sheet.append([number, f"Teil {number}", "Talbrück"])
        assert sheet.parent is not None
        hidden = sheet.parent.create_sheet("Intern")
        hidden.append(["geheim"])
        hidden.sheet_state = "hidden"

    parsed = parse(workbook(fill), media_types.XLSX)
    tables = [element for element in parsed.elements if element.kind is ElementKind.TABLE]

    assert [len(table.cells) for table in tables] == [201, 201, 51]
    assert all(table.cells[0] == ("Nr", "Name", "Ort") for table in tables)
    assert "geheim" not in " ".join(texts(parsed))
    assert "Intern" in parsed.warnings[0]


def test_a_workbook_cut_off_is_damaged() -> None:
    with pytest.raises(ParseFailed) as caught:
        parse(workbook(lambda sheet: sheet.append(["x"]))[:900], media_types.XLSX)

    assert caught.value.reason == Reason.DAMAGED
