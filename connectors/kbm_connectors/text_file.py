"""Reads separated text files: strictly, because a file that is read nearly right is quoted wrongly.

A byte the encoding does not know, a quote that does not end, a NUL: each refuses the file with its line. One fault
is no fault to a decoder: UTF-8 taken for a one-byte encoding decodes without complaint to "fÃ¼r" instead of
"für". It is recognised by what it would be as UTF-8.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

from kbm.errors import ConnectorRefused
from kbm_connectors.profile import Profile
from kbm_connectors.refusals import refused, unreadable

SUFFIXES = frozenset({".csv", ".tsv", ".txt", ".tab", ".dat", ".asc", ".prn", ".lst"})

Cell = str | None
"""The text of a cell; ``None`` where a database has no value or an XML row no such element."""

Line = tuple[int, list[Cell]]
"""A row with the number of the line it starts at."""

_END = "\x1a"
"""Ends a file of DOS programs; whatever follows it is no part of the file."""


def lines(path: Path, profile: Profile) -> Generator[Line]:
    """Yield the rows from the header on; line breaks inside a value become a space.

    Raises:
        ConnectorRefused: the file is not what its profile says.
        ConnectorUnavailable: it vanished or the disk failed.
    """
    start = profile.header_row or profile.first_row or 1
    delimiter = profile.delimiter or ("\t" if path.suffix.lower() in (".tsv", ".tab") else ";")
    with closing(decoded(path, profile.encoding, start)) as text:
        reader = csv.reader((line for _, line in text), delimiter=delimiter, strict=True)
        at = start
        try:
            for cells in reader:
                yield at, [one_line(cell) for cell in cells]
                at = start + reader.line_num
        except csv.Error:
            why = "a quoted value that does not end as it should"
            hint = 'quotes inside a value must be doubled: "3/4"" Rohr"'
            raise refused(path, why, at, hint) from None


def decoded(path: Path, encoding: str, start: int) -> Generator[tuple[int, str]]:
    """Yield the lines of a text file from the line *start* on, each with its number and its break.

    Raises:
        ConnectorRefused: its bytes are not what *encoding* says.
        ConnectorUnavailable: it vanished or the disk failed.
    """
    disguise = _Disguise(encoding)
    try:
        with open(path, encoding=encoding, errors="strict", newline="") as file:
            for number, line in enumerate(file, 1):
                # Lines above the header are a report's title, not part of the table: whatever is in them.
                if number < start:
                    continue
                if _END in line:
                    line = _last(path, number, line + file.read())
                    if not line:
                        break
                if "\0" in line or "\ufffd" in line:
                    hint = "try profile.encoding = 'utf-16'" if "\0" in line else "export it again"
                    why = "holds characters that are none: decoded or written in another encoding"
                    raise refused(path, why, number, hint)
                disguise.look_at(line, number)
                yield number, line.lstrip("\ufeff") if number == 1 else line
    except UnicodeError:
        raise _undecodable(path, encoding) from None
    except OSError as error:
        raise unreadable(path, error) from error
    if disguise.line:
        why = f"reads like UTF-8 taken for {encoding}"
        raise refused(path, why, disguise.line, "set profile.encoding = 'utf-8-sig'")


def _last(path: Path, number: int, text: str) -> str:
    """Give what stands before the end mark of a DOS program; behind it may be nothing but padding."""
    line, _, rest = text.partition(_END)
    if rest.strip(f"{_END}\0 \r\n"):
        raise refused(path, "an end mark (0x1A) with text behind it", number, "export it again")
    return line


def one_line(cell: str) -> str:
    """Take line breaks out of a cell; its spelling stays."""
    if "\n" in cell or "\r" in cell:
        cell = " ".join(part.strip() for part in cell.splitlines())
    return cell.strip()


def _undecodable(path: Path, encoding: str) -> ConnectorRefused:
    """Find the line in a second pass: the first one decodes ahead, so it does not know."""
    decoder, line = codecs.getincrementaldecoder(encoding)("strict"), 1
    with open(path, "rb") as file:
        mark = file.read(2)
        file.seek(0)
        while chunk := file.read(1 << 16):
            try:
                line += _breaks(decoder.decode(chunk))
            except UnicodeDecodeError as error:
                # The decoder keeps an unfinished character of the chunk before.
                kept = len(error.object) - len(chunk)
                decoder.errors = "ignore"
                line += _breaks(decoder.decode(chunk[: max(0, error.start - kept)]))
                break
    if mark in (b"\xff\xfe", b"\xfe\xff"):
        guess = "'utf-16'"
    else:
        guess = "'cp1252' or 'cp850'" if encoding.lower().startswith("utf") else "'utf-8-sig'"
    why = f"is not {encoding}: a byte there has no meaning in it"
    return refused(path, why, line, f"try profile.encoding = {guess}")


def _breaks(text: str) -> int:
    return text.count("\n") or text.count("\r")


_FOREIGN = re.compile(r"[^\x00-\x7f]+")


class _Disguise:
    """Notices UTF-8 that was decoded as a one-byte encoding.

    A text that is meant as it reads and is valid UTF-8 all the same practically does not exist, so one honest run of
    letters settles it.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._settled = codecs.lookup(encoding).name.startswith("utf")
        self.line = 0

    def look_at(self, text: str, line: int) -> None:
        """Weigh a line; ``line`` is the first suspicious one as long as none was honest."""
        if self._settled or text.isascii():
            return
        for found in _FOREIGN.findall(text):
            try:
                found.encode(self._encoding).decode("utf-8")
            except UnicodeError:
                self._settled, self.line = True, 0
                return
            self.line = self.line or line
