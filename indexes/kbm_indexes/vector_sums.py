"""Checksums of the vectors in a folder, so that a damaged one counts as missing instead of reaching an index.

A bit that flipped in Chroma's files comes back as another vector, without an error. So every vector is acknowledged
here once it is stored: 16 bytes that name its key, 8 of its content. What is not acknowledged, or has other bits, is
made again as if it had never been there. The file is only appended to; a torn or damaged end costs its last entries.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_KEY_BYTES, _SUM_BYTES = 16, 8
_ENTRY_BYTES = _KEY_BYTES + _SUM_BYTES


class VectorSums:
    """The checksums of one collection."""

    def __init__(self, path: Path) -> None:
        """Read the file; its absence is an empty one."""
        self._path = path
        data = path.read_bytes() if path.exists() else b""
        # Later entries win: a vector that was found damaged was stored again.
        self._sums = {
            data[at : at + _KEY_BYTES]: data[at + _KEY_BYTES : at + _ENTRY_BYTES]
            for at in range(0, len(data) - _ENTRY_BYTES + 1, _ENTRY_BYTES)
        }
        self._torn = len(data) % _ENTRY_BYTES

    def __len__(self) -> int:
        """Count the vectors that were acknowledged."""
        return len(self._sums)

    def holds(self, key: str, vector: NDArray[np.float32]) -> bool:
        """Tell whether this very vector was stored under *key*."""
        return self._sums.get(_name(key)) == _sum(vector)

    def add(self, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Acknowledge vectors that are stored; on disk when it returns."""
        new = {_name(key): _sum(vector) for key, vector in vectors.items()}
        with self._path.open("r+b" if self._path.exists() else "xb") as file:
            file.seek(0, os.SEEK_END)
            if self._torn:
                file.truncate(file.seek(-self._torn, os.SEEK_END))
                self._torn = 0
            file.write(b"".join(name + summed for name, summed in new.items()))
            file.flush()
            os.fsync(file.fileno())
        self._sums |= new


def _name(key: str) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=_KEY_BYTES).digest()


def _sum(vector: NDArray[np.float32]) -> bytes:
    return hashlib.blake2b(
        np.ascontiguousarray(vector, np.float32).tobytes(), digest_size=_SUM_BYTES
    ).digest()
