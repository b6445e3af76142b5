"""Look into an archive before a parser unpacks it.

An office file is a zip of XML. A hostile one is small and unpacks to gigabytes, or declares entities that multiply;
the libraries neither notice. Ordinary office XML shrinks 20 to 60 times, so a ratio alone would refuse honest
sheets: it counts only for members that are large as well. The sizes that an archive declares can lie, so members
are unpacked once in small pieces, without keeping them, until a bound is passed.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib

from kbm.domain.documents import Blob, Reason
from kbm.errors import ParseFailed
from kbm.parsing.limits import MEGABYTE
from kbm.parsing.media_types import DOCX, EPUB, ODP, ODS, ODT, PPTX, XLSB, XLSX

MEMBERS = 10_000
RATIO = 100
LARGE = 100 * MEGABYTE
"""Below this size a member may have any ratio."""
TOTAL = 1024 * MEGABYTE
MAIN_PARTS = frozenset(
    {"word/document.xml", "ppt/presentation.xml", "xl/workbook.xml", "xl/sharedStrings.xml", "content.xml"}
)
"""Without these there is no document."""
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, struct.error)
_PIECE = 256 * 1024
_DECLARATION = re.compile(r"<!(?:doctype|entity)\b", re.I)
_ENTITY = re.compile(r"<!entity\b", re.I)
_XML = (".xml", ".rels", ".vml", ".xhtml", ".html", ".opf", ".ncx")


def check(blob: Blob, media_type: str) -> None:
    """Refuse an archive that a parser should not open.

    Raises:
        ParseFailed: ``BOMB`` for one that unpacks without measure, ``DAMAGED`` for one that does not unpack.
    """
    if media_type not in (DOCX, PPTX, XLSX, XLSB, ODT, ODS, ODP, EPUB):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(blob.data)) as archive:
            # Books and old OpenDocument files name a document type, which harms nobody; entities do.
            declared = _DECLARATION if media_type in (DOCX, PPTX, XLSX, XLSB) else _ENTITY
            _check(archive, declared)
    except (*_BROKEN, OSError, NotImplementedError, RuntimeError) as error:
        raise ParseFailed(
            Reason.DAMAGED,
            f"The file's archive is broken ({error}): open it where it was made and save it again.",
        ) from error


def _check(archive: zipfile.ZipFile, declared: re.Pattern[str]) -> None:
    members = archive.infolist()
    if len(members) > MEMBERS:
        raise _bomb(f"it holds {len(members):,} parts, {MEMBERS:,} are allowed")
    stated = sum(member.file_size for member in members)
    if stated > TOTAL:
        raise _bomb(f"it unpacks to {stated // MEGABYTE:,} MB, {TOTAL // MEGABYTE:,} are allowed")
    total = 0
    for member in members:
        total = _check_member(archive, member, total, declared)


def _check_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, total: int, declared: re.Pattern[str]
) -> int:
    """Unpack a member piece by piece; give the bytes unpacked so far."""
    size = 0
    is_xml = member.filename.lower().endswith(_XML)
    with archive.open(member) as stream:
        while piece := stream.read(_PIECE):
            if is_xml and size == 0 and _declares(piece, declared):
                raise _bomb(
                    f"its part {member.filename} declares entities, which no program that makes such files does"
                )
            size += len(piece)
            total += len(piece)
            if size > LARGE and size > RATIO * max(member.compress_size, 1):
                raise _bomb(f"its part {member.filename} unpacks to more than {RATIO} times its size")
            if total > TOTAL:
                raise _bomb(f"it unpacks to more than {TOTAL // MEGABYTE:,} MB")
    return total


def _declares(beginning: bytes, declared: re.Pattern[str]) -> bool:
    """Tell whether the XML has such a declaration; in UTF-16 too, where the letters lie apart."""
    return declared.search(beginning.replace(b"\0", b"").decode("latin-1")) is not None


def _bomb(why: str) -> ParseFailed:
    return ParseFailed(
        Reason.BOMB, f"The file was not opened: {why}. If it is honest, save it again and split it."
    )
