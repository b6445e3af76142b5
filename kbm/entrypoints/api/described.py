"""What ``/docs`` shows, taken out of ``/openapi.json``: OpenAPI has no types here, hence Any."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedField:
    """A parameter or a field of the body."""

    name: str
    place: str
    type: str
    needed: bool
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedError:
    """A status with what it means and one example."""

    status: str
    meaning: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedRoute:
    """A route with a call to copy, the answer to it, and what may go wrong."""

    id: str
    method: str
    path: str
    description: str
    fields: tuple[DescribedField, ...]
    call: str
    answer: str
    errors: tuple[DescribedError, ...]


def routes_of(described: dict[str, Any]) -> list[DescribedRoute]:
    """List the routes in the order of the description."""
    schemas = described.get("components", {}).get("schemas", {})
    return [
        _route(described, schemas, path, method, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]


def _route(
    described: dict[str, Any], schemas: dict[str, Any], path: str, method: str, operation: dict[str, Any]
) -> DescribedRoute:
    body = _schema(schemas, operation.get("requestBody", {}).get("content", {}).get("application/json", {}))
    examples = body.get("examples") or []
    answers = [one for status, one in operation["responses"].items() if status.startswith("2")]
    shown = next(
        (
            one["example"]
            for found in answers
            for one in found.get("content", {}).values()
            if "example" in one
        ),
        None,
    )
    return DescribedRoute(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        description=" ".join(operation.get("description", operation.get("summary", "")).split()),
        fields=(*_parameters(operation), *_fields(schemas, body)),
        call=_call(described, path, method, operation, examples[0] if examples else None),
        answer=json.dumps(shown, ensure_ascii=False, indent=2) if shown is not None else "",
        errors=tuple(_errors(operation)),
    )


def _parameters(operation: dict[str, Any]) -> Iterator[DescribedField]:
    for one in operation.get("parameters", ()):
        yield DescribedField(
            name=one["name"],
            place=one["in"],
            type=_type({}, one["schema"]),
            needed=one.get("required", False),
            meaning=one.get("description", ""),
        )


def _fields(schemas: dict[str, Any], body: dict[str, Any], above: str = "") -> Iterator[DescribedField]:
    """List the fields of a body, and those of an object in it as ``filters.sources``."""
    for name, one in body.get("properties", {}).items():
        inner = _schema(schemas, {"schema": one})
        if "properties" in inner:
            yield from _fields(schemas, inner, f"{above}{name}.")
            continue
        yield DescribedField(
            name=f"{above}{name}",
            place="body",
            type=_type(schemas, one),
            needed=name in body.get("required", ()),
            meaning=one.get("description", ""),
        )


def _errors(operation: dict[str, Any]) -> Iterator[DescribedError]:
    for status, one in sorted(operation["responses"].items()):
        if status >= "4":
            example: dict[str, Any] = next(
                (found.get("example", {}) for found in one.get("content", {}).values()), {}
            )
            yield DescribedError(
                status=status,
                meaning=one.get("description", ""),
                code=example.get("code", ""),
                detail=example.get("detail", ""),
            )


def _schema(schemas: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = content.get("schema", {})
    if "$ref" in schema:
        found: dict[str, Any] = schemas[schema["$ref"].rpartition("/")[2]]
        return found
    return schema


def _type(schemas: dict[str, Any], schema: dict[str, Any]) -> str:
    """Say a type in a word or two."""
    if "$ref" in schema:
        named = schemas.get(schema["$ref"].rpartition("/")[2], {})
        return " or ".join(named["enum"]) if "enum" in named else str(named.get("type", "object"))
    if "anyOf" in schema:
        return " or ".join(_type(schemas, one) for one in schema["anyOf"] if one.get("type") != "null")
    if schema.get("type") == "array":
        return f"list of {_type(schemas, schema.get('items', {}))}"
    return str(schema.get("type", "any"))


def _call(
    described: dict[str, Any], path: str, method: str, operation: dict[str, Any], body: dict[str, Any] | None
) -> str:
    """Write the call as curl would make it."""
    for one in operation.get("parameters", ()):
        example = one.get("example") or next(iter(one["schema"].get("examples", ())), None)
        if one["in"] == "path" and example:
            path = path.replace(f"{{{one['name']}}}", str(example))
    address = f"{described.get('servers', [{'url': ''}])[0]['url'] or 'http://127.0.0.1:8000'}{path}"
    if method == "get":
        return f"curl -s '{address}'"
    said = json.dumps(body, ensure_ascii=False).replace("'", "'\\''") if body else "{}"
    return f"curl -s '{address}' -H 'Content-Type: application/json' \\\n  -d '{said}'"
