"""A mail as a document: subject, who wrote to whom when, the body; attachments are documents of their own.

MIME is read by the standard library and only an HTML body goes through ``unstructured``, whose mail reader follows
attachments into layout models (51 s for one mail of 15 kB) and fails on bodies in unknown encodings.
"""

from __future__ import annotations

import email
import email.policy
import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

from kbm.domain.documents import Blob, ParsedDocument, Reason
from kbm.errors import ParseFailed
from kbm.parsing.building import DocumentBuilder
from kbm.parsing.prose import write_paragraphs
from kbm.parsing.text_decoding import decode
from kbm.parsing.web import write_html, write_text_of

ATTACHMENTS = 200
"""More of one mail are left out."""
_LOCKED = frozenset(
    {"multipart/encrypted", "application/pgp-encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"}
)
_SIGNATURE = re.compile(r"^-- ?$", re.M)
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.I)
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"|?*\u202a-\u202e\u2066-\u2069]')
_NAME_CHARS = 120


def read(data: bytes) -> EmailMessage:
    """Parse a mail; broken ones are read as far as they go. UTF-16 files are a mail client's "save as text"."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        data = decode(data).text.encode("utf-8")
    return email.message_from_bytes(data.lstrip(b"\xef\xbb\xbf\r\n"), policy=email.policy.default)


def document(message: EmailMessage, *, plainly: bool = False) -> ParsedDocument:
    """Read a mail; *plainly* as paragraphs alone, whatever its body is made of."""
    builder = DocumentBuilder()
    write_mail(message, builder, plainly=plainly)
    return ParsedDocument(
        elements=tuple(builder.elements),
        title=field(message, "Subject"),
        author=field(message, "From"),
        modified=sent(message),
        attachments=tuple(attachments(message)),
        warnings=tuple(builder.warnings),
        quality=builder.quality,
    )


def write_mail(message: EmailMessage, builder: DocumentBuilder, *, plainly: bool = False) -> None:
    """Add subject, header fields and body to *builder*.

    Raises:
        ParseFailed: the mail is encrypted, so that only its envelope could be read.
    """
    if any(part.get_content_type() in _LOCKED and not _is_signature(part) for part in message.walk()):
        raise ParseFailed(Reason.ENCRYPTED, "The mail is encrypted: store it as its reader sees it.")
    subject = field(message, "Subject")
    builder.heading(subject, 1)
    about = [f"{name}: {value}" for name in ("From", "To", "Cc", "Date") if (value := field(message, name))]
    builder.text(" | ".join(about))
    body = _body(message)
    if body is None:
        return
    text = _content(body)
    if body.get_content_subtype() == "html":
        (write_text_of if plainly else write_html)(text, builder)
        return
    text = "\n".join(re.sub(r"^(?:> ?)+", "", line) for line in text.split("\n"))
    signature = _SIGNATURE.search(text)
    write_paragraphs(text if signature is None else text[: signature.start()], builder, headings=False)


def _is_signature(part: EmailMessage) -> bool:
    """Tell whether a part of S/MIME is signed and not locked: its text is inside of it, in the clear."""
    return "signed" in str(part.get_param("smime-type", ""))


def field(message: EmailMessage, name: str) -> str:
    """Give a header field as text; one that cannot be parsed counts as absent."""
    try:
        value = message.get(name)
    except (ValueError, TypeError, IndexError, AttributeError, LookupError):
        # The standard library's parser of header fields raises any of these on crafted fields.
        return ""
    return " ".join(str(value or "").split())


def sent(message: EmailMessage) -> datetime | None:
    """Give the moment of the Date field."""
    try:
        moment = parsedate_to_datetime(field(message, "Date"))
    except (ValueError, TypeError, IndexError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def attachments(message: EmailMessage) -> Iterator[Blob]:
    """Give what is attached, with names that are safe as file names; pictures of the body are left out."""
    body = _body(message)
    taken: set[str] = set()
    for part in message.walk():
        if part is message or part is body or part.is_multipart() or _inside_forwarded(message, part):
            continue
        is_attached = part.get_content_disposition() == "attachment" or part.get_filename()
        if not is_attached or (part.get_content_maintype() == "image" and part.get("Content-ID")):
            continue
        data = _bytes(part)
        if data:
            name = _unique(safe_name(_file_name(part), part.get_content_type()), taken)
            yield Blob(data=data, name=name, media_type=part.get_content_type())
            if len(taken) >= ATTACHMENTS:
                return
    for forwarded in _forwarded(message):
        name = _unique(safe_name(field(forwarded, "Subject") + ".eml", "message/rfc822"), taken)
        yield Blob(data=forwarded.as_bytes(), name=name, media_type="message/rfc822")


def safe_name(name: str, media_type: str) -> str:
    """Make a file name of what a stranger wrote: no folders, no device names, no marks, no great length."""
    name = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    name = _UNSAFE.sub("_", name).strip(". ")
    if not name or _RESERVED.match(name):
        name = f"attachment_{name}" if name else f"attachment.{media_type.rpartition('/')[2][:20]}"
    stem, dot, suffix = name.rpartition(".")
    return name if len(name) <= _NAME_CHARS else f"{(stem or name)[:_NAME_CHARS]}{dot}{suffix[:12]}"


def _unique(name: str, taken: set[str]) -> str:
    stem, dot, suffix = name.rpartition(".")
    candidate, number = name, 1
    while candidate.lower() in taken:
        number += 1
        candidate = f"{stem} ({number}){dot}{suffix}" if dot else f"{name} ({number})"
    taken.add(candidate.lower())
    return candidate


def _file_name(part: EmailMessage) -> str:
    try:
        return part.get_filename() or ""
    except (ValueError, TypeError, IndexError, AttributeError, LookupError):
        return ""


def _body(message: EmailMessage) -> EmailMessage | None:
    try:
        found = message.get_body(("html", "plain"))
    except (ValueError, TypeError, IndexError, AttributeError, LookupError):
        found = None
    return found if isinstance(found, EmailMessage) else None


def _content(part: EmailMessage) -> str:
    data = _bytes(part)
    charset = part.get_content_charset() or "utf-8"
    try:
        text = data.decode(charset)
    except (LookupError, ValueError):
        # An unknown or a wrong charset: what the bytes look like.
        text = decode(data).text
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _bytes(part: EmailMessage) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _forwarded(message: EmailMessage) -> list[EmailMessage]:
    """List mails attached to the mail itself, not those attached to these."""
    found: list[EmailMessage] = []
    stack = [message]
    while stack:
        part = stack.pop()
        for child in part.iter_parts() if part.get_content_maintype() == "multipart" else ():
            if child.get_content_type() == "message/rfc822":
                inner = child.get_payload(0) if child.is_multipart() else None
                if isinstance(inner, EmailMessage):
                    found.append(inner)
            elif isinstance(child, EmailMessage):
                stack.append(child)
    return found


def _inside_forwarded(message: EmailMessage, part: EmailMessage) -> bool:
    return any(part is inner for forwarded in _forwarded(message) for inner in forwarded.walk())
