"""Archives that a parser must not open."""

from __future__ import annotations

import io
import time
import zipfile

import pytest
from openpyxl.worksheet.worksheet import Worksheet

from kbm.domain.documents import Reason
from kbm.errors import ParseFailed
from kbm.parsing import guard, media_types
from kbm.parsing.limits import MEGABYTE
from kbm.parsing.office import OfficeParser
from kbm.parsing.pool import ParsingPool
from tests.unit.parsing.files import blob, part, with_part, word, workbook

LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)


def refused(data: bytes, media_type: str = media_types.DOCX) -> ParseFailed:
    with pytest.raises(ParseFailed) as caught:
        guard.check(blob(data), media_type)
    return caught.value


def zeros(megabytes: int) -> bytes:
    target = io.BytesIO()
    with (
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("word/document.xml", "w") as stream,
    ):
        for _ in range(megabytes):
            stream.write(bytes(MEGABYTE))
    return target.getvalue()


def test_honest_files_pass() -> None:
    def fill(sheet: Worksheet) -> None:
        for _ in range(500):
            sheet.append([0] * 50)

    guard.check(blob(word(lambda document: document.add_paragraph("x"))), media_types.DOCX)
    guard.check(blob(workbook(fill)), media_types.XLSX)


def test_a_zip_bomb_is_refused_quickly() -> None:
    data = zeros(120)
    before = time.process_time()

    assert refused(data).reason == Reason.BOMB
    assert time.process_time() - before < 3


def test_a_bomb_that_lies_about_its_size_is_refused() -> None:
    data = bytearray(zeros(120))
    at = data.find(b"PK\x01\x02")
    data[at + 24 : at + 28] = (1000).to_bytes(4, "little")

    assert refused(bytes(data)).reason in (Reason.BOMB, Reason.DAMAGED)


def test_too_many_parts_are_refused() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for number in range(guard.MEMBERS + 1):
            archive.writestr(f"word/{number}", b"")

    assert refused(target.getvalue()).reason == Reason.BOMB


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_in_any_encoding(encoding: str) -> None:
    content = (LAUGHS + b"<w>&c;</w>").decode().encode(encoding)
    failed = refused(with_part(word(), "word/document.xml", content))

    assert failed.reason == Reason.BOMB
    assert "word/document.xml" in str(failed)


def test_a_broken_part_is_damage() -> None:
    data = word(lambda document: document.add_paragraph("x"))
    broken = bytearray(data)
    size = len(part(data, "word/document.xml"))
    assert size
    at = data.find(b"word/document.xml") + 40
    broken[at : at + 20] = bytes(20)

    assert refused(bytes(broken)).reason == Reason.DAMAGED


def test_the_pool_refuses_a_bomb_before_the_parser_sees_it() -> None:
    laughing = with_part(word(), "word/document.xml", LAUGHS + b"<w>&c;</w>")
    inflated = with_part(word(), "word/document.xml", b"<w>" + b" " * (120 * MEGABYTE) + b"</w>")
    with ParsingPool({"office": OfficeParser()}) as pool:
        for data in (laughing, inflated):
            with pytest.raises(ParseFailed) as caught:
                pool.parse(blob(data, "a.docx"))
            assert caught.value.reason == Reason.BOMB
