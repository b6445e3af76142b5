"""A measured figure, and how it stands against the plain way of doing the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Better = Literal["higher", "lower"]
_TIME_UNITS = ("ms", "/s", "/core-s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number with its unit; ``plain`` is what the plain way gave in the same run, if there is one."""

    name: str
    value: float
    unit: str
    plain: float | None = None
    better: Better = "higher"

    @property
    def ratio(self) -> float | None:
        """Say how many times better than the plain way: above 1 is better, whichever way the unit points."""
        if self.plain is None or not self.value or not self.plain:
            return None
        return self.value / self.plain if self.better == "higher" else self.plain / self.value


@dataclass(slots=True)
class Part:
    """What one part of the bench found; ``plain_way`` says what it was compared with."""

    name: str
    plain_way: str = ""
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: str = ""

    def add(
        self, name: str, value: float, unit: str, plain: float | None = None, better: Better = "higher"
    ) -> None:
        """Note a figure.

        Raises:
            ValueError: a time stands alone; without the plain way of the same run it says more about the machine.
        """
        if plain is None and unit.endswith(_TIME_UNITS):
            raise ValueError(f"{name!r} in {unit} needs what the plain way took in the same run")
        self.figures.append(
            Figure(
                name=name,
                value=float(value),
                unit=unit,
                plain=None if plain is None else float(plain),
                better=better,
            )
        )


@dataclass(slots=True)
class Times:
    """Seconds that the same work took, kbm and plain way in turns."""

    ours: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)


def seconds(work: Callable[[], object]) -> float:
    """Run *work* once and time it."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def interleave(pairs: Sequence[tuple[Callable[[], object], Callable[[], object]]]) -> Times:
    """Time each (kbm, plain) pair in turns, the first one alternating.

    Blocks timed one after another drift by up to 30 % on a shared machine; neighbours do not.
    """
    times = Times()
    for at, (ours, plain) in enumerate(pairs):
        if at % 2:
            times.plain.append(seconds(plain))
            times.ours.append(seconds(ours))
        else:
            times.ours.append(seconds(ours))
            times.plain.append(seconds(plain))
    return times


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value that *share* (in percent) of the values do not exceed."""
    return float(np.percentile(np.asarray(values), share))
