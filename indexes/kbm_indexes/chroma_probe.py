"""Looks at a folder of vectors in a process of its own: a damaged one can end the process that opens it.

::

    python -m kbm_indexes.chroma_probe FOLDER      {"vectors": 52310, "damaged": 0}     exit 0

Every vector is read and compared with its checksum, and each collection is asked once, which reads its graph.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from kbm_indexes.vector_sums import VectorSums

_BATCH = 1_000


def probe_vectors(folder: Path, timeout_s: float) -> str:
    """Say what is wrong with a folder that nobody has open; empty: nothing."""
    command = [sys.executable, "-m", "kbm_indexes.chroma_probe", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return f"reading it was not done after {timeout_s:g} s"
    if done.returncode < 0:
        return f"the process that read it ended by signal {-done.returncode}"
    try:
        told = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        last = done.stderr.strip().splitlines()[-1:] or [f"its process ended with {done.returncode}"]
        return last[0]
    if told["damaged"]:
        return f"{told['damaged']} of {told['vectors']} vectors are not those that were stored"
    return ""


def look(folder: Path) -> dict[str, int]:
    """Read everything in this process."""
    from kbm_indexes.chroma import open_client, sums_of

    n_vectors = n_damaged = 0
    client = open_client(folder)
    lost = {path.name: len(VectorSums(path)) for path in folder.glob("*.sums")}
    for found in client.list_collections():
        collection: Any = found  # Chroma's types name unions that its embedded client never gives
        path = sums_of(folder, found.name)
        sums = VectorSums(path)
        ids: list[str] = collection.get(include=[])["ids"]
        vectors = np.zeros((0, 1), dtype=np.float32)
        for start in range(0, len(ids), _BATCH):
            answer = collection.get(ids=ids[start : start + _BATCH], include=["embeddings"])
            vectors = np.asarray(answer["embeddings"], dtype=np.float32)
            n_damaged += sum(
                not sums.holds(key, vector) for key, vector in zip(answer["ids"], vectors, strict=True)
            )
        n_vectors += len(ids)
        lost[path.name] = max(0, len(sums) - len(ids))
        if len(vectors):
            collection.query(query_embeddings=[vectors[0]], n_results=1)
    n_lost = sum(lost.values())
    return {"vectors": n_vectors + n_lost, "damaged": n_damaged + n_lost}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(look(Path(sys.argv[1]))) + "\n")
