"""The key of a data folder."""

from __future__ import annotations

import multiprocessing
import stat
from pathlib import Path

import pytest

from kbm.errors import StorageFailed
from kbm.store.secret import SECRET_NAME, Secret


def _mac(folder: Path) -> str:
    return Secret(folder).mac("test", "text")


def test_the_key_stays_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    first = _mac(tmp_path / "data")
    key = tmp_path / "data" / SECRET_NAME

    assert _mac(tmp_path / "data") == first
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert [path.name for path in key.parent.iterdir()] == [SECRET_NAME]


def test_two_folders_have_two_keys(tmp_path: Path) -> None:
    assert _mac(tmp_path / "a") != _mac(tmp_path / "b")


def test_kinds_are_kept_apart(tmp_path: Path) -> None:
    secret = Secret(tmp_path)

    assert len({secret.mac("a", "b"), secret.mac("b", "a"), secret.mac("ab", ""), secret.mac("", "ab")}) == 4
    assert secret.mac("question", "\ud800 lone") != secret.mac("question", "lone")


def test_of_processes_that_begin_at_once_all_have_one_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        macs = pool.map(_mac, [tmp_path] * 16)

    assert len(set(macs)) == 1
    assert [path.name for path in tmp_path.iterdir()] == [SECRET_NAME]


@pytest.mark.parametrize("damaged", [b"", b"short", b"x" * 33])
def test_a_damaged_key_is_refused_and_left_as_it_is(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / SECRET_NAME).write_bytes(damaged)

    with pytest.raises(StorageFailed, match="nothing was changed"):
        Secret(tmp_path)
    assert (tmp_path / SECRET_NAME).read_bytes() == damaged
