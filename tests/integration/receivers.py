"""Receivers of reports on the loopback: a mail server and a web server that answer as a test tells them."""

from __future__ import annotations

import base64
import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Mailbox(socketserver.ThreadingTCPServer):
    """Speaks as much SMTP as a report needs. ``login`` is what it accepts; with it, nothing else is let in."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, login: tuple[str, str] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Smtp)
        self.login = login
        self.refused: set[str] = set()
        self.messages: list[EmailMessage] = []
        self.recipients: list[list[str]] = []

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.server_address[1]}"


class _Smtp(socketserver.StreamRequestHandler):
    server: Mailbox

    def handle(self) -> None:
        self._say("220 mail.test ESMTP")
        known, to = self.server.login is None, list[str]()
        while line := self.rfile.readline():
            command, _, rest = line.decode().strip().partition(" ")
            match command.upper():
                case "EHLO":
                    self._say("250-mail.test\r\n250-AUTH PLAIN\r\n250 8BITMIME")
                case "AUTH":
                    given = base64.b64decode(rest.split()[1]).decode().split("\0")[1:]
                    known = tuple(given) == self.server.login
                    # A server that repeats what it was given must not bring it into a log.
                    self._say("235 ok" if known else f"535 not with {given[1]}")
                case "MAIL":
                    self._say("250 ok" if known else "530 log in first")
                case "RCPT":
                    address = rest.partition("<")[2].partition(">")[0]
                    good = address not in self.server.refused
                    to += [address] if good else []
                    self._say("250 ok" if good else "550 nobody of that name")
                case "DATA":
                    self._say("354 go on")
                    raw = b""
                    while (part := self.rfile.readline()) != b".\r\n":
                        raw += part.removeprefix(b".")
                    message = message_from_bytes(raw, policy=default)
                    self.server.messages.append(message)
                    self.server.recipients.append(to)
                    self._say("250 taken")
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 ok")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@dataclass(slots=True)
class Answer:
    """How a web server answers one request; ``after_s`` is how long it takes."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    after_s: float = 0.0


class Hook(ThreadingHTTPServer):
    """Answers with ``answers`` in order, and with 204 when they are used up."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Http)
        self.answers: list[Answer] = []
        self.bodies: list[dict[str, Any]] = []  # Any: whatever JSON was sent
        self.ids: list[str | None] = []
        self.paths: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hooks/s3cret-part"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent when a sender does not wait for the answer; Any as in the standard library."""


class _Http(BaseHTTPRequestHandler):
    server: Hook
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.ids.append(self.headers["Idempotency-Key"])
        self.server.paths.append(self.path)
        answer = self.server.answers.pop(0) if self.server.answers else Answer()
        time.sleep(answer.after_s)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing; Any as in the standard library."""


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    """Let a server answer while the block runs."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
