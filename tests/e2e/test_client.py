"""The Python client and the LlamaIndex retriever, over a real server on this machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from kbm.bootstrap import Kbm
from kbm.client import KbmClient, KeyRefused, NotFound, Refused, ServiceFault, TryLater, Unreachable
from kbm.domain.access import Rights
from kbm.entrypoints.api.app import create_app
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, NoProgress

PAGES = {
    "leave.txt": "Employees get 30 days of leave a year. Leave is asked for four weeks ahead.",
    "press.txt": "The press KB 40 holds 40 tons. It weighs 900 kilograms.",
}


@pytest.fixture(scope="module")
def kbm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kbm]:
    folder: Path = tmp_path_factory.mktemp("company")
    with kbm_over(folder, FakeConnector(items=dict(PAGES))) as kbm:
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
        kbm.build.run(kbm.gpt_to_build("helper"), NoProgress())
        kbm.publish.run("helper", "1.0.0", who="anna", why="test")
        yield kbm


@pytest.fixture(scope="module")
def url(kbm: Kbm) -> Iterator[str]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(kbm), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=20)
    listening.close()


@pytest.fixture(scope="module")
def key(kbm: Kbm) -> str:
    return kbm.keys.create("client", Rights(), valid_for=None, who="anna").token


@pytest.fixture
def client(url: str, key: str) -> Iterator[KbmClient]:
    with KbmClient(url, key) as client:
        yield client


def test_ask_gives_a_typed_answer(client: KbmClient) -> None:
    answer = client.ask("helper", "How many days of leave do employees get?", user="bot")

    assert answer.is_answered
    assert answer.release == "1.0.0"
    assert answer.citations[0].quote in PAGES["leave.txt"]
    assert answer.sentences[0].citations == (1,)


def test_what_the_knowledge_does_not_hold_is_an_outcome(client: KbmClient) -> None:
    answer = client.ask("helper", "Who won the football world cup in 1954?")

    assert (answer.is_answered, answer.cause, answer.citations) == (False, "no_source", ())


def test_search_gives_hits_in_order(client: KbmClient) -> None:
    found = client.search("helper", "how heavy is the press", k=2)

    assert found.hits[0].item_id == "press.txt"
    assert len(found.hits) == 2


def test_feedback_and_receipt_belong_to_an_answer(client: KbmClient) -> None:
    answer = client.ask("helper", "How heavy is the press?")
    client.feedback(answer.answer_id, "helpful", "thanks")
    receipt = client.receipt(answer.answer_id, verify=True)

    assert receipt["answer_id"] == answer.answer_id
    assert receipt["verification"]["level"] == "exact"


def test_gpts_are_listed(client: KbmClient) -> None:
    assert [one["gpt"] for one in client.gpts()] == ["helper"]


def test_errors_are_types_with_code_and_hint(client: KbmClient, url: str, key: str) -> None:
    with pytest.raises(NotFound) as absent:
        client.ask("helpr", "Anything?")
    with pytest.raises(Refused) as empty:
        client.ask("helper", "")
    with pytest.raises(KeyRefused) as refused, KbmClient(url, key[:-1]) as other:
        other.ask("helper", "Anything?")

    assert (absent.value.code, absent.value.status) == ("not_found", 404)
    assert absent.value.hint
    assert empty.value.code == "bad_question"
    assert refused.value.code == "key_refused"


def test_a_link_of_an_answer_opens_without_the_key(client: KbmClient, url: str) -> None:
    answer = client.ask("helper", "How many days of leave do employees get?")
    here = answer.citations[0].url.replace("http://127.0.0.1:8000", url)

    assert "<mark>Employees get 30 days of leave a year.</mark>" in httpx.get(here).text


def answering(*responses: httpx.Response | Exception) -> tuple[KbmClient, list[float], list[httpx.Request]]:
    """Make a client of a service that gives these responses one after the other."""
    left = list(responses)
    waited: list[float] = []
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        response = left.pop(0)
        if isinstance(response, Exception):
            raise response
        return response

    client = KbmClient("http://kb.test", transport=httpx.MockTransport(handle), sleep=waited.append)
    return client, waited, seen


FULL = {"code": "too_many_requests", "detail": "full", "hint": "later"}
FOUND = {"release": "1.0.0", "hits": [], "degraded": [], "of_a_later_version": 1}


def busy(status: int = 429, after: str = "7") -> httpx.Response:
    return httpx.Response(status, json=FULL, headers={"Retry-After": after})


def test_it_waits_as_long_as_it_is_told_and_asks_again() -> None:
    client, waited, _ = answering(busy(), busy(503, "2"), httpx.Response(200, json=FOUND))

    assert client.search("helper", "press").hits == ()
    assert waited == [7, 2]


def test_after_all_retries_it_tells_how_long_to_wait() -> None:
    client, waited, _ = answering(*(busy() for _ in range(4)))
    with pytest.raises(TryLater) as refused:
        client.search("helper", "press")

    assert (refused.value.retry_after_s, refused.value.code, len(waited)) == (7, "too_many_requests", 3)


def test_a_wait_of_hours_is_left_to_the_caller() -> None:
    client, waited, _ = answering(busy(after="9000"))
    with pytest.raises(TryLater):
        client.search("helper", "press")

    assert waited == []


def test_a_service_that_is_not_there_is_tried_again_with_growing_pauses() -> None:
    client, waited, _ = answering(*(httpx.ConnectError("refused") for _ in range(4)))
    with pytest.raises(Unreachable):
        client.search("helper", "press")

    assert waited == sorted(waited)
    assert len(waited) == 3


def test_feedback_that_may_have_arrived_is_not_sent_twice() -> None:
    client, _, seen = answering(httpx.ReadTimeout("slow"), httpx.Response(200, json={"status": "noted"}))
    with pytest.raises(Unreachable):
        client.feedback("a1", "helpful")

    assert len(seen) == 1


@pytest.mark.parametrize(
    "response",
    [
        lambda: httpx.Response(200, text="<html>a login page</html>"),
        lambda: httpx.Response(200, json=[1]),
        lambda: httpx.Response(500, text="oops"),
    ],
)
def test_an_answer_that_is_none_of_kbm_is_said_so(response: Callable[[], httpx.Response]) -> None:
    client, _, _ = answering(response())
    with pytest.raises(ServiceFault):
        client.search("helper", "press")


def test_llamaindex_programs_get_passages_over_http_and_from_an_open_kbm(client: KbmClient, kbm: Kbm) -> None:
    from kbm.llamaindex import KbmRetriever

    over_http = KbmRetriever("helper", client=client, k=2).retrieve("How heavy is the press?")
    inside = KbmRetriever("helper", kbm=kbm, k=2).retrieve("How heavy is the press?")

    assert [one.node.text for one in over_http] == [one.node.text for one in inside]
    assert [one.score for one in over_http] == sorted((one.score for one in inside), reverse=True)
    assert over_http[0].node.node_id == inside[0].node.node_id
    assert over_http[0].node.metadata["item_id"] == "press.txt"
    assert over_http[0].node.metadata["release"] == "1.0.0"
    assert PAGES["press.txt"].startswith(over_http[0].node.text[:20])
    with pytest.raises(ValueError, match="not both"):
        KbmRetriever("helper", client=client, kbm=kbm)
