"""Damage is found before anybody is answered from it, and a killed writer leaves no torn file."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kbm_indexes.probe import look, main, probe
from kbm_indexes.release_index import IndexFolder, ReleaseIndex, SharedSegments
from kbm_indexes.segment import Segment

from kbm.errors import IndexDamaged, KbmError, ReleaseNotSealed
from tests.unit.indexes.rows import SPEC, built, chunk, index_row, vectors

_WRITER = """
import sys, pathlib
from tests.unit.indexes.rows import SPEC, index_row
from kbm_indexes.release_index import IndexFolder
with IndexFolder(pathlib.Path(sys.argv[1]), SPEC, [], 0) as folder:
    print("ready", flush=True)
    for at in range(100_000):
        folder.append([index_row(at * 40 + each) for each in range(40)], None)
        folder.seal(at, list(folder.rows()))
"""

_KILLED = """
import os, pathlib, signal, sys
from kbm_indexes.segment import write_sealed
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
def pieces():
    yield b"half"
    if sys.argv[2] == "writing":
        die()
    os.fsync = die
write_sealed(pathlib.Path(sys.argv[1]), pieces())
"""


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sealed")
    built(folder, [index_row(at) for at in range(60)], vectors(60), parts=2)
    return folder


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


def test_the_probe_agrees_with_the_seal(sealed: Path) -> None:
    found = probe(sealed, 1, 60)

    assert found == look(sealed, 1)
    assert found.n_rows == 60


def test_a_flipped_byte_anywhere_in_any_file_is_found(sealed: Path, tmp_path: Path) -> None:
    files = [path.name for path in sealed.iterdir() if path.name != "LOCK"]
    assert len(files) == 4
    chance = np.random.default_rng(5)
    for name in files:
        size = (sealed / name).stat().st_size
        for at in {0, size - 1, *chance.integers(size, size=40).tolist()}:
            folder = tmp_path / "damaged"
            shutil.copytree(sealed, folder)
            flip(folder / name, at)

            with pytest.raises(KbmError):
                look(folder, 1)

            shutil.rmtree(folder)


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def missing(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [cut, empty, missing])
@pytest.mark.parametrize("kind", ["*.kseg", "*.roar"])
def test_a_cut_or_missing_file_is_found_at_open(
    sealed: Path, tmp_path: Path, damage: Callable[[Path], None], kind: str
) -> None:
    shutil.copytree(sealed, tmp_path / "damaged")
    damage(next(iter((tmp_path / "damaged").glob(kind))))

    with pytest.raises(IndexDamaged) as told:
        ReleaseIndex.open(tmp_path / "damaged", 1, SharedSegments())

    assert told.value.hint


def test_the_probe_says_in_words_what_is_damaged(sealed: Path, tmp_path: Path) -> None:
    shutil.copytree(sealed, tmp_path / "damaged")
    segment = min((tmp_path / "damaged").glob("*.kseg"))
    flip(segment, segment.stat().st_size // 2)

    with pytest.raises(IndexDamaged, match=f"{segment.name} has other bytes"):
        probe(tmp_path / "damaged", 1, 60)


def test_the_probe_says_when_there_is_no_such_release(
    tmp_path: Path, sealed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(IndexDamaged, match="not sealed"):
        probe(tmp_path, 9, 60)

    assert main([str(sealed), "9"]) == 1
    assert '"error"' in capsys.readouterr().out
    assert main(["only one"]) == 2


def test_a_probe_that_does_not_end_counts_as_damage(sealed: Path) -> None:
    with pytest.raises(IndexDamaged, match=r"not done after 0\.001 s"):
        probe(sealed, 1, 0.001)


def test_a_manifest_of_other_rows_is_found(tmp_path: Path) -> None:
    built(tmp_path, [index_row(at) for at in range(9)], None)
    with IndexFolder(tmp_path, SPEC, [], 0):
        pass
    (tmp_path / "rel-2.json").write_bytes((tmp_path / "rel-1.json").read_bytes())

    with pytest.raises(IndexDamaged):
        ReleaseIndex.open(tmp_path, 2, SharedSegments())


def test_a_release_without_its_description_is_not_sealed(sealed: Path, tmp_path: Path) -> None:
    shutil.copytree(sealed, tmp_path / "half")
    (tmp_path / "half" / "rel-1.json").unlink()

    with pytest.raises(ReleaseNotSealed):
        ReleaseIndex.open(tmp_path / "half", 1, SharedSegments())


@pytest.mark.parametrize("moment", ["writing", "syncing"])
def test_a_file_has_no_name_before_it_is_whole_and_on_disk(tmp_path: Path, moment: str) -> None:
    path = tmp_path / "seg-0000000000-00000000.kseg"

    done = subprocess.run([sys.executable, "-c", _KILLED, str(path), moment], check=False)

    assert done.returncode == -signal.SIGKILL
    assert not path.exists()


def test_a_writer_killed_at_any_moment_leaves_only_whole_files(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    for turn in range(6):
        folder = tmp_path / str(turn)
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(folder)], stdout=subprocess.PIPE, text=True, cwd=root
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        time.sleep(0.05 + turn * 0.023)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()

        for path in folder.glob("seg-*.kseg"):
            Segment(path, 40, path.read_bytes()[-32:].hex()).verify()
        for path in folder.glob("rel-*.json"):
            look(folder, int(path.stem.removeprefix("rel-")))
        with IndexFolder(folder, SPEC, [], 0) as again:
            again.sweep(())
            again.append([index_row(0)], None)
            assert again.seal(1, [chunk(0)]).n_rows == 1
