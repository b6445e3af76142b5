"""The files of a Windows share: a file server, a NAS, Samba.

**What tells an edit.** Size, both times and the number of the file. The time of the last change cannot be set back by
a copy tool (Windows keeps it; Samba gives the time of writing once more), and the number tells a file that was put
in the place of another.

**Readers.** With ``readers_from = "acl"`` they come from each file's security descriptor with every listing, see
:mod:`~kbm_connectors.nt_readers`. What a share itself allows, above its files, is not seen.

**Where it goes.** To the one server that ``url`` names. A link of a distributed file system (DFS) leads to another
one, where the account's password has not been promised to: it is told, not followed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from kbm.errors import ConfigError, ConnectorError, ConnectorRefused, ConnectorUnavailable
from kbm_connectors.files_server import (
    Address,
    FileServer,
    LineBroken,
    Member,
    ServerSettings,
    ServerTree,
    address_in,
    secret,
    user_of,
)
from kbm_connectors.files_sides import check_readers
from kbm_connectors.files_tree import Selection
from kbm_connectors.nt_readers import entries_of, readers_of, sids_by_name
from kbm_connectors.nt_share import (
    BROKEN,
    MAY_PASS,
    REFUSED,
    Login,
    NtEntry,
    NtFault,
    NtShare,
    OpenShare,
    Unprotected,
)
from kbm_connectors.reach import address_of

PORT = 445
MAX_NAMED = 12
_FOLDER = 0x10
_LINKS = frozenset({0xA000_000C, 0xA000_0003})
"""Symbolic links and mount points; other files with a tag are deduplicated or archived, and read as any other."""
_DFS = frozenset({0x8000_000A, 0x8000_0012})
_NOT_A_NAME = frozenset("/\\\0")
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


class SmbSettings(ServerSettings):
    """Keys of a source of kind ``files`` on a Windows share."""

    encrypt: bool = Field(
        default=False,
        description="Refuse a server that does not encrypt; without allow_private it always must.",
    )
    readers_from: Literal["", "acl"] = Field(
        default="", description="'acl': who may read a file is what its security descriptor says."
    )
    readers_map: dict[str, str] = Field(
        default_factory=dict,
        description="What an account or group there is here, by SID: {'S-1-5-21-…-1105' = 'group:hr'}.",
    )

    @field_validator("readers_map")
    @classmethod
    def _are_sids_and_readers(cls, mapped: dict[str, str]) -> dict[str, str]:
        sids_by_name(mapped)
        return check_readers(mapped)

    @model_validator(mode="after")
    def _map_is_used(self) -> SmbSettings:
        if self.readers_map and not self.readers_from:
            raise ValueError("readers_map needs readers_from = 'acl'")
        return self


def smb_tree(
    name: str,
    settings: SmbSettings,
    root: Path,
    wanted: Selection,
    pause: Callable[[float], None],
    open_share: OpenShare | None = None,
) -> SmbTree:
    """Make the tree of a share's folder.

    Raises:
        ConfigError: the address or the account cannot be used.
    """
    address = address_in(name, settings.url, "smb", PORT)
    share, _, folder = address.path.partition("/")
    if not share:
        raise ConfigError(f"sources.{name}.url: name the share too, as in smb://{address.host}/SHARE/FOLDER")
    user = user_of(name, settings, address)
    password = secret(name, "password", settings.password, root)
    if password is None:
        raise ConfigError(f"sources.{name}.password: this key is needed")

    seen = Seen()

    def connect() -> SmbServer:
        server = SmbServer(name, address.host, folder, settings, seen)
        with server.told("it"):
            server.share = (open_share or _open_share)(
                Login(
                    address=address_of(
                        name, address.host, address.port, allow_private=settings.allow_private
                    ),
                    host=address.host,
                    port=address.port,
                    share=share,
                    user=user,
                    password=password.read(),
                    encrypt=settings.encrypt or not settings.allow_private,
                    timeout_s=settings.timeout_s,
                )
            )
        return server

    return SmbTree(seen, name, settings, address, wanted, connect, pause)


def _open_share(login: Login) -> NtShare:
    from kbm_connectors.files_smb_session import open_share  # the library only where it is needed

    return open_share(login)


@dataclass(slots=True)
class Seen:
    """What the access lists named that is not mapped: for a person who writes the mapping."""

    n_closed: int = 0
    unknown: set[str] = field(default_factory=set)


class SmbTree(ServerTree):
    """The files below a folder of a share."""

    def __init__(
        self,
        seen: Seen,
        name: str,
        settings: SmbSettings,
        address: Address,
        wanted: Selection,
        connect: Callable[[], FileServer],
        pause: Callable[[float], None],
    ) -> None:
        asks = settings.readers_from == "acl"
        super().__init__(name, settings, address, wanted, connect, pause, asks_readers=asks)
        self._seen = seen

    def remarks(self) -> list[str]:
        """Name the accounts and groups that a mapping could let in."""
        if not self._seen.n_closed:
            return []
        named = ", ".join(sorted(self._seen.unknown)[:MAX_NAMED]) or "nobody it could let in"
        return [f"{self._seen.n_closed} files let nobody in; readers_map does not know {named}"]


class SmbServer:
    """A folder of a share, as the tree asks for it."""

    share: NtShare

    def __init__(self, name: str, host: str, folder: str, settings: SmbSettings, seen: Seen) -> None:
        self._name, self._host, self._seen = name, host, seen
        self._folder = folder.replace("/", "\\")
        self._mapped: Mapping[str, str] = sids_by_name(settings.readers_map)

    def root(self) -> int:
        with self.told("the folder"):
            return self.share.number(self._folder)

    def members(self, folder: str) -> list[Member]:
        with self.told(folder or "the folder"):
            entries = self.share.entries(self._path(folder))
        return [_member(entry) for entry in entries if entry.name not in (".", "..")]

    def readers(self, path: str) -> frozenset[str] | None:
        with self.told(path):
            descriptor = self.share.descriptor(self._path(path))
        readers = readers_of(descriptor, self._mapped)
        if not readers:
            self._seen.n_closed += 1
            self._seen.unknown |= {
                one.sid for one in entries_of(descriptor) if not one.denies
            } - self._mapped.keys()
        return readers

    def read(self, path: str, limit: int) -> bytes:
        with self.told(path):
            data = self.share.read(self._path(path), limit)
        if data is None:
            raise self._refused(f"{path} is larger than {limit // 1_000_000} MB", "raise max_file_mb")
        return data

    def close(self) -> None:
        self.share.close()

    @contextmanager
    def told(self, what: str) -> Iterator[None]:
        """Turn what the server refuses into what the core understands."""
        try:
            yield
        except NtFault as fault:
            raise self._error(fault.status, what) from None
        except Unprotected:
            raise self._refused(
                "it does not encrypt or not sign what it sends",
                "switch that on there; with allow_private = true signing is enough",
            ) from None
        except LineBroken as error:
            raise LineBroken(f"source {self._name}: {self._host}: {error}") from None

    def _error(self, status: int, what: str) -> ConnectorError:
        if status in BROKEN:
            return LineBroken(f"source {self._name}: {self._host}: it ended the session (0x{status:08X})")
        if status in REFUSED:
            why, hint = REFUSED[status]
            return self._refused(f"{what}: {why}", hint)
        why = MAY_PASS.get(status, f"the server answers 0x{status:08X}")
        return ConnectorUnavailable(f"source {self._name}: {self._host}: {what}: {why}")

    def _refused(self, why: str, hint: str) -> ConnectorRefused:
        return ConnectorRefused(f"source {self._name}: {self._host}: {why}", hint=hint)

    def _path(self, below: str) -> str:
        path = below.replace("/", "\\")
        return f"{self._folder}\\{path}" if self._folder and path else self._folder or path


def _member(entry: NtEntry) -> Member:
    fault = ""
    if entry.tag in _LINKS:
        fault = "a link; not followed"
    elif entry.tag in _DFS:
        fault = "it lies on another server (a DFS link); not followed"
    elif not entry.name or _NOT_A_NAME & set(entry.name) or "\ufffd" in entry.name:
        fault = "its name is no text"
    return Member(
        name=entry.name.replace("/", "\ufffd").replace("\\", "\ufffd").replace("\0", "\ufffd"),
        is_folder=bool(entry.attributes & _FOLDER),
        version=f"{entry.size:x}-{entry.written:x}-{entry.changed:x}-{entry.number:x}",
        modified=_moment(entry.written),
        size=entry.size,
        number=entry.number,
        fault=fault,
    )


def _moment(ticks: int) -> datetime | None:
    try:
        return _EPOCH + timedelta(microseconds=ticks // 10) if ticks > 0 else None
    except OverflowError:
        return None
