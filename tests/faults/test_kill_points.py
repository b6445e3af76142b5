"""Kill each topic before and after each of its steps; nothing that was promised may break.

A test is a topic; all of them share one process, which does nothing but fork (see :mod:`tests.faults.runner`). Here
each step is killed once, before or after it. The slow tier kills the rest, and in each topic the steps of others.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from kbm.faults import POINTS
from tests.faults.conftest import Tell
from tests.faults.scenarios import TOPICS


def killed(tell: Tell, topic: str, folder: Path, which: str) -> list[str]:
    """Kill a topic; gives what does not hold, by case."""
    return [
        f"{line['point']} {line['when']}: {problem}"
        for line in tell(topic, folder, which)
        for problem in line["problems"]
    ]


LONG = frozenset({"review"})
"""Topics whose every step starts a process or more: they are left to the slow tier."""


@pytest.mark.parametrize(
    "topic", [pytest.param(one, marks=pytest.mark.slow) if one in LONG else one for one in TOPICS]
)
def test_killed_at_any_of_its_steps_it_keeps_what_was_promised(tell: Tell, topic: str, folder: Path) -> None:
    assert killed(tell, topic, folder, "once") == []


@pytest.mark.slow
@pytest.mark.parametrize("topic", TOPICS)
def test_killed_at_all_other_steps_it_keeps_what_was_promised(tell: Tell, topic: str, folder: Path) -> None:
    assert killed(tell, topic, folder, "rest") == []


def test_each_step_there_is_belongs_to_one_topic() -> None:
    owned = [point for topic in TOPICS.values() for point in topic.points]

    assert sorted(owned) == sorted(POINTS)
    assert len(owned) >= 40
