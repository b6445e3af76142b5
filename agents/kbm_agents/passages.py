"""Point at passages."""

from __future__ import annotations

import re
from datetime import timedelta

from kbm.domain.fixes import Evidence
from kbm.domain.review import Near

ROWS = "rows"
"""Kind of the sources whose documents are entries of a list."""

_NUMBER = re.compile(r"\d+")
CLEARLY_NEWER = timedelta(days=1)
"""Difference of two dates from which on they tell something: files are copied one after the other."""


def evidence_of(one: Near) -> Evidence:
    """Point at a whole passage."""
    return Evidence(
        chunk_id=one.chunk_id, document_id=one.document_id, start=one.span.start, end=one.span.end
    )


def newer_first(one: Near, other: Near) -> tuple[Near, Near] | None:
    """Order passages of two documents by age; None where nothing tells which is the newer.

    Items that differ in a number alone go by that: a later version or a later year; all others by their dates.
    """
    if one.document_id == other.document_id:
        return None
    first, second = (_NUMBER.findall(each.item) for each in (one, other))
    if first != second and _NUMBER.sub("#", one.item) == _NUMBER.sub("#", other.item):
        numbers = [[int(n) for n in some] for some in (first, second)]
        if numbers[0] != numbers[1]:
            return (one, other) if numbers[0] > numbers[1] else (other, one)
    if one.modified is None or other.modified is None or abs(one.modified - other.modified) < CLEARLY_NEWER:
        return None
    return (one, other) if one.modified > other.modified else (other, one)
