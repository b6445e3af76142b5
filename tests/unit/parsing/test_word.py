"""DOCX: headings, lists, tables, pages, and text where unstructured does not look for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn

from kbm.domain.documents import ElementKind, ParsedDocument, Reason
from kbm.errors import ParseFailed
from kbm.parsing import media_types, tidy
from kbm.parsing.office import OfficeParser
from tests.unit.parsing.files import LOREM, blob, only_table, texts, with_part, word


def parse(data: bytes) -> ParsedDocument:
    return tidy.document(OfficeParser().parse(blob(data, "a.docx"), media_types.DOCX))


def path_of(parsed: ParsedDocument, text: str) -> tuple[str, ...]:
    return next(element.headings for element in parsed.elements if element.text == text)


def test_headings_lists_and_tables_keep_their_place() -> None:
    def fill(document: Any) -> None:
        document.core_properties.title = "Anweisung VA-7"
        document.core_properties.author = "Birgit Lauterbach"
        document.core_properties.modified = datetime(2026, 3, 1, 9, 30)
        document.add_heading("Zweck", 1)
        document.add_paragraph(LOREM)
        document.add_heading("Fristen", 2)
        document.add_paragraph("Antwort", style="List Bullet")
        table = document.add_table(2, 3)
        for row, cells in enumerate((("Schritt", "Frist", "Wer"), ("Antwort", "2 Tage", "Vertrieb"))):
            for column, text in enumerate(cells):
                table.cell(row, column).text = text
        document.add_heading("Kosten", 1)

    parsed = parse(word(fill))

    assert (parsed.title, parsed.author) == ("Anweisung VA-7", "Birgit Lauterbach")
    assert parsed.modified == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    assert texts(parsed, ElementKind.TITLE) == ["Zweck", "Fristen", "Kosten"]
    assert path_of(parsed, LOREM) == ("Zweck",)
    assert path_of(parsed, "Antwort") == ("Zweck", "Fristen")
    assert path_of(parsed, "Kosten") == ()
    assert only_table(parsed).text == "Schritt: Antwort | Frist: 2 Tage | Wer: Vertrieb"
    assert only_table(parsed).cells[0] == ("Schritt", "Frist", "Wer")
    assert only_table(parsed).headings == ("Zweck", "Fristen")


def test_a_house_style_is_a_heading_by_its_outline_level() -> None:
    def fill(document: Any) -> None:
        style = document.styles.add_style("Kapitel Keller", WD_STYLE_TYPE.PARAGRAPH)
        style.base_style = document.styles["Heading 2"]
        document.add_heading("Teil", 1)
        document.add_paragraph("Wartung", style="Kapitel Keller")
        document.add_paragraph(LOREM)

    assert path_of(parse(word(fill)), LOREM) == ("Teil", "Wartung")


def test_a_short_bold_line_is_a_heading_below_all_others() -> None:
    def fill(document: Any) -> None:
        document.add_heading("Teil", 1)
        document.add_paragraph().add_run("Nach dem Umzug").bold = True
        document.add_paragraph(LOREM)
        document.add_paragraph().add_run("Achtung, Quetschgefahr!").bold = True

    parsed = parse(word(fill))

    assert path_of(parsed, LOREM) == ("Teil", "Nach dem Umzug")
    assert "Achtung, Quetschgefahr!" in texts(parsed, ElementKind.TEXT)


def test_headers_footers_and_the_table_of_contents_are_left_out() -> None:
    def fill(document: Any) -> None:
        document.sections[0].header.paragraphs[0].text = "Keller Maschinenbau"
        document.sections[0].footer.paragraphs[0].text = "Seite 1"
        style = document.styles.add_style("toc 1", WD_STYLE_TYPE.PARAGRAPH)
        document.add_paragraph("Zweck ........ 3", style=style)
        document.add_paragraph(LOREM)

    assert texts(parse(word(fill))) == [LOREM]


def test_content_controls_tracked_changes_and_fields_are_read() -> None:
    def fill(document: Any) -> None:
        document.add_paragraph("anchor")
        body = document.element.body
        content = "<w:p><w:r><w:t>In the control</w:t></w:r></w:p>"
        control = f"<w:sdt {nsdecls('w')}><w:sdtContent>{content}</w:sdtContent></w:sdt>"
        body.insert(0, parse_xml(control))
        changes = (
            f"<w:p {nsdecls('w')}><w:r><w:t xml:space='preserve'>It costs </w:t></w:r>"
            "<w:del><w:r><w:delText>10</w:delText></w:r></w:del><w:ins><w:r><w:t>12</w:t></w:r></w:ins>"
            "<w:fldSimple w:instr='X'><w:r><w:t xml:space='preserve'> euros</w:t></w:r></w:fldSimple></w:p>"
        )
        body.insert(1, parse_xml(changes))

    assert texts(parse(word(fill))) == ["In the control", "It costs 12 euros", "anchor"]


def test_text_boxes_and_footnotes_follow_their_paragraph() -> None:
    def fill(document: Any) -> None:
        box = (
            f"<w:p {nsdecls('w')}><w:r><w:t>Before</w:t></w:r><w:r><w:pict><w:txbxContent><w:p><w:r><w:t>In the box"
            "</w:t></w:r></w:p></w:txbxContent></w:pict></w:r><w:r><w:footnoteReference w:id='2'/></w:r></w:p>"
        )
        document.element.body.insert(0, parse_xml(box))
        document.add_paragraph("After")

    note = "<w:footnote w:id='2'><w:p><w:r><w:t>A note</w:t></w:r></w:p></w:footnote>"
    notes = f"<w:footnotes {nsdecls('w')}>{note}</w:footnotes>"
    found = texts(parse(with_part(word(fill), "word/footnotes.xml", notes.encode())))

    assert sorted(found) == ["A note", "After", "Before", "In the box"]
    assert found[0] == "Before"
    assert found[-1] == "After"


def test_a_paragraph_over_a_page_break_stays_whole_on_its_first_page() -> None:
    def fill(document: Any) -> None:
        run = document.add_paragraph("The pump runs ").add_run()
        run._r.append(OxmlElement("w:lastRenderedPageBreak"))
        text = OxmlElement("w:t")
        text.text = "until noon."
        text.set(qn("xml:space"), "preserve")
        run._r.append(text)
        document.add_paragraph("Then it stops.")

    pages = [(element.text, element.page) for element in parse(word(fill)).elements]

    assert pages == [("The pump runs until noon.", 1), ("Then it stops.", 2)]


def test_merged_cells_stand_in_each_row_and_column_they_cover() -> None:
    def fill(document: Any) -> None:
        table = document.add_table(3, 3)
        for row in range(3):
            for column in range(3):
                table.cell(row, column).text = f"{row}{column}"
        merged = table.cell(1, 0).merge(table.cell(2, 0))
        merged.text = "both"

    cells = only_table(parse(word(fill))).cells

    assert [row[0] for row in cells] == ["00", "both", "both"]


def test_a_table_of_one_cell_is_a_paragraph() -> None:
    def fill(document: Any) -> None:
        document.add_table(1, 1).cell(0, 0).text = LOREM

    assert texts(parse(word(fill)), ElementKind.TEXT) == [LOREM]


def test_a_broken_document_part_is_damage() -> None:
    with pytest.raises(ParseFailed) as caught:
        parse(with_part(word(), "word/document.xml", b"<w:document"))

    assert caught.value.reason == Reason.DAMAGED
