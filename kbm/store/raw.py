"""Raw bytes by content hash, beside the databases: parsing again needs no second fetch."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from kbm.domain.identity import ContentHash, content_hash


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
        handle, aside = tempfile.mkstemp(dir=path.parent, prefix=".aside-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, path)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise
        return key

    def get(self, key: ContentHash) -> bytes | None:
        """Give stored bytes; None if there are none of that hash."""
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            return None

    def _path(self, key: ContentHash) -> Path:
        return self._folder / key[:2] / key
