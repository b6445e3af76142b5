"""Answers over sources in memory: what is shown, to whom, and what is not."""

from __future__ import annotations

import sqlite3
import time
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from kbm.bootstrap import Kbm
from kbm.domain.answers import Outcome, Verdict
from kbm.errors import BadQuestion, NotFound, NothingLive, UsageError
from kbm.services.retrieve import Caller
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeClock, FakeConnector, FakeEmbedder, NoProgress

PAGES = {
    "leave.txt": "Employees get 30 days of leave a year. Leave is asked for four weeks ahead.",
    "press.txt": "The press KB 40 holds 40 tons. It weighs 900 kilograms.",
    "hr/pay.txt": "The pay of the board is 250,000 euros a year.",
}
HR = Caller(readers=frozenset({"everyone", "group:hr"}))


def released(kbm: Kbm) -> Kbm:
    kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
    made = kbm.build.run(kbm.gpt_to_build("helper"), NoProgress()).release
    kbm.publish.run("helper", str(made.version), who="anna", why="test")
    return kbm


def company() -> FakeConnector:
    return FakeConnector(items=dict(PAGES), readers={"hr/pay.txt": frozenset({"group:hr"})})


def test_every_sentence_cites_a_verbatim_quote(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        answer = released(kbm).ask.run("helper", "How many days of leave do employees get?", Caller())

        assert answer.outcome is not Outcome.UNANSWERED
        assert "30 days" in answer.text
        for one in answer.citations:
            assert one.quote == one.passage.text[one.start : one.end]
            assert one.quote in PAGES[one.passage.item_id]
        assert all(sentence.citations for sentence in answer.sentences)


def test_a_document_is_answered_from_only_for_its_readers(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        question = "What is the pay of the board?"
        allowed = released(kbm).ask.run("helper", question, HR)
        refused = kbm.ask.run("helper", question, Caller())

        assert "250,000" in allowed.text
        assert "hr/pay.txt" not in {one.passage.item_id for one in refused.citations}


def test_a_hidden_document_moves_no_score_and_no_confidence(tmp_path: Path) -> None:
    question = "What is the pay and the leave of employees a year?"
    without = FakeConnector(items={id: text for id, text in PAGES.items() if id != "hr/pay.txt"})
    with kbm_over(tmp_path / "with", company()) as kbm:
        hidden = released(kbm).retrieve.run("helper", question, Caller())
    with kbm_over(tmp_path / "without", without) as kbm:
        absent = released(kbm).retrieve.run("helper", question, Caller())

    assert hidden.signals == absent.signals
    assert [(one.item_id, one.score) for one in hidden.passages] == [
        (one.item_id, one.score) for one in absent.passages
    ]


def test_what_is_removed_is_hidden_at_once_without_a_new_release(tmp_path: Path) -> None:
    source = company()
    with kbm_over(tmp_path, source) as kbm:
        released(kbm).ask.run("helper", "How many days of leave?", Caller())
        del source.items["leave.txt"]
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())

        found = kbm.retrieve.run("helper", "How many days of leave?", Caller())

        assert "leave.txt" not in {one.item_id for one in found.passages}


def test_narrowed_readers_hide_at_once_without_a_new_release(tmp_path: Path) -> None:
    source = company()
    with kbm_over(tmp_path, source) as kbm:
        released(kbm)
        source.readers["leave.txt"] = frozenset({"group:hr"})
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())

        found = kbm.retrieve.run("helper", "How many days of leave?", Caller())

        assert "leave.txt" not in {one.item_id for one in found.passages}


def test_a_question_about_nothing_here_is_unanswered_with_a_cause(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        answer = released(kbm).ask.run(
            "helper", "Which penguin won the eurovision singing contest?", Caller()
        )

        assert answer.outcome is Outcome.UNANSWERED
        assert answer.cause == "no_source"
        assert answer.sentences == ()
        assert "automatic" in answer.notice


@pytest.mark.parametrize("question", ["", "   ", "???", "a\x00b", "x" * 100_000, "\ud800 lone"])
def test_a_bad_question_is_refused_in_words(tmp_path: Path, question: str) -> None:
    with kbm_over(tmp_path, company()) as kbm, pytest.raises(BadQuestion):
        released(kbm).ask.run("helper", question, Caller())


def test_an_unknown_gpt_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm, pytest.raises(NotFound, match="helper"):
        released(kbm).ask.run("helpr", "Anything?", Caller())


def test_before_the_first_release_the_hint_says_what_to_run(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm, pytest.raises(NothingLive) as caught:
        kbm.ask.run("helper", "Anything?", Caller())

    assert "kbm nightly helper" in caught.value.hint


def test_without_the_embedder_words_alone_answer_and_it_says_so(tmp_path: Path) -> None:
    embedder = FakeEmbedder()
    with kbm_over(tmp_path, company(), embedder=embedder) as kbm:
        released(kbm)
        embedder.fail_after = 0

        answer = kbm.ask.run("helper", "How many days of leave do employees get?", Caller())

        assert "30 days" in answer.text
        assert answer.degraded == ("embedder fake did not answer: words only",)


def test_a_document_older_than_its_source_allows_is_marked_stale(tmp_path: Path) -> None:
    clock, source = FakeClock(), company()
    source.modified = {
        "leave.txt": clock.now() - timedelta(days=400),
        "press.txt": clock.now() - timedelta(days=10),
    }
    with kbm_over(tmp_path, source, clock=clock, max_age="365d") as kbm:
        found = released(kbm).retrieve.run("helper", "leave and press", Caller()).passages

        assert {one.item_id: one.stale for one in found} == {"leave.txt": True, "press.txt": False}


def test_a_citation_links_to_its_very_quote_in_its_document_as_its_release_has_it(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        made = released(kbm).ask.run("helper", "How many days of leave do employees get?", Caller())
        [first, *_] = made.citations
        shown = kbm.show_document.run(first.passage.document_id, Caller())
        page, _, query = first.url.partition("?")
        named = parse_qs(urlsplit(first.url).query)

        assert page == f"http://127.0.0.1:8000/documents/{first.passage.document_id}"
        assert (named["gpt"], named["release"]) == (["helper"], ["1.0.0"])
        assert shown.text[int(named["start"][0]) : int(named["end"][0])] == first.quote
        assert "&t=" not in query  # no key was ever made


def test_the_text_behind_a_quote_of_an_earlier_release_is_shown_as_it_was(tmp_path: Path) -> None:
    source = company()
    with kbm_over(tmp_path, source) as kbm:
        released(kbm)
        source.items["leave.txt"] = "Employees get 31 days of leave a year."
        released(kbm)
        answer = kbm.ask.run("helper", "How many days of leave do employees get?", Caller(), release="1.0.0")
        [first, *_] = answer.citations
        id = first.passage.document_id

        assert first.quote in kbm.show_document.run(id, Caller(), gpt="helper", release="1.0.0").text
        assert "31 days" in kbm.show_document.run(id, Caller()).text
        with pytest.raises(UsageError):
            kbm.show_document.run(id, Caller(), release="1.0.0")


def journal_rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(folder / ".kbm" / "journal.db") as connection:
        return connection.execute(query).fetchall()


def test_every_answer_is_in_the_journal_with_what_it_rests_on(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        answer = released(kbm).ask.run("helper", "How many days of leave?", Caller(door="rest"), user="u1")
        kbm.ask.feedback(answer.id, Verdict.HELPFUL, "good")

    assert journal_rows(tmp_path, "SELECT id, gpt, release, door FROM answer") == [
        (answer.id, "helper", "1.0.0", "rest")
    ]
    assert journal_rows(tmp_path, "SELECT answer_id, verdict, comment FROM feedback") == [
        (answer.id, "helpful", "good")
    ]


def test_an_answer_does_not_wait_for_a_locked_journal(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        released(kbm).ask.run("helper", "How many days of leave?", Caller())
        blocker = sqlite3.connect(tmp_path / ".kbm" / "journal.db", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        started = time.monotonic()

        answer = kbm.ask.run("helper", "How heavy is the press?", Caller())

        waited = time.monotonic() - started
        blocker.execute("ROLLBACK")
        blocker.close()
        assert answer.sentences
        assert waited < 2  # the lock itself is waited for up to five seconds, in the background


def test_feedback_on_an_unknown_answer_is_refused(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm, pytest.raises(NotFound):
        kbm.ask.feedback("nope", Verdict.PROBLEM, None)


def test_a_document_is_shown_only_to_its_readers(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        found = released(kbm).retrieve.run("helper", "pay of the board", HR)
        id = next(one.document_id for one in found.passages if one.item_id == "hr/pay.txt")

        assert "250,000" in kbm.show_document.run(id, HR).text
        with pytest.raises(NotFound):
            kbm.show_document.run(id, Caller())
