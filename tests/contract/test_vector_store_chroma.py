"""The embedded Chroma keeps the contract of a vector store."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kbm_indexes.chroma import ChromaVectors

from kbm.errors import Busy
from kbm.ports import VectorStore
from kbm.testing.contracts.vector_store import VectorStoreContract, sample

_HOLDER = """
import sys, pathlib, time
from kbm_indexes.chroma import ChromaVectors
from kbm.testing.contracts.vector_store import sample
store = ChromaVectors(pathlib.Path(sys.argv[1]), "e", 16)
keys, vectors = sample(2000)
for start in range(0, 2000, 100):
    store.add(keys[start : start + 100], vectors[start : start + 100])
    print(start + 100, flush=True)
time.sleep(60)
"""


class TestChroma(VectorStoreContract):
    def open(self, folder: Path, embedder_digest: str, dimensions: int) -> VectorStore:
        return ChromaVectors(folder, embedder_digest, dimensions)

    def test_the_holder_is_named_and_a_killed_one_leaves_all_it_acknowledged(self, tmp_path: Path) -> None:
        holder = subprocess.Popen(
            [sys.executable, "-c", _HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert holder.stdout is not None
        acknowledged = [int(holder.stdout.readline()) for _ in range(5)][-1]

        with pytest.raises(Busy, match=rf"process {holder.pid} "):
            ChromaVectors(tmp_path, "e", 16)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
        store = ChromaVectors(tmp_path, "e", 16)

        keys, vectors = sample(2000)
        found = store.get(keys)
        assert set(keys[:acknowledged]) <= set(found)
        assert all(found[key].tobytes() == vectors[int(key, 16)].tobytes() for key in found)
        store.add(keys, vectors)
        assert store.count() == 2000
        store.close()

    def test_no_text_and_no_company_name_reach_the_disk(self, tmp_path: Path) -> None:
        store = ChromaVectors(tmp_path, "keller-embedder", 16)
        store.add(*sample(3))
        store.close()

        for path in (path for path in tmp_path.rglob("*") if path.is_file()):
            assert not re.search(rb"keller", path.read_bytes())

    def test_a_vector_whose_bits_changed_counts_as_missing_and_is_stored_again(self, tmp_path: Path) -> None:
        keys, vectors = sample(5)
        store = ChromaVectors(tmp_path, "e", 16)
        store.add(keys, vectors)
        store._open().update(ids=[keys[2]], embeddings=vectors[3:4])

        assert set(store.get(keys)) == set(keys) - {keys[2]}
        store.add(keys, vectors)

        assert store.get(keys)[keys[2]].tobytes() == vectors[2].tobytes()
        store.close()

    def test_a_closed_store_says_so(self, tmp_path: Path) -> None:
        store = ChromaVectors(tmp_path, "e", 16)
        store.close()

        with pytest.raises(RuntimeError, match="closed"):
            store.count()


def _damage(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "deleted":
        path.unlink()
    elif how == "cut short":
        path.write_bytes(data[: len(data) // 2])
    else:
        for at in range(len(data) // 7, len(data), max(1, len(data) // 40)):
            data[at] ^= 0xFF
        path.write_bytes(data)


QUICK = {("data_level0.bin", "flipped"), ("chroma.sqlite3", "deleted")}
FILES = ["data_level0.bin", "header.bin", "index_metadata.pickle", "length.bin", "chroma.sqlite3", "*.sums"]


@pytest.mark.parametrize(
    ("name", "how"),
    [
        pytest.param(name, how, marks=() if (name, how) in QUICK else pytest.mark.slow)
        for name in FILES
        for how in ("deleted", "cut short", "flipped")
    ],
)
def test_damage_is_found_or_harms_nothing_and_never_ends_this_process(
    tmp_path: Path, full: Path, name: str, how: str
) -> None:
    folder = tmp_path / "store"
    shutil.copytree(full, folder)
    (victim,) = folder.rglob(name)
    _damage(victim, how)
    keys, vectors = sample(1_500)

    problem = ChromaVectors.check(folder)

    if (name in ("data_level0.bin", "*.sums") and how != "deleted") or name == "chroma.sqlite3":
        assert problem
    if problem:
        ChromaVectors.discard(folder)
    store = ChromaVectors(folder, "e", 16)
    assert all(vector.tobytes() == vectors[int(key, 16)].tobytes() for key, vector in store.get(keys).items())
    store.add(keys, vectors)
    assert len(store.get(keys)) == 1_500
    store.close()
    assert ChromaVectors.check(folder) == ""


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with enough vectors for Chroma to have written its graph."""
    folder = tmp_path_factory.mktemp("full")
    store = ChromaVectors(folder, "e", 16)
    store.add(*sample(1_500))
    store.close()
    return folder


def test_a_folder_whose_holder_died_is_looked_at_before_it_is_opened(tmp_path: Path, full: Path) -> None:
    folder = tmp_path / "store"
    shutil.copytree(full, folder)
    _damage(next(folder.rglob("data_level0.bin")), "flipped")
    (folder / "IN_USE").touch()

    store = ChromaVectors(folder, "e", 16)

    assert store.count() == 0
    store.close()


def test_chroma_is_loaded_only_when_a_folder_is_opened() -> None:
    code = "import sys, kbm_indexes.chroma; sys.exit('chromadb' in sys.modules)"

    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ}, check=False)

    assert done.returncode == 0, f"after {time.monotonic() - started:.1f} s"
