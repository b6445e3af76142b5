"""The morning report tells how the knowledge of each GPT stands, and nothing that is not for everyone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from kbm.bootstrap import Kbm
from kbm.domain.fixes import FixKind, RebuildIndex
from kbm.domain.gaps import Cause, GapName
from kbm.domain.healing import Healed
from kbm.domain.known_gaps import Gap, GapState, LastReview
from kbm.domain.report import Expiry, KnowledgeNews
from kbm.domain.suggestions import Suggestion, SuggestionState
from kbm.services.nightly import Night
from kbm.services.report_pages import make_report, pages_of
from kbm.services.review import Reviewed
from kbm.services.tend_overlays import Tended
from kbm.testing.fakes import FakeClock
from tests.integration.asked_in_vain import company, released
from tests.integration.test_tend_overlays import HR, narrow, written

SECRET = "who gets fired next month"


@pytest.fixture
def kbm(tmp_path: Path) -> Iterator[Kbm]:
    with company(tmp_path, FakeClock()) as made:
        yield released(made)


def gap(kbm: Kbm, id: str, state: GapState = GapState.OPEN, counts: tuple[int, ...] = (4,)) -> Gap:
    now = kbm.clock.now()
    return Gap(
        id=id,
        gpt="helper",
        state=state,
        name=GapName(title=SECRET),
        theme="t",
        cause=Cause.MISSING,
        members=(),
        n_asked=counts[-1],
        n_people=1,
        first_seen=now,
        last_seen=now,
        counts=tuple((f"2026-11-{day:02}", n) for day, n in enumerate(counts, start=1)),
    )


def waiting(kbm: Kbm, id: str) -> Suggestion:
    one = written(kbm, "kb40.txt")
    return replace(one, id=id, proposal=replace(one.proposal, fix=RebuildIndex()), state=SuggestionState.OPEN)


def test_gaps_suggestions_alarms_and_agents_are_counted_and_no_question_is_told(kbm: Kbm) -> None:
    one = waiting(kbm, "s1")
    kbm.catalogue.suggestions.put([one])
    figures = {"alarm_failed": 1.0, "alarm_golden": 0.0, "gaps": 2.0}
    kbm.journal.gaps.put(
        LastReview(gpt="helper", at=kbm.clock.now(), figures=figures),
        [gap(kbm, "g1", counts=(4, 9)), gap(kbm, "g2"), gap(kbm, "g3", GapState.CLOSED)],
    )
    night = Night(
        reviews=[Reviewed(gpt="helper", new=(one,), closed=("g3",), problems=(("conflicts", SECRET),))],
        healed=[
            Healed(
                gpt="helper", suggestion="s2", kind=FixKind.REFRESH_SOURCE, source="presses", problem=SECRET
            )
        ],
        tended=[Tended(gpt="helper", expired=("s3",))],
    )
    found = kbm.report.find(night, 1)

    assert found.knowledge == (
        KnowledgeNews(
            gpt="helper",
            title="Helper",
            n_closed=1,
            n_open=2,
            trend=5,
            n_waiting=1,
            new_low=1,
            alarms=("failed",),
            failed_agents=("conflicts",),
            not_healed=("refresh_source presses",),
            n_withdrawn=1,
        ),
    )
    assert SECRET not in "".join(pages_of(make_report(found, "en")).values())


def test_a_gpt_that_no_agent_looked_at_is_not_watched_yet(kbm: Kbm) -> None:
    assert kbm.report.find(Night(), 1).knowledge == ()


def test_the_next_expiry_may_be_of_what_was_written_here_and_is_named_where_everyone_may_read_it(
    kbm: Kbm,
) -> None:
    written(kbm, "kb40.txt", days=9)
    day = (kbm.clock.now() + timedelta(days=9)).date()
    found = kbm.report.find(Night(), 1)

    assert found.ages_watched
    assert found.next_expiry is not None
    assert (found.next_expiry.at.date(), found.next_expiry.title) == (day, "Presses")

    assert make_report(found, "en").lines[4][1] == f"{day}, Presses (written here for helper)"

    narrow(kbm, "kb40.txt", HR)
    kbm.reviewing.tend.run("helper")
    hidden = kbm.report.find(Night(), 2).next_expiry

    assert hidden == Expiry(source="@overlays.helper", at=found.next_expiry.at)
