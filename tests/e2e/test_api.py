"""The HTTP doors, over the sample of the integration tests, and once over a real socket."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from kbm.domain.identity import document_id
from kbm.entrypoints.api.app import create_app
from kbm.testing.builders import ONE_FOLDER_TOML, kbm_over
from kbm.testing.fakes import FakeConnector, NoProgress

PAGES = {
    "leave.txt": "Employees get 30 days of leave a year. Leave is asked for four weeks ahead.",
    "press.txt": "The press KB 40 holds 40 tons. It weighs 900 kilograms.",
    "hr/pay.txt": "The pay of the board is 250,000 euros a year.",
}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """Serve a released company."""
    source = FakeConnector(items=dict(PAGES), readers={"hr/pay.txt": frozenset({"group:hr"})})
    with kbm_over(tmp_path, source) as kbm:
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
        kbm.build.run(kbm.gpt_to_build("helper"), NoProgress())
        kbm.publish.run("helper", "1.0.0", who="anna", why="test")
        with TestClient(create_app(kbm), raise_server_exceptions=False) as client:
            yield client


def test_ask_gives_the_object_of_the_contract(client: TestClient) -> None:
    answer = client.post(
        "/v1/gpts/helper/ask", json={"question": "How many days of leave do employees get?", "user": "u1"}
    ).json()

    assert set(answer) == {
        "answer_id",
        "gpt",
        "release",
        "canary",
        "outcome",
        "cause",
        "confidence",
        "answer",
        "sentences",
        "citations",
        "ai_generated",
        "notice",
        "degraded",
        "took_ms",
        "withheld",
        "model",
        "prompt_digest",
        "tokens",
        "cost",
    }
    assert set(answer["citations"][0]) == {
        "n",
        "quote",
        "chunk_id",
        "document_id",
        "item_id",
        "title",
        "url",
        "source",
        "section",
        "page",
        "modified_at",
        "stale",
        "also_in",
    }
    assert answer["answer"].endswith("[1]") or "[1]" in answer["answer"]


def test_search_gives_hits_in_order(client: TestClient) -> None:
    found = client.post("/v1/gpts/helper/search", json={"query": "how heavy is the press", "k": 2}).json()

    assert found["release"] == "1.0.0"
    assert found["hits"][0]["item_id"] == "press.txt"
    assert len(found["hits"]) == 2


def test_gpts_are_listed_with_their_live_release(client: TestClient) -> None:
    [one] = client.get("/v1/gpts").json()["gpts"]

    assert (one["gpt"], one["title"], one["release"]) == ("helper", "Helper", "1.0.0")
    assert one["published_at"]


def test_every_quote_stands_in_the_document_behind_it(client: TestClient) -> None:
    answer = client.post(
        "/v1/gpts/helper/ask", json={"question": "How many days of leave do employees get?"}
    ).json()
    for one in answer["citations"]:
        shown = client.get(f"/v1/documents/{one['document_id']}").json()

        assert one["quote"] in shown["text"]
        assert shown["releases"] == {"helper": "1.0.0"}


def test_a_document_of_an_earlier_release_is_shown_as_it_was_then(tmp_path: Path) -> None:
    june, july = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
    source = FakeConnector(items={"leave.txt": PAGES["leave.txt"]}, modified={"leave.txt": june})
    with kbm_over(tmp_path, source) as kbm:
        for _ in ("earlier", "later"):
            kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
            kbm.build.run(kbm.gpt_to_build("helper"), NoProgress())
            built = kbm.catalogue.releases.newest("helper")
            assert built is not None
            kbm.publish.run("helper", str(built.version), who="anna", why="test")
            source.items["leave.txt"] = PAGES["leave.txt"].replace("30", "31")
            source.modified["leave.txt"] = july
        with TestClient(create_app(kbm)) as client:
            path = f"/v1/documents/{document_id('docs', 'leave.txt')}"
            then = client.get(path, params={"gpt": "helper", "release": "1.0.0"}).json()
            now = client.get(path).json()

    assert ("30 days" in then["text"], datetime.fromisoformat(then["modified_at"])) == (True, june)
    assert ("31 days" in now["text"], datetime.fromisoformat(now["modified_at"])) == (True, july)


def test_a_hidden_document_is_not_found_like_one_that_never_was(client: TestClient) -> None:
    hidden = client.get(f"/v1/documents/{document_id('docs', 'hr/pay.txt')}")
    absent = client.get(f"/v1/documents/{document_id('docs', 'nope.txt')}")

    assert hidden.status_code == absent.status_code == 404
    assert set(hidden.json()) == set(absent.json())


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/gpts/nope/ask", {"question": "Anything?"}, 404, "not_found"),
        ("/v1/gpts/helper/ask", {"question": ""}, 422, "bad_question"),
        ("/v1/gpts/helper/ask", {"question": "a\x00b"}, 422, "bad_question"),
        ("/v1/gpts/helper/ask", {"question": "x" * 50_000}, 422, "bad_question"),
        ("/v1/gpts/helper/ask", {"question": "x" * 100_000}, 413, "body_too_large"),
        ("/v1/gpts/helper/ask", {"question": "Anything?", "release": "7.7.7"}, 404, "not_found"),
        ("/v1/gpts/helper/ask", {"qestion": "Anything?"}, 422, "bad_request"),
        ("/v1/gpts/helper/search", {"query": "leave", "k": 0}, 422, "bad_request"),
        ("/v1/answers/nope/feedback", {"verdict": "helpful"}, 404, "not_found"),
        ("/v1/nothing", {}, 404, "no_such_route"),
    ],
)
def test_errors_are_problems_with_code_detail_and_hint(
    client: TestClient, path: str, body: dict[str, object], status: int, code: str
) -> None:
    response = client.post(path, json=body)

    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == code
    assert response.json()["detail"]
    assert client.get("/healthz").json()["status"] == "ok"


def test_a_body_that_is_no_json_is_refused(client: TestClient) -> None:
    response = client.post(
        "/v1/gpts/helper/ask", content=b"\xff\xfe{", headers={"content-type": "application/json"}
    )

    assert response.status_code == 400
    assert response.json()["code"] == "bad_request"


def test_the_openapi_has_examples_and_an_operation_id_for_every_route(client: TestClient) -> None:
    described = client.get("/openapi.json").json()

    operations = [one for path in described["paths"].values() for one in path.values()]
    assert {"ask", "search", "listGpts", "getDocument", "health"} <= {
        one["operationId"] for one in operations
    }
    assert described["components"]["schemas"]["AskIn"]["properties"]["question"]["examples"]


def test_feedback_is_noted(client: TestClient) -> None:
    answer = client.post("/v1/gpts/helper/ask", json={"question": "How heavy is the press?"}).json()

    noted = client.post(f"/v1/answers/{answer['answer_id']}/feedback", json={"verdict": "unhelpful"})

    assert noted.json() == {"status": "noted"}


def test_a_real_server_answers_and_ends_on_a_signal(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "kbm.toml").write_text(ONE_FOLDER_TOML)
    (tmp_path / "docs" / "leave.txt").write_text(PAGES["leave.txt"])
    kbm = [sys.executable, "-m", "kbm"]
    subprocess.run([*kbm, "nightly"], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    server = subprocess.Popen(
        [*kbm, "serve", "--port", "0"], cwd=tmp_path, stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    try:
        port = _port_of(server)
        url = f"http://127.0.0.1:{port}/v1/gpts/helper/ask"
        answer = httpx.post(url, json={"question": "How many days of leave?"}, timeout=10).json()
    finally:
        server.terminate()
        ended = server.wait(timeout=20)

    assert "30 days" in answer["answer"]
    assert ended == 0


def _port_of(server: subprocess.Popen[str]) -> int:
    """Read the address the server says it listens on."""
    assert server.stderr is not None
    until = time.monotonic() + 30
    while time.monotonic() < until:
        line = server.stderr.readline()
        if "http://127.0.0.1:" in line:
            return int(line.split("http://127.0.0.1:")[1].split()[0])
    raise AssertionError("the server did not start within 30 seconds")
