"""Who may read a file of a Windows share, from its security descriptor.

Windows goes through the entries of the list in their order, until all rights that were asked for are given or one of
them is denied. A denial hits the members of a group, and who they are is not known here: so after a denial only
accounts that are named themselves, and are not the denied ones, may still be let in, and only if no group is denied.
Fewer people read here than there in such cases, never more. A descriptor that cannot be understood, or that has no
list at all, lets nobody in.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kbm.domain.documents import EVERYONE

WELL_KNOWN = {
    "Everyone": "S-1-1-0",
    "Authenticated Users": "S-1-5-11",
    "BUILTIN\\Users": "S-1-5-32-545",
    "BUILTIN\\Guests": "S-1-5-32-546",
    "BUILTIN\\Administrators": "S-1-5-32-544",
}
"""Names that mean the same on every computer."""

_EVERYBODY = {WELL_KNOWN["Everyone"]: EVERYONE, WELL_KNOWN["Authenticated Users"]: EVERYONE}
_READ = 0x8000_0000 | 0x1000_0000 | 0x0000_0001
"""Any right that includes reading the content: generic read, generic all, read data."""
_LIST_PRESENT = 0x0004
_INHERIT_ONLY = 0x08
_ALLOWS = frozenset({0x00})
_DENIES = frozenset({0x01, 0x06, 0x0A, 0x0C})
"""With conditions or without: a condition that cannot be checked may hold."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a list: whom it lets read, or denies it."""

    sid: str
    denies: bool


def readers_of(descriptor: bytes, mapped: Mapping[str, str]) -> frozenset[str]:
    """Give the readers of a file; *mapped* says by SID what an account or group there is here."""
    known = {**_EVERYBODY, **mapped}
    let_in: set[str] = set()
    denied: set[str] = set()
    for entry in entries_of(descriptor):
        reader = known.get(entry.sid, "")
        if entry.denies:
            denied.add(reader)
        elif reader and (not denied or (_all_users(denied | {reader}) and reader not in denied)):
            let_in.add(reader)
    return frozenset(let_in)


def sids_by_name(mapped: Mapping[str, str]) -> dict[str, str]:
    """Give the mapping by SID of one by SIDs and well-known names.

    Raises:
        ValueError: a name is neither.
    """
    known = {name.casefold(): sid for name, sid in WELL_KNOWN.items()}
    found = {}
    for name, reader in mapped.items():
        sid = known.get(name.casefold(), name.upper())
        parts = sid.split("-")
        if len(parts) < 3 or parts[:2] != ["S", "1"] or not all(part.isdecimal() for part in parts[2:]):
            raise ValueError(
                f"{name!r}: name a SID, as in S-1-5-21-…-1105, or one of {', '.join(WELL_KNOWN)}"
            )
        found[sid] = reader
    return found


def entries_of(descriptor: bytes) -> list[Entry]:
    """List who is let read and who is denied it, in order; nothing when the descriptor cannot be understood."""
    try:
        control, offset = struct.unpack_from("<H12xI", descriptor, 2)
        if not control & _LIST_PRESENT or not offset:
            return []
        return list(_entries(descriptor, offset))
    except (struct.error, ValueError):
        return []


def _entries(descriptor: bytes, offset: int) -> Iterator[Entry]:
    size, n_entries = struct.unpack_from("<HH", descriptor, offset + 2)
    end, at = offset + size, offset + 8
    for _ in range(n_entries):
        kind, flags, length = struct.unpack_from("<BBH", descriptor, at)
        if length < 4 or at + length > min(end, len(descriptor)):
            raise ValueError("an entry leads out of its list")
        if not flags & _INHERIT_ONLY and kind in _ALLOWS | _DENIES:
            (rights,) = struct.unpack_from("<I", descriptor, at + 4)
            if kind in _DENIES and kind not in (0x01, 0x0A):
                # Of a kind that names a part of an object: whom it denies what is not told apart here.
                yield Entry("", denies=True)
            elif rights & _READ:
                yield Entry(_sid(descriptor, at + 8, at + length), denies=kind in _DENIES)
        at += length


def _sid(descriptor: bytes, at: int, end: int) -> str:
    n = descriptor[at + 1]
    if at + 8 + 4 * n > end:
        raise ValueError("a SID leads out of its entry")
    authority = int.from_bytes(descriptor[at + 2 : at + 8], "big")
    parts = struct.unpack_from(f"<{n}I", descriptor, at + 8)
    return "-".join(["S", str(descriptor[at]), str(authority), *map(str, parts)])


def _all_users(readers: set[str]) -> bool:
    return all(reader.startswith("user:") for reader in readers)
