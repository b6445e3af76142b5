"""One line in the log for each request, and an id that is in it, in every other line, and in the response.

The line says which route, never which address: paths hold ids and query strings may hold anything. Nothing of a
question, an answer, a header or who asked is in it.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

HEADER = "X-Request-ID"
GONE = 499
"""Logged where the caller left before there was a status."""

_SANE = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_KEPT = "kbm.request_id"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET = frozenset({"/healthz", "/metrics"})


class RequestLog:
    """Gives requests ids, and logs them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the id that came with the request where it is a sane one, else make one."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        id = given if _SANE.fullmatch(given) else secrets.token_hex(8)
        scope[_KEPT] = id
        started, status = time.perf_counter(), 0

        async def with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])  # some send an enumeration
                MutableHeaders(scope=message)[HEADER] = id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=id):
            try:
                await self._app(scope, receive, with_id)
            except asyncio.CancelledError:
                status = status or GONE
                raise
            except Exception:
                status = status or 500
                raise
            finally:
                route = route_of(scope)
                tell = log.debug if route in _QUIET and status < 400 else log.info
                took_ms = round(1000 * (time.perf_counter() - started), 1)
                tell(
                    "request_served",
                    method=method_of(scope),
                    route=route,
                    status=status or GONE,
                    took_ms=took_ms,
                )


def request_id_of(scope: Scope) -> str:
    """Give the id of a request; empty outside :class:`RequestLog`."""
    return str(scope.get(_KEPT, ""))


def route_of(scope: Scope) -> str:
    """Give the template of the route that took a request, ``/v1/gpts/{gpt}/ask``; ``none`` where none did."""
    return str(getattr(scope.get("route"), "path", "none"))


def method_of(scope: Scope) -> str:
    """Give the method of a request; what is no method of HTTP is ``other``."""
    method = str(scope["method"])
    return method if method in _METHODS else "other"
