"""The process that kills, started once for all topics: importing everything takes seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

Tell = Callable[[str, Path, str], list[dict[str, Any]]]
"""Runs the cases of a topic in a folder, and gives a line for each; Any as JSON has it."""


@pytest.fixture(scope="session")
def tell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tell]:
    """Give the process that runs cases."""
    said = tmp_path_factory.mktemp("faults") / "stderr.txt"
    with (
        said.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "tests.faults.runner"],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
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
