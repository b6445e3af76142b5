"""Answers in parts, as server-sent events."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Generator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kbm.domain.access import Action, Rights
from kbm.domain.answers import AnswerSentence
from kbm.entrypoints.api.limits import BodyLimit, SecurityHeaders
from kbm.entrypoints.api.streaming import Streamed, events_of, in_thread
from kbm.errors import Busy
from tests.e2e.doors import HR, Doors, key
from tests.e2e.served import served

QUESTION = {"question": "How many days of leave do employees get, and how is leave asked for?"}


def ask(
    doors: Doors, body: dict[str, Any], rights: Rights | None = None, gpt: str = "helper"
) -> httpx.Response:
    kbm, url = doors.kbm, doors.url
    headers = {"Authorization": f"Bearer {key(kbm, rights)}"}
    return httpx.post(f"{url}/v1/gpts/{gpt}/ask/stream", json=body, headers=headers)


def events(sent: httpx.Response) -> list[tuple[str, Any]]:
    found = []
    for block in sent.text.strip().split("\n\n"):
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_sentences_come_first_and_the_whole_answer_last(doors: Doors) -> None:
    sent = ask(doors, QUESTION)
    *sentences, (last, answer) = events(sent)

    assert sent.headers["content-type"].startswith("text/event-stream")
    assert last == "answer"
    assert {name for name, _ in sentences} == {"sentence"}
    assert [said for _, said in sentences] == answer["sentences"]
    assert answer["citations"][0]["item_id"] == "leave.txt"
    assert answer["outcome"] == "answered"


def test_the_answer_is_logged_and_takes_feedback(doors: Doors) -> None:
    kbm, url = doors.kbm, doors.url
    (_, answer) = events(ask(doors, QUESTION))[-1]
    headers = {"Authorization": f"Bearer {key(kbm)}"}

    noted = httpx.post(
        f"{url}/v1/answers/{answer['answer_id']}/feedback", json={"verdict": "helpful"}, headers=headers
    )

    assert noted.status_code == 200


def test_what_is_not_known_gives_the_answer_alone(doors: Doors) -> None:
    told = events(ask(doors, {"question": "Who won the 1998 football world cup?"}))

    assert [name for name, _ in told] == ["answer"]
    assert told[0][1]["outcome"] == "unanswered"


@pytest.mark.parametrize(
    ("body", "rights", "gpt", "status"),
    [
        ({"question": ""}, None, "helper", 422),
        ({"question": 7}, None, "helper", 422),
        (QUESTION, None, "hepler", 404),
        (QUESTION, Rights(gpts=frozenset({"other"})), "helper", 404),
        (QUESTION, Rights(actions=frozenset({Action.SEARCH})), "helper", 403),
        ({**QUESTION, "release": "1.0.0"}, None, "helper", 403),
    ],
)
def test_what_is_wrong_with_a_question_is_a_normal_problem(
    doors: Doors, body: dict[str, Any], rights: Rights | None, gpt: str, status: int
) -> None:
    refused = ask(doors, body, rights, gpt)

    assert refused.status_code == status
    assert refused.headers["content-type"] == "application/problem+json"


def test_no_event_shows_what_the_caller_may_not_read(doors: Doors) -> None:
    pay = {"question": "What is the pay of the board?"}

    assert "250,000" in ask(doors, pay, Rights(readers=HR)).text
    assert "250,000" not in ask(doors, pay).text


def test_when_the_client_leaves_the_work_ends() -> None:
    begun, ended = threading.Event(), threading.Event()

    def work() -> Generator[bytes]:
        try:
            while True:
                begun.set()
                time.sleep(0.02)
                yield b": working\n\n"
        finally:
            ended.set()

    app = FastAPI()
    app.add_middleware(BodyLimit, max_bytes=100, within_s=1, larger={})
    app.add_middleware(SecurityHeaders)

    @app.post("/work")
    def post_work() -> Streamed:
        return Streamed(in_thread(work()))

    with served(app) as url, httpx.stream("POST", f"{url}/work") as response:
        next(response.iter_bytes())
        assert begun.is_set()
        assert not ended.is_set()
        response.close()

        assert ended.wait(5)


def test_what_fails_after_the_first_sentence_is_a_problem_at_the_end() -> None:
    def broken(error: Exception) -> Generator[AnswerSentence]:
        yield AnswerSentence(text="One.", citations=(1,))
        raise error

    async def told(error: Exception) -> bytes:
        return b"".join([part async for part in events_of(broken(error))])

    busy = asyncio.run(told(Busy("another process works on it"))).decode()
    fault = asyncio.run(told(RuntimeError("secret detail"))).decode()

    assert busy.startswith('event: sentence\ndata: {"text":"One.","citations":[1]}\n\nevent: problem\n')
    assert '"code":"busy"' in busy
    assert '"status":500' in fault
    assert "secret" not in fault
