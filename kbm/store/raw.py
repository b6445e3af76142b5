"""Raw bytes by content hash, beside the databases: parsing again needs no second fetch."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from kbm.domain.identity import ContentHash, content_hash
from kbm.faults import fault_point


class RawStore:
    """Files under ``folder/ab/<hash>``. A file is whole or not there: written aside, then renamed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes) -> ContentHash:
        """Store bytes once; returns their hash."""
        key = content_hash(data)
        path = self._path(key)
        if path.exists():
            return key
        path.parent.mkdir(parents=True, exist_ok=True)
        # Named by its content, so that who repeats a run that was killed here leaves nothing behind.
        aside = path.with_name(f".aside-{key}")
        try:
            with aside.open("wb") as file, fault_point("raw.write"):
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            with fault_point("raw.name"):
                os.replace(aside, path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        return key

    def get(self, key: ContentHash) -> bytes | None:
        """Give stored bytes; None if there are none of that hash."""
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            return None

    def sweep(self, keep: Collection[ContentHash]) -> int:
        """Remove the bytes that no document has, and what a killed writer left; returns how many files went.

        Only for who holds the data folder: a sync puts bytes here before their document is stored.
        """
        wanted, n = frozenset(keep), 0
        with fault_point("erase.raw"):
            for folder in sorted(self._folder.iterdir()) if self._folder.exists() else ():
                for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                    if path.name not in wanted:
                        path.unlink()
                        n += 1
        return n

    def _path(self, key: ContentHash) -> Path:
        return self._folder / key[:2] / key
