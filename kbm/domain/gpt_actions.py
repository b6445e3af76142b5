"""The limits of GPT actions, and what in a description breaks them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MAX_SECONDS = 45
MAX_RESPONSE_CHARS = 100_000
MAX_DESCRIPTION_CHARS = 300
MAX_PARAMETER_CHARS = 700
NEEDED = frozenset({"ask", "search", "feedback"})


def limits_broken(schema: Mapping[str, Any], public_url: str) -> list[str]:
    """Say what ChatGPT's editor would refuse in a description, or do otherwise than meant; Any: it is JSON."""
    found: list[str] = []
    if not str(schema.get("openapi", "")).startswith("3.1"):
        found.append("it is no OpenAPI 3.1")
    servers = [one.get("url") for one in schema.get("servers", ()) if isinstance(one, dict)]
    if servers != [public_url.rstrip("/")]:
        found.append(
            f"its server is {', '.join(map(str, servers)) or 'missing'}, not {public_url.rstrip('/')}"
        )
    operations = list(_operations(schema))
    names = [str(one.get("operationId")) for _, one in operations]
    if set(names) != NEEDED or len(names) != len(NEEDED):
        found.append(f"its operations are {', '.join(sorted(names)) or 'missing'}")
    for name, (path, one) in zip(names, operations, strict=True):
        if "{" in path:
            found.append(f"{name}: its path still has a parameter")
        if one.get("x-openai-isConsequential") is not False:
            found.append(f"{name}: ChatGPT would ask the user to confirm each call")
        headers = [str(par.get("name")) for par in one.get("parameters", ()) if par.get("in") == "header"]
        if headers:
            found.append(f"{name}: it needs headers of its own: {', '.join(headers)}")
        found += [
            f"{name}: parameter {par.get('name')} is described in more than {MAX_PARAMETER_CHARS} characters"
            for par in one.get("parameters", ())
            if len(str(par.get("description", ""))) > MAX_PARAMETER_CHARS
        ]
    long = [one for one in _texts(schema) if len(one) > MAX_DESCRIPTION_CHARS]
    found += [f"a description has {len(one)} characters: {one[:40]}…" for one in long]
    found += [f"nothing is at {one}" for one in sorted(set(_references(schema))) if not _leads(schema, one)]
    return found


def _operations(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path, methods in schema.get("paths", {}).items():
        for one in methods.values():
            if isinstance(one, dict):
                yield path, one


def _texts(node: Any) -> Iterator[str]:
    """Give every description and summary, but those of parameters, whose limit is another one."""
    if isinstance(node, dict):
        for name, one in node.items():
            if name in ("description", "summary") and isinstance(one, str):
                yield one
            elif name != "parameters":
                yield from _texts(one)
    elif isinstance(node, list):
        for one in node:
            yield from _texts(one)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, one in node.items():
            if name == "$ref" and isinstance(one, str):
                yield one
            else:
                yield from _references(one)
    elif isinstance(node, list):
        for one in node:
            yield from _references(one)


def _leads(schema: Mapping[str, Any], reference: str) -> bool:
    node: Any = schema
    for part in reference.removeprefix("#/").split("/"):
        if not isinstance(node, dict) or part not in node:
            return False
        node = node[part]
    return reference.startswith("#/")
