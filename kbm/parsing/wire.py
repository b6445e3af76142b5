"""How a document crosses to its worker and back: JSON for what is said, raw bytes for what is carried.

Not pickle: whoever takes over a worker by a hostile document would then run code in the parent. Here the worst a
worker can send is a wrong text. A frame is two lengths, a JSON head and a body; the receiver bounds both.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from kbm.domain.documents import Blob, Element, ElementKind, ParsedDocument
from kbm.domain.parse_quality import Quality

_LENGTHS = struct.Struct(">QQ")
LENGTHS_SIZE = _LENGTHS.size

Head = dict[str, Any]
"""JSON; Any because it comes from another process and is checked where it is read."""


class BadFrame(Exception):
    """The other side sent something that is no frame, or one that is too large."""


def pack(head: Mapping[str, Any], body: bytes = b"") -> bytes:
    """Write the front of a frame; *body* is sent after it, uncopied."""
    # Lone surrogates would not survive UTF-8; ASCII escapes carry whatever a parser gives.
    encoded = json.dumps(head, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    return _LENGTHS.pack(len(encoded), len(body)) + encoded


def lengths(front: bytes, limit: int) -> tuple[int, int]:
    """Read the two lengths of a frame, which together stay within *limit* bytes."""
    head, body = _LENGTHS.unpack(front)
    if head + body > limit:
        raise BadFrame(f"frame of {head + body} bytes")
    return head, body


def unpack_head(encoded: bytes) -> Head:
    """Read the head of a frame."""
    try:
        head = json.loads(encoded)
    except (ValueError, RecursionError) as error:
        raise BadFrame("head is no JSON") from error
    if not isinstance(head, dict):
        raise BadFrame("head is no object")
    return head


def receive(channel: socket.socket, limit: int) -> tuple[Head, bytes] | None:
    """Read one frame, waiting for it; None when the other side is gone. For the worker's side."""
    front = _exactly(channel, LENGTHS_SIZE)
    if front is None:
        return None
    head_size, body_size = lengths(front, limit)
    head, body = _exactly(channel, head_size), _exactly(channel, body_size)
    return None if head is None or body is None else (unpack_head(head), body)


def _exactly(channel: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        part = channel.recv(min(size - len(data), 1 << 20))
        if not part:
            return None
        data += part
    return bytes(data)


def encode_document(parsed: ParsedDocument) -> tuple[Head, bytes]:
    """Write a document as the head and body of a frame."""
    head: Head = {
        "elements": [[e.kind.value, e.text, e.headings, e.page, e.cells] for e in parsed.elements],
        "title": parsed.title,
        "author": parsed.author,
        "modified": None if parsed.modified is None else parsed.modified.isoformat(),
        "attachments": [[blob.name, blob.media_type, len(blob.data)] for blob in parsed.attachments],
        "warnings": parsed.warnings,
        "quality": asdict(parsed.quality),
    }
    return head, b"".join(blob.data for blob in parsed.attachments)


def decode_document(head: Head, body: bytes) -> ParsedDocument:
    """Read a document, checking every part of it.

    Raises:
        BadFrame: it is not what :func:`encode_document` writes.
    """
    try:
        modified = head["modified"]
        attachments, at = [], 0
        for name, media_type, size in head["attachments"]:
            if not 0 <= _whole(size) <= len(body) - at:
                raise BadFrame("attachment outside the body")
            attachments.append(
                Blob(data=body[at : at + size], name=_text(name), media_type=_text(media_type))
            )
            at += size
        return ParsedDocument(
            elements=tuple(_element(*fields) for fields in head["elements"]),
            title=_text(head["title"]),
            author=_text(head["author"]),
            modified=None if modified is None else datetime.fromisoformat(_text(modified)),
            attachments=tuple(attachments),
            warnings=tuple(_text(warning) for warning in head["warnings"]),
            quality=_quality(head["quality"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadFrame(f"not a document: {type(error).__name__}") from error


def _element(
    kind: object, text: object, headings: list[object], page: object, cells: list[list[object]]
) -> Element:
    return Element(
        kind=ElementKind(_text(kind)),
        text=_text(text),
        headings=tuple(_text(heading) for heading in headings),
        page=None if page is None else _whole(page),
        cells=tuple(tuple(_text(cell) for cell in row) for row in cells),
    )


def _quality(stated: Mapping[str, object]) -> Quality:
    """Check each part against the kind of its default."""
    pages = stated["recognised_pages"]
    if not isinstance(pages, list):
        raise TypeError("not a list of pages")
    made: dict[str, Any] = {"recognised_pages": tuple(map(_whole, pages))}
    for one in fields(Quality):
        if one.name in made:
            continue
        value = stated[one.name]
        if type(value) is not type(one.default):
            raise TypeError(f"{one.name} is of another kind")
        made[one.name] = value
    return Quality(**made)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("not a whole number")
    return value
