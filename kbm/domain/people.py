"""Who did what: entries of the audit log, and the hash that chains them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kbm.domain.identity import Digest, digest

FIRST_HASH = Digest("0" * 64)
"""What the first entry follows on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A decision about to be logged. *detail* holds ids, numbers and digests; free text goes into *reason*."""

    who: str
    action: str
    subject: str
    detail: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEntry:
    """A decision as logged; ``reason`` is None once it was erased, while its hash stays."""

    id: int
    at: datetime
    who: str
    action: str
    subject: str
    detail: Mapping[str, str | int | float | bool | None]
    reason: str | None
    reason_hash: Digest
    previous: Digest
    hash: Digest


def reason_hash(reason: str) -> Digest:
    """Hash the words of a reason; no reason has a hash too."""
    return digest("audit-reason", reason)


def chain_hash(previous: Digest, at: datetime, entry: Entry) -> Digest:
    """Hash an entry together with the one before it: changing either breaks everything after."""
    said = json.dumps([entry.who, entry.action, entry.subject, dict(entry.detail)], sort_keys=True)
    return digest("audit", previous, at.isoformat(), said, reason_hash(entry.reason))
