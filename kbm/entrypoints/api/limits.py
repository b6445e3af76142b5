"""What every request meets first: a known host, room for one more, a body of some size, headers on the way out."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kbm.entrypoints.api.problems import refusal

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-store",
}
"""Set where a route says nothing else. No CORS header: a page of another origin reads nothing."""


class SecurityHeaders:
    """Puts the headers on that keep browsers from doing more than was meant."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add what the response does not set itself."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)


class KnownHosts:
    """Refuses requests that call the service by another name."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app, self._hosts = app, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at the Host header, without its port."""
        if scope["type"] == "http":
            host = Headers(scope=scope).get("host", "")
            name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
            if name.strip("[]").lower() not in self._hosts:
                said = "this service does not go by that name"
                refused = refusal(
                    scope["path"], 421, "wrong_host", said, "call it by the address of kbm.public_url"
                )
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)


class AtOnce:
    """Works on so many requests at once and no more: a crowd is told to come back, and memory stays bounded."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app, self._most, self._n = app, most, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the request in and out."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._n >= self._most:
            said = f"{self._most} requests are being worked on"
            refused = refusal(
                scope["path"], 429, "too_many_requests", said, "try again in a moment", retry_after_s=1
            )
            await refused(scope, receive, send)
            return
        self._n += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._n -= 1


class BodyLimit:
    """Refuses bodies above a size before they are read into memory; *larger* gives the size where it is another."""

    def __init__(self, app: ASGIApp, max_bytes: int, within_s: float, larger: Mapping[str, int]) -> None:
        self._app, self._max_bytes, self._within_s, self._larger = app, max_bytes, within_s, larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the bytes of the body as they come; read them all before the application starts."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._larger.get(scope["path"], self._max_bytes)
        try:
            async with asyncio.timeout(self._within_s):
                body = await self._whole(receive, most)
        except TimeoutError:
            said = f"the body did not arrive within {self._within_s:.0f} s"
            refused = refusal(scope["path"], 408, "body_too_slow", said, "send it again")
            await refused(scope, receive, send)
            return
        if body is None:
            return
        if len(body) > most:
            said = f"the body is larger than {most:,} bytes"
            refused = refusal(scope["path"], 413, "body_too_large", said, "send one short question")
            await refused(scope, receive, send)
            return
        sent = False

        async def replay() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)

    async def _whole(self, receive: Receive, most: int) -> bytes | None:
        """Read the body, or as much of it as shows that it is too large; None if the caller is gone."""
        body, more = b"", True
        while more and len(body) <= most:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return body
