"""Read a document in a plainer way when the usual one failed, and say that it was so.

A file its own program opens may still break a library: an unknown variant, a broken style sheet, one bad picture.
Its text is then better than a line in quarantine, as long as the record says how it was read. What was damaged on
its way is another matter: of a file that was cut off, or whose main part has a wrong checksum, nothing is read, since
half a document would replace the whole one that is stored.
"""

from __future__ import annotations

import io
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
_ARCHIVES = frozenset({media_types.DOCX, media_types.PPTX, media_types.XLSX, media_types.EPUB}) | _OPEN
_OFFICE = frozenset({media_types.DOCX, media_types.PPTX, media_types.XLSX})


def read(blob: Blob, media_type: str, error: Exception) -> ParsedDocument:
    """Read *blob*, on which the usual way failed with *error*; raises that error when no other way helps."""
    if isinstance(error, ParseFailed) and error.reason not in _WORTH_IT:
        raise error
    if getattr(error, "reason", None) == Reason.NO_TEXT and media_type not in _OFFICE:
        # Of these the usual way has seen everything that a reader would see.
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
    mended = (
        [("without_broken_parts", lambda blob: _mended(blob, media_type))] if media_type in _ARCHIVES else []
    )
    if media_type in _OFFICE:
        return [*mended, ("xml_text", _xml_text)]
    if media_type in _OPEN:
        return [*mended, ("recovered_xml", _recovered)]
    if mended:
        return [*mended]
    if media_type == media_types.PDF:
        return [("page_lines", _page_lines)]
    if media_type == media_types.RTF:
        return [("without_control_words", _rich_text)]
    if media_type in (media_types.HTML, media_types.MARKDOWN):
        return [("text_only", lambda blob: _text_only(blob, media_type))]
    if media_type in (media_types.EML, media_types.MSG):
        return [("text_only", lambda blob: _plain_mail(blob, media_type))]
    return []


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, ParseFailed) else f"{type(error).__name__}: {error}"[:300]


def _mended(blob: Blob, media_type: str) -> ParsedDocument:
    """Read an office file from which broken parts were taken; its main parts are none of them."""
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
    parsed = _reader_of(media_type)(Blob(data=data, name=blob.name))
    told = f"{len(broken)} broken parts were left out: {', '.join(broken[:5])}"
    return replace(
        parsed,
        warnings=(*parsed.warnings, told),
        quality=replace(parsed.quality, n_left_out=len(broken)),
    )


def _reader_of(media_type: str) -> Callable[[Blob], ParsedDocument]:
    from kbm.parsing import epub, odf, office

    if media_type in _OFFICE:
        return lambda blob: office.read(blob, media_type)
    reader: Callable[[bytes], ParsedDocument] = epub.read if media_type == media_types.EPUB else odf.read
    return lambda blob: reader(blob.data)


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


def _text_only(blob: Blob, media_type: str) -> ParsedDocument:
    from kbm.parsing.markdown_text import to_html
    from kbm.parsing.office import decode_html
    from kbm.parsing.web import write_text_of

    is_page = media_type == media_types.HTML
    builder = DocumentBuilder()
    write_text_of(decode_html(blob.data) if is_page else to_html(decode(blob.data).text)[0], builder)
    return _document(builder)


def _plain_mail(blob: Blob, media_type: str) -> ParsedDocument:
    from kbm.parsing import mail, outlook

    read_mail = outlook.message if media_type == media_types.MSG else mail.read
    return mail.document(read_mail(blob.data), plainly=True)


def _document(builder: DocumentBuilder) -> ParsedDocument:
    return ParsedDocument(
        elements=tuple(builder.elements),
        title=builder.first_heading,
        warnings=tuple(builder.warnings),
        quality=builder.quality,
    )
