"""The real programs: old office files made by LibreOffice, pages read by Tesseract."""

from __future__ import annotations

import io
import socket
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kbm.domain.documents import ElementKind, Reason
from kbm.errors import ParseFailed
from kbm.parsing import media_types, tools
from kbm.parsing.legacy import LegacyParser
from kbm.parsing.limits import Limits
from kbm.parsing.pdf import PdfParser
from kbm.parsing.pool import ParsingPool
from kbm.parsing.scans import ScanParser
from kbm.ports import Parser
from tests.unit.parsing.files import Put, blob, only_table, pdf, slides, texts, word, workbook
from tests.unit.parsing.open_files import compound, needs_office, needs_tesseract, picture_of, scanned

LINES = ["Die Wartung der Pumpe erfolgt nach Plan", "und wird im Protokoll vermerkt."]
Old = Callable[[bytes, str, str], bytes]


@pytest.fixture(scope="module")
def pool() -> Iterator[ParsingPool]:
    parsers: dict[str, Parser] = {"legacy": LegacyParser(), "scan": ScanParser(), "pdf": PdfParser()}
    with ParsingPool(parsers, Limits(wall_s=100, recognition_s=100)) as opened:
        yield opened


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Old:
    """Give what saves a file of today in an old format."""
    office = tools.office()
    assert office is not None

    def saved(data: bytes, suffix: str, target: str) -> bytes:
        folder = tmp_path_factory.mktemp("old")
        (folder / f"a.{suffix}").write_bytes(data)
        subprocess.run(
            [
                *(str(office.command), "--headless"),
                f"-env:UserInstallation={(folder / 'profile').as_uri()}",
                *("--convert-to", target, "--outdir", str(folder / "made"), str(folder / f"a.{suffix}")),
            ],
            check=True,
            capture_output=True,
            timeout=100,
        )
        return next((folder / "made").iterdir()).read_bytes()

    return saved


@needs_office
@pytest.mark.slow
def test_an_old_document_is_read_with_headings_and_tables(pool: ParsingPool, old: Old) -> None:
    def fill(document: Any) -> None:
        document.add_heading("Urlaub", 1)
        document.add_paragraph("Der Antrag geht an die Leitung, spätestens zwei Wochen vorher.")
        table = document.add_table(2, 3)
        for n, text in enumerate(("Art", "Tage", "Frist", "Sonder", "2", "keine")):
            table.cell(n // 3, n % 3).text = text
        document.add_paragraph("Ende.")

    data = blob(old(word(fill), "docx", "doc:MS Word 97"), "urlaub.doc")
    parsed = pool.parse(data)

    assert media_types.recognise(data) == media_types.DOC
    assert texts(parsed, ElementKind.TITLE) == ["Urlaub"]
    assert "spätestens zwei Wochen" in texts(parsed)[1]
    assert only_table(parsed).cells[1] == ("Sonder", "2", "keine")
    assert parsed.quality.strategy == "converted"
    assert parsed.quality.poor == ()


@needs_office
@pytest.mark.slow
def test_old_sheets_and_slides_are_read(pool: ParsingPool, old: Old) -> None:
    def rows(sheet: Any) -> None:
        sheet.append(["Artikel", "Preis", "Ab"])
        sheet.append(["00012", 4.5, 10])

    def show(presentation: Any) -> None:
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text, slide.placeholders[1].text = "Risiken", "Leckage am Zylinder"

    sheet = pool.parse(blob(old(workbook(rows), "xlsx", "xls:MS Excel 97"), "a.xls"))
    slide = pool.parse(blob(old(slides(show), "pptx", "ppt:MS PowerPoint 97"), "a.ppt"))

    assert only_table(sheet).cells == (("Artikel", "Preis", "Ab"), ("00012", "4.5", "10"))
    assert texts(slide, ElementKind.TITLE) == ["Risiken"]
    assert "Leckage am Zylinder" in texts(slide)


@needs_office
@pytest.mark.slow
def test_a_picture_by_address_is_not_fetched(pool: ParsingPool, old: Old) -> None:
    """The converter is another program, so the kernel must keep it from the network."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/picture.png"
        page = f'<html><body><p>Der Text.</p><img src="{address}" width="99" height="99"></body></html>'
        data = old(page.encode(), "html", "doc:MS Word 97")
        while True:
            # Making the file may fetch it; only what comes later counts.
            try:
                server.accept()[0].close()
            except TimeoutError:
                break
        parsed = pool.parse(blob(data, "a.doc"))
        with pytest.raises(TimeoutError):
            server.accept()

    assert "Der Text." in texts(parsed)


@needs_office
@pytest.mark.slow
def test_an_old_document_that_is_broken_is_damaged(pool: ParsingPool) -> None:
    with pytest.raises(ParseFailed) as caught:
        pool.parse(blob(compound({"WordDocument": b"\xec\xa5\xc1\x00" + bytes(4092)}), "a.doc"))
    assert caught.value.reason in (Reason.DAMAGED, Reason.NO_TEXT)


@needs_tesseract
def test_a_scanned_page_is_read_and_marked(pool: ParsingPool) -> None:
    data = blob(scanned(LINES), "scan.pdf")
    with pytest.raises(ParseFailed) as caught:
        pool.parse(data)
    assert caught.value.reason == Reason.NO_TEXT

    parsed = pool.parse(data, recognise=True)

    assert "Wartung der Pumpe" in " ".join(texts(parsed))
    assert parsed.quality.recognised_pages == (1,)
    assert parsed.quality.certainty > 0.7
    assert parsed.quality.poor == ()
    assert "text recognition" in parsed.warnings[-1]


@needs_tesseract
def test_a_picture_is_read_and_a_small_one_is_not(pool: ParsingPool) -> None:
    parsed = pool.parse(blob(picture_of(LINES), "scan.png"))
    icon = with_size(picture_of(LINES), 100, 100)

    assert "im Protokoll vermerkt" in " ".join(texts(parsed))
    assert parsed.elements[0].page == 1
    for data in (icon, picture_of([])):
        with pytest.raises(ParseFailed) as caught:
            pool.parse(blob(data, "icon.png"))
        assert caught.value.reason == Reason.NO_TEXT


@needs_tesseract
def test_only_pages_without_text_are_recognised(pool: ParsingPool) -> None:
    import pypdfium2

    both = pypdfium2.PdfDocument.new()
    for data in (pdf([[Put("Seite eins hat Text.", 700)]]), scanned(LINES)):
        both.import_pages(pypdfium2.PdfDocument(data))
    target = io.BytesIO()
    both.save(target)
    usual = pool.parse(blob(target.getvalue(), "both.pdf"))
    parsed = pool.parse(blob(target.getvalue(), "both.pdf"), recognise=True)

    assert usual.quality.poor == ("pages_without_text",)
    assert texts(parsed)[0] == "Seite eins hat Text."
    assert parsed.elements[-1].page == 2
    assert parsed.quality.recognised_pages == (2,)
    assert parsed.quality.poor == ()


def with_size(data: bytes, width: int, height: int) -> bytes:
    from PIL import Image

    target = io.BytesIO()
    Image.open(io.BytesIO(data)).resize((width, height)).save(target, "PNG")
    return target.getvalue()


def test_a_picture_without_measure_is_refused_before_a_pixel_is_read(pool: ParsingPool) -> None:
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100_000)))
    with pytest.raises(ParseFailed) as caught:
        pool.parse(blob(bomb + chunk(b"IEND", b""), "bomb.png"))
    assert caught.value.reason == Reason.TOO_LARGE
