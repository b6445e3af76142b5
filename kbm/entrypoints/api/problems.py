"""How an error is said over HTTP: as a problem (RFC 9457), and as OpenAI says it to programs made for OpenAI."""

from __future__ import annotations

import http
from typing import Any

from fastapi.responses import JSONResponse

from kbm.entrypoints.api.examples import PROBLEM_TYPE
from kbm.entrypoints.api.schemas import Problem

RETRY_AFTER_S = 5
COMPLETIONS, MODELS = "/v1/chat/completions", "/v1/models"
_KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def refusal(
    path: str, status: int, code: str, detail: str, hint: str = "", *, retry_after_s: int = RETRY_AFTER_S
) -> JSONResponse:
    """Say an error as the door at an address does."""
    said = problem(status, code, detail, hint, retry_after_s=retry_after_s)
    if path not in (COMPLETIONS, MODELS) and not path.startswith(f"{MODELS}/"):
        return said
    status = 400 if status == 422 else status  # which OpenAI does not use
    kept = {name: said.headers[name] for name in ("Retry-After", "WWW-Authenticate") if name in said.headers}
    return JSONResponse(openai_error(status, code, detail, hint), status_code=status, headers=kept)


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


def openai_error(status: int, code: str, detail: str, hint: str = "") -> dict[str, Any]:
    """Give an error as OpenAI would send it; Any is JSON."""
    return {
        "error": {
            "message": f"{detail} ({hint})" if hint else detail,
            "type": _KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error"),
            "param": None,
            "code": "model_not_found" if code == "not_found" else code,
        }
    }
