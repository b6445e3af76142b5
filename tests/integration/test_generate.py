"""Answers that a chat model words: what is shown, what is withheld, and what happens without the model."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from kbm.domain.answers import BROKEN_OFF, Answer, AnswerSentence, Cause, Outcome
from kbm.domain.chat import WITHOUT_MODEL
from kbm.domain.receipts import Level
from kbm.errors import NotFound, ProviderRefused, ProviderUnavailable
from kbm.prompts import answer_prompt
from kbm.sections import ChatSection
from kbm.services.retrieve import Caller
from kbm.testing.fakes import FakeChatModel, FakeClock
from tests.chat_replies import careless, honest, line, sent
from tests.integration.worded_company import PAGES, QUESTION, QUOTE, company


def ask(folder: Path, chat: FakeChatModel, question: str = QUESTION, **more: Any) -> Answer:
    """Ask once; *more* is for ``kbm_over``, whatever it takes."""
    with company(folder, chat, **more) as kbm:
        return kbm.ask.run("helper", question, Caller())


def test_a_sentence_of_the_model_is_shown_with_quotes_from_the_passages(tmp_path: Path) -> None:
    chat = FakeChatModel(
        line("An employee has 30 days of leave each year.", "Employees get  30 days of leave\na year.")
    )
    prices = ChatSection(price_in=2.0, price_out=10.0)
    answer = ask(tmp_path, chat, chat_section=prices)

    assert answer.text == "An employee has 30 days of leave each year. [1]"
    (one,) = answer.citations
    assert one.quote == one.passage.text[one.start : one.end] == QUOTE
    assert (answer.model, answer.prompt_digest) == ("openai:fake", answer_prompt().digest)
    assert "language model" in answer.notice
    n_out = len(chat.reply if isinstance(chat.reply, str) else "")
    n_in = sum(len(one.text) for one in chat.asked[0])
    assert (answer.withheld, answer.degraded, answer.tokens) == (0, (), n_in + n_out)
    assert answer.cost == pytest.approx((n_in * 2.0 + n_out * 10.0) / 1e6)


def test_a_sentence_with_an_invented_number_is_withheld_and_counted(tmp_path: Path) -> None:
    answer = ask(tmp_path, FakeChatModel(careless))

    assert [one.text for one in answer.sentences] == [QUOTE]
    assert answer.withheld == 1


@pytest.mark.parametrize(
    "reply",
    [
        line("Employees get 31 days of leave.", QUOTE),
        line("Employees get 30 weeks of leave.", QUOTE),
        line("Employees get 30 days of leave.", "Employees get 30 days of vacation."),
        line("Employees get 30 days of leave.", QUOTE, passage=9),
        line("Leave is paid out.", "Leave is not paid out."),
        '{"sentence": "Employees get 30 days of leave."}',
    ],
)
def test_where_no_sentence_is_left_there_is_no_answer(tmp_path: Path, reply: str) -> None:
    answer = ask(tmp_path, FakeChatModel(reply))

    assert (answer.outcome, answer.cause) == (Outcome.UNANSWERED, Cause.UNGROUNDED)
    assert (answer.withheld, answer.sentences, answer.citations) == (1, (), ())
    assert answer.model
    assert "prove word for word" in answer.notice


def test_a_model_may_say_that_the_passages_do_not_answer(tmp_path: Path) -> None:
    answer = ask(tmp_path, FakeChatModel('{"none": true}'))

    assert (answer.outcome, answer.cause, answer.withheld) == (Outcome.UNANSWERED, Cause.NO_FACT, 0)


def test_the_model_is_not_asked_where_the_knowledge_holds_nothing(tmp_path: Path) -> None:
    chat = FakeChatModel(honest)
    answer = ask(tmp_path, chat, "Which orchestra played the symphony of Mahler?")

    assert answer.outcome is Outcome.UNANSWERED
    assert (chat.asked, answer.tokens, answer.model) == ([], 0, "")


@pytest.mark.parametrize(
    ("chat", "said"),
    [
        (FakeChatModel(failing=[ProviderUnavailable("openai:fake did not answer in time")] * 9), "in time"),
        (FakeChatModel(failing=[ProviderRefused("openai:fake answered 401")]), "401"),
        (FakeChatModel("I would rather chat about the weather."), "another form"),
        (FakeChatModel(""), "another form"),
        (FakeChatModel(honest, breaks_after=20), "broke off"),
    ],
    ids=["timeout", "refused", "chatty", "empty", "cut"],
)
def test_without_the_model_sentences_are_quoted_and_it_is_said_why(
    tmp_path: Path, chat: FakeChatModel, said: str
) -> None:
    answer = ask(tmp_path, chat, chat_section=ChatSection(retries=0))

    assert answer.outcome is Outcome.ANSWERED
    assert QUOTE in [one.text for one in answer.sentences]
    (why,) = answer.degraded
    assert why.startswith(WITHOUT_MODEL)
    assert said in why
    assert (answer.model, answer.prompt_digest) == ("", "")
    assert "verbatim quotes" in answer.notice


def test_what_was_shown_before_the_model_broke_off_stays(tmp_path: Path) -> None:
    first = line(QUOTE, QUOTE)
    answer = ask(tmp_path, FakeChatModel(first + line("More.", QUOTE), breaks_after=len(first) + 10))

    assert [one.text for one in answer.sentences] == [QUOTE]
    assert "broke off" in answer.degraded[0]
    assert answer.model
    assert answer.tokens > 0


def test_a_model_that_never_stops_is_not_listened_to_forever(tmp_path: Path) -> None:
    answer = ask(tmp_path, FakeChatModel(line(QUOTE, QUOTE) * 500))

    assert [one.text for one in answer.sentences] == [QUOTE]
    assert len(answer.citations) == 1


def test_a_sentence_is_shown_before_the_next_one_is_written(tmp_path: Path) -> None:
    chat = FakeChatModel(line(QUOTE, QUOTE), breaks_after=len(line(QUOTE, QUOTE)))
    with company(tmp_path, chat) as kbm:
        parts = kbm.ask.stream("helper", QUESTION, Caller())
        first = next(parts)
        *_, last = parts

    assert first == AnswerSentence(text=QUOTE, citations=(1,))
    assert isinstance(last, Answer)
    assert last.sentences == (first,)


def test_an_extractive_answer_comes_in_the_same_parts(tmp_path: Path) -> None:
    with company(tmp_path, FakeChatModel(failing=[ProviderRefused("401")])) as kbm:
        *sentences, last = kbm.ask.stream("helper", QUESTION, Caller())

    assert isinstance(last, Answer)
    assert tuple(sentences) == last.sentences


def test_what_cannot_be_asked_is_refused_before_the_stream_begins(tmp_path: Path) -> None:
    with company(tmp_path, FakeChatModel()) as kbm, pytest.raises(NotFound):
        kbm.ask.stream("nobody", QUESTION, Caller())


@pytest.mark.parametrize("n_shown", [0, 1])
def test_a_caller_who_leaves_is_logged_with_what_was_shown(tmp_path: Path, n_shown: int) -> None:
    with company(tmp_path, FakeChatModel(line(QUOTE, QUOTE) * 3, piece_chars=5)) as kbm:
        parts = kbm.ask.stream("helper", QUESTION, Caller())
        shown = [next(parts) for _ in range(n_shown)]
        parts.close()  # type: ignore[attr-defined]  # a generator
        kbm.ask.settle()
        rows = journal(tmp_path, "id, outcome, degraded, tokens, citations")

    if not shown:
        assert rows == []
        return
    ((id, outcome, degraded, tokens, citations),) = rows
    assert (outcome, citations.count("[")) == ("answered", 2)
    assert BROKEN_OFF in degraded
    assert tokens > 0
    with company(tmp_path, FakeChatModel()) as kbm:
        _, found = kbm.receipt.verify(id)
    assert (found.level, found.n_quotes_checked) == (Level.EVIDENCE, 1)


def test_tokens_cost_and_withheld_sentences_are_in_the_journal(tmp_path: Path) -> None:
    answer = ask(tmp_path, FakeChatModel(careless), chat_section=ChatSection(price_in=1.0, price_out=1.0))

    assert journal(tmp_path, "model, prompt_digest, withheld, tokens, cost") == [
        ("openai:fake", answer.prompt_digest, 1, answer.tokens, answer.cost)
    ]
    assert answer.tokens > 0


def test_a_spent_budget_quotes_until_midnight_and_survives_a_restart(tmp_path: Path) -> None:
    clock, chat = FakeClock(), FakeChatModel(honest)
    with company(tmp_path, chat, clock=clock, chat_tokens_per_day=6000) as kbm:
        first = kbm.ask.run("helper", QUESTION, Caller())
        assert 0 < first.tokens < 6000
        for _ in range(5):
            again = kbm.ask.run("helper", QUESTION, Caller())
            kbm.ask.settle()
    n_asked = len(chat.asked)
    with company(tmp_path, chat, clock=clock, chat_tokens_per_day=6000) as kbm:
        restarted = kbm.ask.run("helper", QUESTION, Caller())
        clock.advance(hours=17)
        tomorrow = kbm.ask.run("helper", QUESTION, Caller())

    assert (
        again.degraded == restarted.degraded == (f"{WITHOUT_MODEL}the 6000 tokens a day of helper are spent",)
    )
    assert len(chat.asked) == n_asked + 1
    assert tomorrow.model
    spent = sum(row[0] for row in journal(tmp_path, "tokens"))
    assert spent - tomorrow.tokens <= 6000


def test_an_open_breaker_costs_nobody_a_wait(tmp_path: Path) -> None:
    chat = FakeChatModel(honest, failing=[ProviderUnavailable("down")] * 2)
    section = ChatSection(retries=0, failures=2, pause_s=60)
    clock = FakeClock()
    with company(tmp_path, chat, chat_section=section, clock=clock) as kbm:
        answers = [kbm.ask.run("helper", QUESTION, Caller()) for _ in range(3)]
        clock.advance(seconds=61)
        back = kbm.ask.run("helper", QUESTION, Caller())

    assert len(chat.asked) == 3
    assert "in a row" in answers[-1].degraded[0]
    assert back.model


def test_a_worded_answer_is_verified_by_its_quotes_and_never_as_exact(tmp_path: Path) -> None:
    with company(tmp_path, FakeChatModel(honest)) as kbm:
        answer = kbm.ask.run("helper", QUESTION, Caller())
        kbm.ask.settle()
        receipt, found = kbm.receipt.verify(answer.id)

    assert (receipt.model, receipt.prompt_digest) == ("openai:fake", answer_prompt().digest)
    assert (found.level, found.n_quotes_checked) == (Level.EVIDENCE, len(answer.citations))
    assert any("openai:fake worded the answer" in note for note in found.notes)


def test_an_answer_quoted_for_want_of_the_model_can_be_made_again(tmp_path: Path) -> None:
    with company(tmp_path, FakeChatModel(failing=[ProviderRefused("401")])) as kbm:
        answer = kbm.ask.run("helper", QUESTION, Caller())
        kbm.ask.settle()
        _, found = kbm.receipt.verify(answer.id)

    assert answer.degraded
    assert found.level is Level.EXACT


def test_the_receipt_of_another_model_does_not_fit(tmp_path: Path) -> None:
    with company(tmp_path, FakeChatModel(honest)) as kbm:
        answer = kbm.ask.run("helper", QUESTION, Caller())
        kbm.ask.settle()
        with sqlite3.connect(tmp_path / ".kbm" / "journal.db") as database:
            database.execute("UPDATE answer SET model = 'openai:better'")
        _, found = kbm.receipt.verify(answer.id)

    assert found.level is Level.FAILED


def test_the_prompt_holds_passages_as_data_and_the_instructions_as_style(tmp_path: Path) -> None:
    chat = FakeChatModel(honest)
    ask(tmp_path, chat)

    (system, user) = chat.asked[0]
    passages, question = sent(chat.asked[0])
    assert question == QUESTION
    assert passages[0]["text"] == PAGES["leave.txt"]
    assert "Employees" not in system.text
    assert "(nothing in particular)" in system.text
    assert "{{" not in system.text
    assert user.text.count("\n") == len(passages)


def journal(folder: Path, columns: str) -> list[tuple[Any, ...]]:
    """Read the answers of the journal; Any is SQLite's own."""
    with sqlite3.connect(folder / ".kbm" / "journal.db") as database:
        return database.execute(f"SELECT {columns} FROM answer ORDER BY asked_at").fetchall()
