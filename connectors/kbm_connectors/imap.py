"""Mails of an account's folders; attachments become documents by the parser of mails.

**Names.** A server numbers messages anew when a mail is moved, and all of them when a mailbox is rebuilt. Documents
named by number would then all be deleted and made again, so a mail is named by its Message-ID, and where it lies
(UIDVALIDITY and UID) is its version: a moved mail is read once more and stays the same document. The same mail in
two folders is one document; different mails that claim one Message-ID are kept apart, since anyone can send one.

**Deletions.** A mail has gone only when every folder was listed and each listing held as many messages as the server
had counted. Nothing on the server is changed: folders are opened read-only, and mails stay unread.
"""

from __future__ import annotations

import fnmatch
import imaplib
import re
import ssl
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar
from urllib.parse import quote, unquote, urlsplit

from pydantic import Field

from kbm.domain.documents import Blob
from kbm.domain.identity import digest
from kbm.domain.sync import Event, Failed, Json, Mark, Ref
from kbm.errors import ConfigError, ConnectorError, ConnectorRefused, ConnectorUnavailable
from kbm.ports import ConnectorSettings
from kbm_connectors.http import Reference
from kbm_connectors.imap_session import Listed, Session
from kbm_connectors.reach import address_of
from kbm_connectors.secret_refs import SecretRef
from kbm_connectors.settings import SourceSettings, validated

Answer = TypeVar("Answer")

TRIES = 3
FIRST_PAUSE_S = 1.0
MEDIA_TYPE = "message/rfc822"

_FIELDS = "MESSAGE-ID DATE FROM SUBJECT"
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*<?\s*([^>\r\n]+)", re.I | re.M)
_ID_CHARS = 200
_LATER = re.compile(r"\[(?:UNAVAILABLE|INUSE|LIMIT|SERVERBUG)\]|temporar|try again|too many", re.I)


class ImapSettings(SourceSettings):
    """Keys of a source of kind ``imap``."""

    url: str = Field(min_length=1, description="The mail server: imaps://mail.example.com or imap://….")
    user: str = Field(min_length=1, description="Account kbm reads with.")
    password: Reference = Field(min_length=1, description="Its password: 'env:NAME' or 'file:PATH'.")
    folders: tuple[str, ...] = Field(
        default=("INBOX",), min_length=1, description="Folders; * stands for any."
    )
    exclude: tuple[str, ...] = Field(default=(), description="Folders to leave out.")
    encryption: Literal["starttls", "none"] = Field(
        default="starttls", description="For imap://; 'none' only inside this network. imaps:// always is."
    )
    allow_private: bool = Field(default=False, description="The server stands inside this network.")
    ca_file: str = Field(default="", description="Certificates of a company's own authority, in PEM.")
    timeout_s: float = Field(
        default=60.0, gt=0, le=600, description="Longest wait for an answer, in seconds."
    )


class ImapConnector:
    """Lists and hands out the mails of some folders."""

    kind: ClassVar[str] = "imap"
    url_is_path: ClassVar[bool] = False

    def __init__(
        self,
        name: str,
        settings: ConnectorSettings,
        root: Path,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self.settings = validated(ImapSettings, name, settings)
        self._host, self._port, self._tls = self._server()
        self._password = SecretRef(
            key=f"sources.{name}.password", reference=self.settings.password, root=root
        )
        self._ca_file = str(root / self.settings.ca_file) if self.settings.ca_file else None
        self._pause = pause
        self._session: Session | None = None
        self._open: tuple[str, int] | None = None  # the folder that is open, and its UIDVALIDITY

    @classmethod
    def recognises(cls, url: str, root: Path) -> dict[str, Any] | None:  # noqa: ARG003 - named by the port
        """Propose the settings for the address of a mail server."""
        parts = urlsplit(url)
        if parts.scheme not in ("imap", "imaps") or not parts.hostname:
            return None
        folder = unquote(parts.path.strip("/"))
        keys: dict[str, Any] = {"url": f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"}
        if parts.username:
            keys["user"] = unquote(parts.username)
        return {**keys, "folders": [folder]} if folder else keys

    def check(self) -> list[str]:
        """Log in, open every folder, and say what does not work."""
        try:
            events = list(self.scan(None))
        except (ConnectorError, ConfigError) as error:
            return [f"{error} ({error.hint})" if error.hint else str(error)]
        return [f"folder {one.scope}: {one.why}" for one in events if isinstance(one, Failed)]

    def scan(self, cursor: Json) -> Iterator[Event]:  # numbers of messages are no cursor: mails move
        """List every mail of the folders."""
        seen: dict[str, Listed] = {}
        for folder, why in self._folders().items():
            if why:
                yield Failed(scope=folder, why=why)
                continue
            try:
                validity, mails = self._try(lambda folder=folder: self._list(folder))  # type: ignore[misc]
            except ConnectorRefused as error:
                if self._session is None:
                    raise  # the server refuses, not the folder
                yield Failed(scope=folder, why=str(error))
                continue
            for mail in mails:
                id = _named_apart(_id(mail, folder, validity), mail, seen)
                if id is not None and not mail.deleted:
                    yield Ref(
                        id=id,
                        version=f"{validity}.{mail.uid}",
                        media_type=MEDIA_TYPE,
                        modified=mail.received,
                        size=mail.size,
                        scope=folder,
                    )
        yield Mark(cursor=None, full=True)

    def fetch(self, ref: Ref) -> Blob:
        """Give one mail as it was received.

        Raises:
            ConnectorUnavailable: it is gone or was moved since the listing, or the server does not answer.
            ConnectorRefused: the folder may not be opened any more.
        """
        validity, _, uid = ref.version.partition(".")

        def message() -> bytes | None:
            session = self._connected()
            if self._open != (ref.scope, int(validity)):
                self._open = (ref.scope, session.open_mailbox(ref.scope)[0])
            return session.message(int(uid)) if self._open[1] == int(validity) else None

        data = self._try(message)
        if data is None:
            raise ConnectorUnavailable(
                f"source {self.name}: a mail of {ref.scope} is not where it was listed"
            )
        return Blob(data=data, name=f"{uid}.eml", media_type=MEDIA_TYPE)

    # --- listing

    def _folders(self) -> dict[str, str]:
        """Give the folders to read, each with what keeps it from being read."""
        there = self._try(lambda: self._connected().mailboxes())
        wanted: dict[str, str] = {}
        for pattern in self.settings.folders:
            found = [name for name in there if _matches(name, pattern)]
            if not found:
                wanted[pattern] = "there is no such folder, or the account may not see it"
            wanted |= dict.fromkeys(found, "")
        left = {
            name: why
            for name, why in wanted.items()
            if not any(_matches(name, one) for one in self.settings.exclude)
        }
        if all(left.values()):
            raise self._refused(
                f"none of the folders {', '.join(self.settings.folders)} is there",
                hint=f"there is: {', '.join(there[:12]) or 'none'}",
            )
        return dict(sorted(left.items()))

    def _list(self, folder: str) -> tuple[int, list[Listed]]:
        session = self._connected()
        self._open = None
        validity, n_counted = session.open_mailbox(folder)
        self._open = (folder, validity)
        mails = {mail.uid: mail for mail in session.messages(_FIELDS)} if n_counted else {}
        if len(mails) < n_counted:
            raise self._unavailable(f"{folder}: {n_counted} messages are counted, {len(mails)} were listed")
        return validity, [mails[uid] for uid in sorted(mails)]

    # --- the connection

    def _server(self) -> tuple[str, int, bool]:
        key = f"sources.{self.name}.url"
        try:
            parts = urlsplit(self.settings.url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ConfigError(f"{key}: this is no address") from None
        if parts.scheme not in ("imap", "imaps") or not host:
            raise ConfigError(f"{key}: write imaps://HOST or imap://HOST")
        if "@" in parts.netloc or parts.path.strip("/"):
            raise ConfigError(f"{key}: give the server alone", hint="use user, password and folders")
        tls = parts.scheme == "imaps"
        if not tls and self.settings.encryption == "none" and not self.settings.allow_private:
            raise ConfigError(
                f"sources.{self.name}.encryption: without any, the password would cross the Internet in clear",
                hint="use imaps://, or allow_private = true for a server inside this network",
            )
        return host, port or (993 if tls else 143), tls

    def _try(self, ask: Callable[[], Answer]) -> Answer:
        """Ask, again over a new connection when one broke off."""
        for turn in range(TRIES):
            try:
                with self._told():
                    return ask()
            except ConnectorUnavailable:
                self._close()
                if turn + 1 == TRIES:
                    raise
                self._pause(FIRST_PAUSE_S * 2**turn)
        raise AssertionError("unreachable")

    def _connected(self) -> Session:
        if self._session is None:
            address = address_of(self.name, self._host, self._port, allow_private=self.settings.allow_private)
            trust = None if not self._tls and self.settings.encryption == "none" else self._trust()
            session = Session(
                self._host, address, self._port, trust if self._tls else None, self.settings.timeout_s
            )
            try:
                if trust is not None and not self._tls:
                    session.starttls(trust)
                self._log_in(session)
            except BaseException:
                _end(session)
                raise
            self._session, self._open = session, None
            # Nobody tells a connector that it is not needed any more.
            weakref.finalize(self, _end, session)
        return self._session

    def _trust(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._ca_file)
        except OSError as error:
            why = (error.strerror or "no PEM").lower()
            raise ConfigError(f"sources.{self.name}.ca_file cannot be read: {why}") from None

    def _log_in(self, session: Session) -> None:
        try:
            session.authenticate_as(self.settings.user, self._password.read())
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            said = self._password.hide_in(str(error))[:200]
            if _LATER.search(said):
                raise self._unavailable(
                    f"it does not log {self.settings.user} in at present: {said}"
                ) from None
            raise self._refused(
                f"it does not log {self.settings.user} in: {said}", hint="check user and password"
            ) from None

    def _close(self) -> None:
        if self._session is not None:
            _end(self._session)
            self._session, self._open = None, None

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what the library raises into what the core understands, without its text where that may tell."""
        try:
            yield
        except imaplib.IMAP4.abort:
            raise self._unavailable("the connection broke off") from None
        except imaplib.IMAP4.error as error:
            said = self._password.hide_in(str(error))[:200]
            raise (self._unavailable if _LATER.search(said) else self._refused)(said) from None
        except ssl.SSLCertVerificationError:
            raise self._refused(
                "its certificate is not trusted", hint="name the company's authority with ca_file"
            ) from None
        except TimeoutError:
            raise self._unavailable(f"no answer within {self.settings.timeout_s:.0f} seconds") from None
        except OSError:
            raise self._unavailable("no connection") from None

    def _unavailable(self, why: str) -> ConnectorUnavailable:
        return ConnectorUnavailable(f"source {self.name}: {self._host}: {why}")

    def _refused(self, why: str, hint: str = "") -> ConnectorRefused:
        return ConnectorRefused(f"source {self.name}: {self._host}: {why}", hint=hint)


def _end(session: Session) -> None:
    # The socket may be closed already: by the server, or by a handshake that failed.
    with suppress(OSError):
        session.shutdown()


def _id(mail: Listed, folder: str, validity: int) -> str:
    match = _MESSAGE_ID.search(mail.header)
    if match is None:
        return f"{folder}/{validity}.{mail.uid}"
    name = quote(match[1].strip(), safe="@+=.-_$!~*'")
    return name if len(name) <= _ID_CHARS else f"{name[:_ID_CHARS]}~{digest('message-id', name)[:16]}"


def _named_apart(id: str, mail: Listed, seen: dict[str, Listed]) -> str | None:
    """Give a mail a name of its own; None for a copy of one that was listed.

    The time of receipt is the server's: who sends a mail can make all else alike.
    """
    n, name = 1, id
    while (other := seen.get(name)) is not None:
        if (other.header, other.size, other.received) == (mail.header, mail.size, mail.received):
            return None
        n += 1
        name = f"{id}#{n}"
    if not mail.deleted:
        seen[name] = mail
    return name


def _matches(name: str, pattern: str) -> bool:
    if name.upper() == pattern.upper() == "INBOX":
        return True
    return fnmatch.fnmatchcase(name, pattern)
