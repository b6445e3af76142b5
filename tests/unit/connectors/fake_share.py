"""A Windows share in memory, which answers at the level of the protocol's own listings and statuses."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kbm_connectors.files import FilesConnector
from kbm_connectors.files_server import LineBroken
from kbm_connectors.nt_share import Login, NtEntry, NtFault, Unprotected, entries_in

PASSWORD = "correct-horse"
NOT_THERE, NO_ACCESS, NO_SHARE, SHARE_TAKEN_AWAY, WRONG_PASSWORD = (
    *(0xC0000034, 0xC0000022, 0xC00000CC, 0xC00000C9, 0xC000006D),
)
FOLDER, FILE = 0x10, 0x80
EVERYONE, AUTHENTICATED = "S-1-1-0", "S-1-5-11"


@dataclass
class FakeFile:
    """A file; times in units of 100 ns."""

    data: bytes
    number: int
    written: int
    changed: int
    descriptor: bytes = b""


@dataclass
class FakeShare:
    """The server, the share and a session in one. ``fault`` names what is wrong with all of it."""

    password: str
    files: dict[str, FakeFile] = field(default_factory=dict)
    extra: dict[str, list[NtEntry]] = field(default_factory=dict)  # by folder
    forbidden: set[str] = field(default_factory=set)
    at_folder: dict[str, int | str] = field(default_factory=dict)
    once: dict[str, int] = field(default_factory=dict)
    fault: str = ""
    root_number: int = 1
    asked: list[str] = field(default_factory=list)
    logins: list[Login] = field(default_factory=list)
    now: int = 133_000_000_000_000_000
    n_open: int = 0

    def __call__(self, login: Login) -> FakeShare:
        """Open it, as the real one is opened."""
        self.logins.append(login)
        if self.fault == "down":
            raise LineBroken("no connection")
        if self.fault == "unprotected":
            raise Unprotected
        if self.fault == "no share":
            raise NtFault(NO_SHARE)
        if self.fault == "wrong password" or login.password != self.password:
            raise NtFault(WRONG_PASSWORD)
        self.n_open += 1
        return self

    def put(self, path: str, text: str, descriptor: bytes = b"") -> None:
        """Write a file over whatever is there."""
        self.now += 10_000
        before = self.files.get(path)
        number = before.number if before else self.now
        self.files[path] = FakeFile(text.encode(), number, self.now, self.now, descriptor)

    def number(self, folder: str) -> int:
        self._ask("number", folder)
        return self.root_number

    def entries(self, folder: str) -> list[NtEntry]:
        self._ask("entries", folder)
        start = folder + "\\" if folder else ""
        found: dict[str, NtEntry] = {".": NtEntry(name=".", attributes=FOLDER)}
        for path, file in self.files.items():
            name, _, below = path.replace("/", "\\").removeprefix(start).partition("\\")
            if not path.replace("/", "\\").startswith(start):
                continue
            folder_number = hash(start + name) & 0xFFFF_FFFF | 2
            found[name] = (
                NtEntry(name=name, attributes=FOLDER, number=folder_number)
                if below
                else NtEntry(
                    name=name,
                    attributes=FILE,
                    size=len(file.data),
                    written=file.written,
                    changed=file.changed,
                    number=file.number,
                )
            )
        entries = [*found.values(), *self.extra.get(folder.replace("\\", "/"), [])]
        return list(entries_in(listing(entries)))

    def descriptor(self, path: str) -> bytes:
        self._ask("descriptor", path)
        return self._file(path).descriptor

    def read(self, path: str, limit: int) -> bytes | None:
        self._ask("read", path)
        data = self._file(path).data
        return data if len(data) <= limit else None

    def close(self) -> None:
        self.n_open -= 1

    def _file(self, path: str) -> FakeFile:
        file = self.files.get(path.replace("\\", "/"))
        if file is None:
            raise NtFault(NOT_THERE)
        return file

    def _ask(self, what: str, path: str) -> None:
        path = path.replace("\\", "/")
        self.asked.append(f"{what} {path}")
        if self.fault in ("down", "cut"):
            raise LineBroken("the connection broke off")
        if self.fault == "taken away":
            raise NtFault(SHARE_TAKEN_AWAY)
        if self.fault in ("no share", "missing"):
            raise NtFault(NOT_THERE)
        if any(path == one or path.startswith(f"{one}/") for one in self.forbidden):
            raise NtFault(NO_ACCESS)
        fault = self.once.pop(path, None) or self.at_folder.get(path)
        if isinstance(fault, int):
            raise NtFault(fault)
        if fault:
            raise LineBroken(fault)


def no_pause(_: float) -> None:
    """Do not wait between tries."""


@dataclass
class Nas:
    """A source on the share, as the contract's suite changes it."""

    root: Path
    share: FakeShare = field(default_factory=lambda: FakeShare(PASSWORD))
    broken_by: str = "down"

    def connect(self, **more: Any) -> FilesConnector:
        (self.root / "password").write_text(PASSWORD)
        settings = {
            "url": "smb://127.0.0.1/dms",
            "user": "KELLER\\kbm",
            "password": "file:password",
            "allow_private": True,
            "max_requests_per_second": 10_000,
            **more,
        }
        return FilesConnector("nas", settings, self.root, pause=no_pause, open_share=self.share)

    def make(self, id: str, text: str) -> None:
        self.share.put(id, text)

    edit = make

    def remove(self, id: str) -> None:
        del self.share.files[id]

    def break_part(self, id: str) -> None:
        self.share.forbidden.add(id.rpartition("/")[0])

    def break_root(self) -> None:
        self.share.fault = self.broken_by


def listing(entries: list[NtEntry]) -> bytes:
    """Write a listing as a server sends it."""
    parts = []
    for at, one in enumerate(entries):
        name = one.name.encode("utf-16-le", "surrogatepass")
        whole = 80 + len(name)
        step = (whole + 7) // 8 * 8
        head = struct.pack(
            "<IIqqqqqqIIIIQ",
            *(0 if at + 1 == len(entries) else step, 0, 1, 2, one.written, one.changed, one.size, 4096),
            *(one.attributes, len(name), one.tag, 0, one.number),
        )
        parts.append((head + name).ljust(step, b"\0"))
    return b"".join(parts)


READ, WRITE, FULL, GENERIC_READ = 0x1200A9, 0x100116, 0x1F01FF, 0x8000_0000
ALLOW, DENY, DENY_IF, ALLOW_IF, DENY_OBJECT = 0, 1, 0x0A, 9, 6


def ace(kind: int, sid: str, rights: int = READ, flags: int = 0) -> bytes:
    """Write one entry of an access list."""
    _, revision, authority, *parts = sid.split("-")
    number = int(authority).to_bytes(6, "big")
    body = (
        struct.pack("<BB", int(revision), len(parts))
        + number
        + struct.pack(f"<{len(parts)}I", *map(int, parts))
    )
    return struct.pack("<BBHI", kind, flags, 8 + len(body), rights) + body


def descriptor(*entries: bytes, present: bool = True) -> bytes:
    """Write a security descriptor with an access list of *entries*."""
    owner = bytes([1, 1, 0, 0, 0, 0, 0, 5]) + struct.pack("<I", 18)
    dacl = struct.pack("<BBHHH", 2, 0, 8 + sum(map(len, entries)), len(entries), 0) + b"".join(entries)
    control = 0x8000 | (0x0004 if present else 0)
    head = struct.pack("<BBHIIII", 1, 0, control, 20, 20, 0, 20 + len(owner) if present else 0)
    return head + owner + (dacl if present else b"")
