"""Which folder a source lies in, and when a hint is due."""

from __future__ import annotations

from pathlib import Path

import pytest

from kbm.entrypoints.watch import Hints, Pace, watched_folder
from kbm.testing.fakes import FakeClock


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("./dms", "dms"),
        ("dms/", "dms"),
        ("erp/preis_*.csv", "erp"),
        ("erp/**/x_[0-9].csv", "erp"),
        ("erp/list.csv", "erp"),
        ("file:///{root}/dms", "dms"),
        ("https://wiki.example/api.php", None),
        ("smb://server/share", None),
    ],
)
def test_the_folder_to_watch_is_the_one_the_source_lies_in(
    tmp_path: Path, url: str, folder: str | None
) -> None:
    (tmp_path / "erp").mkdir()
    (tmp_path / "erp/list.csv").write_text("a;b")
    found = watched_folder(url.replace("/{root}", str(tmp_path)), tmp_path)

    assert found == (tmp_path / folder if folder else None)


def test_hints_are_due_after_quiet_or_at_the_latest() -> None:
    clock = FakeClock()
    hints = Hints(clock, Pace(quiet_s=2, longest_s=60))
    assert hints.due_in() is None

    hints.give(["docs"])
    assert hints.due_in() == 2
    for _ in range(59):
        clock.advance(seconds=1)
        hints.give(["docs"])

    assert hints.due_in() == 1
    assert hints.take() == {"docs"}
    assert hints.due_in() is None
