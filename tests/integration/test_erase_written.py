"""Erase a document that agents drew something from: drafts, overlays, proofs and gaps keep nothing of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from kbm.bootstrap import Kbm
from kbm.domain.fixes import AddOverlay, AddSynonyms, Evidence, Fix, PreferDocument, Reparse, RetireDocument
from kbm.domain.gaps import Cause, GapName
from kbm.domain.internal import COMPANY, drafts_of, overlays_of
from kbm.domain.known_gaps import Gap, GapState, LastReview
from kbm.domain.suggestions import Asked, Proposal, Suggestion, SuggestionState
from kbm.services.retrieve import Caller
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, NoProgress
from tests.integration.test_erase import ERASED, PAGES, SECRETS, build, erase, places_with, sync

QUESTION = "Which pension number has the colleague in the blue cabinet?"
DRAFT = "Her pension number is 65 170839 H 041, kept in the blue cabinet of the personnel office."
NAME = f"docs:{ERASED}"


@pytest.fixture
def kbm(tmp_path: Path) -> Iterator[Kbm]:
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as made:
        sync(made)
        build(made, "1.0.0")
        yield made


def quote(kbm: Kbm, item: str) -> Evidence:
    found = kbm.retrieve.run("helper", f"{PAGES[item][:60]}", Caller(), k=20)
    one = next(each for each in found.passages if each.item_id == item)
    return Evidence(
        chunk_id=one.chunk_id, document_id=one.document_id, start=one.start, end=one.start + len(one.text)
    )


def overlay(*evidence: Evidence, text: str = DRAFT) -> AddOverlay:
    return AddOverlay(
        title="Pension", text=text, language="en", evidence=evidence, expires_on=date(2027, 5, 1)
    )


def put(
    kbm: Kbm, id: str, fix: Fix, *evidence: Evidence, state: SuggestionState = SuggestionState.OPEN
) -> Suggestion:
    now = kbm.clock.now()
    made = Suggestion(
        id=id,
        gpt="helper",
        proposed_by="agent:test",
        proposal=Proposal(
            fix=fix,
            why="test",
            evidence=evidence,
            about=(NAME, "docs:leave.txt"),
            questions=tuple(one.id for one in kbm.reviewing.log("helper")),
        ),
        state=state,
        created_at=now,
        proposed_at=now,
        expires_at=now + timedelta(weeks=4),
    )
    kbm.catalogue.suggestions.put([made])
    return made


def test_nothing_of_it_is_left_in_drafts_overlays_proofs_and_gaps(kbm: Kbm, tmp_path: Path) -> None:
    asked = kbm.ask.run("helper", QUESTION, Caller(), user="ben")
    kbm.ask.settle()
    mine, other = quote(kbm, ERASED), quote(kbm, "leave.txt")
    now = kbm.clock.now()
    gap = Gap(
        id="gap1",
        gpt="helper",
        state=GapState.OPEN,
        name=GapName(title=QUESTION),
        theme="",
        cause=Cause.THIN,
        members=(asked.id,),
        n_asked=3,
        n_people=1,
        first_seen=now,
        last_seen=now,
        evidence=(mine, other),
    )
    kbm.journal.gaps.put(LastReview(gpt="helper", at=now), [gap, replace(gap, id="gap2", members=("x",))])
    put(kbm, "draft-of-it-00001", overlay(mine, other))
    put(kbm, "reparse-of-it-001", Reparse(items=(NAME,)))
    put(kbm, "synonyms-of-it-01", AddSynonyms(words=("pension", "annuity")), mine, other)
    put(kbm, "retired-for-it-01", RetireDocument(item="docs:leave.txt", in_favour_of=NAME))
    kbm.reviewing.prove.run("draft-of-it-00001", NoProgress())
    shown = kbm.reviewing.prove.run("synonyms-of-it-01", NoProgress())
    fix = overlay(mine, text=f"{DRAFT} It was put there.")
    put(kbm, "overlay-of-it-001", fix, mine, state=SuggestionState.APPROVED)
    kbm.reviewing.overlays.write("helper", "overlay-of-it-001", fix)
    kbm.reviewing.overlays.draft("helper", "overlay-of-it-001", fix)
    kbm.reviewing.overlays.drop_draft("helper", "overlay-of-it-001")
    build(kbm, "1.0.1")
    kbm.reviewing.company.refresh(NoProgress())
    before = kbm.retrieve.run("helper", QUESTION, Caller())

    assert any(one.source == overlays_of("helper") for one in before.passages)
    assert shown.preview is not None
    assert any(each.asked is Asked.GAP and each.before.items for each in shown.preview.replayed)

    made = erase(kbm)

    assert made.proved
    assert places_with(tmp_path, *SECRETS, DRAFT[:40]) == []
    left = {one.id: one for one in kbm.catalogue.suggestions.all("helper")}
    assert set(left) == {"synonyms-of-it-01", "retired-for-it-01"}
    assert left["synonyms-of-it-01"].proposal.evidence == (other,)
    assert left["synonyms-of-it-01"].proposal.about == ("docs:leave.txt",)
    assert left["retired-for-it-01"].fix == RetireDocument(item="docs:leave.txt")
    found = {one.id: one for one in kbm.journal.gaps.all("helper")}
    assert found["gap2"].evidence == (other,)
    assert "gap1" not in found, "a question that was answered from it is forgotten, and the gap made of it"
    after = kbm.retrieve.run("helper", QUESTION, Caller())
    assert {one.source for one in after.passages} == {"docs"}
    assert not kbm.catalogue.documents.known(overlays_of("helper"))
    assert not kbm.catalogue.documents.known(drafts_of("helper"))
    assert kbm.catalogue.audit.verify().broken is None


def test_what_rests_on_other_documents_stays_and_answers(kbm: Kbm) -> None:
    fix = overlay(quote(kbm, "leave.txt"), text="Ten years in the company bring five more days of leave.")
    put(kbm, "overlay-of-other1", fix, state=SuggestionState.APPROVED)
    kbm.reviewing.overlays.write("helper", "overlay-of-other1", fix)
    build(kbm, "1.0.1")
    erase(kbm)
    found = kbm.retrieve.run("helper", "five more days of leave after ten years", Caller())

    assert any(one.source == overlays_of("helper") for one in found.passages)
    assert [one.id for one in kbm.catalogue.suggestions.all()] == ["overlay-of-other1"]


def test_the_rules_of_releases_no_longer_name_it(kbm: Kbm, tmp_path: Path) -> None:
    put(
        kbm,
        "preferred-to-all1",
        PreferDocument(item=NAME, over="docs:leave.txt"),
        state=SuggestionState.APPROVED,
    )
    build(kbm, "1.0.1")
    before = kbm.catalogue.releases.get("helper", "1.0.1")

    assert before.answer_spec.prefer == before.approved.prefer == (NAME,)

    made = erase(kbm)
    after = kbm.catalogue.releases.get("helper", "1.0.1")

    assert made.proved
    assert (after.answer_spec.prefer, after.approved.prefer) == ((), ())
    assert after.digest != before.digest
    assert places_with(tmp_path, NAME) == []
    assert not [one.problem for one in kbm.rebuild.check("helper") if one.problem]


def test_the_next_night_goes_on_without_what_was_erased(kbm: Kbm) -> None:
    put(kbm, "draft-of-it-00001", overlay(quote(kbm, ERASED)))
    kbm.reviewing.prove.run("draft-of-it-00001", NoProgress())
    erase(kbm)
    kbm.reviewing.decide.settle("helper", NoProgress())
    made = kbm.reviewing.company.refresh(NoProgress())

    assert made.gpt == COMPANY
    assert made.n_documents == len(PAGES) - 1
    assert not [one.problem for one in kbm.rebuild.check("helper") if one.problem]
