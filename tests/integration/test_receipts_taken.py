"""Receipts after something was taken away or changed: redacted, expired, or failed with what differs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kbm.bootstrap import Kbm
from kbm.domain.identity import ChunkId
from kbm.domain.receipts import Erased, Level
from kbm.domain.releases import release_digest
from kbm.errors import JournalDamaged
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import NoProgress
from tests.integration.answered_company import (
    asked,
    bytes_of_the_journal,
    company,
    released,
    tamper,
    verified,
)

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
        release_digest(release.index_digest, release.answer_spec, left, release.calibration),
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
