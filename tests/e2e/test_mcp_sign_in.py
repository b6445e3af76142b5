"""The official MCP client finds the identity provider by itself, signs somebody in and searches as them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from kbm.entrypoints.api.app import create_app
from kbm.testing.fakes import FakeClock
from tests.e2e.doors import company
from tests.e2e.served import served
from tests.integration.test_oidc import Issuer


class SignIn:
    """The identity provider's other half: registers clients and hands out its tokens for a code."""

    def __init__(self, keys: Issuer) -> None:
        self.keys = keys
        self.asked: list[str] = []
        sign_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                about = {
                    "issuer": sign_in.url,
                    "authorization_endpoint": f"{sign_in.url}/authorize",
                    "token_endpoint": f"{sign_in.url}/token",
                    "registration_endpoint": f"{sign_in.url}/register",
                    "response_types_supported": ["code"],
                    "code_challenge_methods_supported": ["S256"],
                    "jwks_uri": f"{keys.url}/keys",
                }
                self.say(about)

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
                sign_in.asked.append(f"{self.path} {sent}")
                if self.path == "/register":
                    self.say({**json.loads(sent), "client_id": "chat"})
                    return
                token = keys.token(FakeClock(), iss=sign_in.url, groups=["hr"])
                self.say({"access_token": token, "token_type": "Bearer", "expires_in": 300})

            def say(self, body: object) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        for one in (self.server, self.keys.server):
            one.shutdown()
            one.server_close()


class Kept:
    """What the client keeps: nothing that outlives the test."""

    def __init__(self) -> None:
        self.token: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.token

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.token = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


@pytest.fixture
def sign_in() -> Iterator[SignIn]:
    sign_in = SignIn(Issuer())
    yield sign_in
    sign_in.close()


def test_the_client_signs_in_at_the_provider_and_reads_as_the_person(tmp_path: Path, sign_in: SignIn) -> None:
    sent_to: list[str] = []

    async def redirected(address: str) -> None:
        sent_to.append(address)

    async def came_back() -> AuthorizationCodeResult:
        return AuthorizationCodeResult(code="code", state=parse_qs(urlsplit(sent_to[-1]).query)["state"][0])

    async def search(url: str) -> str:
        auth = OAuthClientProvider(
            f"{url}/mcp/helper",
            OAuthClientMetadata(client_name="chat", redirect_uris=[AnyUrl("http://127.0.0.1:1/back")]),
            Kept(),
            redirect_handler=redirected,
            callback_handler=came_back,
        )
        async with (
            httpx2.AsyncClient(auth=auth, timeout=20) as http,
            Client(streamable_http_client(f"{url}/mcp/helper", http_client=http)) as client,
        ):
            return str(
                (await client.call_tool("search", {"query": "the pay of the board"})).structured_content
            )

    with company(tmp_path, issuer=sign_in.url) as (kbm, _), served(create_app(kbm)) as url:
        # The port is known only now; the address of the door is part of what the client checks.
        told = kbm.settings.kbm.model_copy(update={"public_url": url})
        kbm.settings = kbm.settings.model_copy(update={"kbm": told})
        found = asyncio.run(asyncio.wait_for(search(url), 60))

    assert "'title': 'board'" in found
    assert sent_to[0].startswith(f"{sign_in.url}/authorize?")
    assert parse_qs(urlsplit(sent_to[0]).query)["resource"] == [f"{url}/mcp/helper"]
    assert [one.split()[0] for one in sign_in.asked] == ["/register", "/token"]
