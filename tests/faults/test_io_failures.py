"""Let the first step fail, then the second, then the third, until a command gets through all of them.

The way SQLite is tested: whatever fails and wherever, the command says so or goes on without it, live answers as it
did, nothing is lost, and the same command run again ends as if nothing had happened. The oracle looks each time.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.conftest import Tell


@pytest.mark.parametrize(
    ("topic", "which"),
    [
        *(("erase", "ENOSPC/8"), ("backup", "ENOSPC/8")),
        *(
            pytest.param(topic, which, marks=pytest.mark.slow)
            for topic in ("nightly", "compact", "erase", "backup")
            for which in ("ENOSPC", "EIO")
        ),
    ],
)
def test_whichever_step_fails_nothing_is_lost_and_the_next_run_completes(
    tell: Tell, topic: str, which: str, folder: Path
) -> None:
    lines = tell(topic, folder, which)

    assert [f"{line['point']}: {problem}" for line in lines for problem in line["problems"]] == []
    assert len(lines) > 1
