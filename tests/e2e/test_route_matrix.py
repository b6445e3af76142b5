"""Every door in one table: what it needs. A route that is not in it fails here, and so does one that asks less."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from kbm.domain.access import Action
from kbm.entrypoints.api.access import Allowed, subject_of
from kbm.entrypoints.api.app import create_app
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector

MATRIX: dict[str, Action | str] = {
    "GET /healthz": "open",
    "GET /openapi.json": "open",
    "GET /docs": "open",
    "GET /v1/gpts": "any key",
    "POST /v1/gpts/{gpt}/ask": Action.ASK,
    "POST /v1/gpts/{gpt}/ask/stream": Action.ASK,
    "POST /v1/gpts/{gpt}/search": Action.SEARCH,
    "POST /v1/answers/{answer_id}/feedback": Action.FEEDBACK,
    "GET /v1/answers/{answer_id}/receipt": Action.READ,
    "GET /v1/documents/{document_id}": Action.READ,
    "GET /documents/{document_id}": "open",
    "GET /pages.css": "open",
    "GET /metrics": Action.METRICS,
    "GET /v1/sources": Action.SOURCES,
    "GET /gpts/{gpt}/openapi.json": "open",
    "POST /gpts/{gpt}/actions/ask": Action.ASK,
    "POST /gpts/{gpt}/actions/search": Action.SEARCH,
    "POST /gpts/{gpt}/actions/feedback": Action.FEEDBACK,
    "POST /mcp/{gpt}": Action.SEARCH,
    "GET /.well-known/oauth-protected-resource/mcp/{gpt}": "open",
    "POST /v1/chat/completions": Action.ASK,
    "GET /v1/models": Action.ASK,
    "GET /v1/models/{gpt}": Action.ASK,
    "POST /v1/gpts/{gpt}/review": Action.DECIDE,
    "GET /v1/gpts/{gpt}/gaps": Action.REVIEW,
    "GET /v1/gpts/{gpt}/gaps/{gap_id}": Action.REVIEW,
    "GET /v1/gpts/{gpt}/suggestions": Action.REVIEW,
    "GET /v1/gpts/{gpt}/suggestions/{id}": Action.REVIEW,
    "POST /v1/gpts/{gpt}/suggestions/{id}/preview": Action.DECIDE,
    "POST /v1/gpts/{gpt}/suggestions/{id}/approve": Action.DECIDE,
    "POST /v1/gpts/{gpt}/suggestions/{id}/reject": Action.DECIDE,
    "POST /v1/gpts/{gpt}/suggestions/{id}/snooze": Action.DECIDE,
    "POST /v1/gpts/{gpt}/suggestions/{id}/ask": Action.DECIDE,
    "POST /v1/gpts/{gpt}/suggestions/{id}/edit": Action.DECIDE,
    "POST /v1/gpts/{gpt}/suggestions/{id}/undo": Action.DECIDE,
}


def flat(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """Give all routes, those of included routers too."""
    for route in routes:
        within = getattr(route, "original_router", None)
        if within is None:
            yield route
        else:
            yield from flat(within.routes)


def needed(dependant: Dependant) -> Action | str:
    """Tell what a route asks of its caller."""
    calls = [one.call for one in dependant.dependencies]
    for call in calls:
        if isinstance(call, Allowed):
            return call.action
    return "any key" if subject_of in calls else "open"


def test_every_route_asks_for_what_the_matrix_says(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector()) as kbm:
        app = create_app(kbm)
    found: dict[str, Action | str] = {}
    for route in flat(app.routes):
        asked = needed(route.dependant) if isinstance(route, APIRoute) else "open"
        for method in sorted((getattr(route, "methods", None) or {"*"}) - {"HEAD"}):
            found[f"{method} {getattr(route, 'path', '?')}"] = asked

    assert found == MATRIX
