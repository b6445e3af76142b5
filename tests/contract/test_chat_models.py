"""The built-in chat models, against a server on the loopback, and the fake, against the contract of chat models."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kbm.domain.chat import ChatAccess
from kbm.errors import ProviderUnavailable
from kbm.ports import ChatModel
from kbm.providers.chat import LlamaIndexChat, OllamaChat, OpenAiChat
from kbm.testing.contracts.chat_model import ChatModelContract
from kbm.testing.fakes import FakeChatModel
from tests.chat_stub import chat_stub

REPLY = '{"sentence": "Die Prüfung dauert 3 Tage – höchstens.", "cites": []}\n{"none": true}'
NOBODY = "http://127.0.0.1:9"  # the port "discard": nothing listens there


@pytest.fixture(scope="module")
def reply() -> str:
    return REPLY


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with chat_stub(REPLY) as server:
        yield server.url


class TestOpenAi(ChatModelContract):
    @pytest.fixture
    def chat(self, url: str) -> Iterator[ChatModel]:
        made = OpenAiChat("small", ChatAccess(url=f"{url}/v1", api_key="key"))
        yield made
        made.close()

    @pytest.fixture
    def down(self) -> Iterator[ChatModel]:
        made = OpenAiChat("small", ChatAccess(url=f"{NOBODY}/v1"))
        yield made
        made.close()


class TestOllama(ChatModelContract):
    @pytest.fixture
    def chat(self, url: str) -> Iterator[ChatModel]:
        made = OllamaChat("small", ChatAccess(url=url))
        yield made
        made.close()

    @pytest.fixture
    def down(self) -> Iterator[ChatModel]:
        made = OllamaChat("small", ChatAccess(url=NOBODY))
        yield made
        made.close()


class TestFake(ChatModelContract):
    @pytest.fixture
    def chat(self) -> ChatModel:
        return FakeChatModel(REPLY)

    @pytest.fixture
    def down(self) -> ChatModel:
        return FakeChatModel(failing=[ProviderUnavailable("the fake is down")] * 2)


def test_any_model_of_llamaindex_answers_by_its_path() -> None:
    made = LlamaIndexChat("llama_index.core.llms.mock.MockLLM", ChatAccess())
    said = made.complete([], max_tokens=10, timeout_s=1.0)
    made.close()

    assert isinstance(said.text, str)
