"""OpenDocument and EPUB: order, headings, lists, tables, and what nobody sees left out."""

from __future__ import annotations

import pytest

from kbm.domain.documents import ElementKind, ParsedDocument, Reason
from kbm.errors import ParseFailed
from kbm.parsing import media_types, tidy
from kbm.parsing.formats import EpubParser, OdfParser
from tests.unit.parsing.files import blob, only_table, texts
from tests.unit.parsing.open_files import epub, odf, zipped


def parse(data: bytes) -> ParsedDocument:
    return tidy.document(OdfParser().parse(blob(data), media_types.recognise(blob(data))))


def read_book(data: bytes) -> ParsedDocument:
    return tidy.document(EpubParser().parse(blob(data), media_types.recognise(blob(data))))


def test_headings_lists_and_notes_keep_their_order() -> None:
    parsed = parse(
        odf(
            '<text:h text:outline-level="1">Wartung</text:h>'
            '<text:p>Alle<text:s text:c="2"/>drei Monate<text:note><text:note-citation>1</text:note-citation>'
            "<text:note-body><text:p>Bei Dauerbetrieb monatlich.</text:p></text:note-body></text:note>.</text:p>"
            '<text:h text:outline-level="2">Schritte</text:h>'
            "<text:list><text:list-item><text:p>Ventil schließen</text:p><text:list><text:list-item>"
            "<text:p>Hebel links</text:p></text:list-item></text:list></text:list-item></text:list>"
        )
    )

    assert [(one.kind, one.text) for one in parsed.elements] == [
        (ElementKind.TITLE, "Wartung"),
        (ElementKind.TEXT, "Alle drei Monate."),
        (ElementKind.TEXT, "Bei Dauerbetrieb monatlich."),
        (ElementKind.TITLE, "Schritte"),
        (ElementKind.LIST_ITEM, "Ventil schließen"),
        (ElementKind.LIST_ITEM, "Hebel links"),
    ]
    assert parsed.elements[-1].headings == ("Wartung", "Schritte")


def test_what_nobody_sees_is_left_out() -> None:
    hidden = '<style:style style:name="H"><style:text-properties text:display="none"/></style:style>'
    parsed = parse(
        odf(
            "<text:tracked-changes><text:p>gelöscht</text:p></text:tracked-changes>"
            "<text:p>Sichtbar<office:annotation><text:p>Kommentar</text:p></office:annotation><text:span "
            'text:style-name="H"> unsichtbar</text:span>.</text:p><text:p text:style-name="H">auch nicht</text:p>'
            "<text:table-of-content><text:p>Inhalt 1</text:p></text:table-of-content>",
            styles=hidden,
        )
    )

    assert texts(parsed) == ["Sichtbar."]


def test_a_table_keeps_spans_and_its_header() -> None:
    cell = "<table:table-cell {}><text:p>{}</text:p></table:table-cell>"
    rows = (
        "<table:table-header-rows><table:table-row>"
        + "".join(cell.format("", name) for name in ("Teil", "Menge", "Lager"))
        + "</table:table-row></table:table-header-rows><table:table-row>"
        + cell.format('table:number-columns-spanned="2"', "Dichtung")
        + "<table:covered-table-cell/>"
        + cell.format("", "A1")
        + "</table:table-row>"
    )

    assert only_table(parse(odf(f"<table:table>{rows}</table:table>"))).cells == (
        ("Teil", "Menge", "Lager"),
        ("Dichtung", "Dichtung", "A1"),
    )


def test_a_sheet_gives_its_cells_as_shown_and_repeats_within_bounds() -> None:
    def row(*cells: str, times: int = 1) -> str:
        inner = "".join(f"<table:table-cell><text:p>{one}</text:p></table:table-cell>" for one in cells)
        empty = '<table:table-cell table:number-columns-repeated="16380"/>'
        return f'<table:table-row table:number-rows-repeated="{times}">{inner}{empty}</table:table-row>'

    hidden = '<style:style style:name="ta2"><style:table-properties table:display="false"/></style:style>'
    parsed = parse(
        odf(
            f'<table:table table:name="Preise">{row("Artikel", "Preis", "Ab")}{row("000123", "12,50 €", "1")}'
            f'{row(times=1_048_000)}</table:table><table:table table:name="Geheim" table:style-name="ta2">'
            f"{row('x', 'y')}</table:table>",
            kind="spreadsheet",
            styles=hidden,
        )
    )

    assert only_table(parsed).cells == (("Artikel", "Preis", "Ab"), ("000123", "12,50 €", "1"))
    assert texts(parsed, ElementKind.TITLE) == ["Preise"]
    assert "Geheim" in parsed.warnings[0]


def test_a_slide_is_a_page_under_its_title() -> None:
    def frame(kind: str, text: str) -> str:
        box = f"<draw:text-box><text:p>{text}</text:p></draw:text-box>"
        return f'<draw:frame presentation:class="{kind}">{box}</draw:frame>'

    notes = (
        "<presentation:notes><draw:frame><draw:text-box><text:p>Notiz</text:p></draw:text-box></draw:frame>"
    )
    pages = "".join(
        f"<draw:page>{frame('outline', f'Punkt {n}')}{frame('title', f'Folie {n}')}"
        f"{frame('page-number', 'Seite')}{notes}</presentation:notes></draw:page>"
        for n in (1, 2)
    )
    parsed = parse(odf(pages, kind="presentation"))

    assert [(one.page, one.text) for one in parsed.elements] == [
        (1, "Folie 1"),
        (1, "Punkt 1"),
        (1, "Notiz"),
        (2, "Folie 2"),
        (2, "Punkt 2"),
        (2, "Notiz"),
    ]
    assert parsed.elements[-1].headings == ("Folie 2",)


def test_a_picture_is_named_by_its_description_and_not_by_its_number() -> None:
    def picture(name: str, description: str = "") -> str:
        told = f"<svg:desc>{description}</svg:desc>" if description else ""
        return f'<text:p><draw:frame draw:name="{name}"><draw:image/>{told}</draw:frame></text:p>'

    parsed = parse(odf(picture("Bild1", "Schnitt durch die Pumpe P200") + picture("Grafik 7")))

    assert texts(parsed) == ["[Image: Schnitt durch die Pumpe P200]"]
    assert parsed.quality.n_pictures == 2


def test_properties_are_read() -> None:
    meta = (
        "<dc:title>Anweisung</dc:title><meta:initial-creator>Anna Keller</meta:initial-creator>"
        "<dc:date>2026-03-01T12:00:00.5</dc:date>"
    )
    parsed = parse(odf("<text:p>x</text:p>", meta=meta))

    assert (parsed.title, parsed.author) == ("Anweisung", "Anna Keller")
    assert parsed.modified is not None
    assert parsed.modified.isoformat() == "2026-03-01T12:00:00+00:00"


def test_a_locked_document_asks_for_a_copy_without_password() -> None:
    with pytest.raises(ParseFailed, match="password") as caught:
        parse(odf("<text:p>x</text:p>", manifest="<file-entry><encryption-data/></file-entry>"))
    assert caught.value.reason == Reason.ENCRYPTED


def test_chapters_come_in_the_order_of_the_spine() -> None:
    book = read_book(
        epub([("b.xhtml", "<h1>Erstens</h1><p>Der Anfang.</p>"), ("a.xhtml", "<p>Das Ende.</p>")])
    )

    assert texts(book) == ["Erstens", "Der Anfang.", "Das Ende."]
    assert book.elements[2].headings == ()
    assert (book.title, book.author) == ("Betriebsbuch", "Anna Keller")


def test_a_chapter_outside_of_the_book_is_not_looked_for() -> None:
    book = read_book(epub([("a.xhtml", "<p>Innen.</p>"), ("../../../../etc/hostname", "")]))

    assert texts(book) == ["Innen."]
    assert book.quality.n_left_out == 1
    assert book.quality.poor == ("parts_left_out",)


def test_a_protected_book_is_encrypted_and_one_with_mangled_fonts_is_not() -> None:
    def with_rights(algorithm: str) -> bytes:
        rights = f'<encryption><EncryptionMethod Algorithm="{algorithm}"/></encryption>'
        return epub([("a.xhtml", "<p>Text.</p>")], extra={"META-INF/encryption.xml": rights})

    with pytest.raises(ParseFailed) as caught:
        read_book(with_rights("http://www.w3.org/2001/04/xmlenc#aes128-cbc"))
    assert caught.value.reason == Reason.ENCRYPTED
    assert texts(read_book(with_rights("http://www.idpf.org/2008/embedding"))) == ["Text."]


@pytest.mark.parametrize("stated", ["text/plain", "text/html", "application/vnd.kbm.rows+json"])
def test_an_archive_cannot_call_itself_something_else(stated: str) -> None:
    assert media_types.recognise(blob(zipped({"mimetype": stated, "a": "x"}))) == "application/zip"
