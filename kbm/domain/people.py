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

    @property
    def erased(self) -> bool:
        """Tell whether there was a reason that is gone."""
        return self.reason is None and self.reason_hash != reason_hash("")


def reason_hash(reason: str) -> Digest:
    """Hash the words of a reason; no reason has a hash too."""
    return digest("audit-reason", reason)


def chain_hash(previous: Digest, at: datetime, entry: Entry) -> Digest:
    """Hash an entry together with the one before it: changing either breaks everything after."""
    return _hash(previous, at, entry, reason_hash(entry.reason))


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Where the chain does not hold, and why. ``id`` is None when it is no single entry."""

    id: int | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainCheck:
    """What checking the log found. ``head`` is the hash of the last entry, the anchor to keep elsewhere.

    ``anchor_id`` is the entry that the anchor given is the hash of: 0 for the empty log, None if none was given.
    """

    n_entries: int
    head: Digest
    n_reasons_erased: int
    anchor_id: int | None = None
    broken: Break | None = None


def why_broken(n: int, previous: Digest, entry: LoggedEntry) -> str:
    """Say why an entry cannot be the *n*-th, after one that has the hash *previous*; empty if it is."""
    if entry.id != n:
        return f"it stands where entry {n} should: one is missing, or its number was changed"
    if entry.previous != previous:
        return "it does not follow on the entry before it"
    if _hash(previous, entry.at, entry, entry.reason_hash) != entry.hash:
        return "it is not what was logged"
    if entry.reason is not None and reason_hash(entry.reason) != entry.reason_hash:
        return "its reason is not the one that was logged"
    return ""


def _hash(previous: Digest, at: datetime, entry: Entry | LoggedEntry, reason: Digest) -> Digest:
    said = json.dumps([entry.who, entry.action, entry.subject, dict(entry.detail)], sort_keys=True)
    return digest("audit", previous, at.isoformat(), said, reason)
