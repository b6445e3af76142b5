"""What every chat model must keep. Needs the fixtures ``chat``, ``reply`` (what it answers) and ``down``.

``down`` is a model whose provider cannot be reached.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from kbm.domain.chat import Message, Role
from kbm.errors import ProviderUnavailable
from kbm.ports import ChatModel

SECRET_WORD = "Zwiebelkuchen"  # noqa: S105  # a word that must not come back in an error
MESSAGES = (
    Message(role=Role.SYSTEM, text="Answer in one line. Überall gilt: « tout »."),
    Message(role=Role.USER, text=f'{{"question": "{SECRET_WORD}?"}}'),
)
MAX_TOKENS, TIMEOUT_S = 200, 10.0


class ChatModelContract:
    """Inherit it and define the fixtures."""

    def test_it_says_its_name(self, chat: ChatModel) -> None:
        assert chat.name

    def test_a_reply_comes_whole(self, chat: ChatModel, reply: str) -> None:
        assert chat.complete(MESSAGES, max_tokens=MAX_TOKENS, timeout_s=TIMEOUT_S).text == reply

    def test_the_pieces_make_the_same_reply(self, chat: ChatModel, reply: str) -> None:
        pieces = list(chat.stream(MESSAGES, max_tokens=MAX_TOKENS, timeout_s=TIMEOUT_S))

        assert "".join(one.text for one in pieces) == reply

    def test_tokens_are_counted_or_left_open(self, chat: ChatModel) -> None:
        whole = chat.complete(MESSAGES, max_tokens=MAX_TOKENS, timeout_s=TIMEOUT_S).usage
        counted = [
            one.usage
            for one in chat.stream(MESSAGES, max_tokens=MAX_TOKENS, timeout_s=TIMEOUT_S)
            if one.usage
        ]

        assert all(used.n_in > 0 and used.n_out >= 0 for used in (*counted, *([whole] if whole else [])))

    def test_a_stream_may_be_left(self, chat: ChatModel, reply: str) -> None:
        stream = chat.stream(MESSAGES, max_tokens=MAX_TOKENS, timeout_s=TIMEOUT_S)
        next(stream)
        stream.close()  # type: ignore[attr-defined]  # a generator

        assert chat.complete(MESSAGES, max_tokens=MAX_TOKENS, timeout_s=TIMEOUT_S).text == reply

    def test_many_may_ask_at_once(self, chat: ChatModel, reply: str) -> None:
        def ask(_: int) -> str:
            pieces = chat.stream(MESSAGES, max_tokens=MAX_TOKENS, timeout_s=TIMEOUT_S)
            return "".join(one.text for one in pieces)

        with ThreadPoolExecutor(4) as threads:
            assert set(threads.map(ask, range(8))) == {reply}

    def test_a_provider_that_cannot_be_reached_is_unavailable(self, down: ChatModel) -> None:
        with pytest.raises(ProviderUnavailable) as told:
            down.complete(MESSAGES, max_tokens=MAX_TOKENS, timeout_s=TIMEOUT_S)
        with pytest.raises(ProviderUnavailable):
            list(down.stream(MESSAGES, max_tokens=MAX_TOKENS, timeout_s=TIMEOUT_S))

        assert SECRET_WORD not in f"{told.value} {told.value.hint}"


__all__ = ["ChatModelContract"]
