"""Kill each topic before and after each of its steps; nothing that was promised may break.

A test is a topic and starts one process, which does nothing but fork (see :mod:`tests.faults.runner`). Here each step
is killed once, before or after it. The slow tier kills the rest, and in each topic the steps another one owns.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kbm.faults import POINTS
from tests.faults.scenarios import TOPICS

ROOT = Path(__file__).parents[2]
MEMORY, ROOM = Path("/dev/shm"), 2_000_000_000  # noqa: S108 - only the test's own folder is made in it


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Give a folder in memory where there is room: a killed process loses nothing there that a disk would keep."""
    if not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < ROOM:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="kbm-faults-") as made:
        yield Path(made)


def killed(topic: str, folder: Path, which: str) -> list[str]:
    """Kill a topic; gives what does not hold, by case."""
    return [
        f"{line['point']} {line['when']}: {problem}"
        for line in told(topic, folder, which)
        for problem in line["problems"]
    ]


def told(topic: str, folder: Path, which: str) -> list[dict[str, Any]]:
    """Run cases of a topic in a process of their own; gives its lines."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.runner", topic, folder / "cases", which],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines: list[dict[str, Any]] = json.loads(done.stdout)
    return lines


@pytest.mark.parametrize("topic", TOPICS)
def test_killed_at_any_of_its_steps_it_keeps_what_was_promised(topic: str, folder: Path) -> None:
    assert killed(topic, folder, "once") == []


@pytest.mark.slow
@pytest.mark.parametrize("topic", TOPICS)
def test_killed_at_all_other_steps_it_keeps_what_was_promised(topic: str, folder: Path) -> None:
    assert killed(topic, folder, "rest") == []


def test_each_step_there_is_belongs_to_one_topic() -> None:
    owned = [point for topic in TOPICS.values() for point in topic.points]

    assert sorted(owned) == sorted(POINTS)
    assert len(owned) >= 40
