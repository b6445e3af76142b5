"""Keys at the HTTP doors: what each door needs, what nobody learns, and what a crowd is told."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from kbm.bootstrap import Kbm
from kbm.domain.access import Action, Rights
from kbm.entrypoints.api.app import create_app
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, NoProgress

PAGES = {
    "leave.txt": "Employees get 30 days of leave a year.",
    "pay.txt": "The pay of the board is 250,000 euros a year.",
}
QUESTION = {"question": "What is the pay of the board?"}


@pytest.fixture
def kbm(tmp_path: Path) -> Iterator[Kbm]:
    """Publish two GPTs over the same pages, one of which only HR may read."""
    source = FakeConnector(items=dict(PAGES), readers={"pay.txt": frozenset({"group:hr"})})
    with kbm_over(tmp_path, source, gpts={"helper": ["docs"], "other": ["docs"]}) as kbm:
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
        for gpt in ("helper", "other"):
            kbm.build.run(kbm.gpt_to_build(gpt), NoProgress())
            kbm.publish.run(gpt, "1.0.0", who="anna", why="test")
        yield kbm


def key(kbm: Kbm, rights: Rights | None = None) -> dict[str, str]:
    made = kbm.keys.create("test", rights or Rights(), valid_for=None, who="anna")
    return {"Authorization": f"Bearer {made.token}"}


@pytest.fixture
def client(kbm: Kbm) -> Iterator[TestClient]:
    with TestClient(create_app(kbm), raise_server_exceptions=False) as client:
        yield client


def test_without_a_key_the_door_is_shut_once_there_is_one(kbm: Kbm, client: TestClient) -> None:
    assert client.post("/v1/gpts/helper/ask", json=QUESTION).status_code == 200
    key(kbm)

    shut = client.post("/v1/gpts/helper/ask", json=QUESTION)

    assert (shut.status_code, shut.json()["code"]) == (401, "key_refused")
    assert shut.headers["www-authenticate"] == "Bearer"


def test_a_key_reads_as_its_readers_and_no_more(kbm: Kbm, client: TestClient) -> None:
    hr = key(kbm, Rights(readers=frozenset({"everyone", "group:hr"})))

    told = client.post("/v1/gpts/helper/ask", json=QUESTION, headers=hr).json()
    hidden = client.post("/v1/gpts/helper/ask", json=QUESTION, headers=key(kbm)).text

    assert "250,000" in told["answer"]
    assert "250,000" not in hidden
    assert "pay.txt" not in hidden


def test_the_label_in_the_body_gives_no_rights(kbm: Kbm, client: TestClient) -> None:
    asked = {**QUESTION, "user": "group:hr"}

    assert "250,000" not in client.post("/v1/gpts/helper/ask", json=asked, headers=key(kbm)).text


def test_a_gpt_that_is_not_the_keys_is_said_not_to_be_there(kbm: Kbm, client: TestClient) -> None:
    mine = key(kbm, Rights(gpts=frozenset({"helper"})))

    other = client.post("/v1/gpts/other/ask", json=QUESTION, headers=mine)
    none = client.post("/v1/gpts/othrr/ask", json=QUESTION, headers=mine)

    assert (other.status_code, none.status_code) == (404, 404)
    assert other.text.replace("'other'", "'othrr'") == none.text
    assert [one["gpt"] for one in client.get("/v1/gpts", headers=mine).json()["gpts"]] == ["helper"]


def test_answers_receipts_and_documents_of_another_gpt_are_not_there(kbm: Kbm, client: TestClient) -> None:
    mine, others = key(kbm, Rights(gpts=frozenset({"helper"}))), key(kbm, Rights(gpts=frozenset({"other"})))
    asked = {"question": "How many days of leave?"}
    answer = client.post("/v1/gpts/other/ask", json=asked, headers=others).json()
    id, document = answer["answer_id"], answer["citations"][0]["document_id"]

    assert client.get(f"/v1/answers/{id}/receipt", headers=mine).status_code == 404
    assert (
        client.post(f"/v1/answers/{id}/feedback", json={"verdict": "problem"}, headers=mine).status_code
        == 404
    )
    assert client.get(f"/v1/documents/{document}?gpt=other", headers=mine).status_code == 404
    shown = client.get(f"/v1/documents/{document}", headers=mine).json()
    assert shown["releases"] == {"helper": "1.0.0"}
    assert client.get(f"/v1/answers/{id}/receipt", headers=others).status_code == 200


def test_to_name_a_release_needs_its_own_scope(kbm: Kbm, client: TestClient) -> None:
    asked = {**QUESTION, "release": "1.0.0"}

    usual = client.post("/v1/gpts/helper/ask", json=asked, headers=key(kbm))
    may = key(kbm, Rights(actions=frozenset({Action.ASK, Action.RELEASE})))

    assert (usual.status_code, usual.json()["code"]) == (403, "not_allowed")
    assert client.post("/v1/gpts/helper/ask", json=asked, headers=may).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "action"),
    [
        ("POST", "/v1/gpts/helper/ask", QUESTION, Action.ASK),
        ("POST", "/v1/gpts/helper/search", {"query": "leave"}, Action.SEARCH),
        ("POST", "/v1/answers/x/feedback", {"verdict": "helpful"}, Action.FEEDBACK),
        ("GET", "/v1/answers/x/receipt", None, Action.READ),
        ("GET", "/v1/documents/x", None, Action.READ),
        ("GET", "/v1/sources", None, Action.SOURCES),
    ],
)
def test_a_door_opens_for_the_action_it_needs_alone(
    kbm: Kbm, client: TestClient, method: str, path: str, body: object, action: Action
) -> None:
    without = key(kbm, Rights(actions=frozenset(Action) - {action}, person="owner@test.example"))
    only = key(kbm, Rights(actions=frozenset({action})))

    assert client.request(method, path, json=body, headers=without).status_code == 403
    assert client.request(method, path, json=body, headers=only).status_code in (200, 404)


def test_a_full_minute_is_429_and_says_when_to_come_back(kbm: Kbm, client: TestClient) -> None:
    few = key(kbm, Rights(per_minute=2))
    seen = [client.get("/v1/gpts", headers=few) for _ in range(3)]

    assert [one.status_code for one in seen] == [200, 200, 429]
    assert seen[2].headers["retry-after"] == "30"


def test_the_health_check_needs_no_key_and_names_no_gpt_then(kbm: Kbm, client: TestClient) -> None:
    assert client.get("/healthz").json()["releases"] == {"helper": "1.0.0", "other": "1.0.0"}
    key(kbm)

    assert client.get("/healthz").json()["releases"] == {}


def test_every_response_has_the_headers_that_keep_browsers_in_bounds(client: TestClient) -> None:
    for path in ("/v1/gpts", "/nothing", "/healthz"):
        headers = client.get(path, headers={"Origin": "https://evil.example"}).headers

        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert not any(name.startswith("access-control-") for name in headers)


def test_another_name_for_the_service_is_refused_where_names_are_given(kbm: Kbm) -> None:
    with TestClient(create_app(kbm, hosts={"127.0.0.1", "::1"}), base_url="http://127.0.0.1:8000") as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/healthz", headers={"Host": "[::1]:8000"}).status_code == 200
        refused = client.get("/healthz", headers={"Host": "rebound.example:8000"})

        assert (refused.status_code, refused.json()["code"]) == (421, "wrong_host")


def test_a_thousand_at_once_are_answered_or_told_to_come_back(kbm: Kbm) -> None:
    with TestClient(create_app(kbm)) as client, ThreadPoolExecutor(64) as crowd:
        asks = [crowd.submit(client.post, "/v1/gpts/helper/ask", json=QUESTION) for _ in range(1000)]
        codes = {one.result().status_code for one in asks}

    assert 200 in codes
    assert codes <= {200, 429}
