"""Receipts of answers: what they name, and when they are exact or evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from kbm.domain.answers import Outcome
from kbm.domain.receipts import Level, QuoteSpan
from kbm.domain.retention import Retention
from kbm.domain.sync import Approval
from kbm.entrypoints.api.app import create_app
from kbm.errors import NotFound, UsageError
from kbm.services.compact import Compact
from kbm.services.retrieve import Caller
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeClock, FakeEmbedder, NoProgress
from tests.integration.answered_company import (
    HR,
    HR_ONLY,
    LEAVE,
    PAGES,
    asked,
    company,
    released,
    sync,
    tamper,
    verified,
)

# -- what a receipt says -----------------------------------------------------------------------------------------


def test_a_receipt_names_all_that_the_answer_rests_on(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        answer = asked(released(kbm))
        live = kbm.catalogue.releases.live("helper")
        receipt = kbm.receipt.run(answer.id)

        assert live is not None
        assert (receipt.gpt, receipt.release, receipt.release_digest) == ("helper", "1.0.0", live.digest)
        assert (receipt.epoch, receipt.readers) == (kbm.catalogue.documents.epoch(), frozenset({"everyone"}))
        assert (receipt.outcome, receipt.confidence) == (answer.outcome, answer.confidence)
        assert [
            (one.chunk_id, one.start, one.end) for one in receipt.quotes if isinstance(one, QuoteSpan)
        ] == [(one.passage.chunk_id, one.start, one.end) for one in answer.citations]
        assert answer.citations[0].passage.chunk_id in receipt.hits


def test_a_receipt_holds_no_word_of_question_or_document(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm, TestClient(create_app(released(kbm))) as client:
        answer = asked(kbm)
        shown = client.get(f"/v1/answers/{answer.id}/receipt").text

        assert answer.citations
        assert not [word for word in ("leave", "days", "Employees") if word in shown]


def test_over_http_a_receipt_is_verified_when_asked(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm, TestClient(create_app(released(kbm))) as client:
        path = f"/v1/answers/{asked(kbm).id}/receipt"
        plain, checked = client.get(path).json(), client.get(path, params={"verify": True}).json()

        assert plain["verification"] is None
        assert checked["verification"]["level"] == "exact"
        assert {**checked, "verification": None} == plain


def test_a_receipt_of_an_answer_for_other_readers_is_not_found(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm, TestClient(create_app(released(kbm))) as client:
        theirs = asked(kbm, "What is the pay of the board?", HR)
        absent = client.get("/v1/answers/0123/receipt")

        for path in (f"/v1/answers/{theirs.id}/receipt", f"/v1/answers/{theirs.id}/receipt?verify=true"):
            refused = client.get(path)
            assert (refused.status_code, refused.json()["code"]) == (
                absent.status_code,
                absent.json()["code"],
            )
        assert kbm.receipt.run(theirs.id, HR).answer_id == theirs.id


# -- exact -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_receipts_are_exact_after_twenty_more_releases_and_a_rollback(tmp_path: Path) -> None:
    source = company()
    with kbm_over(tmp_path, source) as kbm:
        released(kbm)
        answers = [asked(kbm), asked(kbm, "How heavy is the press?"), asked(kbm, "What is the pay?", HR)]
        for n in range(20):
            source.items["leave.txt"] = f"Employees get {31 + n} days of leave a year."
            source.items[f"more/{n}.txt"] = f"Leave number {n} of employees is a day in month {n}."
            released(kbm)
            answers.append(asked(kbm))
        kbm.publish.roll_back("helper", to=None, who="anna", reason="test")
        answers.append(asked(kbm))

        assert len({one.release for one in answers}) == 21
        assert [verified(kbm, one).level for one in answers] == [Level.EXACT] * len(answers)


def test_receipts_are_exact_after_readers_were_narrowed_and_documents_withdrawn(tmp_path: Path) -> None:
    source = company()
    with kbm_over(tmp_path, source) as kbm:
        before = asked(released(kbm))
        source.readers["leave.txt"] = HR_ONLY
        sync(kbm)
        narrowed = asked(kbm)
        del source.items["travel.txt"]
        sync(kbm)
        withdrawn = [asked(kbm), asked(kbm, caller=HR)]
        source.items["travel.txt"] = PAGES["travel.txt"]
        source.readers["leave.txt"] = frozenset({"everyone"})
        kbm.catalogue.sources.approve("docs", Approval(items=frozenset({"leave.txt"})), plan=0, who="anna")
        sync(kbm)
        restored = asked(kbm)

        assert "30 days" in before.text
        assert "30 days" not in narrowed.text
        found = [verified(kbm, one) for one in (before, narrowed, *withdrawn, restored)]
        assert [one.level for one in found] == [Level.EXACT] * 5
        assert [one.notes for one in found] == [()] * 5


def test_an_answer_that_said_nothing_is_made_again_too(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        answer = asked(released(kbm), "Which penguin won the eurovision singing contest?")

        assert answer.outcome is Outcome.UNANSWERED
        assert verified(kbm, answer).level is Level.EXACT


def test_an_answer_made_without_the_embedder_is_made_again_without_it(tmp_path: Path) -> None:
    embedder = FakeEmbedder()
    with kbm_over(tmp_path, company(), embedder=embedder) as kbm:
        released(kbm)
        embedder.fail_after = 0
        words_only = asked(kbm)
        embedder.fail_after = None
        whole = asked(kbm)
        now_up = verified(kbm, words_only)
    embedder.fail_after = 0
    with kbm_over(tmp_path, company(), embedder=embedder) as kbm:  # one that has embedded nothing yet
        now_down = verified(kbm, whole)

        assert now_up.level is Level.EXACT
        assert now_down.level is Level.EVIDENCE
        assert "embedder fake did not answer" in now_down.notes[0]


def test_the_answer_is_made_again_from_as_many_passages_as_then(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        released(kbm)
        few, many = (kbm.ask.run("helper", "employees leave travel year", Caller(), k=k) for k in (1, 12))

        assert len({one.passage.chunk_id for one in few.citations}) == 1
        assert [verified(kbm, one).level for one in (few, many)] == [Level.EXACT] * 2


# -- evidence ----------------------------------------------------------------------------------------------------


def test_without_the_question_quotes_are_evidence_and_with_it_the_receipt_is_exact_again(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    with kbm_over(tmp_path, company(), clock=clock) as kbm:
        answer = asked(released(kbm))
        clock.advance(days=31)
        forgotten = kbm.forget_questions.run()
        found = verified(kbm, answer)

        assert forgotten.n_answers == 1
        assert (found.level, found.n_quotes_checked) == (Level.EVIDENCE, len(answer.citations))
        assert found.notes == ("not made again: the question is not kept as it was asked",)
        assert verified(kbm, answer, f"  {LEAVE.replace(' ', '  ')} ").level is Level.EXACT


@pytest.mark.parametrize("kept", [True, False])
def test_another_question_is_refused(tmp_path: Path, kept: bool) -> None:
    clock = FakeClock()
    with kbm_over(tmp_path, company(), clock=clock) as kbm:
        answer = asked(released(kbm))
        if not kept:
            clock.advance(days=31)
            kbm.forget_questions.run()

        with pytest.raises(UsageError, match="not the question"):
            verified(kbm, answer, "How many days of leave do employees get")


def test_an_evicted_index_leaves_the_evidence_and_brought_back_it_is_exact(tmp_path: Path) -> None:
    source = company()
    with kbm_over(tmp_path, source) as kbm:
        answer = asked(released(kbm))
        for n in range(4):
            source.items["leave.txt"] = f"Employees get {31 + n} days of leave a year."
            released(kbm)
        compact = Compact(
            retention={"helper": Retention(keep=2, purge_after=timedelta(days=90))},
            releases=kbm.catalogue.releases,
            retaining=kbm.catalogue.retention,
            indexes=kbm.indexes,
            raw=kbm.raw,
            embedder=kbm.embedder,
            open_vectors=lambda: kbm.vectors,
            clock=kbm.clock,
        )
        evicted = compact.after_publish("helper", NoProgress()).evicted
        put_away = verified(kbm, answer)
        _, back = kbm.receipt.verify(
            answer.id, bring_back=lambda gpt, release: kbm.rebuild.bring_back(gpt, release, NoProgress())
        )

        assert "1.0.0" in {str(one.version) for one in evicted}
        assert put_away.level is Level.EVIDENCE
        assert "put away" in put_away.notes[0]
        assert back.level is Level.EXACT


def test_a_damaged_index_leaves_the_evidence_and_says_so(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        answer = asked(released(kbm))
    for path in (tmp_path / ".kbm" / "index").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    with kbm_over(tmp_path, company()) as kbm:
        found = verified(kbm, answer)

    assert found.level is Level.EVIDENCE
    assert found.notes[0].startswith("not made again: ")


def test_an_answer_that_another_kbm_made_otherwise_is_evidence(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        made = asked(released(kbm))
        recorded = kbm.journal.recorded(made.id)
        assert recorded is not None
    # An older kbm sealed it, with a confidence of its own.
    older = recorded.receipt
    with kbm_over(tmp_path, company()) as kbm:
        older = replace(older, made_with="0.0.9", confidence=0.5).sealed(kbm.secret.mac)
        tamper(
            tmp_path,
            "journal",
            "UPDATE answer SET made_with = ?, confidence = ?, seal = ?",
            older.made_with,
            older.confidence,
            older.seal,
        )
        found = verified(kbm, made)

    assert found.level is Level.EVIDENCE
    assert "0.0.9" in found.notes[0]


def test_an_unknown_answer_has_no_receipt(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm, pytest.raises(NotFound):
        kbm.receipt.verify("nope")


def test_times_are_as_told(tmp_path: Path) -> None:
    clock = FakeClock()
    with kbm_over(tmp_path, company(), clock=clock) as kbm:
        released(kbm)
        clock.advance(hours=5)
        answer = asked(kbm)

        assert kbm.receipt.run(answer.id).asked_at == FakeClock().now() + timedelta(hours=5)
