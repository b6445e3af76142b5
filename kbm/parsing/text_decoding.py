"""Bytes to characters, for files that do not say how they are encoded.

A byte-order mark decides; then UTF-16 without one (every other byte is NUL), then strict UTF-8, which other
encodings practically never satisfy by chance, then the Windows code page of Western Europe, in which old ERP
exports come, or the one of DOS, if accented letters of that one stand inside of words. Statistical detection is
left out on purpose: it guesses exotic code pages for short German texts.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

SNIFF_BYTES = 65536

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DOS_LETTER = re.compile(rb"(?<=[A-Za-z])[\x81\x84\x94\x8e\x99\x82\x87](?=[A-Za-z])")
_WINDOWS_LETTER = re.compile(rb"(?<=[A-Za-z])[\xc0-\xe0\xe2-\xff](?=[A-Za-z])")
_CONTROLS_OF_TEXT = frozenset("\t\n\r\f\v\x1b\x08\x1a")


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text with the encoding that was found; *lossy* when some bytes did not fit it."""

    text: str
    encoding: str
    lossy: bool = False


def decode(data: bytes) -> Decoded:
    """Turn bytes into text; never fails. Line ends become ``\\n``."""
    found = _decode(data)
    return Decoded(found.text.replace("\r\n", "\n").replace("\r", "\n"), found.encoding, found.lossy)


def decode_head(data: bytes) -> str:
    """Turn the beginning of *data* into text, to look at it."""
    text = _decode(data[:SNIFF_BYTES], cut=len(data) > SNIFF_BYTES).text
    return text.replace("\r\n", "\n").replace("\r", "\n")


def is_text(data: bytes) -> bool:
    """Tell whether the beginning of *data* reads as text: hardly any control characters."""
    head = decode_head(data)
    controls = sum(1 for c in head if (c < " " or c == "\x7f") and c not in _CONTROLS_OF_TEXT)
    return bool(head) and controls <= len(head) * 0.02


def _decode(data: bytes, *, cut: bool = False) -> Decoded:
    """Decode; with *cut* the end may lie inside a character."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            text = data.decode(encoding, "replace")
            return Decoded(text.removeprefix("\ufeff"), encoding, "\ufffd" in text)
    if (unmarked := _unmarked_utf16(data)) is not None:
        text = data.decode(unmarked, "replace")
        return Decoded(text, unmarked, "\ufffd" in text)
    try:
        return Decoded(data.decode("utf-8"), "utf-8")
    except UnicodeDecodeError as error:
        if cut and error.start >= len(data) - 3:
            return Decoded(data[: error.start].decode("utf-8"), "utf-8")
    if _is_damaged_utf8(data):
        return Decoded(data.decode("utf-8", "replace"), "utf-8", lossy=True)
    page = "cp850" if _is_dos(data) else "cp1252"
    text = data.decode(page, "replace")
    return Decoded(text, page, "\ufffd" in text)


def _unmarked_utf16(data: bytes) -> str | None:
    head = data[: SNIFF_BYTES & ~1]
    if len(head) < 4:
        return None
    half = len(head) // 2
    if head[1::2].count(0) > 0.7 * half and head[0::2].count(0) < 0.1 * half:
        return "utf-16-le"
    if head[0::2].count(0) > 0.7 * half and head[1::2].count(0) < 0.1 * half:
        return "utf-16-be"
    return None


def _is_dos(data: bytes) -> bool:
    """Tell the code page of DOS: its ``ü ä ö Ä Ö é ç`` are quotes and signs on Windows, which stand in no word."""
    head = data[: 16 * SNIFF_BYTES]
    return len(_DOS_LETTER.findall(head)) > 4 * len(_WINDOWS_LETTER.findall(head))


def _is_damaged_utf8(data: bytes) -> bool:
    """Tell broken UTF-8 from a code page: most of its bytes above ASCII still form characters."""
    text = data[: 16 * SNIFF_BYTES].decode("utf-8", "replace")
    broken = text.count("\ufffd")
    whole = sum(1 for c in text if c > "\x7f" and c != "\ufffd")
    return whole > broken
