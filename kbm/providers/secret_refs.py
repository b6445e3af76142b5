"""Secrets by reference: ``env:NAME`` or ``file:PATH``, read when they are used and never kept or logged."""

from __future__ import annotations

import os
from pathlib import Path

from kbm.errors import ConfigError

MAX_SECRET_BYTES = 64_000


def resolve(reference: str, *, key: str, root: Path) -> str:
    """Give the secret that the setting *key* refers to; relative paths start at *root*.

    Raises:
        ConfigError: names the key and what is missing, never a value.
    """
    kind, _, place = reference.partition(":")
    if kind not in {"env", "file"} or not place:
        raise ConfigError(
            f"{key} names no secret", hint="write 'env:NAME' or 'file:PATH', never the secret itself"
        )
    secret = _from_variable(place, key) if kind == "env" else _from_file(root / place, key)
    if not secret:
        raise ConfigError(f"{key}: {reference} is empty")
    return secret


def _from_variable(name: str, key: str) -> str:
    if name not in os.environ:
        raise ConfigError(
            f"{key}: the variable {name} is not set", hint="set it for the process that runs kbm"
        )
    return os.environ[name]


def _from_file(path: Path, key: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SECRET_BYTES + 1)
        if len(data) > MAX_SECRET_BYTES:
            raise ConfigError(f"{key}: {path} is larger than a secret can be")
        return data.decode("utf-8").rstrip("\r\n")
    except OSError as error:
        raise ConfigError(f"{key}: {path} cannot be read: {(error.strerror or '').lower()}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{key}: {path} is not text in UTF-8") from None
