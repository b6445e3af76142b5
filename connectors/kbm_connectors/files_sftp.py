"""The files on an SFTP server.

**What tells an edit.** Size and time, which SFTP gives in whole seconds: a file that was written within the last two
seconds is marked so and read once more by the next sync, since another edit could have followed in the same second.

**Whom it trusts.** The server's key must be the one that ``host_key`` or ``known_hosts`` names. A server that is not
known is refused, and its key is told to be compared; it is never taken on trust.
"""

from __future__ import annotations

import os
import posixpath
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from pydantic import Field, field_validator, model_validator

from kbm.errors import ConfigError, ConnectorRefused, ConnectorUnavailable
from kbm_connectors.files_server import (
    LineBroken,
    Member,
    Reference,
    ServerSettings,
    ServerTree,
    address_in,
    secret,
    user_of,
)
from kbm_connectors.files_tree import Selection
from kbm_connectors.folder_walk import is_under
from kbm_connectors.reach import address_of

PORT = 22
FRESH_S = 2.0
"""Age below which a second edit could bear the same time."""
_HOME = "~/"


class SftpSettings(ServerSettings):
    """Keys of a source of kind ``files`` on an SFTP server."""

    private_key: Reference = Field(
        default="", description="A private key in place of a password: 'file:PATH'."
    )
    key_password: Reference = Field(default="", description="The password of that key, where it has one.")
    host_key: str = Field(
        default="", description="The server's key: 'ssh-ed25519 AAAA…', or its fingerprint 'SHA256:…'."
    )
    known_hosts: str = Field(
        default="", description="File with the keys of servers; default: ~/.ssh/known_hosts and the system's."
    )

    @field_validator("host_key")
    @classmethod
    def _is_a_key(cls, key: str) -> str:
        if key and not key.startswith("SHA256:") and len(key.split()) < 2:
            raise ValueError("write the key as ssh-keyscan prints it, without the host, or 'SHA256:…'")
        return key

    @model_validator(mode="after")
    def _keys_fit(self) -> SftpSettings:
        if bool(self.password) == bool(self.private_key):
            raise ValueError("give password or private_key")
        if self.key_password and not self.private_key:
            raise ValueError("key_password belongs to private_key")
        if self.host_key and self.known_hosts:
            raise ValueError("give host_key or known_hosts")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a session is opened with. ``address`` was checked and is where to go; ``host`` is its name."""

    address: str
    host: str
    port: int
    user: str
    password: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    key_password: str = field(default="", repr=False)
    host_key: str
    known_hosts: tuple[Path, ...]
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SftpEntry:
    """What a listing says. ``name`` holds bytes that are no UTF-8 as surrogates; ``modified`` is in seconds."""

    name: str
    mode: int
    size: int
    modified: int


class SftpSession(Protocol):
    """A session that is logged in. Raises ``OSError`` for what the server refuses, ``LineBroken`` for the rest."""

    def entries(self, folder: str) -> list[SftpEntry]:
        """List a folder, whole; links are not followed."""
        ...

    def entry(self, path: str) -> SftpEntry:
        """Look at a file or folder; links are followed."""
        ...

    def real_path(self, path: str) -> str:
        """Give the path without links."""
        ...

    def read(self, path: str, size: int) -> bytes:
        """Give a file of *size* bytes."""
        ...

    def close(self) -> None:
        """End it."""
        ...


def sftp_tree(
    name: str, settings: SftpSettings, root: Path, wanted: Selection, pause: Callable[[float], None]
) -> ServerTree:
    """Make the tree of a server's folder.

    Raises:
        ConfigError: the address or the account cannot be used.
    """
    address = address_in(name, settings.url, "sftp", PORT)
    user = user_of(name, settings, address)
    password = secret(name, "password", settings.password, root)
    private_key = secret(name, "private_key", settings.private_key, root)
    key_password = secret(name, "key_password", settings.key_password, root)
    folder = address.path[len(_HOME) :] if f"{address.path}/".startswith(_HOME) else f"/{address.path}"
    known = (root / settings.known_hosts,) if settings.known_hosts else _usual_known_hosts()

    def connect() -> SftpServer:
        from kbm_connectors.files_sftp_session import open_session  # the library only where it is needed

        login = Login(
            address=address_of(name, address.host, address.port, allow_private=settings.allow_private),
            host=address.host,
            port=address.port,
            user=user,
            password=password.read() if password else "",
            private_key=private_key.read() if private_key else "",
            key_password=key_password.read() if key_password else "",
            host_key=settings.host_key,
            known_hosts=known,
            timeout_s=settings.timeout_s,
        )
        try:
            session = open_session(login)
        except LineBroken as error:
            raise LineBroken(f"source {name}: {address.host}: {error}") from None
        except ConnectorRefused as error:
            raise ConnectorRefused(f"source {name}: {address.host}: {error}", hint=error.hint) from None
        except ConfigError as error:
            raise ConfigError(f"source {name}: {error}", hint=error.hint) from None
        return SftpServer(name, address.host, folder, session)

    return ServerTree(name, settings, address, wanted, connect, pause)


class SftpServer:
    """A folder of a server, as the tree asks for it."""

    def __init__(self, name: str, host: str, folder: str, session: SftpSession) -> None:
        self._name, self._host, self._session = name, host, session
        self._folder = folder or "."
        self._real_root = ""

    def root(self) -> int:
        with self._told("the folder"):
            self._real_root = self._session.real_path(self._folder)
            if not stat.S_ISDIR(self._session.entry(self._folder).mode):
                raise ConnectorRefused(f"source {self._name}: {self._host}: url names no folder")
        return 0

    def members(self, folder: str) -> list[Member]:
        with self._told(folder or "the folder"):
            entries = self._session.entries(self._path(folder))
            found = [self._member(folder, entry) for entry in entries if entry.name not in (".", "..")]
        return [member for member in found if member is not None]

    def readers(self, path: str) -> frozenset[str] | None:
        return None

    def read(self, path: str, limit: int) -> bytes:
        where = self._path(path)
        with self._told(path):
            if not self._is_inside(where):
                raise ConnectorRefused(
                    f"source {self._name}: {path} leads outside its folder and is not read"
                )
            entry = self._session.entry(where)
            if not stat.S_ISREG(entry.mode):
                # Opening a pipe would wait for a writer.
                raise ConnectorRefused(f"source {self._name}: {path} is not a regular file any more")
            if entry.size > limit:
                raise ConnectorRefused(
                    f"source {self._name}: {path} is larger than {limit // 1_000_000} MB",
                    hint="raise max_file_mb",
                )
            data = self._session.read(where, entry.size)
        if len(data) != entry.size:
            raise ConnectorUnavailable(f"source {self._name}: {path} changed while it was read")
        return data

    def close(self) -> None:
        self._session.close()

    def _member(self, folder: str, entry: SftpEntry) -> Member | None:
        """Describe an entry; None for a link to what is listed where it lies, or is gone."""
        if not entry.name or {"/", "\0"} & set(entry.name):
            shown = entry.name.replace("/", "\ufffd").replace("\0", "\ufffd")
            return Member(name=shown, fault="its name is no name")
        if stat.S_ISLNK(entry.mode):
            return self._linked(posixpath.join(self._path(folder), entry.name), entry.name)
        is_folder = stat.S_ISDIR(entry.mode)
        strange = not is_folder and not stat.S_ISREG(entry.mode)
        fault = "a pipe, a socket or a device, not a file; not opened" if strange else ""
        return _described(entry, is_folder=is_folder, fault=fault)

    def _linked(self, path: str, name: str) -> Member | None:
        is_folder = False
        try:
            target = self._session.entry(path)
            is_folder = stat.S_ISDIR(target.mode)
            if self._is_inside(path):
                return _described(replace(target, name=name)) if stat.S_ISREG(target.mode) else None
        except FileNotFoundError:
            return None
        except OSError:
            return Member(name=name, is_folder=is_folder, fault="a link whose target cannot be looked at")
        return Member(
            name=name, is_folder=is_folder, fault="a link that leads outside the source; not followed"
        )

    def _is_inside(self, path: str) -> bool:
        if not self._real_root:
            self._real_root = self._session.real_path(self._folder)
        real = self._session.real_path(path)
        return is_under(real, self._real_root)

    def _path(self, below: str) -> str:
        return posixpath.join(self._folder, below) if below else self._folder

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Turn what the server refuses into what the core understands; its own words may tell too much."""
        start = f"source {self._name}: {self._host}"
        try:
            yield
        except LineBroken as error:
            raise LineBroken(f"{start}: {error}") from None
        except PermissionError:
            raise ConnectorRefused(
                f"{start}: {what}: the account may not read it", hint="give the account the right to read"
            ) from None
        except FileNotFoundError:
            raise ConnectorUnavailable(f"{start}: {what}: it is not there") from None
        except OSError:
            raise ConnectorUnavailable(f"{start}: {what}: the server cannot read it") from None


def _described(entry: SftpEntry, *, is_folder: bool = False, fault: str = "") -> Member:
    fresh = "+" if time.time() - entry.modified < FRESH_S else ""
    return Member(
        name=entry.name,
        is_folder=is_folder,
        version=f"{entry.size:x}-{entry.modified:x}{fresh}",
        modified=datetime.fromtimestamp(entry.modified, UTC),
        size=entry.size,
        fault=fault,
    )


def _usual_known_hosts() -> tuple[Path, ...]:
    home = Path(os.path.expanduser("~")) / ".ssh" / "known_hosts"
    return (home, Path("/etc/ssh/ssh_known_hosts"))
