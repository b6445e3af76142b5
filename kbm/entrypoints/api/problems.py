"""How an error is said over HTTP."""

from __future__ import annotations

import http

from fastapi.responses import JSONResponse

from kbm.entrypoints.api.examples import PROBLEM_TYPE
from kbm.entrypoints.api.schemas import Problem

RETRY_AFTER_S = 5


def problem(
    status: int, code: str, detail: str, hint: str = "", *, retry_after_s: int = RETRY_AFTER_S
) -> JSONResponse:
    """Say an error as ``application/problem+json``."""
    body = body_of(status, code, detail, hint)
    headers = {}
    if status in (429, 503):
        headers["Retry-After"] = str(retry_after_s)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body.model_dump(), status_code=status, media_type=PROBLEM_TYPE, headers=headers)


def body_of(status: int, code: str, detail: str, hint: str = "") -> Problem:
    """Give an error as it is sent."""
    return Problem(title=http.HTTPStatus(status).phrase, status=status, code=code, detail=detail, hint=hint)
