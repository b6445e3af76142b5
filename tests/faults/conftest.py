"""The process that kills, started once for all topics: importing everything takes seconds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.prepared import SHELF

ROOT = Path(__file__).parents[2]
MEMORY, ROOM = Path("/dev/shm"), 2_000_000_000  # noqa: S108 - only the test's own folder is made in it

Tell = Callable[[str, Path, str], list[dict[str, Any]]]
"""Runs the cases of a topic in a folder, and gives a line for each; Any as JSON has it."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Give a folder in memory where there is room: a killed process loses nothing there that a disk would keep."""
    if not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < ROOM:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="kbm-faults-") as made:
        yield Path(made)


@pytest.fixture(scope="session")
def tell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tell]:
    """Give the process that runs cases."""
    said = tmp_path_factory.mktemp("faults") / "stderr.txt"
    # The base of a worker lies in that of the session: what one worker prepared, the other copies.
    own = tmp_path_factory.getbasetemp()
    shelf = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shelf"
    shelf.mkdir(exist_ok=True)
    with (
        said.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "tests.faults.runner"],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", SHELF: str(shelf)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as runner,
    ):
        assert runner.stdin is not None
        assert runner.stdout is not None
        ask, answer = runner.stdin, runner.stdout

        def run(topic: str, folder: Path, which: str) -> list[dict[str, Any]]:
            assert runner.poll() is None, said.read_text()
            ask.write(json.dumps([topic, str(folder / "cases"), which]) + "\n")
            ask.flush()
            line = answer.readline()
            assert line, said.read_text()
            lines: list[dict[str, Any]] = json.loads(line)
            return lines

        yield run
        ask.close()
