"""Ask a chat model the way a service must: tries with pauses, one deadline over all of them, and a circuit breaker.

Every provider gets the same, so a provider tries once and says how it failed. The breaker is there for the people who
ask: a provider that is down is found to be so at the cost of a whole deadline each time, so after some failures in a
row nobody waits for it any more until a pause is over; then one question tries, and the others do not wait.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import structlog

from kbm.domain.chat import Message, Piece
from kbm.errors import KbmError, ProviderUnavailable
from kbm.ports import ChatModel, Clock

log = structlog.get_logger()

FIRST_PAUSE_S = 0.5
"""Pause before the second try, doubled each time, where the provider names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatLimits:
    """How long and how often. ``timeout_s`` is for one answer with all its tries and pauses."""

    timeout_s: float = 20.0
    retries: int = 2
    max_tokens: int = 1200
    failures: int = 5
    pause_s: float = 30.0


class Breaker:
    """Open after some failures in a row, for a pause; then one call may try. For many threads."""

    def __init__(self, *, failures: int, pause_s: float, clock: Clock) -> None:
        self._failures, self._pause_s, self._clock = failures, pause_s, clock
        self._lock = threading.Lock()
        self._n_failed = 0
        self._open_until = 0.0
        self._trying = False

    def enter(self) -> float:
        """Give 0 if a call may be made, and end it with ``leave``; else the seconds until one may try again."""
        with self._lock:
            if self._n_failed < self._failures:
                return 0.0
            left = self._open_until - self._clock.monotonic()
            if left > 0 or self._trying:
                return max(left, 1.0)
            self._trying = True
            return 0.0

    def leave(self, *, worked: bool | None) -> None:
        """Say how a call ended; None where it tells nothing about the provider."""
        with self._lock:
            self._trying = False
            if worked is None:
                return
            if worked:
                self._n_failed = 0
                return
            self._n_failed += 1
            if self._n_failed >= self._failures:
                self._open_until = self._clock.monotonic() + self._pause_s


class ChatCalls:
    """A chat model with tries, a deadline and a breaker around it."""

    def __init__(
        self,
        model: ChatModel,
        limits: ChatLimits,
        clock: Clock,
        *,
        breaker: Breaker | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.limits = limits
        self._model, self._clock, self._pause = model, clock, pause
        self._breaker = breaker or Breaker(failures=limits.failures, pause_s=limits.pause_s, clock=clock)

    def stream(self, messages: Sequence[Message]) -> Iterator[Piece]:
        """Answer *messages* in pieces. It is tried again until its first piece is there, not after that.

        Raises:
            ProviderUnavailable: no answer within the deadline, a broken one, or the breaker is open.
            ProviderRefused: a person must act.
        """
        wait_s = self._breaker.enter()
        if wait_s:
            raise ProviderUnavailable(
                f"it failed {self.limits.failures} times in a row and is asked again in {wait_s:.0f} s"
            )
        worked: bool | None = None
        try:
            yield from self._tried(messages, self._clock.monotonic() + self.limits.timeout_s)
            worked = True
        except ProviderUnavailable:
            worked = False
            raise
        finally:
            self._breaker.leave(worked=worked)

    def close(self) -> None:
        """End all connections."""
        self._model.close()

    def _tried(self, messages: Sequence[Message], until: float) -> Iterator[Piece]:
        for n in range(self.limits.retries + 1):
            begun = False
            try:
                for piece in self._once(messages, until):
                    begun = True
                    yield piece
                return
            except ProviderUnavailable as error:
                asked = error.retry_after_s
                pause_s = FIRST_PAUSE_S * 2**n if asked is None else asked
                left_s = until - self._clock.monotonic()
                if begun or n == self.limits.retries or pause_s >= left_s:
                    raise
                log.info("chat_model_tried_again", n=n + 1, pause_s=pause_s)
                self._pause(pause_s)

    def _once(self, messages: Sequence[Message], until: float) -> Iterator[Piece]:
        left_s = until - self._clock.monotonic()
        if left_s <= 0:
            raise ProviderUnavailable(f"no answer within {self.limits.timeout_s:g} s")
        pieces = self._model.stream(messages, max_tokens=self.limits.max_tokens, timeout_s=left_s)
        try:
            for piece in pieces:
                if self._clock.monotonic() > until:
                    raise ProviderUnavailable(f"no whole answer within {self.limits.timeout_s:g} s")
                yield piece
        except (KbmError, GeneratorExit):
            raise
        except Exception as error:
            # A plug-in may raise whatever its library does; its words may hold a question or a document.
            log.error("chat_model_failed", kind=type(error).__name__)
            raise ProviderUnavailable(f"it failed with {type(error).__name__}") from None
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()
