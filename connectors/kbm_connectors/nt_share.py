"""What a Windows share says on its own level: listings, statuses, access lists.

Here ends what knows a library, and begins what can be tried without a server.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

_ENTRY = struct.Struct("<I4xq8xqqq8xIII4xQ")
"""An entry of FileIdFullDirectoryInformation up to its name: next, created, written, changed, size, attributes,
length of the name, tag, number."""
_REPARSE = 0x400

BROKEN = frozenset(
    {
        0xC0000203,
        0xC000035C,
        0xC00000C9,
        0xC00000D0,
        0xC000020C,
        0xC000009A,
        0xC0000205,
        0xC00000B5,
        0xC000005E,
    }
)
"""The session ended, the share was taken away, the server has no room or no time: a new connection may help."""
MAY_PASS = {
    0xC0000034: "it is not there",
    0xC000003A: "it is not there",
    0xC000000F: "it is not there",
    0xC0000225: "it is not there",
    0xC0000103: "it is no folder",
    0xC00000BA: "it is a folder",
    0xC0000043: "another program has it open",
    0xC0000054: "another program has locked it",
    0xC0000055: "another program has locked it",
    0xC0000056: "it is being deleted",
}
REFUSED = {
    0xC0000022: ("the account may not read it", "give the account the right to read"),
    0xC00000CC: ("the server has no share of that name", "check url: smb://HOST/SHARE/FOLDER"),
    0xC000006D: ("the account or its password is not taken", "check user and password"),
    0xC000006A: ("the account or its password is not taken", "check user and password"),
    0xC0000064: ("the account or its password is not taken", "check user and password"),
    0xC000006E: ("the account may not log in", "let it log in over the network, at any time"),
    0xC000015B: ("the account may not log in", "let it log in over the network, at any time"),
    0xC0000071: ("the account's password has run out", "give it a new one that does not"),
    0xC0000224: ("the account's password must be changed", "change it once, by hand"),
    0xC0000072: ("the account is switched off", "switch it on"),
    0xC0000234: ("the account is locked", "unlock it, and check password"),
    0xC0000257: ("it lies on another server (a DFS link)", "give that server's address as url"),
    0x8000002D: ("a link that leads out of the share; not followed", "exclude it"),
}


class NtFault(Exception):
    """The server answered with a status that is none of success."""

    def __init__(self, status: int) -> None:
        self.status = status & 0xFFFF_FFFF
        super().__init__(f"0x{self.status:08X}")


class Unprotected(Exception):
    """The server would not encrypt, or not sign: it took the account for a guest, or is too old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NtEntry:
    """What a listing says of a file or folder; times in units of 100 ns since 1601, as the server has them."""

    name: str
    attributes: int
    tag: int = 0
    size: int = 0
    written: int = 0
    changed: int = 0
    number: int = 0


class NtShare(Protocol):
    """A share that is logged in to. Paths are the server's, with ``\\``.

    Raises :class:`NtFault` for what the server refuses, ``LineBroken`` for the rest, ``Unprotected`` at the start.
    """

    def number(self, folder: str) -> int:
        """Give the number of a folder."""
        ...

    def entries(self, folder: str) -> list[NtEntry]:
        """List a folder, whole."""
        ...

    def descriptor(self, path: str) -> bytes:
        """Give owner, group and access list of a file."""
        ...

    def read(self, path: str, limit: int) -> bytes | None:
        """Give a file; None when it is larger than *limit*."""
        ...

    def close(self) -> None:
        """Log off."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a share is opened with. ``address`` was checked and is where to go; ``host`` is its name."""

    address: str
    host: str
    port: int
    share: str
    user: str
    password: str = field(repr=False)
    encrypt: bool
    timeout_s: float


OpenShare = Callable[[Login], NtShare]


def entries_in(listing: bytes) -> Iterator[NtEntry]:
    """Take an answer to a query for FileIdFullDirectoryInformation apart.

    Raises:
        ValueError: it is cut off.
    """
    at = 0
    while True:
        try:
            step, _, written, changed, size, attributes, length, tag, number = _ENTRY.unpack_from(listing, at)
        except struct.error:
            raise ValueError("a listing broke off") from None
        name = listing[at + _ENTRY.size : at + _ENTRY.size + length]
        if len(name) != length:
            raise ValueError("a listing broke off")
        yield NtEntry(
            name=name.decode("utf-16-le", "replace"),
            attributes=attributes,
            tag=tag if attributes & _REPARSE else 0,
            size=size,
            written=written,
            changed=changed,
            number=number,
        )
        if not step:
            return
        at += step
