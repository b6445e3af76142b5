"""Reads text files whose columns lie at fixed places, as reports and old programs write them.

What a wrong profile does here is worse than elsewhere: no separator is missing, a value is just cut in two and reads
as another one. So whatever stands between the columns, and behind the last, must be blank, and a line that ends
early is refused where the others are filled up with blanks.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from pathlib import Path

from kbm.errors import ConnectorRefused
from kbm_connectors.profile import Profile, Span
from kbm_connectors.refusals import refused
from kbm_connectors.text_file import Line, decoded

RULE = frozenset("-=_+|. ")
"""What a line between header and rows is drawn with."""


def lines(path: Path, profile: Profile) -> Generator[Line]:
    """Yield the header, if the profile says there is one, and the rows.

    Raises:
        ConnectorRefused: the file is not what its profile says.
        ConnectorUnavailable: it vanished or the disk failed.
    """
    spans = profile.spans
    start = profile.header_row or profile.first_row or 1
    ends = max(stop or 0 for _, stop in spans.values())
    short = padded = 0
    with closing(decoded(path, profile.encoding, start)) as text:
        for number, read in text:
            line = read.rstrip("\r\n")
            if "\t" in line:
                raise refused(path, "a tab has no width", number, "set profile.delimiter, or export blanks")
            if number == profile.header_row:
                yield number, _header(path, spans, line, number)
                continue
            if not line.strip() or _is_rule(line):
                continue
            if profile.stop_at and line.lstrip().startswith(profile.stop_at):
                # A total line keeps to no columns; the table looks at the whole word.
                yield number, _total(line, len(spans))
                continue
            _check_gaps(path, spans, line, number)
            if len(line) > len(line.rstrip()) and len(line) >= ends:
                padded = padded or number
            elif len(line) < ends:
                short = short or number
            yield number, [line[start:stop].strip() for start, stop in spans.values()]
    if short and padded:
        why = f"ends before the last column, but line {padded} is filled up with blanks: is it cut off?"
        raise refused(path, why, short, "export it again, or see profile.fixed")


def _header(path: Path, spans: dict[str, Span], line: str, number: int) -> list[str | None]:
    """Give the names of the columns where the header says the same at their places."""
    for at, (name, (start, stop)) in enumerate(spans.items(), 1):
        there = " ".join(line[start:stop].split())
        if there != " ".join(name.split()):
            why = f"column {at} of the header is not the confirmed {name!r}"
            hint = "see profile.fixed and header_row; header_row = 0 and first_row for names of your own"
            raise refused(path, why, number, hint)
    _check_gaps(path, spans, line, number)
    return list(spans)


def _check_gaps(path: Path, spans: dict[str, Span], line: str, number: int) -> None:
    end: int | None = 0
    for name, (start, stop) in spans.items():
        if line[end:start].strip():
            raise _outside(path, number, f"before column {name!r}")
        end = stop
    if end is not None and line[end:].strip():
        raise _outside(path, number, "behind the last column")


def _outside(path: Path, number: int, where: str) -> ConnectorRefused:
    why = f"text {where}, where profile.fixed has no column"
    hint = "a value is longer than its column: widen it in profile.fixed; a total line needs profile.stop_at"
    return refused(path, why, number, hint)


def _total(line: str, width: int) -> list[str | None]:
    return [line.strip(), *[""] * (width - 1)]


def _is_rule(line: str) -> bool:
    """Tell whether a line is only drawn."""
    return RULE.issuperset(line) and any(line.count(mark) > 3 for mark in "-=_")
