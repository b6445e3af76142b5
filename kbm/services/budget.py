"""How many tokens a GPT may spend on a day.

What was spent is counted in the journal, so a restart forgets nothing and several processes count together. What is
being spent right now is not there yet; each call reserves the most it can take until its line is written.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

from kbm.ports import Clock


class Spent(Protocol):
    """See :class:`kbm.store.journal.Journal`."""

    def tokens_since(self, gpt: str, moment: datetime) -> int: ...


class Budget:
    """The budgets of all GPTs; a day is one of UTC. For many threads."""

    def __init__(self, per_day: Mapping[str, int | None], journal: Spent, clock: Clock) -> None:
        self._per_day, self._journal, self._clock = per_day, journal, clock
        self._lock = threading.Lock()
        self._reserved: Counter[str] = Counter()

    def reserve(self, gpt: str, n_tokens: int) -> str:
        """Set tokens aside; gives why that cannot be, or nothing."""
        limit = self._per_day.get(gpt)
        if limit is None:
            return ""
        midnight = self._clock.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        with self._lock:
            # Read under the lock: what another question spends moves from reserved to written in between.
            if self._journal.tokens_since(gpt, midnight) + self._reserved[gpt] + n_tokens > limit:
                return f"the {limit} tokens a day of {gpt} are spent"
            self._reserved[gpt] += n_tokens
        return ""

    def release(self, gpt: str, n_tokens: int) -> None:
        """Give back what was set aside, once what was spent is in the journal."""
        if self._per_day.get(gpt) is not None:
            with self._lock:
                self._reserved[gpt] -= n_tokens
