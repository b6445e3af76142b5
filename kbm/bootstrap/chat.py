"""Chat models as ``kbm.toml`` asks for them, and the step of answering that uses them."""

from __future__ import annotations

import threading
from typing import cast

from kbm import registry
from kbm.config import Settings
from kbm.domain.chat import EXTRACTIVE, ChatAccess, Price
from kbm.errors import ConfigError, KbmError, PluginNotFound
from kbm.ports import ChatModel, Clock
from kbm.prompts import prompts
from kbm.providers.secret_refs import resolve
from kbm.services.budget import Budget, Spent
from kbm.services.chat import Breaker, ChatCalls, ChatLimits
from kbm.services.generate import Generate


class ChatModels:
    """Models of the configured provider by name, each made when it is first asked for. Close it when done.

    *given* takes the place of every one of them.
    """

    def __init__(self, settings: Settings, clock: Clock, given: ChatModel | None) -> None:
        self._settings, self._clock, self._given = settings, clock, given
        self._lock = threading.Lock()
        self._made: dict[str, ChatCalls] = {}
        section = settings.chat
        # One breaker for all: they are one provider's.
        self._breaker = Breaker(failures=section.failures, pause_s=section.pause_s, clock=clock)

    def calls(self, chat: str) -> ChatCalls:
        """Give a model, ``KIND:ARGUMENT``, with what stands around it.

        Raises:
            ConfigError: there is no such kind, its library is not installed, or its key is not to be had.
            PluginBroken: it does not load.
        """
        with self._lock:
            if chat not in self._made:
                section = self._settings.chat
                limits = ChatLimits(
                    timeout_s=section.timeout_s,
                    retries=section.retries,
                    max_tokens=section.max_tokens,
                    failures=section.failures,
                    pause_s=section.pause_s,
                )
                model = self._given or self._model(chat)
                self._made[chat] = ChatCalls(model, limits, self._clock, breaker=self._breaker)
            return self._made[chat]

    @property
    def problem(self) -> str:
        """Why the configured model cannot be asked; empty where it can, or none is configured. Nothing is sent."""
        if self._settings.kbm.chat == EXTRACTIVE:
            return ""
        try:
            self.calls(self._settings.kbm.chat)
        except KbmError as error:
            return " ".join(filter(None, [str(error), error.hint]))
        return ""

    def budget(self, spent: Spent) -> Budget:
        """Give what each GPT may spend on a day."""
        budgets = {name: one.chat_tokens_per_day for name, one in self._settings.gpts.items()}
        return Budget(budgets, spent, self._clock)

    def generate(self, spent: Spent) -> Generate:
        """Make the step of answering that lets a model word the answer."""
        section = self._settings.chat
        return Generate(
            chat=self._settings.kbm.chat,
            calls=self.calls,
            prompts=prompts,
            budget=self.budget(spent),
            price=Price(per_million_in=section.price_in, per_million_out=section.price_out),
        )

    def close(self) -> None:
        """End all connections."""
        for calls in self._made.values():
            calls.close()

    def _model(self, chat: str) -> ChatModel:
        kind, _, argument = chat.partition(":")
        section = self._settings.chat
        key = ""
        if section.api_key:
            key = resolve(section.api_key, key="chat.api_key", root=self._settings.root)
        try:
            made = registry.load("kbm.chat_models", kind)
        except PluginNotFound as error:
            raise ConfigError(f"{self._settings.path}: kbm.chat: {error}", hint=error.hint) from None
        return cast(ChatModel, made(argument, ChatAccess(url=section.url, api_key=key)))
