"""Reads separated text files: strictly, because a file that is read nearly right is quoted wrongly.

A byte the encoding does not know, a quote that does not end, a NUL: each refuses the file with its line. One fault
is no fault to a decoder: UTF-8 taken for a one-byte encoding decodes without complaint to "fÃ¼r" instead of
"für". It is recognised by what it would be as UTF-8.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

from kbm.errors import ConnectorRefused
from kbm_connectors.profile import Profile
from kbm_connectors.refusals import refused, unreadable

SUFFIXES = frozenset({".csv", ".tsv", ".txt", ".tab"})

Line = tuple[int, list[str]]
"""A row with the number of the line it starts at."""


def lines(path: Path, profile: Profile) -> Generator[Line]:
    """Yield the rows from the header on; line breaks inside a value become a space.

    Raises:
        ConnectorRefused: the file is not what its profile says.
        ConnectorUnavailable: it vanished or the disk failed.
    """
    skipped = profile.header_row - 1
    delimiter = profile.delimiter or ("\t" if path.suffix.lower() in (".tsv", ".tab") else ";")
    disguise = _Disguise(profile.encoding)
    try:
        with open(path, encoding=profile.encoding, errors="strict", newline="") as file:
            # Lines above the header are a report's title, not part of the table: a quote there means nothing.
            for _ in range(skipped):
                if not file.readline():
                    return
            reader = csv.reader(_checked(file, path, skipped), delimiter=delimiter, strict=True)
            start = skipped + 1
            try:
                for cells in reader:
                    row = [one_line(cell) for cell in cells]
                    disguise.look_at(row, start)
                    yield start, row
                    start = skipped + reader.line_num + 1
            except csv.Error:
                why = "a quoted value that does not end as it should"
                raise refused(
                    path, why, start, 'quotes inside a value must be doubled: "3/4"" Rohr"'
                ) from None
    except UnicodeError:
        raise _undecodable(path, profile.encoding) from None
    except OSError as error:
        raise unreadable(path, error) from error
    if disguise.line:
        why = f"reads like UTF-8 taken for {profile.encoding}"
        raise refused(path, why, disguise.line, "set profile.encoding = 'utf-8-sig'")


def one_line(cell: str) -> str:
    """Take line breaks out of a cell; its spelling stays."""
    if "\n" in cell or "\r" in cell:
        cell = " ".join(part.strip() for part in cell.splitlines())
    return cell.strip()


def _checked(lines: Iterable[str], path: Path, skipped: int) -> Iterator[str]:
    """Pass on *lines* that hold only what a text can hold."""
    for number, line in enumerate(lines, skipped + 1):
        if "\0" in line or "\ufffd" in line:
            hint = "try profile.encoding = 'utf-16'" if "\0" in line else "export it again"
            why = "holds characters that are none: decoded or written in another encoding"
            raise refused(path, why, number, hint)
        yield line.lstrip("\ufeff") if number == 1 else line


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


class _Disguise:
    """Notices UTF-8 that was decoded as a one-byte encoding.

    A text that is meant as it reads and is valid UTF-8 all the same practically does not exist, so one honest cell
    settles it.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._settled = codecs.lookup(encoding).name.startswith("utf")
        self.line = 0

    def look_at(self, cells: Iterable[str], line: int) -> None:
        """Weigh a row; ``line`` is the first suspicious one as long as none was honest."""
        if self._settled:
            return
        for cell in cells:
            if not cell.isascii():
                try:
                    cell.encode(self._encoding).decode("utf-8")
                except UnicodeError:
                    self._settled, self.line = True, 0
                    return
                self.line = self.line or line
