"""Tries, pauses, the deadline and the circuit breaker around a chat model."""

from __future__ import annotations

import pytest

from kbm.domain.chat import Message, Role
from kbm.errors import ProviderRefused, ProviderUnavailable
from kbm.services.chat import Breaker, ChatCalls, ChatLimits
from kbm.testing.fakes import FakeChatModel, FakeClock

ASKED = [Message(role=Role.USER, text="?")]


class Pauses:
    """Sleeps by the clock of the test."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock, self.taken = clock, list[float]()

    def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        self.clock.advance(seconds=seconds)


def calls(model: FakeChatModel, clock: FakeClock, **limits: float) -> tuple[ChatCalls, Pauses]:
    pauses = Pauses(clock)
    made = ChatLimits(**limits)  # type: ignore[arg-type]  # tests name whole numbers where they are needed
    return ChatCalls(model, made, clock, pause=pauses), pauses


def text(made: ChatCalls) -> str:
    return "".join(one.text for one in made.stream(ASKED))


def down(retry_after_s: float | None = None) -> ProviderUnavailable:
    return ProviderUnavailable("down", retry_after_s=retry_after_s)


def test_a_failure_before_the_first_piece_is_tried_again_after_growing_pauses() -> None:
    model = FakeChatModel("tea", failing=[down(), down()])
    made, pauses = calls(model, FakeClock(), retries=2)

    assert text(made) == "tea"
    assert pauses.taken == [0.5, 1.0]


def test_the_provider_says_how_long_to_wait() -> None:
    made, pauses = calls(FakeChatModel("tea", failing=[down(7)]), FakeClock(), retries=1)

    assert text(made) == "tea"
    assert pauses.taken == [7]


def test_nobody_waits_longer_than_the_deadline() -> None:
    made, pauses = calls(FakeChatModel("tea", failing=[down(60)]), FakeClock(), timeout_s=20, retries=5)

    with pytest.raises(ProviderUnavailable):
        text(made)
    assert pauses.taken == []


def test_a_later_try_has_what_is_left_of_the_deadline() -> None:
    model = FakeChatModel("tea", failing=[down(8)])
    made, _ = calls(model, FakeClock(), timeout_s=20, retries=1)
    text(made)

    assert model.timeouts_s == [20, 12]


def test_a_reply_that_breaks_off_is_not_begun_again() -> None:
    model = FakeChatModel("a long reply", breaks_after=8)
    made, _ = calls(model, FakeClock(), retries=5)

    with pytest.raises(ProviderUnavailable):
        text(made)
    assert len(model.asked) == 1


def test_a_slow_reply_ends_at_the_deadline() -> None:
    clock = FakeClock()
    made, _ = calls(FakeChatModel("a long reply"), clock, timeout_s=20)
    stream = made.stream(ASKED)
    next(stream)
    clock.advance(seconds=21)

    with pytest.raises(ProviderUnavailable, match="within 20 s"):
        next(stream)


def test_a_refusal_is_not_tried_again() -> None:
    model = FakeChatModel("tea", failing=[ProviderRefused("no such model")])
    made, _ = calls(model, FakeClock(), retries=5)

    with pytest.raises(ProviderRefused):
        text(made)
    assert len(model.asked) == 1


def test_whatever_a_plug_in_raises_is_told_without_its_words() -> None:
    made, _ = calls(FakeChatModel(failing=[RuntimeError("the question was: secret")]), FakeClock(), retries=0)

    with pytest.raises(ProviderUnavailable) as told:
        text(made)
    assert "secret" not in str(told.value)


def test_the_breaker_opens_after_failures_in_a_row_and_nobody_waits() -> None:
    clock, model = FakeClock(), FakeChatModel("tea", failing=[down() for _ in range(3)])
    made, _ = calls(model, clock, retries=0, failures=3, pause_s=30)
    for _ in range(4):
        with pytest.raises(ProviderUnavailable):
            text(made)

    assert len(model.asked) == 3
    clock.advance(seconds=31)
    assert text(made) == "tea"
    assert text(made) == "tea"


def test_after_the_pause_one_tries_and_the_others_do_not_wait() -> None:
    clock = FakeClock()
    breaker = Breaker(failures=1, pause_s=30, clock=clock)
    assert breaker.enter() == 0
    breaker.leave(worked=False)
    assert breaker.enter() == 30
    clock.advance(seconds=30)

    assert breaker.enter() == 0
    assert breaker.enter() > 0
    breaker.leave(worked=False)
    assert breaker.enter() == 30


def test_a_success_between_failures_keeps_it_closed() -> None:
    model = FakeChatModel("tea", failing=[down()])
    made, _ = calls(model, FakeClock(), retries=0, failures=2)
    for _ in range(3):
        with pytest.raises(ProviderUnavailable):
            text(made)
        assert text(made) == "tea"
        model.failing = [down()]


def test_a_caller_who_leaves_says_nothing_about_the_provider() -> None:
    clock, model = FakeClock(), FakeChatModel("a long reply", failing=[down()])
    made, _ = calls(model, clock, retries=0, failures=1, pause_s=5)
    with pytest.raises(ProviderUnavailable):
        text(made)
    clock.advance(seconds=6)
    stream = made.stream(ASKED)
    next(stream)
    stream.close()  # type: ignore[attr-defined]  # a generator

    assert text(made) == "a long reply"
