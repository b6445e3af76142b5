"""Puts the rows of a table together by their key: the documents of a source of kind ``rows``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kbm_connectors.exact_values import exact_date, exact_number
from kbm_connectors.profile import MASK, Profile, filled, item_id
from kbm_connectors.refusals import refused
from kbm_connectors.tables import Table
from kbm_connectors.text_file import Cell


@dataclass(slots=True)
class Group:
    """The rows of one key: packed JSON, a line each, since Python lists take five times the room."""

    title: str
    intro: str
    rows: bytearray = field(default_factory=bytearray, repr=False)
    first: bytes = b""
    """The row that title and intro are taken from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Everything one pass over a table gave, by the id of its documents."""

    columns: tuple[str, ...]
    found: dict[str, Group] = field(repr=False)
    profile: Profile
    in_order: bool

    def __iter__(self) -> Iterator[tuple[str, Group]]:
        yield from self.found.items()

    def body(self, group: Group) -> bytes:
        """Give a document as it is delivered: ``{"title", "intro", "columns", "rows", "values"?}``.

        ``values`` holds the columns of numbers and dates once more, as exact decimals and ISO dates.
        """
        rows = bytes(group.rows).split(b"\n")
        if not self.in_order:
            # Nobody promised an order, and a database that tidies up gives another one.
            rows.sort()
        head = packed({"title": group.title, "intro": group.intro, "columns": self.columns})
        body = head[:-1] + b',"rows":[' + b",".join(rows) + b"]"
        values = self._values(rows) if self.profile.numbers or self.profile.dates else b""
        return body + values + b"}"

    def _values(self, rows: Sequence[bytes]) -> bytes:
        cells = [json.loads(row) for row in rows]
        found: dict[str, list[str | None]] = {}
        for at, name in enumerate(self.columns):
            if name in self.profile.numbers:
                found[name] = [exact_number(row[at], self.profile.decimal) for row in cells]
            elif name in self.profile.dates:
                found[name] = [exact_date(row[at]) for row in cells]
        return b',"values":' + packed(found)


def grouped(table: Table, place: Path | str, *, in_order: bool = True) -> Groups:
    """Read *table* to its end; ``in_order`` tells that its rows come in an order of their own.

    Raises:
        ConnectorRefused: the table does not fit its profile.
        ConnectorUnavailable: it could not be read.
    """
    profile = table.profile
    groups: dict[str, Group] = {}
    shown: list[int] = []
    masked: list[int] = []
    key: list[int] = []
    for line, cells in table:
        if not shown:
            names = table.columns
            shown = [at for at, name in enumerate(names) if name and name not in profile.drop]
            masked = [at for at, name in enumerate(names) if name in profile.mask]
            key = [names.index(name) for name in profile.key]
        # First of all: from here on nothing knows what stood there, neither a title nor a hash.
        for at in masked:
            cells[at] = MASK
        values = [cells[at] for at in key]
        if not any(values):
            why = f"the key {', '.join(profile.key)} is empty"
            hint = "fill it in the export, name another key, or stop before total lines with profile.stop_at"
            raise refused(place, why, line, hint, unit=table.unit)
        row = packed([cells[at] for at in shown])
        item = item_id(values)
        group = groups.get(item)
        if group is None:
            group = groups[item] = Group("", "")
        else:
            group.rows += b"\n"
        group.rows += row
        if not group.first or (not in_order and row < group.first):
            group.first = row
            named: dict[str, Cell] = {table.columns[at]: cells[at] for at in shown}
            group.title = filled(profile.title, named) if profile.title else " / ".join(filter(None, values))
            group.intro = filled(profile.intro, named)
    columns = tuple(table.columns[at] for at in shown)
    return Groups(columns=columns, found=groups, profile=profile, in_order=in_order)


def packed(value: Any) -> bytes:  # Any: what JSON can hold
    """Write JSON without blanks; it holds no line break."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
