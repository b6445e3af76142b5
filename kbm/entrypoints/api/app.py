"""The HTTP application: routes parse, call one use case and render. Errors become problems here and nowhere else."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from kbm import __version__
from kbm.bootstrap import Kbm
from kbm.entrypoints import actions, mcp, openai_compat
from kbm.entrypoints.api import agents, metrics, pages, sources, streaming
from kbm.entrypoints.api.examples import with_examples
from kbm.entrypoints.api.limits import AtOnce, BodyLimit, KnownHosts, SecurityHeaders
from kbm.entrypoints.api.metrics import CountRequests, Metrics
from kbm.entrypoints.api.problems import COMPLETIONS, refusal
from kbm.entrypoints.api.request_log import HEADER, RequestLog, request_id_of
from kbm.entrypoints.api.routes import router
from kbm.errors import KbmError, KeyRefused, TooManyRequests

log = structlog.get_logger()

MAX_BODY_BYTES = 64_000
"""No body of these routes has a reason to be larger."""
BODY_WITHIN_S = 10.0
"""A body that takes longer to arrive is not waited for."""
RETRY_AFTER_S = 5


class Service(FastAPI):
    """FastAPI, with an example beside everything it describes."""

    def openapi(self) -> dict[str, Any]:
        """Give ``/openapi.json``; Any is FastAPI's own type."""
        if self.openapi_schema is None:
            self.openapi_schema = with_examples(super().openapi())
        return self.openapi_schema


def create_app(kbm: Kbm, *, hosts: Collection[str] | None = None) -> FastAPI:
    """Make the application over an open kbm; the caller closes kbm.

    *hosts* are the names it may be called by; None for any. Where no key is needed, a page in somebody's browser
    must not reach it under a name of its own (DNS rebinding).
    """
    app = Service(
        title=f"{kbm.settings.kbm.name}: knowledge",
        version=__version__,
        description="Ask the knowledge of each assistant; every sentence comes with a verbatim quote and its source.",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        docs_url=None,  # FastAPI's page loads its scripts from elsewhere; pages.py has one of our own
        redoc_url=None,
    )
    app.state.kbm, app.state.hosts, app.state.metrics = kbm, hosts, Metrics(kbm)
    # The last one added is the outermost.
    larger = {COMPLETIONS: openai_compat.MAX_BODY_BYTES}
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY_BYTES, within_s=BODY_WITHIN_S, larger=larger)
    app.add_middleware(AtOnce, most=kbm.settings.access.at_once)
    app.add_middleware(SecurityHeaders)
    if hosts is not None:
        app.add_middleware(KnownHosts, hosts=hosts)
    app.add_middleware(CountRequests, metrics=app.state.metrics)
    app.add_middleware(RequestLog)
    app.include_router(router)
    app.include_router(agents.router)
    app.include_router(sources.router)
    app.include_router(streaming.router)
    app.include_router(mcp.router)
    app.include_router(openai_compat.router)
    app.include_router(pages.router)
    app.include_router(metrics.router)
    app.include_router(actions.router)
    app.include_router(actions.operations, include_in_schema=False)
    app.add_exception_handler(KbmError, on_kbm_error)
    app.add_exception_handler(RequestValidationError, on_bad_request)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(Exception, on_fault)
    return app


def on_kbm_error(request: Request, error: Exception) -> JSONResponse:
    """Tell an error raised on purpose; its type knows the status."""
    if not isinstance(error, KbmError):
        raise error
    if error.told != str(error):
        log.error("request_failed", path=request.url.path, code=error.code, why=str(error))
    wait = error.retry_after_s if isinstance(error, TooManyRequests) else RETRY_AFTER_S
    said = refusal(
        request.url.path, error.http_status, error.code, error.told, error.hint, retry_after_s=wait
    )
    if isinstance(error, KeyRefused):
        said.headers["WWW-Authenticate"] = mcp.challenge(request)
    return said


def on_bad_request(request: Request, error: Exception) -> JSONResponse:
    """Tell what is wrong with a request, without repeating its content."""
    if not isinstance(error, RequestValidationError):
        raise error
    said = "; ".join(
        f"{'.'.join(str(part) for part in fault['loc'] if part != 'body') or 'body'}: {fault['msg']}"
        for fault in error.errors()
    )
    return refusal(request.url.path, 422, "bad_request", said, "see /docs for the form of the request")


def on_http_error(request: Request, error: Exception) -> JSONResponse:
    """Tell an error of the framework: no such route, wrong method."""
    if not isinstance(error, HTTPException):
        raise error
    code = {400: "bad_request", 404: "no_such_route", 405: "wrong_method"}.get(error.status_code, "http")
    said = refusal(
        request.url.path, error.status_code, code, str(error.detail), "see /docs for what there is"
    )
    said.headers.update(error.headers or {})  # which methods there are, where it was another one
    return said


def on_fault(request: Request, error: Exception) -> JSONResponse:
    """Tell a fault of kbm's own without its details; those are in the log."""
    id = request_id_of(request.scope)
    log.error("request_failed", path=request.url.path, request_id=id, exc_info=error)
    said = refusal(
        request.url.path, 500, "fault", "kbm failed on this request; nothing was changed", "the log says why"
    )
    said.headers[HEADER] = id  # this is said outside of what puts it on all others
    return said
