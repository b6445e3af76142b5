"""What the adapters of chat models tell of a provider that misbehaves, and what they send."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from kbm.domain.chat import ChatAccess, Message, Role
from kbm.errors import ConfigError, KbmError, ProviderRefused, ProviderUnavailable
from kbm.ports import ChatModel
from kbm.providers.chat import LlamaIndexChat, OllamaChat, OpenAiChat
from kbm.providers.chat_http import MAX_REPLY_BYTES
from tests.chat_stub import ChatStub, Fault, chat_stub

SECRET = "sk-4711-secret"
ASKED = [Message(role=Role.SYSTEM, text="rules"), Message(role=Role.USER, text="Geheimnis")]
REPLY = "a reply that is long enough for a few pieces"


@pytest.fixture
def server() -> Iterator[ChatStub]:
    with chat_stub(REPLY) as made:
        yield made


@pytest.fixture(params=["openai", "ollama"])
def chat(server: ChatStub, request: pytest.FixtureRequest) -> Iterator[ChatModel]:
    made: ChatModel
    if request.param == "openai":
        made = OpenAiChat("small", ChatAccess(url=f"{server.url}/v1", api_key=SECRET))
    else:
        made = OllamaChat("small", ChatAccess(url=server.url, api_key=SECRET))
    yield made
    made.close()


def failed(chat: ChatModel, *, timeout_s: float = 3.0) -> KbmError:
    """Give the error that streaming ends with, after checking that asking for the whole does not say more."""
    with pytest.raises(KbmError) as told:
        list(chat.stream(ASKED, max_tokens=99, timeout_s=timeout_s))
    said = f"{told.value} {told.value.hint}"
    assert SECRET not in said
    assert "Geheimnis" not in said
    return told.value


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
def test_later_and_server_faults_are_worth_another_try(
    chat: ChatModel, server: ChatStub, status: int
) -> None:
    server.always = Fault(status=status)

    assert isinstance(failed(chat), ProviderUnavailable)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 422])
def test_a_refusal_needs_a_person(chat: ChatModel, server: ChatStub, status: int) -> None:
    server.always = Fault(status=status, headers={"Location": f"{server.url}/other"})

    error = failed(chat)
    assert isinstance(error, ProviderRefused)
    assert error.hint
    assert len(server.requests) == 1


def test_retry_after_is_read_in_seconds_and_as_a_date(chat: ChatModel, server: ChatStub) -> None:
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    for asked, low, high in (("7", 7, 7), ("0.5", 0.5, 0.5), (then, 50, 61), ("soon", None, None)):
        server.always = Fault(status=429, headers={"Retry-After": asked})
        error = failed(chat)
        assert isinstance(error, ProviderUnavailable)
        if low is None or high is None:
            assert error.retry_after_s is None
        else:
            assert error.retry_after_s is not None
            assert low <= error.retry_after_s <= high


@pytest.mark.parametrize(
    "fault",
    [
        Fault(body=b"<html>welcome</html>"),
        Fault(body=b"{"),
        Fault(body=b"null"),
        Fault(body=b""),
        Fault(body=b'{"choices": []}'),
        Fault(body=b'data: {"choices": [{"delta": 5}]}\n\n', headers={"Content-Type": "text/event-stream"}),
        Fault(body=b"\xff\xfe\x00"),
        Fault(cut_after=20),
        Fault(cut_after=0),
        Fault(ends_early=20),
        Fault(body=b"x" * (MAX_REPLY_BYTES + 100_000)),
    ],
    ids=lambda fault: (fault.body or b"cut")[:20],
)
def test_a_reply_that_is_none_or_breaks_off_is_unavailable(
    chat: ChatModel, server: ChatStub, fault: Fault
) -> None:
    server.always = fault

    assert isinstance(failed(chat), ProviderUnavailable)


def test_a_whole_reply_that_is_none_is_unavailable(chat: ChatModel, server: ChatStub) -> None:
    for body in (b"<html>", b"{", b"null", b'{"choices": []}'):
        server.always = Fault(body=body)
        with pytest.raises(ProviderUnavailable):
            chat.complete(ASKED, max_tokens=99, timeout_s=3.0)


@pytest.mark.parametrize("fault", [Fault(pause_s=3.0), Fault(drip_s=0.1)], ids=["silent", "dripping"])
def test_a_slow_provider_is_left_at_the_deadline(chat: ChatModel, server: ChatStub, fault: Fault) -> None:
    server.always = fault
    started = time.monotonic()

    assert isinstance(failed(chat, timeout_s=0.4), ProviderUnavailable)
    assert time.monotonic() - started < 2.5


def test_messages_and_bounds_are_sent_and_nothing_else_of_the_machine(
    chat: ChatModel, server: ChatStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of somebody else")
    list(chat.stream(ASKED, max_tokens=99, timeout_s=3.0))

    (sent,), (headers,) = server.requests, server.headers
    assert [(one["role"], one["content"]) for one in sent["messages"]] == [
        ("system", "rules"),
        ("user", "Geheimnis"),
    ]
    assert headers["authorization"] == f"Bearer {SECRET}"
    assert 99 in {sent.get("max_tokens"), sent.get("options", {}).get("num_predict")}
    assert not sent.get("tools")


def test_a_key_of_the_environment_is_never_sent_to_another_address(
    server: ChatStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of somebody else")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OLLAMA_API_KEY", "of somebody else")
    for made in (
        OpenAiChat("small", ChatAccess(url=f"{server.url}/v1")),
        OllamaChat("small", ChatAccess(url=server.url)),
    ):
        list(made.stream(ASKED, max_tokens=99, timeout_s=3.0))
        made.close()

    assert len(server.requests) == 2
    assert "of somebody else" not in str(server.headers)


def test_a_model_without_a_name_or_a_path_that_leads_nowhere_is_a_setting() -> None:
    for make in (
        lambda: OpenAiChat("", ChatAccess()),
        lambda: LlamaIndexChat("llama_index.llms.nobody.Nobody:x", ChatAccess()),
        lambda: LlamaIndexChat("nodots", ChatAccess()),
    ):
        with pytest.raises(ConfigError):
            make()


def test_a_key_is_not_shown_where_its_holder_is() -> None:
    assert SECRET not in repr(ChatAccess(url="https://x.example", api_key=SECRET))
