"""Where a piece of work dies: at each of its steps once, before or after it in turn; the slow tier has the other."""

from __future__ import annotations

from typing import Any

import pytest


def deaths(*points: str) -> list[Any]:
    """Give ``(point, when)`` for each step, twice; Any is the type pytest has for a parameter."""
    return [
        pytest.param(point, when, marks=() if n % 2 == at else pytest.mark.slow)
        for n, point in enumerate(points)
        for at, when in enumerate(("before", "after"))
    ]
