"""What may be mended without asking, and how often."""

from __future__ import annotations

from datetime import date, timedelta
from typing import get_args

import pytest
from pydantic import ValidationError

from kbm.domain.fixes import (
    AddGoldenQuestions,
    AddOverlay,
    AddSynonyms,
    AdjustThreshold,
    AttachSource,
    ChangeIndexSpec,
    Fix,
    FixKind,
    GrantReadersRequest,
    OutOfScope,
    PreferDocument,
    RebuildIndex,
    RefreshSource,
    Reparse,
    RetireDocument,
)
from kbm.domain.healing import HEALABLE, healable, is_due, narrowed_to, next_try, pause_after, subjects_of
from kbm.domain.identity import Digest
from kbm.sections import ReviewSection
from kbm.testing.fakes import FakeClock

SUBJECT = Digest("s")
OTHERS: tuple[Fix, ...] = (
    AddOverlay(title="t", text="t", language="en", evidence=(), expires_on=date(2027, 1, 1)),
    AttachSource(source="hr"),
    RetireDocument(item="hr:a"),
    PreferDocument(item="hr:a"),
    AddSynonyms(words=("a", "b")),
    ChangeIndexSpec(setting="kbm.embedder", value="none"),
    GrantReadersRequest(source="hr", items=("hr:a",), readers=("everyone",)),
    AddGoldenQuestions(questions=()),
    AdjustThreshold(lose=2),
    OutOfScope(),
)
SAFE: tuple[Fix, ...] = (RefreshSource(source="hr"), Reparse(items=("hr:a",)), RebuildIndex())


def test_the_two_lists_hold_every_fix_there_is() -> None:
    assert {type(one) for one in (*OTHERS, *SAFE)} == set(get_args(Fix))


@pytest.mark.parametrize("fix", OTHERS, ids=lambda fix: str(fix.kind))
def test_what_is_not_on_the_list_is_never_done_whatever_is_allowed(fix: Fix) -> None:
    assert healable(fix, set(FixKind)) is None
    with pytest.raises(ValidationError, match="choose from refresh_source, reparse, rebuild_index"):
        ReviewSection(heal=(str(fix.kind),))


@pytest.mark.parametrize("fix", SAFE, ids=lambda fix: str(fix.kind))
def test_what_is_on_the_list_is_done_only_where_it_is_allowed(fix: Fix) -> None:
    assert healable(fix, {str(fix.kind)}) == fix
    assert healable(fix, set(HEALABLE) - {fix.kind}) is None
    assert healable(fix, ()) is None
    assert ReviewSection().heal == ()
    assert ReviewSection(heal=(str(fix.kind),)).heal == (fix.kind,)


def test_pauses_double_from_a_day_up_to_thirty_two() -> None:
    assert [pause_after(n).days for n in (1, 2, 3, 4, 5, 6, 7, 500)] == [1, 2, 4, 8, 16, 32, 32, 32]


def test_a_thing_is_tried_again_only_when_its_pause_is_over() -> None:
    clock = FakeClock()
    first = next_try(None, SUBJECT, clock.now(), "down")
    second = next_try(first, SUBJECT, clock.now() + timedelta(days=1), "down")

    assert is_due(None, clock.now())
    assert not is_due(first, clock.now() + timedelta(hours=22))
    assert is_due(first, clock.now() + timedelta(hours=23, minutes=50)), "nights begin not to the minute"
    assert second.n == 2
    assert not is_due(second, second.at + timedelta(days=1))


def test_what_was_well_for_longer_than_twice_its_pause_begins_anew() -> None:
    clock = FakeClock()
    third = next_try(
        next_try(next_try(None, SUBJECT, clock.now(), ""), SUBJECT, clock.now(), ""), SUBJECT, clock.now(), ""
    )

    assert third.n == 3
    assert next_try(third, SUBJECT, third.at + timedelta(days=8), "").n == 4
    assert next_try(third, SUBJECT, third.at + timedelta(days=9), "").n == 1


def test_a_source_is_the_same_for_all_gpts_and_no_name_of_a_document_is_kept() -> None:
    refresh = RefreshSource(source="hr")
    parse = Reparse(items=("hr:pay.pdf", "hr:leave.pdf"))

    assert subjects_of("a", refresh) == subjects_of("b", refresh)
    assert subjects_of("a", RebuildIndex()) != subjects_of("b", RebuildIndex())
    assert not any("pay" in subject for subject in subjects_of("a", parse))
    assert narrowed_to(parse, {"hr:pay.pdf"}) == Reparse(items=("hr:pay.pdf",))
