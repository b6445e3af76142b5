"""Receipts of answers: what they name, and how far they can be verified after what came since."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from kbm.bootstrap import Kbm
from kbm.domain.answers import Answer, Outcome, Verdict
from kbm.domain.identity import ChunkId
from kbm.domain.receipts import Erased, Level, QuoteSpan, Verification
from kbm.domain.releases import release_digest
from kbm.domain.retention import Retention
from kbm.entrypoints.api.app import create_app
from kbm.errors import JournalDamaged, NotFound, UsageError
from kbm.services.compact import Compact
from kbm.services.retrieve import Caller
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeClock, FakeConnector, FakeEmbedder, NoProgress

PAGES = {
    "leave.txt": "Employees get 30 days of leave a year. Leave is asked for four weeks ahead.",
    "press.txt": "The press KB 40 holds 40 tons. It weighs 900 kilograms.",
    "travel.txt": "Employees travel by train in second class. Flights are approved by the head of travel.",
    "hr/pay.txt": "The pay of the board is 250,000 euros a year.",
}
LEAVE = "How many days of leave do employees get?"
HR = Caller(readers=frozenset({"everyone", "group:hr"}))
HR_ONLY = frozenset({"group:hr"})


def company() -> FakeConnector:
    return FakeConnector(items=dict(PAGES), readers={"hr/pay.txt": HR_ONLY})


def sync(kbm: Kbm) -> None:
    kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())


def released(kbm: Kbm) -> Kbm:
    sync(kbm)
    made = kbm.build.run(kbm.gpt_to_build("helper"), NoProgress()).release
    kbm.publish.run("helper", str(made.version), who="anna", why="test")
    return kbm


def asked(kbm: Kbm, question: str = LEAVE, caller: Caller | None = None, **more: str) -> Answer:
    return kbm.ask.run("helper", question, caller or Caller(), **more)  # type: ignore[arg-type]


def verified(kbm: Kbm, answer: Answer, question: str | None = None) -> Verification:
    return kbm.receipt.verify(answer.id, question=question)[1]


def tamper(folder: Path, database: str, statement: str, *values: object) -> None:
    with sqlite3.connect(folder / ".kbm" / f"{database}.db") as connection:
        assert connection.execute(statement, values).rowcount > 0
    connection.close()


def bytes_of_the_journal(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted((folder / ".kbm").glob("journal.db*")))


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
        kbm.catalogue.documents.approve("docs", ["leave.txt"])
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
        assert found.notes == ("not made again: the question is no longer kept",)
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


# -- what was taken away -----------------------------------------------------------------------------------------


def erase(kbm: Kbm, folder: Path, chunk: ChunkId) -> None:
    """Do to the tables what an erasure does to them, as far as a receipt sees it."""
    tamper(
        folder,
        "catalogue",
        "DELETE FROM membership WHERE version_id = (SELECT version_id FROM chunk WHERE id = ?)",
        chunk,
    )
    tamper(folder, "catalogue", "DELETE FROM chunk WHERE id = ?", chunk)
    release = kbm.catalogue.releases.get("helper", "1.0.0")
    left = kbm.catalogue.releases.manifest("helper", release.seq)
    tamper(
        folder,
        "catalogue",
        "UPDATE release SET first_digest = digest, digest = ?, redacted_at = ?",
        release_digest(release.index_digest, release.answer_spec, left),
        kbm.clock.now().isoformat(),
    )


def test_after_an_erasure_the_rest_is_verified_and_no_id_is_left(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        released(kbm)
        cites, only_found = asked(kbm), asked(kbm, "What does the press weigh, employees?")
        chunk = cites.citations[0].passage.chunk_id
        untouched = kbm.receipt.run(cites.id)
        erase(kbm, tmp_path, chunk)
        unlisted = verified(kbm, cites)  # an erasure that has not reached the journal yet
        assert chunk.encode() in bytes_of_the_journal(tmp_path)
        named = kbm.journal.redact([chunk])
        receipt, found = kbm.receipt.verify(cites.id)

        assert unlisted.level is Level.REDACTED
        assert (found.level, found.n_quotes_erased) == (Level.REDACTED, len(cites.citations))
        assert isinstance(receipt.quotes[0], Erased)
        assert receipt.seal == untouched.seal
        assert chunk.encode() not in bytes_of_the_journal(tmp_path)
        assert named == 2
        assert kbm.journal.redact([chunk]) == 0
        assert verified(kbm, only_found).level is Level.EVIDENCE


def test_receipts_after_a_real_erasure_and_of_answers_that_came_after_it(tmp_path: Path) -> None:
    source = company()
    with kbm_over(tmp_path, source) as kbm:
        quoted, other = asked(released(kbm)), asked(kbm, "How heavy is the press KB 40?")
        kbm.erase.run("docs:leave.txt", who="dpo", reason="request 12", progress=NoProgress())
        after = asked(kbm, "How heavy is the press KB 40?")
        kbm.erase.run("docs:travel.txt", who="dpo", reason="request 13", progress=NoProgress())
        found = [verified(kbm, one) for one in (quoted, other, after)]

        assert [one.differences for one in found] == [()] * 3
        assert found[0].level is Level.REDACTED
        assert found[0].n_quotes_checked + found[0].n_quotes_erased == len(quoted.citations)
        assert {one.level for one in found[1:]} <= {Level.EXACT, Level.EVIDENCE}
        assert found[1].n_quotes_checked == len(other.citations) > 0


def test_marks_of_an_erasure_cannot_be_moved_or_made_up(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        answer = asked(released(kbm), "employees leave travel year")
        hits = list(kbm.receipt.run(answer.id).hits)
        made_up = json.dumps([{"erased": "0" * 64}, *hits[1:]])
        tamper(tmp_path, "journal", "UPDATE answer SET hits = ?", made_up)

        assert verified(kbm, answer).level is Level.FAILED


def test_a_purged_release_leaves_the_receipt_itself(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        answer = asked(released(kbm))
        tamper(tmp_path, "catalogue", "UPDATE release SET content = 'purged'")
        tamper(tmp_path, "catalogue", "DELETE FROM membership")
        tamper(tmp_path, "catalogue", "DELETE FROM chunk")

        assert verified(kbm, answer).level is Level.EXPIRED
        tamper(tmp_path, "journal", "UPDATE answer SET confidence = 0.99")
        assert verified(kbm, answer).level is Level.FAILED


# -- what was changed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "gpt = 'other'",
        "release = '9.9.9'",
        "release_digest = 'f00'",
        "epoch = epoch - 1",
        'readers = \'["everyone", "group:hr"]\'',
        "k = 5",
        "canary = 1",
        "asked_at = '2020-01-01T00:00:00+00:00'",
        "question = 'What else?'",
        "question_mac = 'f00'",
        "outcome = 'unanswered'",
        "cause = 'no_fact'",
        "confidence = 0.999",
        "hits = '[]'",
        "citations = replace(citations, '0,', '1,')",
        "citations = '[]'",
        "degraded = '[\"made up\"]'",
        "made_with = '9.9.9'",
        "seal = 'f00'",
    ],
)
def test_a_changed_journal_row_fails(tmp_path: Path, change: str) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        answer = asked(released(kbm))
        tamper(tmp_path, "journal", f"UPDATE answer SET {change}")
        found = verified(kbm, answer)

    assert found.level is Level.FAILED
    assert found.differences


@pytest.mark.parametrize("change", ["hits = 'nonsense'", "citations = '[[1]]'", "outcome = 'perhaps'"])
def test_a_journal_row_that_is_no_receipt_any_more_is_told_as_such(tmp_path: Path, change: str) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        answer = asked(released(kbm))
        tamper(tmp_path, "journal", f"UPDATE answer SET {change}")

        with pytest.raises(JournalDamaged, match=answer.id):
            verified(kbm, answer)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE chunk SET text = replace(text, '30 days', '35 days')", "quote 1 is not the stored text"),
        ("DELETE FROM chunk", "not stored any more"),
        ("UPDATE release SET digest = 'f00'", "the digest of helper 1.0.0 is not the recorded one"),
        ("DELETE FROM membership", "do not give its digest"),
        ("UPDATE release SET answer_spec = replace(answer_spec, '0.4', '0.1')", "do not give its digest"),
        ("DELETE FROM release", "no release helper 1.0.0"),
        ("UPDATE visibility_change SET readers = '[\"group:hr\"]'", "made again"),
    ],
)
def test_a_changed_catalogue_fails_and_says_what_differs(tmp_path: Path, change: str, said: str) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        answer = asked(released(kbm))
        tamper(tmp_path, "catalogue", change)
        found = verified(kbm, answer)

    assert found.level is Level.FAILED
    assert said in " ".join(found.differences)


def test_with_another_key_no_receipt_holds(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        answer = asked(released(kbm))
    (tmp_path / ".kbm" / "secret.key").unlink()
    with kbm_over(tmp_path, company()) as kbm:
        found = verified(kbm, answer)

    assert found.level is Level.FAILED
    assert any("key" in line for line in found.differences)


# -- retention ---------------------------------------------------------------------------------------------------


def test_only_what_is_older_than_the_retention_is_forgotten_and_out_of_the_file_too(tmp_path: Path) -> None:
    clock = FakeClock()
    with kbm_over(tmp_path, company(), clock=clock) as kbm:
        released(kbm)
        old = asked(kbm, "How heavy is the press of Zacharias?", user="zacharias")
        kbm.ask.feedback(old.id, Verdict.PROBLEM, "Zacharias was here")
        clock.advance(days=29)
        young = asked(kbm, user="young")
        kbm.ask.feedback(young.id, Verdict.HELPFUL, "thank you")
        clock.advance(days=2)
        there = bytes_of_the_journal(tmp_path)
        forgotten = kbm.forget_questions.run()
        gone = bytes_of_the_journal(tmp_path)

        assert (forgotten.n_answers, forgotten.n_comments) == (1, 1)
        assert there.lower().count(b"zacharias") >= 3
        assert b"zacharias" not in gone.lower()
        assert b"young" in gone
        assert b"thank you" in gone
        assert kbm.forget_questions.run().n_answers == 0


def test_many_questions_are_forgotten_in_slices(tmp_path: Path) -> None:
    clock = FakeClock()
    with kbm_over(tmp_path, company(), clock=clock) as kbm:
        asked(released(kbm))
        kbm.ask.close()
        with sqlite3.connect(tmp_path / ".kbm" / "journal.db") as connection:
            columns = [row[1] for row in connection.execute("PRAGMA table_info(answer)")][1:]
            listed = ", ".join(f'"{name}"' for name in columns)
            for n in range(1_200):
                connection.execute(
                    f"INSERT INTO answer (id, {listed}) SELECT ?, {listed} FROM answer LIMIT 1", (f"n{n}",)
                )
        connection.close()
        clock.advance(days=31)

        assert kbm.forget_questions.run().n_answers == 1_201
        assert kbm.forget_questions.run().n_answers == 0


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
