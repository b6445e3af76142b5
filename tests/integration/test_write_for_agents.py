"""A chat model writes for agents within the GPT's budget, and never stops or spoils a review."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from kbm.bootstrap import Kbm
from kbm.domain.chat import Message, Role
from kbm.errors import ProviderRefused, ProviderUnavailable
from kbm.services.budget import Budget
from kbm.services.chat import ChatCalls, ChatLimits
from kbm.services.write_for_agents import WRITE_FOR_S, WriteForAgents
from kbm.testing.fakes import FakeChatModel, FakeClock
from tests.integration.asked_in_vain import ask_in_vain, company, released, review

LIMITS = ChatLimits(retries=0, max_tokens=100)


class Spent:
    """What agents took."""

    def __init__(self) -> None:
        self.n = 0

    def tokens_since(self, gpt: str, moment: object) -> int:
        return self.n

    def add(self, gpt: str, n: int) -> None:
        self.n += n


def writer(
    model: FakeChatModel, spent: Spent, clock: FakeClock, per_day: int | None = None
) -> WriteForAgents:
    calls = ChatCalls(model, LIMITS, clock)
    return WriteForAgents(
        gpt="helper",
        calls=lambda: calls,
        budget=Budget({"helper": per_day}, spent, clock),
        spend=spent.add,
        clock=clock,
    )


def test_rules_and_data_are_said_apart_and_what_was_taken_is_counted() -> None:
    model, spent = FakeChatModel("yes"), Spent()

    assert writer(model, spent, FakeClock())("prompt", 20) == "yes"
    assert [one.role for one in model.asked[0]] == [Role.SYSTEM, Role.USER]
    assert spent.n > 0


@pytest.mark.parametrize(
    "error", [ProviderUnavailable("down"), ProviderRefused("no key"), RuntimeError("bug")]
)
def test_a_model_that_fails_twice_is_not_waited_for_again(error: Exception) -> None:
    model = FakeChatModel("yes", failing=[error] * 9)
    write = writer(model, Spent(), FakeClock())

    assert [write("p", 20) for _ in range(5)] == [None] * 5
    assert len(model.asked) == 2


def test_a_reply_that_does_not_end_is_not_listened_to_any_longer() -> None:
    model, spent = FakeChatModel("blah " * 10_000, counts=False), Spent()

    assert writer(model, spent, FakeClock())("p", 20) is None
    assert 0 < spent.n < 1_000


def test_what_the_gpt_may_spend_on_a_day_holds_for_its_agents() -> None:
    model, spent = FakeChatModel("yes"), Spent()
    write = writer(model, spent, FakeClock(), per_day=600)
    told = [write("p" * 300, 20) for _ in range(5)]

    assert told[0] == "yes"
    assert told[-1] is None
    assert spent.n <= 600


def test_a_review_waits_for_a_model_no_longer_than_two_minutes() -> None:
    clock, model = FakeClock(), FakeChatModel("yes")
    write = writer(model, Spent(), clock)

    assert write("p", 20) == "yes"
    clock.advance(seconds=WRITE_FOR_S + 1)
    assert write("p", 20) is None


def test_tokens_of_agents_count_against_the_day_of_their_gpt(tmp_path: Path) -> None:
    clock = FakeClock()
    with company(tmp_path, clock) as kbm:
        kbm.journal.add_agent_tokens("helper", 40)
        kbm.journal.add_agent_tokens("helper", 2)
        midnight = clock.now().replace(hour=0, minute=0)

        assert kbm.journal.tokens_since("helper", midnight) == 42
        assert kbm.journal.tokens_since("clerk", midnight) == 0
        clock.advance(days=1)
        assert kbm.journal.tokens_since("helper", clock.now().replace(hour=0, minute=0)) == 0


def says(messages: Sequence[Message]) -> str:
    """Answer questions with nothing, name groups, and judge passages."""
    asked = messages[-1].text
    if "Write a title" in asked:
        return "Kilometre paid for own car"
    return "no" if "yes or no" in asked else json.dumps({"none": True})


def titles(kbm: Kbm) -> list[str]:
    return [one.name.title for one in review(kbm).gaps]


@pytest.mark.slow
def test_a_gap_gets_its_title_from_the_model_and_keeps_the_words_of_people_without_one(
    tmp_path: Path,
) -> None:
    with company(tmp_path / "with", chat=FakeChatModel(says)) as kbm:
        released(kbm)
        ask_in_vain(kbm)

        assert "Kilometre paid for own car" in titles(kbm)
    with company(
        tmp_path / "failing", chat=FakeChatModel(failing=[ProviderUnavailable("down")] * 999)
    ) as kbm:
        released(kbm)
        ask_in_vain(kbm)
        done = review(kbm)

        assert done.problems == ()
        assert any("kilometre" in one.name.title for one in done.gaps)
