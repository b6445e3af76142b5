"""Two months of nights leave a small data folder, and the release a new folder would have."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.year import fresh, year

pytestmark = pytest.mark.slow

NIGHTS = 60
MOST_DISK = 3.0
MOST_SEGMENTS = 4


@pytest.mark.parametrize("change", [0.01, 0.02])
def test_after_sixty_nights_the_data_folder_is_small_and_live_is_as_built_today(
    tmp_path: Path, change: float
) -> None:
    with (
        year(tmp_path / "old", NIGHTS, change, n_documents=100) as old,
        fresh(tmp_path / "new", old) as new,
    ):
        digests = old.digest, new.digest
        n_bytes = max(old.n_bytes), new.data_bytes()
        n_segments = old.n_segments

    assert digests[0] == digests[1]
    assert n_bytes[0] < MOST_DISK * n_bytes[1]
    assert n_segments <= MOST_SEGMENTS
