"""The clock of this machine; tests give another one."""

from __future__ import annotations

from datetime import UTC, datetime
from time import monotonic


class SystemClock:
    """The time of this machine."""

    def now(self) -> datetime:
        """Give the present moment in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Give seconds from some fixed point."""
        return monotonic()
