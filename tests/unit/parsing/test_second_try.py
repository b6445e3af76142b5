"""A file the usual way cannot read is read in a plainer one, and the record says so."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from kbm.domain.documents import Blob, ParsedDocument, Reason
from kbm.errors import ParseFailed
from kbm.parsing import media_types, second_try
from kbm.parsing.formats import EpubParser, OdfParser
from kbm.parsing.limits import Limits
from kbm.parsing.office import OfficeParser
from kbm.parsing.pool import ParsingPool
from kbm.ports import Parser
from tests.unit.parsing.files import Put, blob, part, pdf, slides, texts, with_part, word, workbook
from tests.unit.parsing.open_files import epub, odf


@pytest.fixture(scope="module")
def pool() -> Iterator[ParsingPool]:
    parsers: dict[str, Parser] = {"office": OfficeParser(), "odf": OdfParser(), "epub": EpubParser()}
    with ParsingPool(parsers, Limits(wall_s=30)) as opened:
        yield opened


def failed(pool: ParsingPool, document: Blob) -> ParseFailed:
    with pytest.raises(ParseFailed) as caught:
        pool.parse(document)
    return caught.value


def with_damage(data: bytes, name: str) -> bytes:
    """Change a byte of a stored member, as a bad disk does: its checksum is wrong then."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(target, "w") as copied:
        for member in source.namelist():
            copied.writestr(member, source.read(member))
    broken = bytearray(target.getvalue())
    at = broken.index(source_bytes := part(data, name))
    broken[at + len(source_bytes) // 2] ^= 0xFF
    return bytes(broken)


def leave(document: Any) -> None:
    document.add_heading("Urlaub", 1)
    document.add_paragraph("Der Antrag geht an die Leitung.")
    table = document.add_table(2, 3)
    for n, text in enumerate(("Art", "Tage", "Frist", "Sonder", "2", "keine")):
        table.cell(n // 3, n % 3).text = text


def test_a_broken_style_sheet_does_not_cost_the_text(pool: ParsingPool) -> None:
    parsed = pool.parse(blob(with_part(word(leave), "word/styles.xml", b"<w:styles><unclosed>"), "a.docx"))

    assert "Der Antrag geht an die Leitung." in texts(parsed)
    assert parsed.quality.strategy == "second:xml_text"
    assert parsed.quality.poor == ("other_strategy",)
    assert parsed.quality.n_tables == 1
    assert "word/styles.xml" in parsed.warnings[0]


def test_a_damaged_part_beside_the_text_is_left_out(pool: ParsingPool) -> None:
    parsed = pool.parse(blob(with_damage(word(leave), "docProps/app.xml"), "a.docx"))

    assert texts(parsed)[:2] == ["Urlaub", "Der Antrag geht an die Leitung."]
    assert "other_strategy" in parsed.quality.poor


def test_a_document_whose_text_was_damaged_is_not_read_in_part(pool: ParsingPool) -> None:
    """Half of it would replace the whole one that is stored."""
    assert (
        failed(pool, blob(with_damage(word(leave), "word/document.xml"), "a.docx")).reason == Reason.DAMAGED
    )


def test_a_document_that_was_cut_off_is_not_read_in_part(pool: ParsingPool) -> None:
    data = word(leave)

    assert failed(pool, blob(data[: len(data) // 2], "a.docx")).reason == Reason.DAMAGED


def test_the_strict_variant_of_the_format_is_read(pool: ParsingPool) -> None:
    data = word(leave)
    strict = part(data, "word/document.xml").replace(
        b"http://schemas.openxmlformats.org/wordprocessingml/2006/main",
        b"http://purl.oclc.org/ooxml/wordprocessingml/main",
    )

    assert "Der Antrag geht an die Leitung." in texts(
        pool.parse(blob(with_part(data, "word/document.xml", strict), "a.docx"))
    )


def test_hidden_text_stays_hidden_in_the_plainer_way(pool: ParsingPool) -> None:
    def fill(document: Any) -> None:
        document.add_paragraph("Sichtbar.").add_run(" Unsichtbar.").font.hidden = True

    plain = word(fill)
    broken = with_part(plain, "word/styles.xml", b"<w:styles><unclosed>")

    assert texts(pool.parse(blob(plain, "a.docx"))) == ["Sichtbar."]
    assert texts(pool.parse(blob(broken, "a.docx"))) == ["Sichtbar."]


def test_hidden_sheets_stay_hidden_in_the_plainer_way(pool: ParsingPool) -> None:
    def fill(sheet: Any) -> None:
        sheet.append(["Artikel", "Preis", "Ab"])
        sheet.append(["Ring", "4", "1"])
        hidden = sheet.parent.create_sheet("Marge")
        hidden.append(["geheim", "ja", "x"])
        hidden.sheet_state = "hidden"

    parsed = pool.parse(blob(with_part(workbook(fill), "xl/styles.xml", b"<broken"), "a.xlsx"))

    assert parsed.quality.strategy == "second:xml_text"
    assert "Artikel: Ring | Preis: 4 | Ab: 1" in texts(parsed)
    assert "geheim" not in str(parsed.elements)


def test_slides_are_read_without_the_relations_between_them(pool: ParsingPool) -> None:
    def fill(presentation: Any) -> None:
        for title in ("Risiken", "Maßnahmen"):
            slide = presentation.slides.add_slide(presentation.slide_layouts[1])
            slide.shapes.title.text = title
            slide.placeholders[1].text = f"Punkt zu {title}"

    parsed = pool.parse(blob(with_part(slides(fill), "ppt/_rels/presentation.xml.rels", b"<"), "a.pptx"))

    assert [(one.page, one.text) for one in parsed.elements] == [
        (1, "Risiken"),
        (1, "Punkt zu Risiken"),
        (2, "Maßnahmen"),
        (2, "Punkt zu Maßnahmen"),
    ]


def test_broken_xml_of_an_open_document_is_read_as_far_as_it_goes(pool: ParsingPool) -> None:
    data = odf("<text:p>Erstens.</text:p><text:p>Zweitens.</text:p>")
    broken = part(data, "content.xml").replace(b"Zweitens.</text:p>", b"Zweitens.")
    parsed = pool.parse(blob(with_part(data, "content.xml", broken), "a.odt"))

    assert texts(parsed) == ["Erstens.", "Zweitens."]
    assert parsed.quality.strategy == "second:recovered_xml"


def test_a_damaged_chapter_is_left_out_of_a_book(pool: ParsingPool) -> None:
    book = epub([("a.xhtml", "<p>Erstens.</p>"), ("b.xhtml", "<p>Zweitens.</p>")])
    parsed = pool.parse(blob(with_damage(book, "OPS/a.xhtml"), "a.epub"))

    assert texts(parsed) == ["Zweitens."]
    assert parsed.quality.n_left_out == 1


def second(data: bytes, media_type: str) -> ParsedDocument:
    return second_try.read(blob(data), media_type, ValueError("the library gave up"))


def test_a_page_the_library_gives_up_on_is_read_as_paragraphs_without_what_is_hidden() -> None:
    page = (
        b"<html><head><script>x()</script></head><body><p>Erstens.</p><div style='display:none'>Versteckt.</div>"
        b"<ul><li>Zweitens.</li></ul><!-- Kommentar --></body></html>"
    )
    parsed = second(page, media_types.HTML)

    assert texts(parsed) == ["Erstens.", "Zweitens."]
    assert "the library gave up" in parsed.warnings[0]


def test_a_pdf_whose_structure_fails_is_read_as_lines() -> None:
    parsed = second(pdf([[Put("Seite eins.", 700)], [Put("Seite zwei.", 700)]]), media_types.PDF)

    assert [(one.page, one.text) for one in parsed.elements] == [(1, "Seite eins."), (2, "Seite zwei.")]
    assert parsed.quality.n_pages == 2


def test_a_mail_whose_page_fails_keeps_its_envelope_and_text() -> None:
    data = b"From: a@x.example\nSubject: S\nContent-Type: text/html\n\n<p>Der Text.</p><p hidden>Nicht.</p>"

    assert texts(second(data, media_types.EML)) == ["S", "From: a@x.example", "Der Text."]


def test_rich_text_is_stripped_of_its_control_words() -> None:
    data = rb"{\rtf1{\fonttbl{\f0 Arial;}}\pard\f0 Der Antrag\par geht.}"

    assert texts(second(data, media_types.RTF)) == ["Der Antrag", "geht."]


@pytest.mark.parametrize("reason", [Reason.ENCRYPTED, Reason.BOMB, Reason.TOO_LARGE, Reason.NEEDS_TESSERACT])
def test_some_reasons_are_no_fault_of_the_reader(reason: Reason) -> None:
    with pytest.raises(ParseFailed) as caught:
        second_try.read(blob(word(leave)), media_types.DOCX, ParseFailed(reason, "so it is"))
    assert caught.value.reason == reason


def test_a_page_with_hidden_text_alone_is_not_opened_by_another_way(pool: ParsingPool) -> None:
    page = "<html><body><p style='display:none'>Versteckt.</p></body></html>"

    assert failed(pool, blob(page, "a.html")).reason == Reason.NO_TEXT
