"""When things go on by themselves: nights, freeze windows and the release train."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def frozen(day: date, windows: Sequence[str]) -> str:
    """Give the window that *day* lies in, or nothing.

    A window is ``2026-12-20/2027-01-06``, both days included, or ``12-20/01-06`` for every year.
    """
    for window in windows:
        first, _, last = window.partition("/")
        if len(first) > len("12-20"):
            inside = first <= day.isoformat() <= last
        else:
            today = f"{day:%m-%d}"
            inside = first <= today <= last if first <= last else today >= first or today <= last
        if inside:
            return window
    return ""


def train_leaves(day: date, train: str) -> bool:
    """Tell whether the release train, a weekday or nothing, leaves on *day*."""
    return train == WEEKDAYS[day.weekday()]


def next_at(at: time, now: datetime) -> datetime:
    """Give the next moment at which the wall clock of *now* shows *at*."""
    today = now.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)
