"""What the owner allowed is mended at night by itself, each thing ever more rarely, and all of it is logged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kbm.bootstrap import Kbm
from kbm.domain.fixes import RebuildIndex, RefreshSource, Reparse
from kbm.domain.healing import HEALABLE, HEALER, Healed, subjects_of
from kbm.domain.suggestions import Proposal, Suggestion, SuggestionState
from kbm.errors import ConnectorUnavailable
from kbm.testing.fakes import FakeClock, FakeConnector, NoProgress
from tests.integration.asked_in_vain import OWNER, company, released


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def kbm(tmp_path: Path, clock: FakeClock) -> Iterator[Kbm]:
    with company(tmp_path, clock) as made:
        yield released(made)


def heal(kbm: Kbm, *allowed: str) -> list[Healed]:
    return replace(kbm.reviewing.heal, allowed=lambda _: allowed or HEALABLE).run("helper", NoProgress())


def proposed(kbm: Kbm, fix: RefreshSource | Reparse | RebuildIndex, by: str = "agent:health") -> Suggestion:
    """Put what an agent found, as a review does."""
    now = kbm.clock.now()
    review = kbm.reviewing.review
    made = review._standing(None, f"id-{fix.kind}", "helper", by, Proposal(fix=fix, why="test"))
    assert made is not None
    kbm.catalogue.suggestions.put([replace(made, proposed_at=now)])
    return made


def state(kbm: Kbm, one: Suggestion) -> SuggestionState:
    return kbm.catalogue.suggestions.get(one.id).state


def presses(kbm: Kbm) -> FakeConnector:
    found = kbm._connectors["presses"]
    assert isinstance(found, FakeConnector)
    return found


def test_without_a_word_of_the_owner_nothing_is_done(kbm: Kbm) -> None:
    one = proposed(kbm, RefreshSource(source="presses"))

    assert kbm.reviewing.heal.run("helper", NoProgress()) == []
    assert heal(kbm, "reparse") == []
    assert state(kbm, one) is SuggestionState.OPEN


def test_a_source_that_works_again_is_read_whole_and_the_suggestion_is_done_with(kbm: Kbm) -> None:
    presses(kbm).down = True
    with pytest.raises(ConnectorUnavailable):
        kbm.sync.run(kbm.source_to_sync("presses"), NoProgress())
    one = proposed(kbm, RefreshSource(source="presses"))
    presses(kbm).down = False
    presses(kbm).items["new.txt"] = "The press KB 90 holds 90 tons."

    [done] = heal(kbm)

    assert (done.problem, done.source) == ("", "presses")
    assert state(kbm, one) is SuggestionState.APPLIED
    assert "new.txt" in kbm.catalogue.documents.known("presses")
    entries = kbm.catalogue.audit.entries()[-2:]
    assert [(each.who, each.action) for each in entries] == [
        (HEALER, "suggestion.heal"),
        (HEALER, "suggestion.healed"),
    ]
    assert kbm.catalogue.audit.verify().broken is None


def test_what_fails_is_told_stays_open_and_is_tried_ever_more_rarely(kbm: Kbm, clock: FakeClock) -> None:
    one = proposed(kbm, RefreshSource(source="presses"))
    presses(kbm).down = True
    tried = []
    for _night in range(8):
        tried.append([each.problem for each in heal(kbm)])
        clock.advance(days=1)

    assert [bool(each) for each in tried] == [True, True, False, True, False, False, False, True]
    assert tried[0] == ["the fake source is down"]
    assert state(kbm, one) is SuggestionState.OPEN


def test_why_it_failed_is_told_and_not_kept_since_it_may_name_a_document(kbm: Kbm) -> None:
    proposed(kbm, Reparse(items=("presses:kb40.txt",)))
    presses(kbm).failing.add("kb40.txt")
    [done] = heal(kbm)
    subjects = subjects_of("helper", Reparse(items=("presses:kb40.txt",)))
    [kept] = kbm.catalogue.healing.last(subjects).values()

    assert "kb40.txt" in done.problem
    assert (kept.n, kept.problem) == (1, "failed")


def test_one_that_fails_does_not_keep_the_others_from_their_turn(kbm: Kbm) -> None:
    proposed(kbm, RefreshSource(source="nowhere"))
    index = proposed(kbm, RebuildIndex())
    told = {each.kind: each.problem for each in heal(kbm)}

    assert "nowhere" in told[RefreshSource(source="x").kind]
    assert told[RebuildIndex().kind] == ""
    assert state(kbm, index) is SuggestionState.APPLIED


def test_only_what_an_agent_proposed_and_nobody_decided_about_is_tried(kbm: Kbm) -> None:
    proposed(kbm, RefreshSource(source="presses"), by=OWNER)
    no = proposed(kbm, RebuildIndex())
    kbm.reviewing.decide.reject(no.id, who=OWNER, reason="leave it")

    assert heal(kbm) == []


def test_a_document_in_quarantine_is_parsed_again_although_its_content_was_bad_before(kbm: Kbm) -> None:
    presses(kbm).items["bad.txt"] = "   "
    kbm.sync.run(kbm.source_to_sync("presses"), NoProgress())
    one = proposed(kbm, Reparse(items=("presses:bad.txt",)))
    [done] = heal(kbm)

    assert done.problem == "still empty"
    assert state(kbm, one) is SuggestionState.OPEN

    presses(kbm).items["bad.txt"] = "The press KB 99 holds 99 tons."
    kbm.clock.advance(days=1)  # type: ignore[attr-defined]
    [again] = heal(kbm)

    assert again.problem == ""
    assert not kbm.catalogue.documents.quarantine("presses")


def test_what_was_mended_is_proposed_again_only_when_it_may_be_tried_again(
    kbm: Kbm, clock: FakeClock
) -> None:
    one = proposed(kbm, RefreshSource(source="presses"))
    heal(kbm)
    allowed = replace(kbm.reviewing.heal, allowed=lambda _: HEALABLE)
    done = kbm.catalogue.suggestions.get(one.id)

    assert allowed.rests(done)
    clock.advance(days=1)
    assert not allowed.rests(done)


def test_a_task_that_a_person_approved_comes_back_after_a_week_if_it_is_still_needed(
    kbm: Kbm, clock: FakeClock
) -> None:
    one = proposed(kbm, RefreshSource(source="presses"))
    done = kbm.reviewing.decide.approve(one.id, seen=one.seal, who=OWNER, progress=NoProgress())
    review = kbm.reviewing.review

    assert done.state is SuggestionState.APPLIED
    assert review._standing(done, one.id, "helper", "agent:health", one.proposal) is None

    clock.advance(days=7)
    again = review._standing(done, one.id, "helper", "agent:health", one.proposal)

    assert again is not None
    assert again.state is SuggestionState.OPEN


def test_an_approved_task_whose_source_is_down_does_not_end_the_review(kbm: Kbm) -> None:
    one = proposed(kbm, RefreshSource(source="presses"))
    presses(kbm).down = True
    with pytest.raises(ConnectorUnavailable):
        kbm.reviewing.decide.approve(one.id, seen=one.seal, who=OWNER, progress=NoProgress())
    kbm.reviewing.decide.settle("helper", NoProgress())

    assert state(kbm, one) is SuggestionState.APPROVED

    presses(kbm).down = False
    kbm.reviewing.decide.settle("helper", NoProgress())

    assert state(kbm, one) is SuggestionState.APPLIED


def test_a_source_of_two_gpts_is_mended_once_a_night_and_done_with_for_both(kbm: Kbm) -> None:
    one = proposed(kbm, RefreshSource(source="presses"))
    kbm.catalogue.suggestions.put([replace(one, id="clerks", gpt="clerk")])
    both = replace(kbm.reviewing.heal, allowed=lambda _: HEALABLE)
    n_listed = len(both.run("helper", NoProgress())) + len(both.run("clerk", NoProgress()))

    assert n_listed == 1
    assert kbm.catalogue.suggestions.get("clerks").state is SuggestionState.APPLIED


def test_the_night_mends_after_agents_have_looked(tmp_path: Path) -> None:
    with company(tmp_path / "night") as kbm:
        looked: list[str] = []
        nightly = replace(
            kbm.nightly,
            review=None,
            heal=lambda gpt, _: looked.append(gpt) or [Healed(gpt=gpt, suggestion="x", kind=HEALABLE[0])],  # type: ignore[func-returns-value]
        )
        gpts = [(kbm.gpt_to_build(name), kbm.night_policy(name)) for name in kbm.settings.gpts]
        sources = [kbm.source_to_sync(name) for name in kbm.settings.sources]
        night = nightly.run(sources, gpts, NoProgress(), configured=kbm.settings.sources, who="night")

        assert [each.gpt for each in night.healed] == looked == list(kbm.settings.gpts)
        assert night.exit_code == 0
