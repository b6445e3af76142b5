"""The HTTP application: routes parse, call one use case and render. Errors become problems here and nowhere else."""

from __future__ import annotations

import http
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kbm import __version__
from kbm.bootstrap import Kbm
from kbm.entrypoints.api.examples import PROBLEM_TYPE, with_examples
from kbm.entrypoints.api.routes import router
from kbm.entrypoints.api.schemas import Problem
from kbm.errors import KbmError

log = structlog.get_logger()

MAX_BODY_BYTES = 64_000
"""No body of these routes has a reason to be larger."""


class Service(FastAPI):
    """FastAPI, with an example beside everything it describes."""

    def openapi(self) -> dict[str, Any]:
        """Give ``/openapi.json``; Any is FastAPI's own type."""
        if self.openapi_schema is None:
            self.openapi_schema = with_examples(super().openapi())
        return self.openapi_schema


def create_app(kbm: Kbm) -> FastAPI:
    """Make the application over an open kbm; the caller closes kbm."""
    app = Service(
        title=f"{kbm.settings.kbm.name}: knowledge",
        version=__version__,
        description="Ask the knowledge of each assistant; every sentence comes with a verbatim quote and its source.",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    app.state.kbm = kbm
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY_BYTES)
    app.include_router(router)
    app.add_exception_handler(KbmError, on_kbm_error)
    app.add_exception_handler(RequestValidationError, on_bad_request)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(Exception, on_fault)
    return app


def problem(status: int, code: str, detail: str, hint: str = "") -> JSONResponse:
    """Say an error as ``application/problem+json``."""
    body = Problem(title=http.HTTPStatus(status).phrase, status=status, code=code, detail=detail, hint=hint)
    headers = {"Retry-After": "5"} if status == 503 else None
    return JSONResponse(body.model_dump(), status_code=status, media_type=PROBLEM_TYPE, headers=headers)


def on_kbm_error(_: Request, error: Exception) -> JSONResponse:
    """Tell an error raised on purpose; its type knows the status."""
    if not isinstance(error, KbmError):
        raise error
    return problem(error.http_status, error.code, str(error), error.hint)


def on_bad_request(_: Request, error: Exception) -> JSONResponse:
    """Tell what is wrong with a request, without repeating its content."""
    if not isinstance(error, RequestValidationError):
        raise error
    said = "; ".join(
        f"{'.'.join(str(part) for part in fault['loc'] if part != 'body') or 'body'}: {fault['msg']}"
        for fault in error.errors()
    )
    return problem(422, "bad_request", said, "see /docs for the form of the request")


def on_http_error(_: Request, error: Exception) -> JSONResponse:
    """Tell an error of the framework: no such route, wrong method."""
    if not isinstance(error, HTTPException):
        raise error
    code = {400: "bad_request", 404: "no_such_route", 405: "wrong_method"}.get(error.status_code, "http")
    return problem(error.status_code, code, str(error.detail), "see /docs for what there is")


def on_fault(request: Request, error: Exception) -> JSONResponse:
    """Tell a fault of kbm's own without its details; those are in the log."""
    log.error("request_failed", path=request.url.path, exc_info=error)
    return problem(500, "fault", "kbm failed on this request; nothing was changed", "the log says why")


class BodyLimit:
    """Refuses bodies above a size before they are read into memory."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app, self._max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the bytes of the body as they come; read them all before the application starts."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._max_bytes:
                said = f"the body is larger than {self._max_bytes:,} bytes"
                await problem(413, "body_too_large", said, "send one short question")(scope, receive, send)
                return
        sent = False

        async def replay() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)
