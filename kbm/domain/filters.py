"""What a search can be narrowed to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Some sources and dates; empty is everything. From ``modified_after`` on, and before ``modified_before``."""

    sources: frozenset[str] = frozenset()
    modified_after: datetime | None = None
    modified_before: datetime | None = None

    def __bool__(self) -> bool:
        return bool(self.sources or self.modified_after or self.modified_before)

    def as_json(self) -> dict[str, Any] | None:
        """Give them as JSON, the same ones always as the same; null when empty."""
        if not self:
            return None
        return {
            "sources": sorted(self.sources),
            "modified_after": _text(self.modified_after),
            "modified_before": _text(self.modified_before),
        }

    @classmethod
    def of(cls, stored: dict[str, Any] | None) -> Filters:
        """Read what :meth:`as_json` gave."""
        if stored is None:
            return NO_FILTERS
        after, before = stored["modified_after"], stored["modified_before"]
        return cls(
            sources=frozenset(stored["sources"]),
            modified_after=datetime.fromisoformat(after) if after else None,
            modified_before=datetime.fromisoformat(before) if before else None,
        )


NO_FILTERS = Filters()


def _text(moment: datetime | None) -> str | None:
    """Write a moment in UTC; one without a time zone is in UTC already."""
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
