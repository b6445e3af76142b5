"""The MCP door: `search` and `fetch` over streamable HTTP at ``/mcp/{gpt}``, for ChatGPT and every other MCP client.

The GPT is in the address and the key in each request, so a tool call is authorized like any other request: nothing is
remembered from the connection. The SDK takes a second to import and is imported when the first client comes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from kbm.bootstrap import Kbm
from kbm.domain.access import Action, Subject
from kbm.entrypoints.api.access import Allowed, KbmDep, SubjectDep
from kbm.errors import NotFound
from kbm.services.retrieve import Caller

DOOR = "mcp"
METADATA_PATH = "/.well-known/oauth-protected-resource/mcp/{gpt}"
_NAME = r"^[a-z0-9._-]{1,64}$"

Handing = Callable[[str, Subject, Caller], ASGIApp]
"""Makes the application that serves one request: of which GPT, whose it is, and as whom they read."""

router = APIRouter(include_in_schema=False)
MayUse = Annotated[Caller, Depends(Allowed(Action.SEARCH, door=DOOR))]


class _Handed(Response):
    """A response that another ASGI application gives, behind the guards of the route."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__()
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand over."""
        await self._app(scope, receive, send)


@router.post("/mcp/{gpt}")
async def post_mcp(gpt: str, request: Request, subject: SubjectDep, caller: MayUse) -> Response:
    """Serve one message of an MCP client."""
    handing = await anyio.to_thread.run_sync(_sdk, request)
    return _Handed(handing(gpt, subject, caller))


def _sdk(request: Request) -> Handing:
    """Make the SDK's part when the first client comes."""
    state = request.app.state
    if not hasattr(state, "mcp"):
        from kbm.entrypoints.mcp_tools import served

        state.mcp = served(state.kbm, state.hosts)
    handing: Handing = state.mcp
    return handing


@router.get(METADATA_PATH)
def get_metadata(gpt: Annotated[str, Path(pattern=_NAME)], kbm: KbmDep) -> JSONResponse:
    """Name the identity provider whose tokens the door takes (RFC 9728); says nothing about which GPTs there are."""
    oidc = kbm.settings.access.oidc
    if oidc is None:
        raise NotFound(
            "identity provider", "", hint="this service takes keys alone: Authorization: Bearer kbm_…"
        )
    return JSONResponse(
        {
            "resource": _address(kbm, f"/mcp/{gpt}"),
            "authorization_servers": [oidc.issuer],
            "bearer_methods_supported": ["header"],
            "resource_name": kbm.settings.kbm.name,
        }
    )


def challenge(request: Request) -> str:
    """Say in ``WWW-Authenticate`` what opens the door; an MCP client finds the identity provider by it."""
    kbm: Kbm = request.app.state.kbm
    gpt = request.path_params.get("gpt")
    if kbm.settings.access.oidc is None or request.url.path != f"/mcp/{gpt}":
        return "Bearer"
    where = f'Bearer resource_metadata="{_address(kbm, METADATA_PATH.format(gpt=gpt))}"'
    return f'{where}, error="invalid_token"' if "authorization" in request.headers else where


def _address(kbm: Kbm, path: str) -> str:
    return kbm.settings.kbm.public_url.rstrip("/") + path
