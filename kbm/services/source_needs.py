"""What the use cases about sources need from storage; see :mod:`kbm.services.needs`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from kbm.domain.sync import Approval, Json, SourceState


class Sources(Protocol):
    """See :class:`kbm.store.sources.Sources`."""

    def state(self, name: str) -> SourceState: ...
    def approve(self, name: str, approval: Approval, *, plan: int, who: str) -> None: ...
    def scan_ended(
        self,
        name: str,
        kind: str,
        *,
        cursor: Json = None,
        root: str | None = None,
        readers: frozenset[str] | None = None,
        failed_scopes: Sequence[str] = (),
        error: str | None = None,
    ) -> None: ...
    def measure(
        self,
        name: str,
        *,
        new: Sequence[datetime | None],
        changed: Sequence[datetime | None],
        n_removed: int,
    ) -> None: ...
