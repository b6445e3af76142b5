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

from kbm.errors import StorageFailed
from kbm.faults import fault_point

SECRET_NAME = "secret.key"  # noqa: S105 - the name of the file
_BYTES = 32


class Secret:
    """A key that never leaves this class."""

    def __init__(self, folder: Path) -> None:
        """Read the key of a data folder, or make it.

        Raises:
            StorageFailed: the file is there, but it is no key.
        """
        path = folder / SECRET_NAME
        if not path.exists():
            _create(path)
        self._key = path.read_bytes()
        if len(self._key) != _BYTES:
            raise StorageFailed(
                f"{path} has {len(self._key)} bytes, a key has {_BYTES}; nothing was changed",
                hint="bring it back from a backup: with another key no receipt can be verified",
            )
        for left in folder.glob(f".{SECRET_NAME}.*.tmp"):
            # Of a process that was killed while it made the key, or of one that came second.
            left.unlink(missing_ok=True)

    def mac(self, kind: str, text: str) -> str:
        """Hash *text* with the key; 64 hex digits. Different kinds never give the same."""
        return hmac.new(self._key, f"{kind}\0{text}".encode("utf-8", "surrogatepass"), sha256).hexdigest()

    def label(self, gpt: str, label: str) -> str | None:
        """Hash somebody's label, for each GPT another way: what one person asked of two cannot be joined.

        None where there is no label.
        """
        return self.mac("user", f"{gpt}\0{label}") if label else None


def _create(path: Path) -> None:
    """Write a new key; of two processes that try at once, one wins and both read its key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with fault_point("secret.write"):
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(handle, secrets.token_bytes(_BYTES))
            os.fsync(handle)
        finally:
            os.close(handle)
    try:
        with fault_point("secret.name"):
            os.link(aside, path)
            _sync_folder(path.parent)
    except (FileExistsError, FileNotFoundError):
        if not path.exists():
            raise
        # Another process was first; its key holds.
    finally:
        aside.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Let the new name survive a power cut: what is sealed with a key that is lost can never be verified."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
