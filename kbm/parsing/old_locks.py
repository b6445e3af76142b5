"""Tell whether an old office file asks for a password, from the places where each format says so."""

from __future__ import annotations

import io
import struct

from olefile import OleFileIO

from kbm.domain.documents import Reason
from kbm.errors import ParseFailed

_WORD_FLAGS, _WORD_LOCKED = 0x0A, 0x0100
_FILEPASS, _END_OF_SHEET = 0x002F, 0x000A
_SHOW_LOCKED = 0xF3D1C4DF
_RECORDS = 200
"""A workbook says it within its first records."""


def refuse_locked(data: bytes) -> None:
    """Look into a doc, xls or ppt.

    Raises:
        ParseFailed: ``ENCRYPTED``, or ``DAMAGED`` when the container itself cannot be read.
    """
    try:
        with OleFileIO(io.BytesIO(data)) as container:
            locked = _is_locked(container)
    except (OSError, ValueError, IndexError, KeyError, struct.error, RecursionError) as error:
        raise ParseFailed(
            Reason.DAMAGED,
            f"The file is damaged ({error}): open it where it was made and save it again.",
        ) from error
    if locked:
        raise ParseFailed(Reason.ENCRYPTED, "The file has a password: store a copy without one.")


def _is_locked(container: OleFileIO) -> bool:
    if container.exists("WordDocument"):
        head = container.openstream("WordDocument").read(32)
        return len(head) >= 12 and bool(struct.unpack_from("<H", head, _WORD_FLAGS)[0] & _WORD_LOCKED)
    for name in ("Workbook", "Book"):
        if container.exists(name):
            return _has_password_record(container.openstream(name).read(64 * 1024))
    if container.exists("Current User"):
        head = container.openstream("Current User").read(16)
        return len(head) >= 16 and struct.unpack_from("<I", head, 12)[0] == _SHOW_LOCKED
    return False


def _has_password_record(stream: bytes) -> bool:
    at = 0
    for _ in range(_RECORDS):
        if at + 4 > len(stream):
            return False
        kind, size = struct.unpack_from("<HH", stream, at)
        if kind == _FILEPASS:
            return True
        if kind == _END_OF_SHEET:
            return False
        at += 4 + size
    return False
