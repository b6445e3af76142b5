"""Office documents, web pages, Markdown and mails.

The formats differ in what is broken about them, so each has a module of its own; what they share is a builder and
one account of what went wrong. Faults of the libraries become reasons here: an archive or XML that cannot be read
is ``DAMAGED``. Anything else is a fault of ours or theirs and stays an exception, which the worker reports.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from dataclasses import replace
from typing import ClassVar

from kbm.domain.documents import Blob, ParsedDocument, Reason
from kbm.errors import ParseFailed
from kbm.parsing import media_types, unstructured_adapter
from kbm.parsing.building import DocumentBuilder
from kbm.parsing.text_decoding import decode

_DAMAGED = "The file is damaged ({}): open it where it was made and save it again."


class OfficeParser:
    """Reads docx, pptx, xlsx, html, md and eml."""

    name: ClassVar[str] = "office"
    version: ClassVar[str] = "3"
    media_types: ClassVar[frozenset[str]] = frozenset(
        {
            media_types.DOCX,
            media_types.PPTX,
            media_types.XLSX,
            media_types.HTML,
            media_types.MARKDOWN,
            media_types.EML,
        }
    )

    def parse(self, blob: Blob, media_type: str) -> ParsedDocument:
        """Read *blob*; a document without a title of its own is named by its first heading."""
        try:
            parsed = read(blob, media_type)
        except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, SyntaxError) as error:
            # Both XML libraries call what they cannot read a syntax error.
            raise ParseFailed(Reason.DAMAGED, _DAMAGED.format(error)) from error
        except RecursionError as error:
            raise ParseFailed(Reason.DAMAGED, _DAMAGED.format("nested without end")) from error
        return parsed

    def warm_up(self) -> None:
        """Import what takes long, before the clock of a document starts."""
        unstructured_adapter.warm_up()


def read(blob: Blob, media_type: str) -> ParsedDocument:
    """Read one of the office formats; faults of libraries come as they are."""
    builder = DocumentBuilder()
    if media_type == media_types.HTML:
        return _page(decode_html(blob.data), builder)
    if media_type == media_types.MARKDOWN:
        from kbm.parsing.markdown_text import to_html

        page, title = to_html(decode(blob.data).text)
        parsed = _page(page, builder)
        return replace(parsed, title=title or parsed.title)
    if media_type == media_types.EML:
        return _mail(blob)
    return _office(blob, media_type, builder)


def _page(html: str, builder: DocumentBuilder) -> ParsedDocument:
    from kbm.parsing.web import write_html

    title = write_html(html, builder)
    heading = builder.first_heading
    # "Page : Site" names the site to a browser's window, not the page to a reader.
    return _document(builder, heading if heading and heading in title else title)


def _mail(blob: Blob) -> ParsedDocument:
    from kbm.parsing import mail

    return mail.document(mail.read(blob.data))


def _office(blob: Blob, media_type: str, builder: DocumentBuilder) -> ParsedDocument:
    if media_type == media_types.DOCX:
        from kbm.parsing.word import write_docx

        write_docx(blob.data, builder)
    elif media_type == media_types.PPTX:
        from kbm.parsing.slides import write_pptx

        write_pptx(blob.data, builder)
    else:
        from kbm.parsing.sheets import write_xlsx

        write_xlsx(blob.data, builder)
    from kbm.parsing import ooxml

    known = ooxml.properties(blob.data)
    parsed = _document(builder, known.title)
    return replace(parsed, author=known.author, modified=known.modified)


def _document(builder: DocumentBuilder, title: str) -> ParsedDocument:
    return ParsedDocument(
        elements=tuple(builder.elements),
        title=title or builder.first_heading,
        warnings=tuple(builder.warnings),
        quality=builder.quality,
    )


def decode_html(data: bytes) -> str:
    """Decode a page by its byte-order mark, its own declaration, or its looks, in this order."""
    if not data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        declared = re.search(rb"<meta[^>]+charset\s*=\s*[\"']?([A-Za-z0-9_\-]+)", data[:4096], re.I)
        if declared is not None:
            name = declared[1].decode("ascii")
            # Browsers read Latin-1 as the Windows code page, and so do the people who write such pages.
            name = (
                "cp1252" if name.lower() in ("iso-8859-1", "latin1", "latin-1", "us-ascii", "ascii") else name
            )
            try:
                return data.decode(name)
            except (LookupError, ValueError):
                # A wrong declaration: the bytes decide.
                return decode(data).text
    return decode(data).text
