"""A chat model's server on the loopback that speaks as OpenAI and as Ollama do, and misbehaves as it is told.

It counts and keeps every request. It ends with the test: threads are daemons, and no answer lasts longer than
``LONGEST_S``.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LONGEST_S = 5.0
Json = dict[str, Any]  # what stands in a request is JSON, whatever it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing to do wrong. What is not set is done right."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    cut_after: int | None = None  # characters of the reply, then the connection is dropped
    ends_early: int | None = None  # the same, but the stream is ended as if it were whole, without saying so
    pause_s: float = 0.0  # before anything is sent
    drip_s: float = 0.0  # between pieces, with a sign of life each
    counts: bool = True


RIGHT = Fault()


class ChatStub(ThreadingHTTPServer):
    """Answers with ``reply(messages)``; ``faults`` are used up, one a request."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, reply: Callable[[Sequence[Json]], str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply = reply
        self.faults: list[Fault] = []
        self.always: Fault = RIGHT
        self.requests: list[Json] = []
        self.headers: list[dict[str, str]] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Give its address, without a path."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that left."""


@contextmanager
def chat_stub(reply: str | Callable[[Sequence[Json]], str] = "") -> Iterator[ChatStub]:
    """Run one for as long as the block."""
    server = ChatStub(reply if callable(reply) else lambda _: str(reply))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    server: ChatStub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Be silent."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.requests.append({**body, "path": self.path})
            self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
            fault = self.server.faults.pop(0) if self.server.faults else self.server.always
        self._until = time.monotonic() + LONGEST_S
        self.close_connection = True
        time.sleep(min(fault.pause_s, LONGEST_S))
        if fault.status != 200 or fault.body is not None:
            said = fault.body if fault.body is not None else b'{"error": {"message": "no", "type": "no"}}'
            self._head(fault, "application/json", len(said))
            self.wfile.write(said)
            return
        reply = self.server.reply(body["messages"])
        ollama = self.path == "/api/chat"
        if not body.get("stream", ollama):
            said = json.dumps(_whole(body, reply, ollama, counts=fault.counts)).encode()
            self._head(fault, "application/json", len(said))
            self.wfile.write(said)
            return
        self._head(fault, "application/x-ndjson" if ollama else "text/event-stream", None)
        for part in _parts(body, reply, ollama, fault):
            if time.monotonic() > self._until:
                return
            if fault.drip_s:
                time.sleep(fault.drip_s)
            self._chunk(part)
        if fault.cut_after is None:
            self.wfile.write(b"0\r\n\r\n")

    def _head(self, fault: Fault, kind: str, length: int | None) -> None:
        self.send_response(fault.status)
        self.send_header("Content-Type", kind)
        for name, value in fault.headers.items():
            self.send_header(name, value)
        if length is None:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        self.end_headers()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


def _whole(body: Json, reply: str, ollama: bool, *, counts: bool) -> Json:
    message = {"role": "assistant", "content": reply}
    if ollama:
        return {"model": body["model"], "message": message, "done": True, "done_reason": "stop"} | (
            {"prompt_eval_count": 100, "eval_count": 20} if counts else {}
        )
    made = {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    return made | ({"usage": _USAGE} if counts else {})


_USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


def _parts(body: Json, reply: str, ollama: bool, fault: Fault) -> Iterator[bytes]:
    shown = reply[: fault.cut_after if fault.cut_after is not None else fault.ends_early]
    for at in range(0, len(shown), 11):
        if fault.drip_s and not ollama:
            yield b": still here\n\n"
        yield _part(body, shown[at : at + 11], ollama, last=False, counts=False)
    if fault.cut_after is None and fault.ends_early is None:
        yield _part(body, "", ollama, last=True, counts=fault.counts)


def _part(body: Json, text: str, ollama: bool, *, last: bool, counts: bool) -> bytes:
    if ollama:
        line: Json = {
            "model": body["model"],
            "message": {"role": "assistant", "content": text},
            "done": last,
        }
        if last and counts:
            line |= {"prompt_eval_count": 100, "eval_count": 20}
        return json.dumps(line).encode() + b"\n"
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
    delta = {"role": "assistant", "content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": "stop" if last else None}
    said = f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"
    if last:
        if counts and body.get("stream_options", {}).get("include_usage"):
            said += f"data: {json.dumps({**head, 'choices': [], 'usage': _USAGE})}\n\n"
        said += "data: [DONE]\n\n"
    return said.encode()
