"""The key of this data folder: hashes made with it tell nothing to somebody who only sees them.

Made at first use, readable by its owner only. Without it receipts cannot be verified and erased items are not
recognised when they come again, so a backup holds it.
"""

from __future__ import annotations

import hmac
import os
import secrets
from hashlib import sha256
from pathlib import Path

SECRET_NAME = "secret.key"  # noqa: S105 - the name of the file
_BYTES = 32


class Secret:
    """A key that never leaves this class."""

    def __init__(self, folder: Path) -> None:
        """Read the key of a data folder, or make it."""
        path = folder / SECRET_NAME
        if not path.exists():
            _create(path)
        self._key = path.read_bytes()

    def mac(self, kind: str, text: str) -> str:
        """Hash *text* with the key; 64 hex digits. Different kinds never give the same."""
        return hmac.new(self._key, f"{kind}\0{text}".encode("utf-8", "surrogatepass"), sha256).hexdigest()


def _create(path: Path) -> None:
    """Write a new key; of two processes that try at once, one wins and both read its key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, secrets.token_bytes(_BYTES))
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        os.link(aside, path)
    except FileExistsError:
        pass  # another process was first; its key holds
    finally:
        aside.unlink()
