"""``kill -9`` at random moments of a first night, on documents of many formats; seeds are fixed and named."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kbm.config import CONFIG_NAME
from kbm.demo.company import copy_company

pytestmark = pytest.mark.slow

KBM = [sys.executable, "-m", "kbm"]
KILLS = 8


def _without_model(folder: Path) -> Path:
    copy_company(folder)
    config = folder / CONFIG_NAME
    config.write_text(config.read_text(encoding="utf-8").replace('embedder = "minilm"', 'embedder = "none"'))
    return config


def _digests(config: Path) -> dict[str, str]:
    done = subprocess.run(
        [*KBM, "--config", config, "nightly", "--json"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {one["gpt"]: one["build"]["digest"] for one in json.loads(done.stdout)["gpts"]}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_night_killed_at_random_moments_ends_as_one_that_was_not(tmp_path: Path, seed: int) -> None:
    straight = _digests(_without_model(tmp_path / "straight"))
    config = _without_model(tmp_path / "killed")
    moments = random.Random(seed)
    for _ in range(KILLS):
        night = subprocess.Popen(
            [*KBM, "--config", config, "nightly"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(moments.uniform(0.3, 5.0))
        os.killpg(night.pid, signal.SIGKILL)
        night.wait()

    assert _digests(config) == straight
    checked = subprocess.run(
        [*KBM, "--config", config, "doctor", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert {one["result"] for one in json.loads(checked.stdout)["indexes"]} == {"as sealed"}
