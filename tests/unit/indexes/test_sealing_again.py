"""A release that is sealed again can be read wherever that is cut short: as before, or as after."""

from __future__ import annotations

from pathlib import Path

import pytest
from kbm_indexes.release_index import IndexFolder, ReleaseIndex, SharedSegments, release_files

from kbm import faults
from tests.unit.indexes.rows import SPEC, chunk, index_row


@pytest.mark.parametrize(
    ("step", "n_rows"),
    [
        ("seal.bitmap:before", 5),
        ("seal.bitmap:after", 5),
        ("seal.manifest:before", 5),
        ("seal.manifest:after", 3),
        ("seal.again:before", 3),
        ("seal.again:after", 3),
    ],
)
def test_a_release_is_the_old_or_the_new_one_whatever_step_fails(
    tmp_path: Path, step: str, n_rows: int
) -> None:
    with IndexFolder(tmp_path, SPEC, [], 0) as folder:
        records = folder.append([index_row(at) for at in range(5)], None)
        folder.seal(1, [chunk(at) for at in range(5)])
        faults.arm(f"{step}:EIO")
        with pytest.raises(OSError, match="Input/output error"):
            folder.seal(1, [chunk(at) for at in range(3)])
        faults.arm("")

    cut_short = ReleaseIndex.open(tmp_path, 1, SharedSegments())
    cut_short.verify()
    with IndexFolder(tmp_path, SPEC, records, 0) as folder:
        folder.sweep({1})
    swept = ReleaseIndex.open(tmp_path, 1, SharedSegments())

    assert cut_short.n_rows == swept.n_rows == n_rows
    assert swept.verify() == cut_short.verify()
    assert {path.name for path in tmp_path.iterdir()} == {"LOCK", records[0].name, *release_files(1)}
