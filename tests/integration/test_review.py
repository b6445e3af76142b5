"""Agents look at what was asked in vain: gaps with causes, suggestions with proof."""

from __future__ import annotations

from pathlib import Path

import pytest

from kbm.domain.fixes import AttachSource
from kbm.domain.gaps import Cause
from kbm.domain.known_gaps import GapState
from kbm.domain.suggestions import Asked, SuggestionState
from kbm.errors import DecisionConflict, NothingLive
from kbm.testing.fakes import NoProgress
from tests.integration.asked_in_vain import OWNER, ask_in_vain, company, released, review


def test_questions_that_another_gpts_source_answers_become_a_gap_with_the_fix_that_closes_it(
    tmp_path: Path,
) -> None:
    with company(tmp_path) as kbm:
        released(kbm)
        ask_in_vain(kbm)
        done = review(kbm)

        assert [one.cause for one in done.gaps] == [Cause.WRONG_SCOPE]
        assert "kilometre" in done.gaps[0].name.title
        proposed = next(one for one in done.new if one.proposal.gap == done.gaps[0].id)
        assert proposed.fix == AttachSource(source="travel")
        assert proposed.preview is not None
        before, after = proposed.preview.n_answered
        assert (before, proposed.preview.n_broken) == (0, 0)
        assert after > 0
        assert proposed.preview.count(Asked.HEALTHY) == 3


def test_the_same_log_gives_the_same_suggestions_with_the_same_ids(tmp_path: Path) -> None:
    with company(tmp_path) as kbm:
        released(kbm)
        ask_in_vain(kbm)
        first, again = review(kbm), review(kbm)

        assert again.new == ()
        assert {one.id for one in again.waiting} == {one.id for one in first.waiting}
        assert [one.id for one in again.gaps] == [one.id for one in first.gaps]
        assert {one.id: one.seal for one in again.waiting} == {one.id: one.seal for one in first.waiting}


def test_where_nobody_asked_nothing_is_looked_at(tmp_path: Path) -> None:
    with company(tmp_path) as kbm:
        released(kbm)
        done = review(kbm)

        assert (done.gaps, done.new, done.n_questions) == ((), (), 0)


def test_a_gpt_without_a_live_release_is_not_reviewed(tmp_path: Path) -> None:
    with company(tmp_path) as kbm, pytest.raises(NothingLive):
        kbm.reviewing.review.run(kbm.reviewing.gpt_to_review("helper"), NoProgress())


def test_a_dismissed_gap_stays_dismissed_until_it_has_doubled(tmp_path: Path) -> None:
    with company(tmp_path) as kbm:
        released(kbm)
        ask_in_vain(kbm, people=3)
        gap = review(kbm).gaps[0]
        kbm.journal.gaps.set_state(gap.id, GapState.DISMISSED)
        review(kbm)

        assert kbm.journal.gaps.get(gap.id).state is GapState.DISMISSED

        ask_in_vain(kbm, people=4)
        review(kbm)

        assert kbm.journal.gaps.get(gap.id).state is GapState.OPEN


def test_what_a_gap_keeps_goes_with_the_questions_it_is_made_of(tmp_path: Path) -> None:
    with company(tmp_path) as kbm:
        released(kbm)
        ask_in_vain(kbm)
        gap = review(kbm).gaps[0]
        kbm.journal.forgetting.words(kbm.clock.now())

        assert kbm.journal.gaps.all("helper") == []
        stored = (kbm.settings.data_dir / "journal.db").read_bytes()
        assert gap.name.title.encode() not in stored


def test_a_suggestion_lapses_after_four_weeks_and_comes_back_if_it_is_still_true(tmp_path: Path) -> None:
    from kbm.testing.fakes import FakeClock

    clock = FakeClock()
    with company(tmp_path, clock) as kbm:
        released(kbm)
        ask_in_vain(kbm)
        first = review(kbm).new[0]
        clock.advance(weeks=4, hours=1)

        with pytest.raises(DecisionConflict, match="lapsed"):
            kbm.reviewing.decide.reject(first.id, who=OWNER, reason="no")

        review(kbm)
        again = kbm.catalogue.suggestions.get(first.id)

        assert again.state is SuggestionState.OPEN
        assert again.expires_at > clock.now()
