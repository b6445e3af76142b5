"""The embedded Chroma keeps the contract of a vector store."""

from __future__ import annotations

import os
import re
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

    def test_a_closed_store_says_so(self, tmp_path: Path) -> None:
        store = ChromaVectors(tmp_path, "e", 16)
        store.close()

        with pytest.raises(RuntimeError, match="closed"):
            store.count()


def test_chroma_is_loaded_only_when_a_folder_is_opened() -> None:
    code = "import sys, kbm_indexes.chroma; sys.exit('chromadb' in sys.modules)"

    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ}, check=False)

    assert done.returncode == 0, f"after {time.monotonic() - started:.1f} s"
