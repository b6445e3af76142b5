"""Outlook's own mail format, turned into the mail it was and read as one.

The properties are read by ``oxmsg``; all rules about mails (what is the body, which attachments are documents, which
names are safe) are those of :mod:`kbm.parsing.mail`. A body may be there as HTML, as text, or as packed rich text.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default
from email.utils import format_datetime
from typing import Any

from kbm.domain.documents import ParsedDocument
from kbm.parsing import mail, rtf
from kbm.parsing.text_decoding import decode

Properties = Any
"""The vendor's; its types are not marked as such."""

_SUBJECT, _BODY, _HTML, _RTF = 0x0037, 0x1000, 0x1013, 0x1009
_HEADERS, _SENT, _RECEIVED, _CODE_PAGE = 0x007D, 0x0039, 0x0E06, 0x3FDE
_SENDER, _SENDER_MAIL, _SENDER_SMTP, _ON_BEHALF = 0x0C1A, 0x0C1F, 0x5D01, 0x0042
_TO, _CC = 0x0E04, 0x0E03
_LONG_NAME, _NAME, _KIND, _DATA, _SHOWN_AS, _CONTENT_ID = 0x3707, 0x3704, 0x370E, 0x3701, 0x3001, 0x3712
_INNER = "__substg1.0_3701000D"
_ROOT_HEADER, _INNER_HEADER, _ATTACHMENT_HEADER = 32, 24, 8
_DEPTH = 5
_UNPACKED = 64 * 1024 * 1024
_EMPTY_DICTIONARY = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript "
    b"\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    b"\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)


def read(data: bytes) -> ParsedDocument:
    """Read a mail; faults of the container come as its libraries raise them."""
    return mail.document(message(data))


def message(data: bytes) -> EmailMessage:
    """Turn the properties into the mail they were."""
    from olefile import OleFileIO
    from oxmsg.storage import Storage

    with OleFileIO(io.BytesIO(data)) as container:
        storage = Storage.from_ole(container)
    return _message(storage, _ROOT_HEADER, 0)


def _message(storage: Any, header: int, depth: int) -> EmailMessage:
    """Build the mail that a storage holds; mails attached to it become mails attached to it."""
    known = _Known(storage, header)
    message = EmailMessage(policy=default)
    stated = mail.read(known.text(_HEADERS).encode("utf-8", "replace")) if known.text(_HEADERS) else None
    for name, own in (("Subject", known.text(_SUBJECT)), ("From", _sender(known))):
        _set(message, name, own or (mail.field(stated, name) if stated else ""))
    for name, pid in (("To", _TO), ("Cc", _CC)):
        _set(message, name, (mail.field(stated, name) if stated else "") or known.text(pid).strip("\0"))
    moment = known.moment(_SENT) or known.moment(_RECEIVED) or (mail.sent(stated) if stated else None)
    _set(message, "Date", format_datetime(moment) if moment else "")
    _set_body(message, known)
    for n, attached in enumerate(storage.iter_attachment_storages()):
        if n >= mail.ATTACHMENTS:
            break
        _attach(message, attached, depth)
    return message


def _set(message: EmailMessage, name: str, value: str) -> None:
    value = " ".join(value.split())
    if not value:
        return
    try:
        message[name] = value
    except (ValueError, TypeError, IndexError, AttributeError, LookupError):
        # What the library cannot take apart as addresses is still worth showing.
        message[name] = value.encode("ascii", "replace").decode("ascii").replace("<", "(").replace(">", ")")


def _sender(known: _Known) -> str:
    name, address = known.text(_SENDER), known.text(_SENDER_SMTP) or known.text(_SENDER_MAIL)
    # Inside one company the address is a path in its directory, which tells a reader nothing.
    if "@" not in address:
        return name or known.text(_ON_BEHALF)
    return f'"{name.replace(chr(34), "")}" <{address}>' if name and name != address else address


def _set_body(message: EmailMessage, known: _Known) -> None:
    if html := known.html():
        message.set_content(html, subtype="html")
    elif text := known.text(_BODY).strip("\0 \r\n"):
        message.set_content(text)
    elif packed := known.binary(_RTF):
        message.set_content(rtf.text_of(unpacked(packed)))


def _attach(message: EmailMessage, storage: Any, depth: int) -> None:
    known = _Known(storage, _ATTACHMENT_HEADER)
    inner = next((one for one in storage.storages if one.name == _INNER), None)
    if inner is not None and any(stream.name == "__properties_version1.0" for stream in inner.streams):
        if depth < _DEPTH:
            message.add_attachment(_message(inner, _INNER_HEADER, depth + 1))
        return
    data = known.binary(_DATA)
    if not data:
        return
    kind, _, subtype = known.text(_KIND).strip("\0 ").lower().partition("/")
    if not (kind.isalpha() and subtype.isascii() and subtype.replace("-", "").replace(".", "").isalnum()):
        kind, subtype = "application", "octet-stream"
    if kind in ("multipart", "message"):
        kind, subtype = "application", "octet-stream"
    name = known.text(_LONG_NAME) or known.text(_NAME) or known.text(_SHOWN_AS)
    content_id = known.text(_CONTENT_ID)
    message.add_attachment(
        data,
        maintype=kind,
        subtype=subtype,
        filename=mail.safe_name(name.strip("\0"), f"{kind}/{subtype}"),
        cid=f"<{content_id}>" if content_id.isascii() and content_id.isprintable() and content_id else None,
    )


class _Known:
    """The properties of one storage, each absent where it is broken."""

    def __init__(self, storage: Any, header: int) -> None:
        from oxmsg.properties import Properties as Vendor

        self._streams = {stream.name: stream.bytes_ for stream in storage.streams}
        self._properties: Properties = Vendor(storage, properties_header_offset=header)

    def text(self, pid: int) -> str:
        if (wide := self._streams.get(f"__substg1.0_{pid:04X}001F")) is not None:
            return str(wide.decode("utf-16-le", "replace"))
        if (narrow := self._streams.get(f"__substg1.0_{pid:04X}001E")) is not None:
            return self._decoded(narrow)
        return ""

    def html(self) -> str:
        data = self.binary(_HTML)
        return self._decoded(data) if data else self.text(_HTML)

    def binary(self, pid: int) -> bytes:
        return bytes(self._streams.get(f"__substg1.0_{pid:04X}0102", b""))

    def moment(self, pid: int) -> datetime | None:
        try:
            found = self._properties.date_prop_value(pid)
        except (KeyError, IndexError, ValueError, OverflowError, AttributeError, struct.error):
            return None
        return found.astimezone(UTC) if isinstance(found, datetime) else None

    def _decoded(self, data: bytes) -> str:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            pass
        for name in self._encodings():
            try:
                return data.decode(name)
            except (LookupError, ValueError):
                continue
        return decode(data).text

    def _encodings(self) -> Iterator[str]:
        try:
            yield str(self._properties.body_encoding)
        except (KeyError, IndexError, ValueError, struct.error):
            return


def unpacked(data: bytes) -> bytes:
    """Unpack the rich text of a mail (MS-OXRTFCP); gives what could be unpacked of a broken one."""
    if len(data) < 16:
        return b""
    _, size, kind, _ = struct.unpack("<IIII", data[:16])
    if kind == 0x414C454D:
        return data[16 : 16 + size]
    window = bytearray(_EMPTY_DICTIONARY.ljust(4096, b" "))
    write, made, at = len(_EMPTY_DICTIONARY), bytearray(), 16
    while at < len(data) and len(made) < min(size, _UNPACKED):
        flags = data[at]
        at += 1
        for bit in range(8):
            if flags >> bit & 1:
                if at + 2 > len(data):
                    return bytes(made)
                code = data[at] << 8 | data[at + 1]
                at += 2
                offset, length = code >> 4, (code & 15) + 2
                if offset == write:
                    return bytes(made)
                for n in range(length):
                    byte = window[(offset + n) & 4095]
                    made.append(byte)
                    window[write] = byte
                    write = (write + 1) & 4095
            else:
                if at >= len(data):
                    return bytes(made)
                made.append(data[at])
                window[write] = data[at]
                write = (write + 1) & 4095
                at += 1
    return bytes(made)
