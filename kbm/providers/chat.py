"""Chat models through LlamaIndex: OpenAI and every server that speaks its interface, Ollama, and any other by path.

The libraries' own tries, redirects and keys from the environment are switched off: whom kbm sends passages to is what
``kbm.toml`` says, and how often is the core's decision. They are imported when a model is made, never before.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any, ClassVar
from urllib.parse import urlsplit

import httpx

from kbm.domain.chat import ChatAccess, Message, Piece, Reply, Usage
from kbm.errors import ConfigError, KbmError, ProviderRefused, ProviderUnavailable
from kbm.providers.chat_http import Deadlines

OPENAI_URL = "https://api.openai.com/v1"
OLLAMA_URL = "http://127.0.0.1:11434"
CONTEXT_TOKENS = 16_384
"""What Ollama is asked to read at once; its own default of 4,096 would cut passages off without a word."""
NO_KEY = "none"
"""Sent where no key is configured: the library would else take OPENAI_API_KEY, whoever the address belongs to."""

_LATER = {408, 409, 425, 429}


class _LlamaIndexChat(ABC):
    """What the adapters share. Any: LlamaIndex is looked at without types."""

    name: ClassVar[str]
    extra: ClassVar[str] = ""
    module: ClassVar[str] = ""

    def __init__(self, argument: str, access: ChatAccess) -> None:
        """Make the client; nothing is sent.

        Raises:
            ConfigError: the library is not installed, or refuses the model's name.
        """
        if not argument:
            raise ConfigError(f"{self.name} needs a model", hint=f"write chat = '{self.name}:MODEL'")
        if self.extra and not _installed(self.module):
            raise ConfigError(
                f"chat models of {self.name} are not installed", hint=f"pip install 'kbm[{self.extra}]'"
            )
        self._model, self._access = argument, access
        self._deadlines = Deadlines()
        self._where = f"{self.name}:{argument}" + (
            f" at {urlsplit(access.url).hostname}" if access.url else ""
        )
        from llama_index.core.base.llms.types import ChatMessage

        self._message = ChatMessage

    @abstractmethod
    def _llm(self, max_tokens: int, timeout_s: float) -> tuple[Any, dict[str, Any]]:
        """Give LlamaIndex's model for one call, and what to hand its ``chat``."""

    @abstractmethod
    def _ended(self, raw: Any) -> bool:
        """Tell whether the provider says that its reply is whole."""

    def close(self) -> None:  # noqa: B027  # those that hold a connection say how
        """End all connections."""

    def complete(self, messages: Sequence[Message], *, max_tokens: int, timeout_s: float) -> Reply:
        """Answer *messages*; see the port."""
        with self._told():
            self._deadlines.begin(timeout_s)
            llm, settings = self._llm(max_tokens, timeout_s)
            made = llm.chat(self._said(messages), **settings)
            return Reply(text=made.message.content or "", usage=_usage(made))

    def stream(self, messages: Sequence[Message], *, max_tokens: int, timeout_s: float) -> Iterator[Piece]:
        """Answer *messages* in pieces; see the port."""
        ended = False
        with self._told():
            self._deadlines.begin(timeout_s)
            llm, settings = self._llm(max_tokens, timeout_s)
            with closing(llm.stream_chat(self._said(messages), **settings)) as pieces:
                for piece in pieces:
                    ended = self._ended(piece.raw) or ended
                    text, usage = piece.delta or "", _usage(piece)
                    if text or usage:
                        yield Piece(text=text, usage=usage)
        if not ended:
            raise ProviderUnavailable(f"{self._where} broke off in the middle of an answer")

    def _said(self, messages: Sequence[Message]) -> list[Any]:
        return [self._message(role=str(one.role), content=one.text) for one in messages]

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say a vendor's error in kbm's words. Its own text may repeat what was sent, so it goes nowhere."""
        try:
            yield
        except (KbmError, GeneratorExit):
            raise
        except Exception as error:
            raise self._error(error) from None

    def _error(self, error: Exception) -> KbmError:
        status = getattr(error, "status_code", None)
        if isinstance(status, int) and status > 0:
            if status in _LATER or status >= 500:
                return ProviderUnavailable(
                    f"{self._where} answered {status}", retry_after_s=self._deadlines.retry_after_s
                )
            return ProviderRefused(f"{self._where} answered {status}", hint=_hint(status))
        chain: list[BaseException] = []
        at: BaseException | None = error
        while at is not None and at not in chain:
            chain.append(at)
            at = at.__cause__ or at.__context__
        if any(isinstance(one, httpx.TimeoutException) for one in chain):
            return ProviderUnavailable(f"{self._where} did not answer in time")
        if any(isinstance(one, httpx.TransportError | ConnectionError) for one in chain):
            return ProviderUnavailable(f"{self._where} cannot be reached, or broke off")
        # Whatever a library does with an answer that it cannot read.
        return ProviderUnavailable(f"{self._where} answered what cannot be read ({type(error).__name__})")


class OpenAiChat(_LlamaIndexChat):
    """``openai:MODEL``: OpenAI, or with ``chat.url`` any server that speaks its interface.

    Always asked as a chat model. LlamaIndex takes an unknown model for one that only completes text, but what serves
    this interface today serves ``/chat/completions``, and the older way could not tell rules from documents.
    """

    name: ClassVar[str] = "openai"
    extra: ClassVar[str] = "openai"
    module: ClassVar[str] = "llama_index.llms.openai_like"

    def __init__(self, argument: str, access: ChatAccess) -> None:
        super().__init__(argument, access)
        from llama_index.llms.openai_like import OpenAILike

        self._http = self._deadlines.client()
        try:
            self._made = OpenAILike(
                model=argument,
                api_base=access.url or OPENAI_URL,
                api_key=access.api_key or NO_KEY,
                is_chat_model=True,
                temperature=0.0,
                max_retries=0,
                http_client=self._http,
                additional_kwargs={"stream_options": {"include_usage": True}},
            )
        except ValueError as error:
            raise ConfigError(f"openai:{argument} cannot be used as a chat model: {error}") from None

    def close(self) -> None:
        """End all connections."""
        self._http.close()

    def _llm(self, max_tokens: int, timeout_s: float) -> tuple[Any, dict[str, Any]]:
        return self._made, {"max_tokens": max_tokens, "timeout": timeout_s}

    def _ended(self, raw: Any) -> bool:
        return any(one.finish_reason for one in getattr(raw, "choices", None) or ())


class OllamaChat(_LlamaIndexChat):
    """``ollama:MODEL``: a model that Ollama serves, on this machine or at ``chat.url``."""

    name: ClassVar[str] = "ollama"
    extra: ClassVar[str] = "ollama"
    module: ClassVar[str] = "llama_index.llms.ollama"

    def __init__(self, argument: str, access: ChatAccess) -> None:
        super().__init__(argument, access)
        from ollama import Client

        hooks = self._deadlines.hooks
        headers = {"Authorization": f"Bearer {access.api_key}"}
        if not access.api_key:
            headers = {}
            # The library would send OLLAMA_API_KEY, whoever the address belongs to.
            hooks["request"].append(lambda request: request.headers.pop("Authorization", None))
        self._client = Client(
            host=access.url or OLLAMA_URL,
            follow_redirects=False,
            headers=headers,
            event_hooks=hooks,
        )

    def close(self) -> None:
        """End all connections."""
        self._client.close()  # type: ignore[no-untyped-call]  # the library says no types

    def _llm(self, max_tokens: int, timeout_s: float) -> tuple[Any, dict[str, Any]]:
        from llama_index.llms.ollama import Ollama

        made = Ollama(
            model=self._model,
            base_url=self._access.url or OLLAMA_URL,
            temperature=0.0,
            context_window=CONTEXT_TOKENS,
            additional_kwargs={"num_predict": max_tokens},
            client=self._client,
        )
        return made, {}

    def _ended(self, raw: Any) -> bool:
        return bool(raw.get("done"))


class LlamaIndexChat(_LlamaIndexChat):
    """``llamaindex:IMPORT.PATH`` or ``llamaindex:IMPORT.PATH:MODEL``: any chat model of LlamaIndex.

    The path names a class (made with ``model`` and ``api_key`` where they are given), a function that makes a model,
    or a model. Tries and deadlines are then the library's own; kbm's deadline is looked at between two pieces.
    """

    name: ClassVar[str] = "llamaindex"

    def __init__(self, argument: str, access: ChatAccess) -> None:
        super().__init__(argument, access)
        self._lock = threading.Lock()
        path, _, model = argument.partition(":")
        place, _, name = path.rpartition(".")
        try:
            found = getattr(import_module(place), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigError(
                f"llamaindex:{path} cannot be imported: {error}",
                hint="install its package; the path is like llama_index.llms.anthropic.Anthropic",
            ) from None
        settings = {"model": model} if model else {}
        if access.api_key:
            settings["api_key"] = access.api_key
        self._made = found(**settings) if callable(found) else found

    def _llm(self, max_tokens: int, timeout_s: float) -> tuple[Any, dict[str, Any]]:
        return self._made, {}

    def _ended(self, raw: Any) -> bool:
        return True


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:
        return False


def _usage(made: Any) -> Usage | None:
    """Find the token counts of a reply or a piece of one: providers put them in different places."""
    raw = made.raw.get("usage") if isinstance(made.raw, dict) else None
    for counts in (made.additional_kwargs, raw):
        n_in, n_out = (counts or {}).get("prompt_tokens"), (counts or {}).get("completion_tokens")
        if isinstance(n_in, int) and isinstance(n_out, int) and n_in >= 0 and n_out >= 0:
            return Usage(n_in=n_in, n_out=n_out)
    return None


def _hint(status: int) -> str:
    match status:
        case 401 | 403:
            return "check chat.api_key: the provider does not take it"
        case 404:
            return "check the model's name in kbm.chat, and chat.url"
        case _ if 300 <= status < 400:
            return "check chat.url: it leads to another address, and redirects are not followed"
        case _:
            return "check the model's name in kbm.chat: the provider does not take the request"
