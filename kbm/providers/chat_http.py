"""The HTTP client that chat models are reached with: no redirects, one deadline for all of an answer, a largest size.

A library's timeout is one per read: a server that sends a byte now and then keeps a question waiting forever. Hooks
are used rather than a transport of our own, so that proxies of the environment go on working.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

MAX_REPLY_BYTES = 4_000_000


class Deadlines:
    """Hooks for a client, and what the last answer of this thread said. Set the deadline, then make the call."""

    def __init__(self) -> None:
        self._local = threading.local()

    def begin(self, timeout_s: float) -> None:
        """Let the next request of this thread end in *timeout_s* seconds."""
        self._local.until = time.monotonic() + timeout_s
        self._local.retry_after_s = None

    @property
    def retry_after_s(self) -> float | None:
        """Give the wait that the last answer to this thread asked for."""
        found: float | None = getattr(self._local, "retry_after_s", None)
        return found

    def client(self) -> httpx.Client:
        """Make a client that keeps the deadlines."""
        return httpx.Client(follow_redirects=False, event_hooks=self.hooks)

    @property
    def hooks(self) -> dict[str, list[Callable[..., Any]]]:
        """Give the hooks for a client that somebody else makes; Any is httpx's own."""
        return {"request": [self._on_request], "response": [self._on_response]}

    def _on_request(self, request: httpx.Request) -> None:
        left_s = max(self._local.until - time.monotonic(), 0.01)
        request.extensions["timeout"] = dict.fromkeys(("connect", "read", "write", "pool"), left_s)

    def _on_response(self, response: httpx.Response) -> None:
        self._local.retry_after_s = _seconds(response.headers.get("Retry-After", ""))
        if isinstance(response.stream, httpx.SyncByteStream):
            response.stream = _Bounded(response.stream, self._local.until)


class _Bounded(httpx.SyncByteStream):
    """A body that ends with an error when it is late or too large."""

    def __init__(self, inner: httpx.SyncByteStream, until: float) -> None:
        self._inner, self._until = inner, until

    def __iter__(self) -> Iterator[bytes]:
        n = 0
        for part in self._inner:
            n += len(part)
            if time.monotonic() > self._until:
                raise httpx.ReadTimeout("the answer is not whole in time")
            if n > MAX_REPLY_BYTES:
                raise httpx.ReadError("the answer is larger than any answer is")
            yield part

    def close(self) -> None:
        self._inner.close()


def _seconds(asked: str) -> float | None:
    """Read ``Retry-After``: seconds or a date; None when there is none that can be read."""
    try:
        return max(float(asked), 0.0)
    except ValueError:
        pass
    try:
        then = parsedate_to_datetime(asked)
    except (ValueError, TypeError):
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return max((then - datetime.now(UTC)).total_seconds(), 0.0)
