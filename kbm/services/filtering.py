"""Narrow a search to some sources or dates: as part of the mask, so that what is left ranks as if it were all."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from kbm.domain.filters import Filters
from kbm.domain.releases import Release
from kbm.services.needs import Dated

_RELEASES_KEPT = 8


@dataclass(frozen=True, slots=True)
class _Table:
    """By document number: its source as a place in ``sources``, -1 for none, and seconds of its date, or NaN."""

    sources: tuple[str, ...]
    source: NDArray[np.int32]
    modified: NDArray[np.float64]


class Filtering:
    """Makes masks of filters; remembers what it read of the releases asked last."""

    def __init__(self, releases: Dated) -> None:
        self._releases = releases
        self._tables: OrderedDict[tuple[str, int], _Table] = OrderedDict()
        self._lock = threading.Lock()

    def mask(self, release: Release, filters: Filters, readable: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Give the part of *readable* that passes. A source the GPT has not matches nothing.

        A document without a date passes no filter by date.
        """
        if not filters:
            return readable
        table = self._table(release)
        passes = np.zeros(max(readable.size, table.source.size), dtype=np.bool_)
        passes[: readable.size] = readable
        passes = passes[: table.source.size]
        if filters.sources:
            wanted = [at for at, name in enumerate(table.sources) if name in filters.sources]
            passes &= np.isin(table.source, wanted)
        with np.errstate(invalid="ignore"):
            if filters.modified_after is not None:
                passes &= table.modified >= _seconds(filters.modified_after)
            if filters.modified_before is not None:
                passes &= table.modified < _seconds(filters.modified_before)
        passes.flags.writeable = False
        return passes

    def _table(self, release: Release) -> _Table:
        key = release.gpt, release.seq
        with self._lock:
            found = self._tables.get(key)
            if found is None:
                found = self._tables[key] = _read(self._releases.dated(*key))
                while len(self._tables) > _RELEASES_KEPT:
                    self._tables.popitem(last=False)
            self._tables.move_to_end(key)
            return found


def _read(listed: list[tuple[int, str, datetime | None]]) -> _Table:
    size = max((no for no, _, _ in listed), default=-1) + 1
    sources = tuple(sorted({name for _, name, _ in listed}))
    place = {name: at for at, name in enumerate(sources)}
    source, modified = np.full(size, -1, dtype=np.int32), np.full(size, np.nan)
    for no, name, at in listed:
        source[no] = place[name]
        if at is not None:
            modified[no] = _seconds(at)
    return _Table(sources, source, modified)


def _seconds(moment: datetime) -> float:
    """Give seconds; a moment without a time zone is one in UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
