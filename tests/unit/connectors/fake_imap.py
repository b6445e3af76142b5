"""A mail server on loopback, as far as the connector asks, with answers in the forms Dovecot and others give."""

from __future__ import annotations

import base64
import re
import socketserver
import threading
from dataclasses import dataclass, field
from pathlib import Path

from kbm_connectors.imap import ImapConnector

PASSWORD = "s3cret-of-the-mailbox"
RECEIVED = "02-Nov-2026 10:00:00 +0100"


@dataclass
class Mail:
    uid: int
    data: bytes
    flags: str = ""

    @property
    def header(self) -> bytes:
        wanted = re.findall(rb"(?mi)^(?:message-id|date|from|subject):.*\r\n", self.data)
        return b"".join(wanted) + b"\r\n"


@dataclass
class FakeImap:
    """Folders of mails; ``fault`` names what goes wrong from command number ``fault_from`` on."""

    root: Path
    folders: dict[str, list[Mail]] = field(default_factory=lambda: {"INBOX": []})
    validity: dict[str, int] = field(default_factory=dict)
    fault: str = ""
    fault_from: int = 0
    closed: frozenset[str] = frozenset()
    attributes_last: bool = False
    said_at_login: str = "[AUTHENTICATIONFAILED] Authentication failed."
    n_commands: int = 0
    commands: list[str] = field(default_factory=list)
    is_down: bool = False
    _uid: int = 0

    def __post_init__(self) -> None:
        handler = type("Handler", (_Handler,), {"fake": self})
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def put(self, folder: str, name: str, text: str) -> int:
        """Deliver a mail whose Message-ID is *name*; gives its UID."""
        self._uid += 1
        named = f"Message-ID: <{name}>\r\n" if name else ""
        data = f"{named}From: bert@example.com\r\nSubject: Frage\r\n\r\n{text}\r\n"
        self.folders.setdefault(folder, []).append(Mail(self._uid, data.encode()))
        return self._uid

    def take(self, folder: str, name: str) -> Mail:
        """Take a mail out of a folder."""
        mails = self.folders[folder]
        mail = next(mail for mail in mails if f"<{name}>".encode() in mail.data)
        mails.remove(mail)
        return mail

    def connect(self, **settings: object) -> ImapConnector:
        (self.root / "password").write_text(PASSWORD)
        all_settings = {
            "url": f"imap://127.0.0.1:{self._server.server_address[1]}",
            "user": "kbm",
            "password": "file:password",
            "allow_private": True,
            "encryption": "none",
            "timeout_s": 5,
            **settings,
        }
        return ImapConnector("mail", all_settings, self.root, pause=lambda _: None)

    def close(self) -> None:
        if self.is_down:
            return
        self.is_down = True
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(socketserver.StreamRequestHandler):
    fake: FakeImap
    folder: str = ""
    wbufsize = 65_536  # one packet an answer: two would wait for each other's receipt

    def handle(self) -> None:
        self._send(b"* OK ready")
        self.wfile.flush()
        while line := self.rfile.readline():
            if self.fake.is_down:
                return
            tag, _, command = line.decode().strip().partition(" ")
            n = self.fake.n_commands
            self.fake.n_commands += 1
            self.fake.commands.append(command.partition(" ")[0].upper())
            fault = self.fake.fault if n >= self.fake.fault_from else ""
            if fault == "broken off":
                return
            if fault == "no":
                self._send(f"{tag} NO [UNAVAILABLE] try again later".encode())
                self.wfile.flush()
                continue
            if fault == "nonsense":
                self._send(b"<html><body>Wartung</body></html>")
                return
            self._answer(tag, command, fault)
            self.wfile.flush()
            if command.upper() == "LOGOUT":
                return

    def _answer(self, tag: str, command: str, fault: str) -> None:
        said = "OK done"
        match command.upper().split()[:2]:
            case ["CAPABILITY"]:
                self._send(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN")
            case ["AUTHENTICATE", "PLAIN"]:
                self._send(b"+ ")
                self.wfile.flush()
                sent = base64.b64decode(self.rfile.readline()).decode().split("\0")
                if sent[1:] != ["kbm", PASSWORD]:
                    said = f"NO {self.fake.said_at_login}"
            case ["LIST", _]:
                for name in self.fake.folders if fault != "empty" else ():
                    self._send(f'* LIST (\\HasNoChildren) "." "{name}"'.encode())
            case ["EXAMINE", _]:
                said = self._examine(command.partition(" ")[2].strip('"'))
            case ["UID", "FETCH"]:
                self._fetch(command, fault)
            case ["LOGOUT"]:
                self._send(b"* BYE")
        self._send(f"{tag} {said}".encode())

    def _examine(self, name: str) -> str:
        if name not in self.fake.folders or name in self.fake.closed:
            return "NO [NOPERM] Permission denied"
        self.folder = name
        self._send(f"* {len(self.fake.folders[name])} EXISTS".encode())
        self._send(f"* OK [UIDVALIDITY {self.fake.validity.get(name, 7)}] UIDs valid".encode())
        return "OK [READ-ONLY] done"

    def _fetch(self, command: str, fault: str) -> None:
        asked = command.split()[2]
        mails = self.fake.folders[self.folder]
        if asked != "1:*":
            mails = [mail for mail in mails if mail.uid == int(asked)]
        elif fault in ("half", "empty"):
            mails = mails[: len(mails) // 2] if fault == "half" else []
        for n, mail in enumerate(mails, 1):
            text = mail.data if "BODY.PEEK[]" in command else mail.header
            about = (
                f'UID {mail.uid} FLAGS ({mail.flags}) RFC822.SIZE {len(mail.data)} INTERNALDATE "{RECEIVED}"'
            )
            literal = f"BODY[] {{{len(text)}}}\r\n".encode() + text
            if self.fake.attributes_last:
                self._send(f"* {n} FETCH (".encode() + literal + f" {about})".encode())
            else:
                self._send(f"* {n} FETCH ({about} ".encode() + literal + b")")

    def _send(self, line: bytes) -> None:
        self.wfile.write(line + b"\r\n")
