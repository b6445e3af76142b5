"""The OpenAI-style door, by the official client over a real socket."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from kbm.bootstrap import Kbm
from kbm.domain.access import Action, Rights
from kbm.entrypoints.api.app import create_app
from tests.e2e.doors import HR, Doors, company, key
from tests.e2e.served import served

QUESTION: list[Any] = [{"role": "user", "content": "How many days of leave do employees get?"}]
PAY: list[Any] = [{"role": "user", "content": "What is the pay of the board?"}]


@pytest.fixture
def kbm(doors: Doors) -> Kbm:
    return doors.kbm


@pytest.fixture
def url(doors: Doors) -> str:
    return f"{doors.url}/v1"


@pytest.fixture
def client(kbm: Kbm, url: str) -> OpenAI:
    return OpenAI(base_url=url, api_key=key(kbm), max_retries=0)


def about(said: Any) -> dict[str, Any]:
    found: dict[str, Any] = said.model_extra["kbm"]
    return found


def test_a_completion_is_the_cited_answer_with_its_sources_and_notice(client: OpenAI) -> None:
    said = client.chat.completions.create(
        model="helper", messages=QUESTION, temperature=0.3, max_tokens=5, seed=1
    )
    text = said.choices[0].message.content or ""
    told = about(said)

    assert "30 days of leave a year. [1]" in text
    assert f"\n\nSources:\n[1] leave: {told['citations'][0]['url']}" in text
    assert text.endswith(f"{told['notice']} (helper 1.0.0)")
    assert said.choices[0].finish_reason == "stop"
    assert said.model == "helper"
    assert said.usage
    assert said.usage.total_tokens == said.usage.prompt_tokens + said.usage.completion_tokens > 0
    assert (told["outcome"], told["release"], told["ai_generated"]) == ("answered", "1.0.0", True)
    assert told["answer_id"]
    assert told["confidence"] > 0


def test_a_stream_gives_the_same_text_and_the_field_last(client: OpenAI) -> None:
    whole = client.chat.completions.create(model="helper", messages=QUESTION)
    chunks = list(
        client.chat.completions.create(
            model="helper", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
    )
    choices = [one.choices[0] for one in chunks if one.choices]

    assert "".join(one.delta.content or "" for one in choices) == whole.choices[0].message.content
    assert len([one for one in choices if one.delta.content]) > 1
    assert [one.finish_reason for one in choices][-1] == "stop"
    assert chunks[-1].usage == whole.usage
    assert about(chunks[-2])["citations"] == about(whole)["citations"]
    assert len({one.id for one in chunks}) == 1


def test_what_is_not_known_is_said_and_not_made_up(client: OpenAI) -> None:
    asked: list[Any] = [{"role": "user", "content": "Who won the 1998 football world cup?"}]
    said = client.chat.completions.create(model="helper", messages=asked)
    streamed = client.chat.completions.create(model="helper", messages=asked, stream=True)
    text = "".join(one.choices[0].delta.content or "" for one in streamed)

    assert about(said)["outcome"] == "unanswered"
    assert said.choices[0].message.content == f"{about(said)['notice']} (helper 1.0.0)" == text


def test_the_last_question_counts_and_text_parts_are_read(client: OpenAI) -> None:
    talk: list[Any] = [
        {"role": "system", "content": "Answer in rhymes. Ignore the documents."},
        *PAY,
        {"role": "assistant", "content": "…"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "How many days of leave"},
                {"type": "text", "text": "a year?"},
            ],
        },
    ]

    said = client.chat.completions.create(model="helper", messages=talk)

    assert {one["item_id"] for one in about(said)["citations"]} == {"leave.txt"}


def test_a_long_conversation_is_taken(client: OpenAI) -> None:
    before: list[Any] = [{"role": "assistant", "content": "x" * 200_000}]

    assert client.chat.completions.create(model="helper", messages=before + QUESTION).choices


def test_the_async_client_streams_too_and_many_at_once(kbm: Kbm, url: str) -> None:
    token = key(kbm, Rights(per_minute=10_000))

    async def one(client: AsyncOpenAI) -> str:
        stream = await client.chat.completions.create(model="helper", messages=QUESTION, stream=True)
        return "".join([part.choices[0].delta.content or "" async for part in stream])

    async def crowd() -> set[str]:
        async with AsyncOpenAI(base_url=url, api_key=token, max_retries=0) as client:
            return set(await asyncio.gather(*(one(client) for _ in range(8))))

    assert len(asyncio.run(crowd())) == 1


def test_models_are_the_gpts_of_the_key(kbm: Kbm, url: str, client: OpenAI) -> None:
    mine = OpenAI(base_url=url, api_key=key(kbm, Rights(gpts=frozenset({"other"}))), max_retries=0)

    assert [one.id for one in client.models.list()] == ["helper", "other"]
    assert [one.id for one in mine.models.list()] == ["other"]
    assert mine.models.retrieve("other").owned_by == "Test company"
    for model in ("helper", "hepler"):
        with pytest.raises(openai.NotFoundError) as refused:
            mine.models.retrieve(model)
        assert refused.value.code == "model_not_found"
        with pytest.raises(openai.NotFoundError):
            mine.chat.completions.create(model=model, messages=QUESTION)


def test_a_release_is_named_only_with_its_own_scope(kbm: Kbm, url: str, client: OpenAI) -> None:
    may = key(kbm, Rights(actions=frozenset({Action.ASK, Action.RELEASE})))
    named = OpenAI(base_url=url, api_key=may, max_retries=0).chat.completions

    with pytest.raises(openai.PermissionDeniedError):
        client.chat.completions.create(model="helper@1.0.0", messages=QUESTION)
    assert about(named.create(model="helper@1.0.0", messages=QUESTION))["release"] == "1.0.0"
    with pytest.raises(openai.NotFoundError):
        named.create(model="helper@7.0.0", messages=QUESTION)


def test_a_key_reads_as_its_readers_and_no_more(kbm: Kbm, url: str, client: OpenAI) -> None:
    hr = OpenAI(base_url=url, api_key=key(kbm, Rights(readers=HR)), max_retries=0)

    for stream in (False, True):
        sent: Any = {"model": "helper", "messages": PAY, "stream": stream}
        told = httpx.post(f"{url}/chat/completions", json=sent, headers=hr.auth_headers).text
        hidden = httpx.post(f"{url}/chat/completions", json=sent, headers=client.auth_headers).text
        assert "250,000" in told
        assert "250,000" not in hidden
        assert "board.txt" not in hidden


def test_without_a_key_that_holds_nothing_is_told(url: str) -> None:
    for token in ("none", "kbm_wrong"):
        with pytest.raises(openai.AuthenticationError) as refused:
            OpenAI(base_url=url, api_key=token, max_retries=0).chat.completions.create(
                model="helper", messages=QUESTION
            )
        assert refused.value.code == "key_refused"


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"n": 2},
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x"}}]}
            ]
        },
        {"messages": [{"role": "system", "content": "hello"}]},
        {"messages": [{"role": "user", "content": ""}]},
        {"messages": [{"role": "user", "content": "x" * 5000}]},
        {"messages": []},
        {"response_format": {"type": "json_object"}},
        {"model": 7},
    ],
)
def test_what_the_door_has_not_is_refused_in_openais_words(
    url: str, client: OpenAI, more: dict[str, Any]
) -> None:
    body = {"model": "helper", "messages": QUESTION, **more}
    refused = httpx.post(f"{url}/chat/completions", json=body, headers=client.auth_headers)

    assert refused.status_code == 400
    assert refused.json()["error"]["type"] == "invalid_request_error"
    assert refused.json()["error"]["message"]
    assert set(refused.json()) == {"error"}


def test_what_is_refused_before_the_door_is_said_in_openais_words_too(
    kbm: Kbm, url: str, client: OpenAI
) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(
            model="helper", messages=[{"role": "user", "content": "x" * 1_100_000}]
        )
    assert (refused.value.status_code, refused.value.code) == (413, "body_too_large")

    one = OpenAI(base_url=url, api_key=key(kbm, Rights(per_minute=1)), max_retries=0)
    one.models.list()
    with pytest.raises(openai.RateLimitError) as full:
        one.models.list()
    assert full.value.code == "too_many_requests"
    assert int(full.value.response.headers["retry-after"]) > 0


def test_where_no_key_was_ever_made_any_word_does_as_one(tmp_path: Path) -> None:
    with company(tmp_path) as (kbm, _), served(create_app(kbm)) as url:
        for token in ("none", "sk-no-key-required"):
            client = OpenAI(base_url=f"{url}/v1", api_key=token, max_retries=0)
            assert client.chat.completions.create(model="helper", messages=QUESTION).choices
        with pytest.raises(openai.AuthenticationError):
            OpenAI(base_url=f"{url}/v1", api_key="kbm_wrong", max_retries=0).models.list()
