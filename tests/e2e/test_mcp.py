"""The MCP door, by the official client over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar  # a tool's result is any JSON

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from kbm.bootstrap import Kbm
from kbm.domain.access import Action, Rights
from kbm.domain.identity import document_id
from kbm.testing.fakes import NoProgress
from tests.e2e.doors import HR, Doors, key

HELPER = frozenset({"helper"})


@pytest.fixture
def kbm(doors: Doors) -> Kbm:
    return doors.kbm


@pytest.fixture
def url(doors: Doors) -> str:
    return doors.url


@pytest.fixture
def token(kbm: Kbm) -> str:
    return key(kbm, Rights(per_minute=10_000))


@asynccontextmanager
async def client(url: str, token: str, gpt: str = "helper", mode: str = "auto") -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    http = httpx2.AsyncClient(headers=headers, timeout=20)
    async with http, Client(streamable_http_client(f"{url}/mcp/{gpt}", http_client=http), mode=mode) as one:
        yield one


T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 60))


async def told(one: Client, tool: str, **arguments: str) -> Any:
    """Call a tool; the text and the structured content must say the same."""
    result = await one.call_tool(tool, arguments)
    assert len(result.content) == 1
    said = result.content[0]
    assert said.type == "text"
    if result.is_error:
        return said.text
    assert json.loads(said.text) == result.structured_content
    return result.structured_content


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_there_are_two_tools_that_only_read(url: str, token: str, mode: str) -> None:
    async def listed() -> dict[str, Any]:
        async with client(url, token, mode=mode) as one:
            tools = (await one.list_tools()).tools
        assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
        return {tool.name: list(tool.input_schema["properties"]) for tool in tools}

    assert run(listed()) == {"search": ["query"], "fetch": ["id"]}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_what_search_finds_can_be_fetched_with_its_place_and_its_document(
    url: str, token: str, mode: str
) -> None:
    async def found() -> tuple[Any, Any, Any]:
        async with client(url, token, mode=mode) as one:
            results = (await told(one, "search", query="How heavy is the press KB 40?"))["results"]
            passage = await told(one, "fetch", id=results[0]["id"])
            return results, passage, await told(one, "fetch", id=passage["metadata"]["document_id"])

    results, passage, document = run(found())

    assert all(set(one) == {"id", "title", "url"} and one["url"].startswith("http") for one in results)
    assert set(passage) == {"id", "title", "text", "url", "metadata"}
    assert "900 kilograms" in passage["text"]
    assert passage["url"].startswith("http")
    assert {
        "gpt": "helper",
        "release": "1.0.0",
        "source": "docs",
        "item_id": "press.txt",
        "stale": False,
        "ai_generated": False,
    }.items() <= passage["metadata"].items()
    assert {"page", "section", "modified_at"} <= set(passage["metadata"])
    assert passage["text"] in document["text"]
    assert document["id"] == document_id("docs", "press.txt")


def post(url: str, gpt: str = "helper", token: str = "", **headers: str) -> httpx.Response:
    """Send what a client sends to call a tool."""
    if token:
        headers["Authorization"] = f"Bearer {token}"
    called = {"name": "search", "arguments": {"query": "press"}}
    return httpx.post(
        f"{url}/mcp/{gpt}",
        json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": called},
        headers={"Accept": "application/json, text/event-stream", **headers},
    )


def test_a_key_opens_the_gpts_it_is_for_and_is_checked_at_each_call(kbm: Kbm, url: str) -> None:
    mine = key(kbm, Rights(gpts=HELPER))
    made = kbm.keys.create("short", Rights(), valid_for=None, who="anna")

    async def revoked() -> tuple[bool, int]:
        async with client(url, made.token) as one:
            before = bool((await told(one, "search", query="press"))["results"])
            kbm.keys.revoke(made.key.id, who="anna")
            try:
                after = await one.call_tool("search", {"query": "press"})
            except (MCPError, httpx2.HTTPStatusError):
                return before, 401
            return before, 200 if not after.is_error else 0

    assert post(url, token=mine).status_code == 200
    assert post(url, "other", token=mine).status_code == 404
    assert post(url, "othrr", token=mine).text == post(url, "other", token=mine).text.replace(
        "other", "othrr"
    )
    assert post(url).status_code == 401
    assert post(url, "nothing").status_code == 401
    assert post(url, token="kbm_wrong").status_code == 401
    assert run(revoked()) == (True, 401)


def test_a_key_that_may_not_read_may_not_fetch(kbm: Kbm, url: str) -> None:
    only = key(kbm, Rights(actions=frozenset({Action.SEARCH})))

    async def asked() -> tuple[Any, str]:
        async with client(url, only) as one:
            found = await told(one, "search", query="press")
            return found, await told(one, "fetch", id=found["results"][0]["id"])

    found, refused = run(asked())

    assert found["results"]
    assert refused.startswith("not_allowed")
    assert post(url, token=key(kbm, Rights(actions=frozenset({Action.ASK})))).status_code == 403


def test_an_id_opens_nothing_its_caller_may_not_read(kbm: Kbm, url: str) -> None:
    hr, mine = key(kbm, Rights(readers=HR)), key(kbm, Rights(gpts=HELPER))

    async def ids() -> list[str]:
        async with client(url, hr) as one, client(url, hr, "other") as two:
            board = await told(one, "search", query="the pay of the board")
            wifi = await told(two, "search", query="guest network")
            seen = [board["results"][0]["id"], wifi["results"][0]["id"]]
            assert "CANARYWORD" in (await told(one, "fetch", id=seen[0]))["text"]
            return [*seen, document_id("docs", "board.txt"), document_id("wiki", "wifi.txt")]

    async def refusals(guessed: list[str]) -> list[str]:
        async with client(url, mine) as one:
            board = await told(one, "search", query="the pay of the board CANARYWORD")
            assert "board.txt" not in json.dumps(board)
            return [(await told(one, "fetch", id=id)).replace(id, "ID") for id in guessed]

    guessed = run(ids())
    nothing = "0" * 32
    said = run(refusals([*guessed, nothing]))

    assert len(set(said)) == 1
    assert said[0].startswith("not_found")


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("search", {}),
        ("search", {"query": ""}),
        ("search", {"query": 7}),
        ("search", {"query": "x" * 5000}),
        ("search", {"query": "press", "k": "100"}),
        ("search", {"query": "\ud800"}),
        ("fetch", {"id": ""}),
        ("fetch", {"id": "\ud800"}),
        ("fetch", {"id": "x" * 5000}),
        ("fetch", {"id": "../../etc/passwd"}),
        ("fetch", {"id": "' OR 1=1 --"}),
        ("ask", {"query": "press"}),
    ],
)
def test_arguments_that_are_none_are_refused_and_nothing_fails(
    url: str, token: str, tool: str, arguments: Any
) -> None:
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments},
    }
    sent = httpx.post(
        f"{url}/mcp/helper",
        content=json.dumps(body),
        headers={
            "Accept": "application/json",
            "Content-Type": "application/json",
            "Authorization": f"Bearer {token}",
        },
    )

    assert sent.status_code < 500
    said = sent.json()
    assert "error" in said or said["result"]["isError"]
    assert "fault" not in sent.text
    assert len(sent.text) < 1000


def test_a_withdrawn_document_is_gone_from_both_tools(doors: Doors, token: str) -> None:
    kbm, docs, url = doors.kbm, doors.docs, doors.url

    async def before() -> str:
        async with client(url, token) as one:
            return str((await told(one, "search", query="where the van is"))["results"][0]["id"])

    async def after(id: str) -> tuple[str, Any]:
        async with client(url, token) as one:
            return await told(one, "fetch", id=id), await told(one, "search", query="where the van is")

    id = run(before())
    del docs.items["van.txt"]
    kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
    fetched, found = run(after(id))

    assert fetched.startswith("not_found")
    assert id not in json.dumps(found)


def test_what_was_searched_is_in_the_log_of_questions(kbm: Kbm, url: str, token: str) -> None:
    async def searched() -> None:
        async with client(url, token) as one:
            await told(one, "search", query="who won the football world cup")

    run(searched())
    kbm.ask.settle()
    asked = kbm.journal.questions.since("helper", kbm.clock.now() - timedelta(days=1))

    assert "who won the football world cup" in {one.question for one in asked}


def test_several_clients_at_once_get_what_is_theirs(kbm: Kbm, url: str) -> None:
    tokens = {gpt: key(kbm, Rights(gpts=frozenset({gpt}), per_minute=10_000)) for gpt in ("helper", "other")}

    async def one(gpt: str) -> set[str]:
        async with client(url, tokens[gpt], gpt) as mine:
            seen = set()
            for query in ("press", "guest network", "leave", "board"):
                for hit in (await told(mine, "search", query=query))["results"]:
                    seen.add((await told(mine, "fetch", id=hit["id"]))["metadata"]["source"])
            return seen

    async def crowd() -> list[set[str]]:
        return await asyncio.gather(*(one(gpt) for gpt in ("helper", "other") * 4))

    assert run(crowd()) == [{"docs"}, {"wiki"}] * 4


def test_another_name_or_another_sites_page_is_refused(url: str, token: str) -> None:
    assert post(url, token=token, Host="rebound.example").status_code == 421
    assert post(url, token=token, Origin="https://evil.example").status_code == 403
    assert post(url, token=token, Origin="http://localhost:3000").status_code == 200


def test_there_is_no_stream_to_hold_open_and_no_session_to_end(url: str) -> None:
    for method in ("GET", "DELETE"):
        refused = httpx.request(method, f"{url}/mcp/helper", headers={"Accept": "text/event-stream"})

        assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
