"""One connection to a mail server: guarded, encrypted, read-only, its answers taken apart.

``imaplib`` sends and receives; what it leaves open is here: where it connects to, how mailboxes are named, and the
attributes of a message, which servers give in any order, before or after the text they belong to.
"""

from __future__ import annotations

import base64
import binascii
import imaplib
import re
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

_LISTED = re.compile(rb'\((?P<flags>[^)]*)\) (?:"(?:\\.|[^"])*"|NIL) (?P<name>.*)', re.S)
_UID = re.compile(rb"\bUID (\d+)")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")
_DATE = re.compile(rb'\bINTERNALDATE "([^"]+)"')
_FLAGS = re.compile(rb"\bFLAGS \(([^)]*)\)")
_CLOSED = re.compile(rb"\\(?:noselect|nonexistent)", re.I)
_SHIFTED = re.compile(r"&([^-]*)-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A message as a mailbox lists it; ``header`` holds the fields that were asked for."""

    uid: int
    size: int | None
    received: datetime | None
    deleted: bool
    header: bytes


class Session(imaplib.IMAP4):
    """Connects to *address* and checks the certificate against *name*."""

    def __init__(
        self, name: str, address: str, port: int, trust: ssl.SSLContext | None, timeout_s: float
    ) -> None:
        self._address, self._trust = address, trust
        super().__init__(name, port, timeout_s)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        plain = socket.create_connection((self._address, self.port), timeout)
        if self._trust is None:
            return plain
        try:
            return self._trust.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise

    def authenticate_as(self, user: str, password: str) -> None:
        """Log in.

        Raises:
            imaplib.IMAP4.error: the server says no.
        """
        if "AUTH=PLAIN" in self.capabilities:
            self.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())
        elif (user + password).isascii():
            self.login(user, password)
        else:
            raise self.error("it takes no account or password with letters beyond ASCII")

    def mailboxes(self) -> list[str]:
        """Name every mailbox that can be opened."""
        kind, answers = self.list()
        if kind != "OK":
            raise self.error(_said(answers))
        found = []
        for answer in answers:
            whole = b"%b" % answer[0].rpartition(b"{")[0] + answer[1] if isinstance(answer, tuple) else answer
            match = _LISTED.match(whole or b"")
            if (
                match
                and b"\\noselect" not in match["flags"].lower()
                and b"\\nonexistent" not in match["flags"].lower()
            ):
                found.append(_decoded(_unquoted(match["name"])))
        return sorted(set(found))

    def open_mailbox(self, name: str) -> tuple[int, int]:
        """Open a mailbox for reading; gives its UIDVALIDITY and how many messages are in it.

        Raises:
            imaplib.IMAP4.error: it cannot be opened.
        """
        kind, answers = self.select(
            '"' + _encoded(name).replace("\\", "\\\\").replace('"', '\\"') + '"', readonly=True
        )
        if kind != "OK":
            raise self.error(_said(answers))
        _, validity = self.response("UIDVALIDITY")
        if not validity or validity[0] is None:
            raise self.error("it gives no UIDVALIDITY, without which no message can be named")
        return int(validity[0]), int(answers[0] or 0)

    def messages(self, fields: str) -> Iterator[Listed]:
        """List the messages of the open mailbox, each with the header *fields*."""
        kind, answers = self.uid(
            "FETCH", "1:*", f"(UID FLAGS RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER.FIELDS ({fields})])"
        )
        if kind != "OK":
            raise self.error(_said(answers))
        for about, header in _messages(answers):
            uid = _UID.search(about)
            if uid is None:
                continue  # a change of flags that the server tells in between
            size, flags = _SIZE.search(about), _FLAGS.search(about)
            yield Listed(
                uid=int(uid[1]),
                size=int(size[1]) if size else None,
                received=_received(about),
                deleted=flags is not None and b"\\deleted" in flags[1].lower(),
                header=header,
            )

    def message(self, uid: int) -> bytes | None:
        """Give a whole message, unread as before; None when it is not there."""
        kind, answers = self.uid("FETCH", str(uid), "(UID BODY.PEEK[])")
        if kind != "OK":
            raise self.error(_said(answers))
        for about, data in _messages(answers):
            found = _UID.search(about)
            if found and int(found[1]) == uid and data:
                return data
        return None


def _messages(answers: Sequence[bytes | tuple[bytes, bytes] | None]) -> Iterator[tuple[bytes, bytes]]:
    """Pair the attributes of each message with its text."""
    about, text = b"", b""
    for answer in answers:
        if isinstance(answer, tuple):
            about, text = answer
        elif answer is not None and text and answer.endswith(b")") and not re.match(rb"\d+ \(", answer):
            yield about + answer, text
            about, text = b"", b""
        elif answer is not None:
            yield answer, b""


def _received(about: bytes) -> datetime | None:
    match = _DATE.search(about)
    if match is None:
        return None
    try:
        return datetime.strptime(match[1].decode("ascii").strip(), "%d-%b-%Y %H:%M:%S %z").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _said(answers: Sequence[bytes | tuple[bytes, bytes] | None]) -> str:
    first = answers[0] if answers else None
    return first.decode("utf-8", "replace")[:200] if isinstance(first, bytes) else "no reason given"


def _unquoted(name: bytes) -> str:
    text = name.strip().decode("utf-8", "replace")
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def _decoded(name: str) -> str:
    """Read the spelling of mailbox names, a variant of UTF-7."""

    def shifted(match: re.Match[str]) -> str:
        if not match[1]:
            return "&"
        letters = match[1].replace(",", "/")
        try:
            return base64.b64decode(letters + "=" * (-len(letters) % 4)).decode("utf-16-be")
        except (binascii.Error, UnicodeDecodeError):
            return match[0]

    return _SHIFTED.sub(shifted, name)


def _encoded(name: str) -> str:
    def shifted(match: re.Match[str]) -> str:
        letters = base64.b64encode(match[0].encode("utf-16-be")).decode("ascii").rstrip("=")
        return f"&{letters.replace('/', ',')}-"

    return re.sub(r"[^\x20-\x7e]+", shifted, name.replace("&", "&-"))
