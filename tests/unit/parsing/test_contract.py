"""kbm's parsers keep the promises of every parser, and keep quiet."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from kbm.domain.documents import Reason
from kbm.errors import ParseFailed
from kbm.parsing import media_types as kinds
from kbm.parsing import wire
from kbm.parsing.formats import EpubParser, MsgParser, OdfParser, RtfParser
from kbm.parsing.office import OfficeParser
from kbm.parsing.pdf import PdfParser
from kbm.parsing.plain import PlainParser
from kbm.parsing.rows import RowsParser
from kbm.parsing.scans import ScanParser
from kbm.ports import Parser
from kbm.testing.contracts.parser import ParserContract, Sample
from tests.unit.parsing.files import LOREM, Put, blob, pdf, slides, word, workbook
from tests.unit.parsing.open_files import epub, needs_tesseract, odf, outlook, picture_of


def _slide(presentation: Any) -> None:
    made = presentation.slides.add_slide(presentation.slide_layouts[5])
    made.shapes.title.text = "Title"


OFFICE = [
    (blob(word(lambda d: (d.add_heading("A", 1), d.add_paragraph(LOREM))), "a.docx"), kinds.DOCX),
    (blob(slides(_slide), "a.pptx"), kinds.PPTX),
    (blob(workbook(lambda s: s.append(["a", "b", "c"])), "a.xlsx"), kinds.XLSX),
    (blob(f"<h1>A</h1><p>{LOREM}</p><table><tr><td>a<td>b<tr><td>c<td>d</table>", "a.html"), kinds.HTML),
    (blob(f"# A\n\n{LOREM}\n\n- x\n", "a.md"), kinds.MARKDOWN),
    (blob(f"From: a@x.example\nSubject: S\nDate: x\n\n{LOREM}", "a.eml"), kinds.EML),
]


class TestOffice(ParserContract):
    @pytest.fixture
    def parser(self) -> Parser:
        return OfficeParser()

    @pytest.fixture
    def samples(self) -> list[Sample]:
        return OFFICE


class TestPdf(ParserContract):
    @pytest.fixture
    def parser(self) -> Parser:
        return PdfParser()

    @pytest.fixture
    def samples(self) -> list[Sample]:
        return [(blob(pdf([[Put("Titel", 780, size=20), Put(LOREM, 700)]]), "a.pdf"), kinds.PDF)]


class TestPlain(ParserContract):
    @pytest.fixture
    def parser(self) -> Parser:
        return PlainParser()

    @pytest.fixture
    def samples(self) -> list[Sample]:
        return [
            (blob(f"TITEL\n\n{LOREM}\n\n- x\n"), kinds.TEXT),
            (blob("a;b;c\n1;2;3\n"), kinds.CSV),
            (blob("a\tb\tc\n1\t2\t3\n"), kinds.TSV),
            (blob('{"a": [1, 2]}'), kinds.JSON),
            (blob("<a>\n<b>x</b>\n</a>"), kinds.XML),
        ]


class TestRows(ParserContract):
    @pytest.fixture
    def parser(self) -> Parser:
        return RowsParser()

    @pytest.fixture
    def samples(self) -> list[Sample]:
        return [
            (
                blob('{"title": "t", "intro": "i", "columns": ["a"], "rows": [["1"]]}', "", kinds.ROWS),
                kinds.ROWS,
            )
        ]


class TestOdf(ParserContract):
    @pytest.fixture
    def parser(self) -> Parser:
        return OdfParser()

    @pytest.fixture
    def samples(self) -> list[Sample]:
        body = f'<text:h text:outline-level="1">A</text:h><text:p>{LOREM}</text:p>'
        row = "<table:table-row><table:table-cell><text:p>a</text:p></table:table-cell></table:table-row>"
        box = f"<draw:text-box><text:p>{LOREM}</text:p></draw:text-box>"
        page = f"<draw:page><draw:frame>{box}</draw:frame></draw:page>"
        return [
            (blob(odf(body), "a.odt"), kinds.ODT),
            (blob(odf(f"<table:table>{row * 3}</table:table>", kind="spreadsheet"), "a.ods"), kinds.ODS),
            (blob(odf(page, kind="presentation"), "a.odp"), kinds.ODP),
        ]


class TestEpub(ParserContract):
    @pytest.fixture
    def parser(self) -> Parser:
        return EpubParser()

    @pytest.fixture
    def samples(self) -> list[Sample]:
        return [(blob(epub([("a.xhtml", f"<h1>A</h1><p>{LOREM}</p>")]), "a.epub"), kinds.EPUB)]


class TestRtf(ParserContract):
    @pytest.fixture
    def parser(self) -> Parser:
        return RtfParser()

    @pytest.fixture
    def samples(self) -> list[Sample]:
        return [(blob(rf"{{\rtf1\ansi\pard {LOREM}\par Ende \u8364?.\par}}", "a.rtf"), kinds.RTF)]


class TestMsg(ParserContract):
    @pytest.fixture
    def parser(self) -> Parser:
        return MsgParser()

    @pytest.fixture
    def samples(self) -> list[Sample]:
        attached: dict[int, str | bytes] = {0x3707: "a.txt", 0x3701: b"some bytes"}
        return [(blob(outlook({0x0037: "S", 0x1000: LOREM}, [attached]), "a.msg"), kinds.MSG)]


@needs_tesseract
def test_a_program_is_not_started_where_it_would_have_a_network() -> None:
    """As here, in a process that refused nothing."""
    with pytest.raises(ParseFailed, match="network") as caught:
        ScanParser().parse(blob(picture_of([LOREM[:40]]), "a.png"), "image/png")
    assert caught.value.reason == Reason.UNSUPPORTED


RECORDER = """
import socket, sys
tried = []
def refuse(*arguments, **named):
    tried.append(arguments)
    raise OSError("no network here")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
socket.gethostbyname = refuse
from tests.unit.parsing.test_contract import OFFICE
from kbm.parsing.office import OfficeParser
for _ in range(3):
    for sample, media_type in OFFICE:
        OfficeParser().parse(sample, media_type)
print(len(tried), tried[:3])
"""


def test_the_office_parsers_try_no_network_without_any_variable_set() -> None:
    """Not in the worker, whose hook would stop an attempt, but as bare as a plug-in might call them."""
    done = subprocess.run(
        [sys.executable, "-c", RECORDER],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": "/usr/bin:/bin"},
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "0 []"
    assert done.stderr == ""


def test_the_parent_never_loads_what_reads_documents() -> None:
    program = (
        "import sys\nfrom kbm.parsing import worker, pool, office, pdf, plain, formats, legacy, scans\n"
        "heavy = {'unstructured', 'spacy', 'lxml', 'pypdfium2', 'openpyxl', 'PIL', 'olefile'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.strip() == "[]"


def test_the_seam_in_unstructured_is_still_there() -> None:
    import unstructured.nlp.tokenize as tokenize

    assert callable(tokenize._get_nlp)


@pytest.mark.parametrize(
    "head",
    [
        {},
        {
            "elements": [["text", 5, [], None, []]],
            "title": "",
            "author": "",
            "modified": None,
            "attachments": [],
            "warnings": [],
        },
        {
            "elements": [["spell", "x", [], None, []]],
            "title": "",
            "author": "",
            "modified": None,
            "attachments": [],
            "warnings": [],
        },
        {
            "elements": [],
            "title": "",
            "author": "",
            "modified": None,
            "attachments": [["a", "", 99]],
            "warnings": [],
        },
        {
            "elements": [],
            "title": "",
            "author": "",
            "modified": None,
            "attachments": [["a", "", -1]],
            "warnings": [],
        },
        {"elements": [], "title": "", "author": "", "modified": "soon", "attachments": [], "warnings": []},
    ],
)
def test_a_document_from_a_worker_is_checked(head: wire.Head) -> None:
    with pytest.raises(wire.BadFrame):
        wire.decode_document(head, b"abc")


def test_a_document_survives_the_wire() -> None:
    for sample, media_type in OFFICE:
        parsed = OfficeParser().parse(sample, media_type)
        head, body = wire.encode_document(parsed)
        front = wire.pack(head, body)

        assert wire.decode_document(wire.unpack_head(front[wire.LENGTHS_SIZE :]), body) == parsed
