"""The door of GPT actions, and that its description keeps every limit of ChatGPT's editor."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any  # OpenAPI has no types here

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import validate
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import response_schema_conformance

from kbm.bootstrap import Kbm
from kbm.domain.access import Rights
from kbm.entrypoints.actions import MAX_RESPONSE_BYTES, ActionHit, ActionHits, action_schema, fitted
from kbm.entrypoints.api.app import create_app
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, NoProgress

PAGES = {
    "leave.txt": "Employees get 30 days of leave a year. Leave is asked for four weeks ahead.",
    "press.txt": "The press KB 40 holds 40 tons. It weighs 900 kilograms.",
}
MAX_CHARS, MAX_DESCRIPTION, MAX_PARAMETER = 100_000, 300, 700


@contextlib.contextmanager
def released(folder: Path) -> Iterator[Kbm]:
    gpts = {"helper": ("docs",), "secret-plans": ("docs",)}
    with kbm_over(folder, FakeConnector(items=dict(PAGES)), gpts=gpts) as kbm:
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
        kbm.build.run(kbm.gpt_to_build("helper"), NoProgress())
        kbm.publish.run("helper", "1.0.0", who="anna", why="test")
        yield kbm


@pytest.fixture(scope="module")
def kbm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kbm]:
    """Give a company without keys."""
    with released(tmp_path_factory.mktemp("open")) as kbm:
        yield kbm


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kbm]:
    """Give a company where a key is needed."""
    with released(tmp_path_factory.mktemp("locked")) as kbm:
        key(kbm)
        yield kbm


@pytest.fixture(scope="module")
def client(kbm: Kbm) -> Iterator[TestClient]:
    with TestClient(create_app(kbm), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def outside(locked: Kbm) -> Iterator[TestClient]:
    with TestClient(create_app(locked), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def schema(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/gpts/helper/openapi.json").json()
    return found


def key(kbm: Kbm, gpts: frozenset[str] | None = None) -> dict[str, str]:
    made = kbm.keys.create("action", Rights(gpts=gpts), valid_for=None, who="anna")
    return {"Authorization": f"Bearer {made.token}"}


def operations(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["operationId"]: one for path in schema["paths"].values() for one in path.values()}


def texts(node: Any, *names: str) -> Iterator[str]:
    """Give every description or summary in the schema."""
    if isinstance(node, dict):
        for name, one in node.items():
            if name in names and isinstance(one, str):
                yield one
            yield from texts(one, *names)
    elif isinstance(node, list):
        for one in node:
            yield from texts(one, *names)


def test_the_description_is_valid_openapi_3_1_for_the_public_address(schema: dict[str, Any]) -> None:
    validate(schema)

    assert schema["openapi"].startswith("3.1")
    assert schema["servers"] == [{"url": "http://127.0.0.1:8000"}]


def test_it_has_exactly_the_three_operations_of_an_action(schema: dict[str, Any]) -> None:
    assert set(operations(schema)) == {"ask", "search", "feedback"}
    assert all(path.startswith("/gpts/helper/") and "{" not in path for path in schema["paths"])


def test_no_description_is_longer_than_the_editor_takes(schema: dict[str, Any]) -> None:
    found = list(texts(schema, "description", "summary"))

    assert len(found) > 20
    assert [one for one in found if len(one) > MAX_DESCRIPTION] == []
    assert MAX_DESCRIPTION <= MAX_PARAMETER  # what holds for all holds for parameters


def test_no_operation_needs_a_confirmation_a_header_or_a_parameter(schema: dict[str, Any]) -> None:
    for operation in operations(schema).values():
        assert operation["x-openai-isConsequential"] is False
        assert "parameters" not in operation


def test_no_shape_says_null(schema: dict[str, Any]) -> None:
    def nulls(node: Any) -> int:
        if isinstance(node, dict):
            return (node.get("type") == "null") + sum(nulls(one) for one in node.values())
        return sum(nulls(one) for one in node) if isinstance(node, list) else 0

    assert nulls(schema) == 0
    assert "_null" not in str(schema)


def test_the_title_of_the_gpt_is_told_where_no_key_is_needed(schema: dict[str, Any]) -> None:
    assert "“Helper” (helper)" in schema["info"]["description"]
    assert "security" not in operations(schema)["ask"]


def test_a_very_long_title_keeps_the_description_inside_its_limit() -> None:
    made = action_schema("helper", "Ä" * 5000, "https://kb.example/", needs_key=True)

    assert max(map(len, texts(made, "description", "summary", "title"))) <= MAX_DESCRIPTION


def test_with_keys_the_operations_take_a_bearer_key(locked: Kbm, outside: TestClient) -> None:
    headers = key(locked)
    schema = outside.get("/gpts/helper/openapi.json", headers=headers).json()
    validate(schema)

    [scheme] = schema["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert all(one["security"] for one in operations(schema).values())
    assert "“Helper” (helper)" in schema["info"]["description"]


def test_without_a_key_it_tells_nothing_that_was_not_asked(outside: TestClient) -> None:
    there = outside.get("/gpts/secret-plans/openapi.json")
    absent = outside.get("/gpts/secret-plons/openapi.json")

    assert there.status_code == absent.status_code == 200
    assert there.text.replace("secret-plans", "secret-plons") == absent.text
    assert "Secret-Plans" not in there.text


def test_a_key_for_another_gpt_finds_no_description(locked: Kbm, outside: TestClient) -> None:
    headers = key(locked, frozenset({"helper"}))

    refused = outside.get("/gpts/secret-plans/openapi.json", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert outside.get("/gpts/helper/openapi.json", headers={"Authorization": "Bearer x"}).status_code == 401


def test_the_operations_answer_in_the_shapes_that_are_described(
    client: TestClient, schema: dict[str, Any]
) -> None:
    paths = {
        one: path for path, methods in schema["paths"].items() for one in [methods["post"]["operationId"]]
    }
    answer = client.post(paths["ask"], json={"question": "How many days of leave do employees get?"}).json()
    found = client.post(paths["search"], json={"query": "how heavy is the press", "k": 1}).json()
    noted = client.post(
        paths["feedback"], json={"answer_id": answer["answer_id"], "verdict": "helpful"}
    ).json()

    assert "30 days" in answer["answer"]
    assert answer["citations"][0]["quote"] in PAGES["leave.txt"]
    assert answer["citations"][0]["url"]
    assert [one["title"] for one in found["hits"]] == ["press"]
    assert found["release"] == answer["release"] == "1.0.0"
    assert (answer["truncated"], found["truncated"]) == (False, False)
    assert noted == {"status": "noted"}
    for operation, response in (("ask", answer), ("search", found)):
        shape = operations(schema)[operation]["responses"]["200"]["content"]["application/json"]["schema"]
        named = schema["components"]["schemas"][shape["$ref"].rpartition("/")[2]]
        assert set(named["required"]) <= set(response) <= set(named["properties"])


def test_operations_need_a_key_for_their_gpt(locked: Kbm, outside: TestClient) -> None:
    headers = key(locked, frozenset({"secret-plans"}))
    body = {"question": "How many days of leave?"}

    assert outside.post("/gpts/helper/actions/ask", json=body).status_code == 401
    assert outside.post("/gpts/helper/actions/ask", json=body, headers=headers).status_code == 404


def test_questions_of_one_conversation_carry_its_label(kbm: Kbm, client: TestClient) -> None:
    headers = {"openai-conversation-id": "conversation-7"}
    body = {"question": "How heavy is the press?"}
    client.post("/gpts/helper/actions/ask", json=body, headers=headers)
    client.post("/gpts/helper/actions/ask", json=body)
    kbm.ask.settle()
    logged = kbm.journal.questions.log("helper", kbm.clock.now() - timedelta(days=1))
    mine = [one for one in logged if one.question == body["question"] and one.door == "action"]

    assert len({one.label for one in mine}) == 2
    assert "conversation-7" not in str([one.label for one in mine])


def test_feedback_reaches_only_answers_of_this_gpt(client: TestClient) -> None:
    answer = client.post("/gpts/helper/actions/ask", json={"question": "How heavy is the press?"}).json()
    body = {"answer_id": answer["answer_id"], "verdict": "unhelpful"}

    assert client.post("/gpts/secret-plans/actions/feedback", json=body).status_code == 404
    assert client.post("/gpts/helper/actions/feedback", json=body).status_code == 200


def test_whatever_is_sent_the_operations_answer_as_described(kbm: Kbm) -> None:
    described = schemathesis.openapi.from_asgi("/gpts/helper/openapi.json", create_app(kbm))
    for found in described.get_all_operations():
        assert isinstance(found, Ok)
        send_anything(found.ok())


def send_anything(operation: Any) -> None:
    @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def send(case: Any) -> None:
        response = case.call()
        # A question of nothing but blanks fits the description and is refused: 422 is an answer.
        case.validate_response(response, checks=[not_a_server_error, response_schema_conformance])

    send()


@pytest.mark.parametrize("letter", ["x", "ü", "漢", "\n", "\x01", '"'])
def test_a_response_that_would_be_too_long_is_cut_and_says_so(letter: str) -> None:
    hits = [
        ActionHit(text=letter * n, title="t", url="u", section="", page=None, modified_at=None, stale=False)
        for n in (60_000, 100, 70_000, 80_000)
    ]
    made = fitted(ActionHits(hits=hits, release="1.0.0"), hits)

    assert made.truncated
    assert len(made.model_dump_json()) <= MAX_RESPONSE_BYTES < MAX_CHARS
    assert made.hits[1].text == letter * 100
    assert sum(len(one.text) for one in made.hits) * len(letter.encode()) > 10_000
