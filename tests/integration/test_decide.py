"""People decide about what agents propose: exactly what they saw, once, and with what follows from it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kbm.bootstrap import Kbm
from kbm.domain.answers import Outcome
from kbm.domain.evaluation import GateVerdict, GoldenQuestion
from kbm.domain.fixes import AddOverlay, AttachSource, fix_digest
from kbm.domain.identity import Digest
from kbm.domain.internal import drafts_of, overlays_of
from kbm.domain.known_gaps import GapState
from kbm.domain.releases import Release
from kbm.domain.suggestions import Suggestion, SuggestionState
from kbm.errors import DecisionConflict, NotAllowed, UsageError
from kbm.services.retrieve import Caller
from kbm.testing.fakes import FakeClock, FakeConnector, NoProgress
from tests.integration.asked_in_vain import KILOMETRES, OWNER, ask_in_vain, company, released, review

NEUTRAL = "What is paid per kilometre for a trip with the own car?"


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the data of a company whose agents have looked; each test has a copy."""
    folder = tmp_path_factory.mktemp("reviewed")
    with company(folder) as made:
        released(made)
        ask_in_vain(made)
        review(made)
    return folder


@pytest.fixture
def kbm(reviewed: Path, tmp_path: Path) -> Iterator[Kbm]:
    shutil.copytree(reviewed, tmp_path / "company")
    clock = FakeClock()
    clock.advance(hours=2)
    with company(tmp_path / "company", clock) as made:
        yield made


def proposed(kbm: Kbm) -> Suggestion:
    found = kbm.catalogue.suggestions.all("helper", [SuggestionState.OPEN])
    return next(one for one in found if isinstance(one.fix, AttachSource))


def approve(kbm: Kbm, one: Suggestion, *, who: str = OWNER, seen: str = "") -> Suggestion:
    return kbm.reviewing.decide.approve(
        one.id, seen=Digest(seen or one.seal), who=who, progress=NoProgress(), golden=[NEUTRAL]
    )


def next_release(kbm: Kbm) -> Release:
    made = kbm.build.run(kbm.gpt_to_build("helper"), NoProgress()).release
    return kbm.publish.run("helper", str(made.version), who=OWNER, why="test")


def test_what_was_approved_is_in_the_next_release_and_closes_its_gap_by_evidence(kbm: Kbm) -> None:
    one = proposed(kbm)
    approve(kbm, one)
    made = next_release(kbm)
    done = review(kbm)

    assert made.approved.suggestions == (one.id,)
    assert kbm.catalogue.suggestions.get(one.id).state is SuggestionState.VERIFIED
    assert done.closed == (one.proposal.gap,)
    assert kbm.journal.gaps.get(one.proposal.gap).state is GapState.CLOSED
    assert kbm.ask.run("helper", KILOMETRES[0], Caller()).outcome is Outcome.ANSWERED


def test_a_release_that_would_break_a_closed_gap_is_held(kbm: Kbm) -> None:
    approve(kbm, proposed(kbm))
    next_release(kbm)
    review(kbm)
    without = replace(
        kbm.gpt_to_build("helper"), approved=replace(kbm.gpt_to_build("helper").approved, sources=())
    )
    worse = kbm.build.run(without, NoProgress()).release
    report = kbm.evaluate.gate("helper", worse, max_drop=1.0, progress=NoProgress())

    assert report.verdict is GateVerdict.HOLD
    assert any("it would reopen gap" in reason for reason in report.reasons)


def test_an_approval_holds_for_exactly_what_was_seen(kbm: Kbm) -> None:
    one = proposed(kbm)

    with pytest.raises(DecisionConflict, match="no longer what was seen"):
        approve(kbm, one, seen=fix_digest(one.fix))
    assert kbm.catalogue.suggestions.get(one.id).state is SuggestionState.OPEN


def test_an_approval_that_is_sent_again_is_refused(kbm: Kbm) -> None:
    one = proposed(kbm)
    approve(kbm, one)

    with pytest.raises(DecisionConflict, match="is approved by owner"):
        approve(kbm, one)


@pytest.mark.parametrize("who", ["agent:gaps", "stranger@test.example", ""])
def test_only_the_people_of_a_gpt_decide(kbm: Kbm, who: str) -> None:
    one = proposed(kbm)

    with pytest.raises(NotAllowed, match="may not decide"):
        approve(kbm, one, who=who)
    assert kbm.catalogue.suggestions.get(one.id).state is SuggestionState.OPEN


def test_after_the_documents_changed_the_proof_must_be_made_anew(kbm: Kbm) -> None:
    one = proposed(kbm)
    presses = kbm._connectors["presses"]
    assert isinstance(presses, FakeConnector)
    presses.items["kb80.txt"] = "The press KB 80 holds 80 tons."
    kbm.sync.run(kbm.source_to_sync("presses"), NoProgress())

    with pytest.raises(DecisionConflict, match="changed since the preview"):
        approve(kbm, one)

    again = kbm.reviewing.prove.run(one.id, NoProgress())

    assert again.seal != one.seal
    assert approve(kbm, again).state is SuggestionState.APPROVED


def test_of_two_who_decide_one_wins_and_the_other_is_told(kbm: Kbm) -> None:
    one = proposed(kbm)
    kbm.reviewing.decide.reject(one.id, who=OWNER, reason="not our business")

    with pytest.raises(DecisionConflict, match=r"is rejected by owner@test\.example"):
        approve(kbm, one)


def test_what_was_rejected_is_not_proposed_again(kbm: Kbm) -> None:
    one = proposed(kbm)
    kbm.reviewing.decide.reject(one.id, who=OWNER, reason="not our business")
    review(kbm)

    assert kbm.catalogue.suggestions.get(one.id).state is SuggestionState.REJECTED


def test_taking_an_approval_back_leaves_it_out_of_the_next_release(kbm: Kbm) -> None:
    one = proposed(kbm)
    approve(kbm, one)
    next_release(kbm)
    kbm.reviewing.decide.undo(one.id, who=OWNER, reason="wrong source")
    made = kbm.build.run(kbm.gpt_to_build("helper"), NoProgress()).release

    assert made.sources == ("presses",)
    assert not [each for each in kbm.catalogue.golden.all("helper") if each.question == NEUTRAL]


def test_a_no_and_an_undo_need_their_reason(kbm: Kbm) -> None:
    one = proposed(kbm)

    with pytest.raises(UsageError, match="needs its reason"):
        kbm.reviewing.decide.reject(one.id, who=OWNER, reason=" ")
    with pytest.raises(UsageError, match="needs its reason"):
        kbm.reviewing.decide.undo(one.id, who=OWNER, reason="")


def test_a_decision_is_in_the_chain_of_the_audit_log(kbm: Kbm) -> None:
    one = proposed(kbm)
    approve(kbm, one)
    entry = kbm.catalogue.audit.entries()[-1]

    assert (entry.who, entry.action, entry.subject) == (OWNER, "suggestion.approve", one.id)
    assert entry.detail["seen"] == one.seal
    assert kbm.catalogue.audit.verify().broken is None


def test_an_overlay_answers_only_after_it_was_approved_and_is_hidden_at_once_when_taken_back(
    kbm: Kbm,
) -> None:
    one = proposed(kbm)
    quote = one.proposal.evidence[0]
    overlay = AddOverlay(
        title="Trips with the own car",
        text="For a trip with the own car 38 cents per kilometre are paid.",
        language="en",
        evidence=(quote,),
        expires_on=kbm.clock.now().date().replace(year=2027),
    )
    written = replace(
        one,
        id="overlay1",
        proposal=replace(one.proposal, fix=overlay),
        preview=None,
        proposed_by="agent:test",
    )
    kbm.catalogue.suggestions.put([written])
    shown = kbm.reviewing.prove.run("overlay1", NoProgress())

    assert shown.preview is not None
    assert shown.preview.gains
    assert next_release(kbm).n_documents == 3, "a draft is in no release"

    approve(kbm, kbm.reviewing.prove.run("overlay1", NoProgress()))
    next_release(kbm)
    answer = kbm.ask.run("helper", KILOMETRES[0], Caller())

    assert "38 cents per kilometre" in answer.text

    kbm.reviewing.decide.undo("overlay1", who=OWNER, reason="the source says it now")
    hidden = kbm.ask.run("helper", KILOMETRES[0], Caller())

    assert "38 cents" not in hidden.text


def test_a_draft_with_open_questions_cannot_be_approved(kbm: Kbm) -> None:
    one = proposed(kbm)
    hole = AddOverlay(
        title="Trips",
        text="Something is paid.",
        language="en",
        evidence=(),
        expires_on=kbm.clock.now().date().replace(year=2027),
        asks=("How much?",),
    )
    kbm.catalogue.suggestions.put(
        [replace(one, id="hole1", proposal=replace(one.proposal, fix=hole), preview=None)]
    )
    found = kbm.catalogue.suggestions.get("hole1")

    with pytest.raises(DecisionConflict, match="open questions to an expert"):
        approve(kbm, found)


# -- what was cut short -------------------------------------------------------------------------------------------


def an_overlay(kbm: Kbm, id: str, state: SuggestionState) -> AddOverlay:
    """Let a suggestion to write a document stand so, and nothing else have been done."""
    one = proposed(kbm)
    fix = AddOverlay(
        title="Trips",
        text="38 cents per kilometre are paid.",
        language="en",
        evidence=(one.proposal.evidence[0],),
        expires_on=kbm.clock.now().date().replace(year=2027),
    )
    written = replace(one, id=id, state=state, preview=None, proposal=replace(one.proposal, fix=fix))
    kbm.catalogue.suggestions.put([written])
    return fix


def test_an_overlay_that_was_approved_and_not_written_waits_for_the_next_review(kbm: Kbm) -> None:
    an_overlay(kbm, "overlay1", SuggestionState.APPROVED)
    before = kbm.gpt_to_build("helper").approved.suggestions
    kbm.reviewing.decide.settle("helper", NoProgress())

    assert (before, kbm.gpt_to_build("helper").approved.suggestions) == ((), ("overlay1",))
    assert list(kbm.catalogue.documents.known(overlays_of("helper"))) == ["overlay1"]


@pytest.mark.parametrize("state", [SuggestionState.OPEN, SuggestionState.REJECTED, SuggestionState.EXPIRED])
def test_what_nobody_stands_for_any_more_is_hidden_by_the_next_review(
    kbm: Kbm, state: SuggestionState
) -> None:
    fix = an_overlay(kbm, "overlay1", state)
    kbm.reviewing.overlays.write("helper", "overlay1", fix)
    kbm.reviewing.overlays.draft("helper", "overlay1", fix)
    kbm.catalogue.golden.put("helper", [GoldenQuestion(id="soverlay1-1", question=NEUTRAL, expected=())])
    kbm.reviewing.decide.settle("helper", NoProgress())

    drafts = ["overlay1"] if state is SuggestionState.OPEN else []
    assert list(kbm.catalogue.documents.known(drafts_of("helper"))) == drafts
    assert list(kbm.catalogue.documents.known(overlays_of("helper"))) == []
    assert kbm.catalogue.golden.all("helper") == []


def test_what_no_longer_does_what_it_was_for_stays_until_a_person_takes_it_back(kbm: Kbm) -> None:
    one = proposed(kbm)
    approve(kbm, one)
    next_release(kbm)
    kbm.catalogue.suggestions.set_state([one.id], SuggestionState.REOPENED)

    assert kbm.gpt_to_build("helper").approved.sources == ("travel",)

    kbm.reviewing.decide.undo(one.id, who=OWNER, reason="wrong source")

    assert kbm.gpt_to_build("helper").approved.sources == ()


@pytest.mark.parametrize(
    ("state", "kept"),
    [(SuggestionState.REJECTED, ""), (SuggestionState.EXPIRED, ""), (SuggestionState.OPEN, "Trips")],
)
def test_a_draft_nobody_wants_is_emptied_once_its_questions_are_forgotten(
    kbm: Kbm, state: SuggestionState, kept: str
) -> None:
    an_overlay(kbm, "overlay1", state)
    kbm.reviewing.decide.settle("helper", NoProgress())
    before = kbm.catalogue.suggestions.get("overlay1").fix
    kbm.journal.forgetting.words(kbm.clock.now())
    kbm.reviewing.decide.settle("helper", NoProgress())
    after = kbm.catalogue.suggestions.get("overlay1")

    assert isinstance(before, AddOverlay)
    assert isinstance(after.fix, AddOverlay)
    assert (before.title, after.fix.title, after.state) == ("Trips", kept, state)
