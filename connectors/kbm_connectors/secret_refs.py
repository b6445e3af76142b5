"""Passwords by reference: ``env:NAME`` or ``file:PATH``, read each time they are used and kept nowhere.

A password in ``kbm.toml`` ends in backups and tickets, so it is refused there. What a server says may repeat one
(DokuWiki's own client puts it into error texts): :meth:`SecretRef.hide_in` takes it out before anything is told.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from kbm.errors import ConfigError

HIDDEN = "•••"
MAX_SECRET_BYTES = 64_000


def check_reference(value: str) -> str:
    """Refuse a secret that is written out; for validators of settings."""
    if value and not value.startswith(("env:", "file:")):
        raise ValueError("a secret is named, never written here: 'env:NAME' or 'file:PATH'")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRef:
    """Where a secret lies; ``key`` is the setting that names it, relative paths start at ``root``."""

    key: str
    reference: str
    root: Path

    def read(self) -> str:
        """Give the secret.

        Raises:
            ConfigError: it is not there; the text names the place and never a value.
        """
        kind, _, place = self.reference.partition(":")
        if not place:
            raise ConfigError(f"{self.key} names no secret", hint="write 'env:NAME' or 'file:PATH'")
        secret = self._from_variable(place) if kind == "env" else self._from_file(self.root / place)
        if not secret:
            raise ConfigError(f"{self.key}: {self.reference} is empty")
        return secret

    def hide_in(self, text: str) -> str:
        """Give *text* without the secret."""
        try:
            secret = self.read()
        except ConfigError:
            return text
        return text.replace(secret, HIDDEN)

    def _from_variable(self, name: str) -> str:
        if name not in os.environ:
            raise ConfigError(
                f"{self.key}: the variable {name} is not set", hint="set it for the process that runs kbm"
            )
        return os.environ[name]

    def _from_file(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                data = file.read(MAX_SECRET_BYTES + 1)
        except OSError as error:
            why = (error.strerror or type(error).__name__).lower()
            raise ConfigError(f"{self.key}: {path} cannot be read: {why}") from None
        if len(data) > MAX_SECRET_BYTES:
            raise ConfigError(f"{self.key}: {path} is larger than a secret can be")
        try:
            return data.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise ConfigError(f"{self.key}: {path} is not text in UTF-8") from None
