"""The MCP door without a key of ours: people of the identity provider, and anybody where a GPT is public."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from fastapi.testclient import TestClient

from kbm.bootstrap import Kbm
from kbm.entrypoints.api.app import create_app
from kbm.errors import TooManyRequests
from kbm.testing.fakes import FakeClock
from tests.e2e.doors import company
from tests.integration.test_oidc import Issuer

CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "search", "arguments": {"query": "the pay of the board"}},
}
PUBLIC_URL = "https://kbm.example"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.server.shutdown()
    issuer.server.server_close()


@pytest.fixture(scope="module")
def kbm(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[Kbm]:
    folder = tmp_path_factory.mktemp("company")
    with company(folder, public=["other"], issuer=issuer.url, url=PUBLIC_URL) as (kbm, _):
        yield kbm


@pytest.fixture(scope="module")
def client(kbm: Kbm) -> Iterator[TestClient]:
    with TestClient(create_app(kbm), raise_server_exceptions=False) as client:
        yield client


def call(client: TestClient, gpt: str, token: str = "") -> httpx2.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return client.post(f"/mcp/{gpt}", json=CALL, headers={"Accept": "application/json", **headers})


def test_a_client_without_a_token_is_told_where_to_sign_in(client: TestClient, issuer: Issuer) -> None:
    shut = call(client, "helper")
    where = f"{PUBLIC_URL}/.well-known/oauth-protected-resource/mcp/helper"

    assert shut.status_code == 401
    assert shut.headers["www-authenticate"] == f'Bearer resource_metadata="{where}"'
    about = client.get(where.removeprefix(PUBLIC_URL)).json()
    assert about["resource"] == f"{PUBLIC_URL}/mcp/helper"
    assert about["authorization_servers"] == [issuer.url]
    assert about["bearer_methods_supported"] == ["header"]


def test_a_token_that_does_not_hold_is_said_to_be_invalid(client: TestClient) -> None:
    assert 'error="invalid_token"' in call(client, "helper", "a.b.c").headers["www-authenticate"]
    assert (
        client.get("/v1/gpts", headers={"Authorization": "Bearer a.b.c"}).headers["www-authenticate"]
        == "Bearer"
    )


def test_where_to_sign_in_tells_nothing_about_which_gpts_there_are(client: TestClient) -> None:
    path = "/.well-known/oauth-protected-resource/mcp/"

    assert client.get(path + "helper").text.replace("helper", "nobody") == client.get(path + "nobody").text
    assert call(client, "nobody").status_code == 401
    assert client.get(path + "UPPER%22").status_code == 422


def test_somebody_signed_in_reads_as_their_groups(client: TestClient, issuer: Issuer) -> None:
    clock = FakeClock()
    hr = call(client, "helper", issuer.token(clock, groups=["hr"]))
    sales = call(client, "helper", issuer.token(clock, groups=["sales"]))

    assert '"title": "board"' in hr.json()["result"]["content"][0]["text"]
    assert '"title": "board"' not in sales.json()["result"]["content"][0]["text"]


def test_anybody_may_use_a_public_gpt_and_no_other(client: TestClient) -> None:
    asked = {"question": "What is the guest network called?"}
    answer = client.post("/v1/gpts/other/ask", json=asked).json()
    document = answer["citations"][0]["document_id"]

    assert call(client, "other").json()["result"]["structuredContent"]["results"]
    assert "Keller-Guest" in answer["answer"]
    assert client.post("/v1/gpts/other/search", json={"query": "network"}).json()["hits"]
    assert (
        client.post(f"/v1/answers/{answer['answer_id']}/feedback", json={"verdict": "helpful"}).status_code
        == 200
    )
    assert client.get(f"/v1/documents/{document}").json()["releases"] == {"other": "1.0.0"}
    assert [one["gpt"] for one in client.get("/v1/gpts").json()["gpts"]] == ["other"]
    for gpt in ("helper", "nothing"):
        assert client.post(f"/v1/gpts/{gpt}/ask", json=asked).status_code == 401
    assert client.post("/v1/gpts/other/ask", json={**asked, "release": "1.0.0"}).status_code == 401


def test_a_public_gpt_is_public_through_the_other_doors_too(client: TestClient) -> None:
    asked = {"question": "What is the guest network called?"}
    said = {"model": "other", "messages": [{"role": "user", "content": asked["question"]}]}
    placeholder = {"Authorization": "Bearer none"}

    assert "Keller-Guest" in client.post("/v1/gpts/other/ask/stream", json=asked).text
    assert "Keller-Guest" in client.post("/gpts/other/actions/ask", json=asked).text
    assert "Keller-Guest" in client.post("/v1/chat/completions", json=said, headers=placeholder).text
    assert [one["id"] for one in client.get("/v1/models", headers=placeholder).json()["data"]] == ["other"]
    assert client.post("/v1/gpts/helper/ask/stream", json=asked).status_code == 401
    assert client.post("/gpts/helper/actions/ask", json=asked).status_code == 401
    assert client.post("/v1/chat/completions", json={**said, "model": "helper"}).status_code == 404


def test_a_wrong_key_does_not_pass_as_nobody(client: TestClient) -> None:
    assert call(client, "other", "kbm_wrong").status_code == 401


def test_a_public_gpt_has_a_limit_of_its_own(kbm: Kbm) -> None:
    anybody = kbm.access.subject_of(None, "other")
    assert (anybody.id, anybody.rights.gpts) == ("public:other", frozenset({"other"}))

    def crowd() -> None:
        for _ in range(200):
            kbm.access.count(anybody)

    with pytest.raises(TooManyRequests):
        crowd()
    kbm.access.count(kbm.access.subject_of(None))
