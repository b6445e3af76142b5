"""Read a document in a plainer way when the usual one failed, and say that it was so.

A file its own program opens may still break a library: an unknown variant, a broken style sheet, one bad picture.
Its text is then better than a line in quarantine, as long as the record says how it was read. What was damaged on
its way is another matter: of a file that was cut off, or whose main part has a wrong checksum, nothing is read, since
half a document would replace the whole one that is stored.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace

from kbm.domain.documents import Blob, ParsedDocument, Reason
from kbm.errors import ParseFailed
from kbm.parsing import guard, media_types
from kbm.parsing.building import DocumentBuilder
from kbm.parsing.prose import write_paragraphs
from kbm.parsing.text_decoding import decode

_WORTH_IT = frozenset({Reason.DAMAGED, Reason.NO_TEXT, Reason.CRASHED})
_OPEN = frozenset({media_types.ODT, media_types.ODS, media_types.ODP})
_OFFICE = frozenset({media_types.DOCX, media_types.PPTX, media_types.XLSX})
_NOT_SHOWN = re.compile(r"<(script|style|head)\b.*?</\1\s*>|<!--.*?-->", re.I | re.S)
_TAG = re.compile(r"<[^>]*>")
_ENDS_BLOCK = re.compile(r"</?(?:p|div|h[1-6]|li|tr|td|th|br|table|section|article)\b[^>]*>", re.I)


def read(blob: Blob, media_type: str, error: Exception) -> ParsedDocument:
    """Read *blob*, on which the usual way failed with *error*; raises that error when no other way helps."""
    if isinstance(error, ParseFailed) and error.reason not in _WORTH_IT:
        raise error
    for name, way in _ways(media_type):
        try:
            parsed = way(blob)
        except Exception:  # noqa: S112 - the first failure is the one worth telling
            continue
        if parsed.elements:
            told = f"read in another way ({name}), since the usual one failed: {_told(error)}"
            quality = replace(parsed.quality, strategy=f"second:{name}")
            return replace(parsed, warnings=(told, *parsed.warnings), quality=quality)
    raise error


def _ways(media_type: str) -> list[tuple[str, Callable[[Blob], ParsedDocument]]]:
    if media_type in _OFFICE:
        return [("without_broken_parts", lambda blob: _mended(blob, media_type)), ("xml_text", _xml_text)]
    if media_type in _OPEN:
        return [("recovered_xml", _recovered)]
    if media_type == media_types.PDF:
        return [("page_lines", _page_lines)]
    if media_type == media_types.RTF:
        return [("without_control_words", _rich_text)]
    if media_type in (media_types.HTML, media_types.MARKDOWN, media_types.EML):
        return [("text_only", _text_only)]
    return []


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, ParseFailed) else f"{type(error).__name__}: {error}"[:300]


def _mended(blob: Blob, media_type: str) -> ParsedDocument:
    """Read an office file from which broken parts were taken; its main parts are none of them."""
    from kbm.parsing.office import read as read_office

    target, broken = io.BytesIO(), []
    with zipfile.ZipFile(io.BytesIO(blob.data)) as archive, zipfile.ZipFile(target, "w") as copied:
        for member in archive.infolist():
            try:
                content = archive.read(member)
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
                broken.append(member.filename)
                content = b""
            if content or member.filename.rpartition(".")[2].lower() not in ("xml", "rels"):
                copied.writestr(member.filename, content)
    if not broken or any(name in guard.MAIN_PARTS for name in broken):
        raise ParseFailed(Reason.DAMAGED, "Nothing can be taken away.")
    data = target.getvalue()
    guard.check(Blob(data=data, name=blob.name), media_type)
    parsed = read_office(Blob(data=data, name=blob.name), media_type)
    told = f"{len(broken)} broken parts were left out: {', '.join(broken[:5])}"
    return replace(
        parsed,
        warnings=(*parsed.warnings, told),
        quality=replace(parsed.quality, n_left_out=len(broken)),
    )


def _xml_text(blob: Blob) -> ParsedDocument:
    from kbm.parsing.ooxml_text import write

    builder = DocumentBuilder()
    write(blob.data, builder)
    return _document(builder)


def _recovered(blob: Blob) -> ParsedDocument:
    from kbm.parsing.odf import read as read_odf

    return read_odf(blob.data, recover=True)


def _page_lines(blob: Blob) -> ParsedDocument:
    import pypdfium2

    builder = DocumentBuilder()
    document = pypdfium2.PdfDocument(blob.data)
    builder.n_pages = len(document)
    for number in range(len(document)):
        builder.page = number + 1
        try:
            page = document[number]
            text = page.get_textpage().get_text_bounded()
        except (pypdfium2.PdfiumError, UnicodeDecodeError):
            builder.n_empty_pages += 1
            continue
        write_paragraphs(text.replace("\r\n", "\n").replace("\r", "\n"), builder, headings=False)
    return _document(builder)


def _rich_text(blob: Blob) -> ParsedDocument:
    from kbm.parsing.rtf import plain_text_of

    builder = DocumentBuilder()
    write_paragraphs(plain_text_of(blob.data), builder, headings=False)
    return _document(builder)


def _text_only(blob: Blob) -> ParsedDocument:
    text = decode(blob.data).text
    if _TAG.search(text):
        text = _TAG.sub("", _ENDS_BLOCK.sub("\n\n", _NOT_SHOWN.sub("", text)))
    builder = DocumentBuilder()
    write_paragraphs(text, builder, headings=False)
    return _document(builder)


def _document(builder: DocumentBuilder) -> ParsedDocument:
    return ParsedDocument(
        elements=tuple(builder.elements),
        title=builder.first_heading,
        warnings=tuple(builder.warnings),
        quality=builder.quality,
    )
