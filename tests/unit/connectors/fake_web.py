"""A web server on loopback that can be told to misbehave, as real ones and what stands before them do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

LOGIN_PAGE = (
    b"<!DOCTYPE html><html><head><title>Anmelden</title></head><body><input type='password'></body></html>"
)
MAINTENANCE_PAGE = b"<html><head><title>Wartung</title></head><body>Wir sind gleich zurueck.</body></html>"


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    params: dict[str, str]
    body: bytes
    headers: dict[str, str]


@dataclass
class Answer:
    """What is sent back; ``cut`` bytes at the end of the body are promised and never sent."""

    body: bytes
    media_type: str = "application/json"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0


Fault = Callable[[Answer], Answer]

FAULTS: dict[str, Fault] = {
    "403": lambda _: Answer(b"", "text/plain", 403),
    "404": lambda _: Answer(b"", "text/plain", 404),
    "429": lambda _: Answer(b"", "text/plain", 429, {"Retry-After": "1"}),
    "500": lambda _: Answer(b"oops", "text/plain", 500),
    "empty 200": lambda answer: Answer(b"", answer.media_type),
    "empty object": lambda answer: Answer(b"{}", answer.media_type),
    "half a body": lambda answer: Answer(answer.body[: len(answer.body) // 2], answer.media_type),
    "broken off": lambda answer: Answer(answer.body, answer.media_type, cut=len(answer.body) // 2),
    "login page": lambda _: Answer(LOGIN_PAGE, "text/html"),
    "maintenance page": lambda _: Answer(MAINTENANCE_PAGE, "text/html"),
    "login page called JSON": lambda answer: Answer(LOGIN_PAGE, answer.media_type),
    "redirect to sign-on": lambda _: Answer(b"", "text/plain", 302, {"Location": "https://sso.example.com/"}),
}


class FakeWeb:
    """Serves :meth:`answer`; ``fault`` changes every answer from request number ``fault_from`` on."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.fault: Fault | None = None
        self.fault_from = 0
        self.fault_times = 10**9
        self.is_down = False
        handler = type("Handler", (_Handler,), {"fake": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, asked: Asked) -> Answer:
        raise NotImplementedError

    def reply(self, asked: Asked) -> Answer:
        n = len(self.asked)
        self.asked.append(asked)
        answer = self.answer(asked)
        if self.fault is not None and self.fault_from <= n < self.fault_from + self.fault_times:
            return self.fault(answer)
        return answer

    def close(self) -> None:
        """Stop, also for connections that are open already; a second time does nothing."""
        if self.is_down:
            return
        self.is_down = True
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65_536  # one packet an answer: two would wait for each other's receipt
    fake: FakeWeb

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the base class writes to standard error."""

    def _serve(self) -> None:
        if self.fake.is_down:
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        query = parts.query
        if self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            query = f"{query}&{body.decode()}"
        params = {key: values[-1] for key, values in parse_qs(query, keep_blank_values=True).items()}
        answer = self.fake.reply(Asked(self.command, parts.path, params, body, dict(self.headers.items())))
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body[: len(answer.body) - answer.cut])
        if answer.cut:
            self.close_connection = True
