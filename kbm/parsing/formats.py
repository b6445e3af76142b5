"""Parsers of OpenDocument, EPUB, rich text and Outlook mail, thin: what reads them is loaded in a worker only."""

from __future__ import annotations

import struct
import zipfile
import zlib
from typing import ClassVar

from kbm.domain.documents import Blob, ParsedDocument, Reason
from kbm.errors import ParseFailed
from kbm.parsing import media_types, unstructured_adapter
from kbm.parsing.building import DocumentBuilder

_DAMAGED = "The file is damaged ({}): open it where it was made and save it again."


class OdfParser:
    """Reads odt, ods and odp."""

    name: ClassVar[str] = "odf"
    version: ClassVar[str] = "1"
    media_types: ClassVar[frozenset[str]] = frozenset({media_types.ODT, media_types.ODS, media_types.ODP})

    def parse(self, blob: Blob, media_type: str) -> ParsedDocument:
        """Read *blob*; what it holds decides, whichever of the three it says it is."""
        from kbm.parsing.odf import read

        try:
            return read(blob.data)
        except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, RecursionError) as error:
            raise ParseFailed(Reason.DAMAGED, _DAMAGED.format(error)) from error


class EpubParser:
    """Reads epub."""

    name: ClassVar[str] = "epub"
    version: ClassVar[str] = "1"
    media_types: ClassVar[frozenset[str]] = frozenset({media_types.EPUB})

    def parse(self, blob: Blob, media_type: str) -> ParsedDocument:
        """Read *blob*, chapter by chapter."""
        from kbm.parsing.epub import read

        try:
            return read(blob.data)
        except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, RecursionError) as error:
            raise ParseFailed(Reason.DAMAGED, _DAMAGED.format(error)) from error

    def warm_up(self) -> None:
        """Import what takes long, before the clock of a document starts."""
        unstructured_adapter.warm_up()


class RtfParser:
    """Reads rtf."""

    name: ClassVar[str] = "rtf"
    version: ClassVar[str] = "1"
    media_types: ClassVar[frozenset[str]] = frozenset({media_types.RTF})

    def parse(self, blob: Blob, media_type: str) -> ParsedDocument:
        """Read *blob*; one that ends within its groups was cut off."""
        from kbm.parsing import rtf

        builder = DocumentBuilder()
        if not blob.data.rstrip(b"\0\r\n\t \x1a").endswith(b"}"):
            builder.truncated = True
            builder.warnings.append("the end of the file is missing")
        rtf.write_rtf(blob.data, builder)
        title, author = rtf.properties(blob.data)
        return ParsedDocument(
            elements=tuple(builder.elements),
            title=title or builder.first_heading,
            author=author,
            warnings=tuple(builder.warnings),
            quality=builder.quality,
        )


class MsgParser:
    """Reads msg."""

    name: ClassVar[str] = "msg"
    version: ClassVar[str] = "1"
    media_types: ClassVar[frozenset[str]] = frozenset({media_types.MSG})

    def parse(self, blob: Blob, media_type: str) -> ParsedDocument:
        """Read *blob* as the mail it was."""
        from kbm.parsing.outlook import read

        try:
            return read(blob.data)
        except (OSError, KeyError, IndexError, ValueError, struct.error, RecursionError) as error:
            raise ParseFailed(Reason.DAMAGED, _DAMAGED.format(error)) from error

    def warm_up(self) -> None:
        """Import what takes long, before the clock of a document starts."""
        unstructured_adapter.warm_up()
