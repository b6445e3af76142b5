"""What a file is, whatever it is called."""

from __future__ import annotations

import pytest

from kbm.domain.documents import Reason
from kbm.errors import ParseFailed
from kbm.parsing import media_types as kinds
from tests.unit.parsing.files import Put, blob, part, pdf, slides, with_part, word, workbook

MAIL = "From: a@x.example\nSubject: Hi\nDate: Mon, 14 Sep 2026 07:42:00 +0000\n\nBody"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        (pdf([[Put("x", 700)]]), "scan.docx", kinds.PDF),
        (word(lambda d: d.add_paragraph("x")), "report.pdf", kinds.DOCX),
        (slides(), "talk.zip", kinds.PPTX),
        (workbook(lambda s: s.append(["x"])), "prices.csv", kinds.XLSX),
        ("<!DOCTYPE html><p>x</p>", "export.xls", kinds.HTML),
        ('<?xml version="1.0"?>\n<!-- x --><html><p>x</p></html>', "page", kinds.HTML),
        (MAIL, "mail.txt", kinds.EML),
        ("# Title\n\ntext", "a.md", kinds.MARKDOWN),
        ("a;b\n1;2", "a.CSV", kinds.CSV),
        ("a\tb\n1\t2", "export.xls", kinds.TSV),
        ("just words", "report.docx", kinds.TEXT),
        ("Von: Anna\nUhrzeit: 12", "note", kinds.TEXT),
        ("2026-01-01 started", "x.log", kinds.TEXT),
        ('{"a": 1}', "a.json", kinds.JSON),
        ("Grüße aus dem Werk", "a.rst", kinds.TEXT),
        ("Grüße".encode("utf-16"), "a.txt", kinds.TEXT),
        ("Grüße".encode("cp1252"), "a.txt", kinds.TEXT),
        (b"a line of text with a single \x00 somewhere, as old hosts write it\n" * 20, "a.txt", kinds.TEXT),
        (OLE + "WordDocument".encode("utf-16-le"), "old.doc", "application/msword"),
        (b"\xff\xd8\xff\xe0" + bytes(40), "a.pdf", "image/jpeg"),
    ],
)
def test_content_decides_before_the_name(data: bytes | str, name: str, expected: str) -> None:
    assert kinds.recognise(blob(data, name)) == expected


def test_the_types_of_kbm_are_believed() -> None:
    assert kinds.recognise(blob("{}", "x.csv", kinds.ROWS)) == kinds.ROWS


def test_a_declared_type_serves_where_neither_content_nor_name_tell() -> None:
    assert kinds.recognise(blob("# Seite", "seite", "text/markdown; charset=utf-8")) == kinds.MARKDOWN


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (b"", "a.pdf", Reason.EMPTY),
        (b" \r\n\x00\x00", "a.txt", Reason.EMPTY),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "a.xlsx", Reason.ENCRYPTED),
        (word(lambda d: d.add_paragraph("x"))[:-200], "a.docx", Reason.DAMAGED),
        (b"PK\x03\x04", "a.docx", Reason.DAMAGED),
        (bytes(range(1, 32)) * 9, "a.docx", Reason.DAMAGED),
        (bytes(range(1, 32)) * 9, "a.dat", Reason.UNSUPPORTED),
    ],
)
def test_what_cannot_be_parsed_says_why(data: bytes, name: str, reason: Reason) -> None:
    with pytest.raises(ParseFailed) as caught:
        kinds.recognise(blob(data, name))

    assert caught.value.reason == reason


def test_an_archive_with_encrypted_parts_needs_a_password() -> None:
    data = bytearray(with_part(word(), "word/extra.xml", b"<a/>"))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(signature, at + 4)

    with pytest.raises(ParseFailed) as caught:
        kinds.recognise(blob(bytes(data), "a.docx"))
    assert caught.value.reason == Reason.ENCRYPTED
    assert part(word(), "word/document.xml")
