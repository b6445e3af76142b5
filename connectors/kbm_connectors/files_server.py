"""Files on a server that keeps a connection open: a Windows share, an SFTP server.

Listed folder by folder. A folder counts as listed only when its whole listing came over one connection; a connection
that breaks off is opened again a few times, and what could then not be listed is told, never taken for empty.

A system is joined by a :class:`FileServer`, which alone knows the protocol.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar
from urllib.parse import quote, unquote, urlsplit

from pydantic import AfterValidator, Field

from kbm.domain.documents import Blob
from kbm.domain.sync import Event, Failed, Mark, Ref
from kbm.errors import ConfigError, ConnectorError, ConnectorRefused, ConnectorUnavailable
from kbm_connectors.files_settings import FileChoice
from kbm_connectors.files_tree import Selection, link
from kbm_connectors.folder_walk import item_id, path_of
from kbm_connectors.reach import Pace
from kbm_connectors.secret_refs import SecretRef, check_reference

MAX_DEPTH = 100
MAX_DOWN = 3
"""Folders in a row over which the connection broke off, after which the server counts as down."""
TRIES = 3
FIRST_PAUSE_S = 0.5

Answer = TypeVar("Answer")
Reference = Annotated[str, AfterValidator(check_reference)]


class ServerSettings(FileChoice):
    """Keys of a source of kind ``files`` on a file server."""

    url: str = Field(
        min_length=1, description="Address of the folder: smb://HOST/SHARE/FOLDER, sftp://HOST/FOLDER."
    )
    user: str = Field(default="", description="Account kbm reads with.")
    password: Reference = Field(default="", description="Its password: 'env:NAME' or 'file:PATH'.")
    allow_private: bool = Field(default=False, description="The server stands inside this network.")
    timeout_s: float = Field(
        default=60.0, gt=0, le=600, description="Longest wait for an answer, in seconds."
    )
    max_requests_per_second: float = Field(
        default=1_000.0, gt=0, le=10_000, description="To one host, at most; a folder or a file is one."
    )
    max_file_mb: int = Field(default=100, ge=1, le=2_000, description="Largest file that is read.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server stands and what is read there; ``path`` has no slash at its ends."""

    host: str
    port: int
    user: str
    path: str
    shown: str
    """The address in front of people: without an account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """What a folder holds. ``name`` is one name; a ``fault`` keeps it from being read, ``number`` is the file's."""

    name: str
    is_folder: bool = False
    version: str = ""
    modified: datetime | None = None
    size: int | None = None
    number: int = 0
    fault: str = ""


class FileServer(Protocol):
    """An open connection. Paths lead down from the root with ``/``; the root is the empty path.

    Every method raises :class:`LineBroken` when the connection is of no use any more, ``ConnectorUnavailable`` and
    ``ConnectorRefused`` for the one path that was asked for.
    """

    def root(self) -> int:
        """Give the number of the root folder, 0 where folders have none; raises when there is no such folder."""
        ...

    def members(self, folder: str) -> list[Member]:
        """List a folder, whole."""
        ...

    def readers(self, path: str) -> frozenset[str] | None:
        """Say who may read a file; None where that cannot be told."""
        ...

    def read(self, path: str, limit: int) -> bytes:
        """Give a file of at most *limit* bytes."""
        ...

    def close(self) -> None:
        """End the connection; never raises."""
        ...


class LineBroken(ConnectorUnavailable):
    """The connection broke off, or could not be made at present."""


class Line:
    """One connection to a server, made when it is needed and made again when it broke off."""

    def __init__(self, connect: Callable[[], FileServer], pace: Pace, pause: Callable[[float], None]) -> None:
        self._connect, self._pace, self._pause = connect, pace, pause
        self._server: FileServer | None = None

    @property
    def is_open(self) -> bool:
        """Tell whether there is a connection."""
        return self._server is not None

    def ask(self, question: Callable[[FileServer], Answer]) -> Answer:
        """Ask the server, over a new connection when one broke off.

        Raises:
            ConnectorUnavailable: no answer after several tries; ``LineBroken`` when the server is the reason.
            ConnectorRefused: a person must act.
        """
        for turn in range(TRIES):
            self._pace.wait()
            try:
                return question(self._opened())
            except LineBroken:
                self.close()
                if turn + 1 == TRIES:
                    raise
                self._pause(FIRST_PAUSE_S * 2**turn)
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Drop the connection."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def _opened(self) -> FileServer:
        if self._server is None:
            self._server = self._connect()
            # Nobody tells a connector that it is not needed any more.
            weakref.finalize(self, self._server.close)
        return self._server


class ServerTree:
    """The files below a folder of a server that *wanted* selects."""

    def __init__(
        self,
        name: str,
        settings: ServerSettings,
        address: Address,
        wanted: Selection,
        connect: Callable[[], FileServer],
        pause: Callable[[float], None],
        *,
        asks_readers: bool = False,
    ) -> None:
        self.place, self._asks_readers = address.shown, asks_readers
        self._name, self._wanted, self._prefix = name, wanted, settings.url_prefix
        self._limit = settings.max_file_mb * 1_000_000
        pace = Pace(address.host, settings.max_requests_per_second, pause)
        self._line = Line(connect, pace, pause)

    def problem(self) -> str:
        """Say what keeps the server from being read."""
        try:
            self._line.ask(lambda server: (server.root(), server.members("")))
        except (ConnectorError, ConfigError) as error:
            return f"{error} ({error.hint})" if error.hint else str(error)
        return ""

    def scan(self) -> Iterator[Event]:
        """List all folders that can hold something wanted; what one of them keeps to itself is told."""
        try:
            at_start = self._line.ask(lambda server: server.root())
        except ConnectorError as error:
            yield _failed_root(error)
            return
        # Each folder with the numbers of those above it: a link may lead up again.
        waiting: list[tuple[str, frozenset[int]]] = [("", frozenset({at_start} - {0}))]
        n_down = 0
        while waiting:
            folder, above = waiting.pop()
            try:
                members = self._line.ask(lambda server, folder=folder: server.members(folder))  # type: ignore[misc]
                n_down = 0
            except ConnectorError as error:
                n_down += isinstance(error, LineBroken)
                refused = not self._line.is_open and not isinstance(error, LineBroken)
                if not folder or refused or n_down >= MAX_DOWN:
                    yield _failed_root(error)
                    return
                yield Failed(scope=item_id(folder), why=str(error), retry=error.retryable)
                continue
            below = []
            for member in sorted(members, key=lambda one: one.name):
                path = f"{folder}/{member.name}" if folder else member.name
                if not member.is_folder:
                    if self._wanted.wants(path):
                        yield self._event(path, member)
                elif self._wanted.may_hold(path) and member.number not in above:
                    if member.fault or path.count("/") >= MAX_DEPTH:
                        why = member.fault or "folders nested too deeply"
                        yield Failed(scope=item_id(path), why=why, retry=False)
                    else:
                        below.append((path, above | ({member.number} - {0})))
            waiting.extend(reversed(below))
        try:
            at_end = self._line.ask(lambda server: server.root())
        except ConnectorError as error:
            yield _failed_root(error)
            return
        if at_end != at_start:
            yield Failed(scope="", why="the folder was replaced by another one while it was read")
            return
        yield Mark(cursor=None, full=True)

    def fetch(self, ref: Ref) -> Blob:
        """Read one file.

        Raises:
            ConnectorUnavailable: it is gone or in use, or the server does not answer.
            ConnectorRefused: it may not be read, or is too large.
        """
        path = path_of(ref.id)
        if path.startswith("/") or {"", ".", ".."} & set(path.split("/")) or "\0" in path:
            raise ConnectorRefused(f"source {self._name}: {ref.id!r} is no path below its folder")
        data = self._line.ask(lambda server: server.read(path, self._limit))
        return Blob(data=data, name=ref.id.rsplit("/", 1)[-1], media_type=ref.media_type)

    def _event(self, path: str, member: Member) -> Event:
        item = item_id(path)
        scope = item.rpartition("/")[0]
        if member.fault:
            return Failed(scope=scope, id=item, why=member.fault, retry=False)
        try:
            readers = self._line.ask(lambda server: server.readers(path)) if self._asks_readers else None
        except ConnectorError as error:
            # Kept with the readers it had: this may be what says that fewer may read it.
            return Failed(scope=scope, id=item, why=f"who may read it: {error}", retry=error.retryable)
        return Ref(
            id=item,
            version=member.version,
            url=link(self._prefix, path, f"{self.place}/{quote(path, errors='surrogateescape')}"),
            modified=member.modified,
            size=member.size,
            readers=readers,
            scope=scope,
        )


def address_in(source: str, url: str, scheme: str, port: int) -> Address:
    """Take the address of a folder on a server apart.

    Raises:
        ConfigError: it is none. Nothing of it is repeated that may be a password.
    """
    key = f"sources.{source}.url"
    try:
        parts = urlsplit(url)
        host, named = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(f"{key}: this is no address") from None
    if not host:
        raise ConfigError(f"{key}: name the server, as in {scheme}://files.example.com/folder")
    if parts.password is not None:
        raise ConfigError(
            f"{key}: an address holds no password", hint="use password = 'env:NAME' or 'file:PATH'"
        )
    # `?` and `#` are letters of a folder's name here; nothing follows a path.
    path = url[url.index("://") + 3 :].partition("/")[2].strip("/")
    path = unquote(path, errors="surrogateescape")
    if ({"", ".", ".."} & set(path.split("/")) and path) or "\0" in path:
        raise ConfigError(f"{key}: a folder's path holds no empty name, '.' or '..'")
    shown_host = f"[{host}]" if ":" in host else host
    shown = f"{scheme}://{shown_host}" + (f":{named}" if named else "")
    return Address(
        host=host,
        port=named or port,
        user=unquote(parts.username or ""),
        path=path,
        shown=shown + (f"/{quote(path, errors='surrogateescape')}" if path else ""),
    )


def proposed(url: str) -> dict[str, Any]:
    """Propose the keys for the address of a file server: the account apart, a password in it forgotten."""
    parts = urlsplit(url)
    keys: dict[str, Any] = {"url": url.replace(parts.netloc, parts.netloc.rpartition("@")[2], 1)}
    if parts.username:
        keys["user"] = unquote(parts.username)
    return keys


def user_of(source: str, settings: ServerSettings, address: Address) -> str:
    """Give the account, which stands in ``user`` or in the address.

    Raises:
        ConfigError: there is none, or there are two.
    """
    if settings.user and address.user and settings.user != address.user:
        raise ConfigError(f"sources.{source}: user and url name two accounts", hint="name it once")
    if not (settings.user or address.user):
        raise ConfigError(f"sources.{source}.user: this key is needed")
    return settings.user or address.user


def secret(source: str, key: str, reference: str, root: Path) -> SecretRef | None:
    """Give the secret that a key names; None where it names none."""
    return SecretRef(key=f"sources.{source}.{key}", reference=reference, root=root) if reference else None


def _failed_root(error: ConnectorError) -> Failed:
    told = f"{error} ({error.hint})" if error.hint else str(error)
    return Failed(scope="", why=told, retry=error.retryable)
