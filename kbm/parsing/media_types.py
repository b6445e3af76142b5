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
MSG = "application/vnd.ms-outlook"
RTF = "application/rtf"
EPUB = "application/epub+zip"
ODT = "application/vnd.oasis.opendocument.text"
ODS = "application/vnd.oasis.opendocument.spreadsheet"
ODP = "application/vnd.oasis.opendocument.presentation"
DOC = "application/msword"
XLS = "application/vnd.ms-excel"
PPT = "application/vnd.ms-powerpoint"
XLSB = "application/vnd.ms-excel.sheet.binary.macroenabled.12"
PICTURES = frozenset(
    {"image/png", "image/jpeg", "image/tiff", "image/gif", "image/bmp", "image/webp"},
)
JSON = "application/json"
XML = "application/xml"
ROWS = "application/vnd.kbm.rows+json"
AS_SCAN = {PDF: "application/pdf; scanned"}
"""Under which type a kind of file is parsed again when pages of it are pictures of text."""

OWN_TYPES = "application/vnd.kbm."
"""Media types that kbm's own connectors give; content cannot tell them, so they are believed."""

_OOXML = (
    ("word/", DOCX, "word/document.xml"),
    ("ppt/", PPTX, "ppt/presentation.xml"),
    ("xl/", XLSX, "xl/workbook.xml"),
)
_MAGIC = (
    (b"{\\rtf", RTF),
    (b"\x89PNG\r\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"BM", "image/bmp"),
    (b"\x1f\x8b", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!", "application/vnd.rar"),
    (b"\x7fELF", "application/x-executable"),
    (b"MZ\x90", "application/x-msdownload"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_STREAMS = (
    ("__properties_version1.0", MSG),
    ("WordDocument", DOC),
    ("Workbook", XLS),
    ("Book", XLS),
    ("PowerPoint Document", PPT),
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
_TOLD_BY_CONTENT = frozenset(
    {DOCX, PPTX, XLSX, PDF, EML, JSON, XML, MSG, RTF, EPUB, ODT, ODS, ODP, DOC, XLS, PPT, XLSB} | PICTURES
)
_SUFFIXES_TOLD_BY_CONTENT = frozenset(
    {
        ".docx",
        ".pptx",
        ".xlsx",
        ".pdf",
        ".odt",
        ".ods",
        ".odp",
        ".epub",
        ".rtf",
        ".msg",
        ".doc",
        ".xls",
        ".ppt",
    }
    | {".docm", ".pptm", ".xlsm", ".xlsb", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".gif", ".bmp", ".webp"}
)
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
        return _ole_type(blob)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    for magic, media_type in _MAGIC:
        # A text may begin with two letters of a magic number.
        if data.startswith(magic) and (len(magic) > 2 or not is_text(data)):
            return media_type
    if is_text(data):
        return _text_type(blob)
    declared = blob.media_type or mimetypes.guess_type(blob.name)[0] or ""
    if declared and not declared.startswith("text/") and declared not in _TOLD_BY_CONTENT:
        return declared
    if suffix_of(blob.name) in _SUFFIXES_TOLD_BY_CONTENT:
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
    if any(member.flag_bits & 0x1 for member in members):
        raise ParseFailed(Reason.ENCRYPTED, "The file is encrypted: store a copy without a password.")
    if "xl/workbook.bin" in names:
        return XLSB
    for folder, media_type, main_part in _OOXML:
        if main_part in names or (
            "[Content_Types].xml" in names and any(name.startswith(folder) for name in names)
        ):
            return media_type
    # Only what is said to be one of these: an archive could call itself a text.
    if declared.strip() == EPUB or "META-INF/container.xml" in names:
        return EPUB
    for kind in (ODT, ODS, ODP):
        if declared.startswith(kind):
            return kind
    if {"content.xml", "META-INF/manifest.xml"} <= set(names):
        return ODT
    return "application/zip"


def _ole_type(blob: Blob) -> str:
    data = blob.data
    # Stream names lie in the directory as UTF-16; looking for them needs no reader of the whole format.
    if "EncryptedPackage".encode("utf-16-le") in data:
        raise ParseFailed(Reason.ENCRYPTED, "The file has a password: store a copy without one.")
    for stream, media_type in _OLE_STREAMS:
        if stream.encode("utf-16-le") in data:
            return media_type
    if suffix_of(blob.name) in (".doc", ".xls", ".ppt", ".msg"):
        raise ParseFailed(
            Reason.DAMAGED, "The file does not say what is in it: it was cut off or altered; upload it again."
        )
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
