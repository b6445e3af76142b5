"""What a blob is, by its content first and by its name second.

Names lie: an ERP calls its HTML export ``.xls``, a mail client saves a PDF as ``.bin``. A wrong name must neither
fail nor choose the wrong parser, so magic bytes, the members of a zip and the look of a text decide, and the name
only tells apart what content cannot: Markdown, CSV and plain text. The declared media type comes last, since
servers derive it from the name; the types of kbm's own connectors are the exception.
"""

from __future__ import annotations

import io
import mimetypes
import re
import zipfile
from pathlib import PurePosixPath

from kbm.domain.documents import Blob, Reason
from kbm.errors import ParseFailed
from kbm.parsing.text_decoding import decode_head, is_text

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PDF = "application/pdf"
HTML = "text/html"
MARKDOWN = "text/markdown"
CSV = "text/csv"
TSV = "text/tab-separated-values"
TEXT = "text/plain"
EML = "message/rfc822"
JSON = "application/json"
XML = "application/xml"
ROWS = "application/vnd.kbm.rows+json"

OWN_TYPES = "application/vnd.kbm."
"""Media types that kbm's own connectors give; content cannot tell them, so they are believed."""

_OOXML = (("word/", DOCX), ("ppt/", PPTX), ("xl/", XLSX))
_MAGIC = (
    (b"{\\rtf", "application/rtf"),
    (b"\x89PNG\r\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"\x1f\x8b", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!", "application/vnd.rar"),
    (b"\x7fELF", "application/x-executable"),
    (b"MZ\x90", "application/x-msdownload"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_STREAMS = (
    ("WordDocument", "application/msword"),
    ("Workbook", "application/vnd.ms-excel"),
    ("Book", "application/vnd.ms-excel"),
    ("PowerPoint Document", "application/vnd.ms-powerpoint"),
    ("__properties_version1.0", "application/vnd.ms-outlook"),
)
_BY_SUFFIX = {
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".mdx": MARKDOWN,
    ".htm": HTML,
    ".html": HTML,
    ".xhtml": HTML,
    ".csv": CSV,
    ".tsv": TSV,
    ".tab": TSV,
    ".eml": EML,
    ".json": JSON,
    ".jsonl": JSON,
    ".ndjson": JSON,
    ".xml": XML,
}
_TABLE_SUFFIXES = frozenset({".xls", ".xlsx", ".xlsm"})
_HTML_START = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_MAIL_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]*):(?:\s|$)")
_MAIL_NAMES = frozenset(
    {
        "from",
        "to",
        "subject",
        "date",
        "message-id",
        "mime-version",
        "received",
        "return-path",
        "content-type",
        "cc",
    }
)


def recognise(blob: Blob) -> str:
    """Give the media type of *blob*.

    Raises:
        ParseFailed: it is empty, encrypted, a damaged archive, or nothing that is known.
    """
    if blob.media_type.startswith(OWN_TYPES):
        return blob.media_type
    data = blob.data
    if not data.strip(b"\0 \t\r\n"):
        raise ParseFailed(Reason.EMPTY, "The file is empty: check whether its export or upload was cut off.")
    if b"%PDF-" in data[:1024]:
        return PDF
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_type(data)
    if data.startswith(_OLE):
        return _ole_type(data)
    for magic, media_type in _MAGIC:
        if data.startswith(magic):
            return media_type
    if is_text(data):
        return _text_type(blob)
    declared = blob.media_type or mimetypes.guess_type(blob.name)[0] or ""
    if (
        declared
        and not declared.startswith("text/")
        and declared not in (DOCX, PPTX, XLSX, PDF, EML, JSON, XML)
    ):
        return declared
    if suffix_of(blob.name) in (".docx", ".pptx", ".xlsx", ".pdf"):
        raise ParseFailed(
            Reason.DAMAGED,
            f"The file is named {suffix_of(blob.name)} but does not begin like one: upload it again.",
        )
    raise ParseFailed(Reason.UNSUPPORTED, "The file is of no known kind: save it as PDF, DOCX, HTML or text.")


def suffix_of(name: str) -> str:
    """Give the ending of a file name in small letters, with its dot."""
    return PurePosixPath(name.replace("\\", "/")).suffix.lower()


def _zip_type(data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            names = [member.filename for member in members]
            declared = (
                archive.read("mimetype")[:100].decode("ascii", "replace") if "mimetype" in names else ""
            )
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
        raise ParseFailed(
            Reason.DAMAGED,
            f"The file's archive cannot be read ({error}): it was cut off or altered; upload it again.",
        ) from error
    for folder, media_type in _OOXML:
        if any(name.startswith(folder) for name in names) and "[Content_Types].xml" in names:
            if any(member.flag_bits & 0x1 for member in members):
                raise ParseFailed(Reason.ENCRYPTED, "The file is encrypted: store a copy without a password.")
            return media_type
    return declared.strip() or "application/zip"


def _ole_type(data: bytes) -> str:
    # Stream names lie in the directory as UTF-16; looking for them needs no reader of the whole format.
    if "EncryptedPackage".encode("utf-16-le") in data:
        raise ParseFailed(Reason.ENCRYPTED, "The file has a password: store a copy without one.")
    for stream, media_type in _OLE_STREAMS:
        if stream.encode("utf-16-le") in data:
            return media_type
    return "application/x-ole-storage"


def _text_type(blob: Blob) -> str:
    head = decode_head(blob.data)
    if _HTML_START.match(head[:4096]):
        return HTML
    if _begins_like_mail(head):
        return EML
    suffix = suffix_of(blob.name)
    if (known := _BY_SUFFIX.get(suffix)) is not None:
        return known
    if suffix in _TABLE_SUFFIXES:
        lines = [line for line in head.split("\n") if line.strip()][:20]
        return TSV if lines and all("\t" in line for line in lines) else CSV
    if not suffix and blob.media_type.partition(";")[0] in (HTML, MARKDOWN, CSV, TSV, EML, JSON, XML):
        return blob.media_type.partition(";")[0]
    return TEXT


def _begins_like_mail(head: str) -> bool:
    """Tell whether the text begins with a block of header fields, of which two are a mail's."""
    seen: set[str] = set()
    for line in head.lstrip().split("\n")[:60]:
        if not line.strip():
            break
        if line[0] in " \t":
            continue
        field = _MAIL_FIELD.match(line)
        if field is None:
            return False
        seen.add(field[1].lower())
    strong = seen & {"message-id", "mime-version", "received", "return-path"}
    return (
        len(seen & _MAIL_NAMES) >= 2
        and ("from" in seen or bool(strong))
        and bool(seen & {"date", "subject"} | strong)
    )
