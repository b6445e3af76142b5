"""Files for the tests of parsing, made here so that each test shows what is in them."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import docx
import openpyxl
import pptx
from openpyxl.worksheet.worksheet import Worksheet

from kbm.domain.documents import Blob, Element, ElementKind, ParsedDocument

LOREM = "Die Wartung der Pumpe erfolgt nach Plan und wird im Protokoll mit Datum und Namen vermerkt."


def blob(data: bytes | str, name: str = "file", media_type: str = "") -> Blob:
    return Blob(data=data.encode() if isinstance(data, str) else data, name=name, media_type=media_type)


def texts(parsed: ParsedDocument, kind: ElementKind | None = None) -> list[str]:
    return [element.text for element in parsed.elements if kind is None or element.kind is kind]


def only_table(parsed: ParsedDocument) -> Element:
    (table,) = (element for element in parsed.elements if element.kind is ElementKind.TABLE)
    return table


def word(fill: Callable[[Any], object] = id) -> bytes:
    document = docx.Document()
    fill(document)
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def slides(fill: Callable[[Any], object] = id) -> bytes:
    presentation = pptx.Presentation()
    fill(presentation)
    target = io.BytesIO()
    presentation.save(target)
    return target.getvalue()


def workbook(fill: Callable[[Worksheet], object], title: str = "Preise") -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.title = title
    fill(sheet)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def with_part(data: bytes, name: str, content: bytes) -> bytes:
    """Give a copy of an archive in which one part is new or replaced."""
    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as source,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copied,
    ):
        for member in source.infolist():
            if member.filename != name:
                copied.writestr(member.filename, source.read(member))
        copied.writestr(name, content)
    return target.getvalue()


def part(data: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(name)


@dataclass(frozen=True)
class Put:
    """Text put at a place of a page (points from the lower left corner)."""

    text: str
    y: float
    x: float = 72
    size: float = 11
    bold: bool = False


def pdf(pages: Sequence[Sequence[Put]], *, title: str = "", password: str = "") -> bytes:
    """Write a PDF by hand; with a *password* it asks for one (standard handler, revision 2)."""
    objects: list[bytes] = [b""] * 5
    kids = []
    for page in pages:
        content = b"".join(
            b"BT /F%d %g Tf %g %g Td (%s) Tj ET\n"
            % (2 if put.bold else 1, put.size, put.x, put.y, _literal(put.text))
            for put in page
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>" % len(objects)
        )
        kids.append(b"%d 0 R" % len(objects))
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding /WinAnsiEncoding >>"
    objects[0] = b"<< /Type /Catalog /Pages 2 0 R >>"
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(kids), len(kids))
    objects[2], objects[3] = font % b"Helvetica", font % b"Helvetica-Bold"
    objects[4] = b"<< /Title (%s) /Author (Anna) /ModDate (D:20260301120000+01'00') >>" % _literal(title)
    trailer = b"/Root 1 0 R /Info 5 0 R"
    if password:
        objects.append(_encryption(password.encode()))
        trailer += b" /Encrypt %d 0 R /ID [<%s> <%s>]" % (
            len(objects),
            _FILE_ID.hex().encode(),
            _FILE_ID.hex().encode(),
        )
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d %s >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, trailer, start)
    return bytes(out)


_FILE_ID = b"0123456789abcdef"
_PADDING = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")


def _literal(text: str) -> bytes:
    return text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def _encryption(password: bytes) -> bytes:
    padded = (password + _PADDING)[:32]
    owner = _rc4(hashlib.md5(padded, usedforsecurity=False).digest()[:5], padded)
    rights = (-4).to_bytes(4, "little", signed=True)
    key = hashlib.md5(padded + owner + rights + _FILE_ID, usedforsecurity=False).digest()[:5]
    user = _rc4(key, _PADDING)
    return b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>" % (
        owner.hex().encode(),
        user.hex().encode(),
    )


def _rc4(key: bytes, data: bytes) -> bytes:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)
