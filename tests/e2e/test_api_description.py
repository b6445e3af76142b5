"""What ``/openapi.json`` promises: every answer and every error is shown, and is of the shape it is said to have."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any  # OpenAPI and JSON Schema have no types here

import pytest
from fastapi.testclient import TestClient

from kbm.entrypoints.api.app import create_app
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector

jsonschema: Any = import_module("jsonschema")  # comes with chromadb, without types

EVENTS = "text/event-stream"


@pytest.fixture
def described(tmp_path: Path) -> Iterator[dict[str, Any]]:
    with kbm_over(tmp_path, FakeConnector()) as kbm, TestClient(create_app(kbm)) as client:
        yield client.get("/openapi.json").json()


def operations(described: dict[str, Any]) -> list[dict[str, Any]]:
    found = [operation for path in described["paths"].values() for operation in path.values()]
    assert found
    return found


def faults(described: dict[str, Any], schema: dict[str, Any], example: object) -> list[str]:
    whole = {"components": described["components"], **schema}
    return [fault.message for fault in jsonschema.Draft202012Validator(whole).iter_errors(example)]


def test_every_answer_has_an_example_of_its_own_shape(described: dict[str, Any]) -> None:
    for operation in operations(described):
        answers = {status: one for status, one in operation["responses"].items() if status.startswith("2")}
        assert answers
        for response in answers.values():
            if EVENTS in response["content"]:
                assert response["content"][EVENTS]["example"].startswith("event: ")
                continue
            shown = response["content"]["application/json"]

            assert shown["example"]
            assert faults(described, shown["schema"], shown["example"]) == []


def test_an_example_shows_every_field_even_those_that_are_null(described: dict[str, Any]) -> None:
    for operation in operations(described):
        if EVENTS in operation["responses"]["200"]["content"]:
            continue
        shown = operation["responses"]["200"]["content"]["application/json"]
        shape = described["components"]["schemas"][shown["schema"]["$ref"].rpartition("/")[2]]

        assert set(shown["example"]) == set(shape["properties"])


def test_every_error_has_an_example_of_a_problem_with_its_status(described: dict[str, Any]) -> None:
    for operation in operations(described):
        problems = {status: one for status, one in operation["responses"].items() if status >= "4"}
        assert "503" in problems
        for status, response in problems.items():
            assert set(response["content"]) == {"application/problem+json"}
            shown = response["content"]["application/problem+json"]

            assert shown["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert faults(described, shown["schema"], shown["example"]) == []
            assert str(shown["example"]["status"]) == status


def test_every_body_has_an_example_of_its_own_shape(described: dict[str, Any]) -> None:
    bodies = [one["requestBody"] for one in operations(described) if "requestBody" in one]
    assert bodies
    for body in bodies:
        schema = body["content"]["application/json"]["schema"]
        examples = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["examples"]

        assert [fault for example in examples for fault in faults(described, schema, example)] == []


def test_the_description_is_the_same_when_asked_twice(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector()) as kbm, TestClient(create_app(kbm)) as client:
        assert client.get("/openapi.json").json() == client.get("/openapi.json").json()


def test_every_parameter_of_a_path_has_an_example(described: dict[str, Any]) -> None:
    missing = [
        f"{operation['operationId']} {one['name']}"
        for operation in operations(described)
        for one in operation.get("parameters", ())
        if one["in"] == "path" and not (one.get("example") or one["schema"].get("examples"))
    ]

    assert missing == []
