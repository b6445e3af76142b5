"""A backup as one file: what lies in it, and which names it may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

MANIFEST = "manifest.json"
CONFIG = "kbm.toml"

_NAMES = re.compile(
    r"(catalogue\.db|journal\.db|secret\.key|kbm\.toml|manifest\.json"
    r"|raw/[0-9a-f]{2}/[0-9a-f]{64}"
    r"|index/[A-Za-z0-9][A-Za-z0-9_-]*/[0-9a-f]{16}/(seg-\d+-[0-9a-f]+\.kseg|rel-\d+\.(roar|json))"
    r"|reports/[A-Za-z0-9][A-Za-z0-9._-]*)"
)


def is_member(name: str) -> bool:
    """Tell whether a backup may hold a file of this name; anything else is no backup of kbm."""
    return _NAMES.fullmatch(name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveManifest:
    """What a backup says about itself. ``files`` gives size and BLAKE2b-256 of each, by name."""

    made_at: datetime
    made_with: str
    files: Mapping[str, tuple[int, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedItem:
    """A line of a ledger of erasures, as it outlives a backup."""

    item: str
    at: datetime
    who: str
