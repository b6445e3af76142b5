"""Numbers are proposed by rule, raised by people and never used twice."""

from __future__ import annotations

from datetime import date

import pytest

from kbm.domain.calendar import frozen, train_leaves
from kbm.domain.canary import Audience, CanaryFigures, must_stop
from kbm.domain.releases import Version
from kbm.domain.versioning import Bump, Difference, number, propose, widened

LIVE = Version.parse("1.4.2")


def test_refreshed_content_is_a_patch() -> None:
    assert propose(Difference(n_before=50, n_added=3)) == (Bump.PATCH, ())


@pytest.mark.parametrize(
    ("found", "bump"),
    [
        (Difference(n_before=50, n_added=0, sources_added=("wiki",)), Bump.MINOR),
        (Difference(n_before=50, n_added=11), Bump.MINOR),
        (Difference(n_before=500, n_added=50), Bump.PATCH),
        (Difference(n_before=50, n_added=0, sources_removed=("wiki",)), Bump.MAJOR),
        (Difference(n_before=50, n_added=0, same_index_spec=False), Bump.MAJOR),
        (Difference(n_before=50, n_added=0, same_answer_spec=False, sources_added=("wiki",)), Bump.MAJOR),
        (Difference(n_before=50, n_added=0, n_widened=1), Bump.MAJOR),
    ],
)
def test_what_changed_decides_the_bump(found: Difference, bump: Bump) -> None:
    assert propose(found)[0] is bump


def test_a_number_that_was_ever_given_is_passed_over() -> None:
    taken = {Version.parse("1.4.3"), Version.parse("2.0.0")}

    assert str(number(LIVE, Bump.PATCH, taken)) == "1.4.4"
    assert str(number(LIVE, Bump.MAJOR, taken)) == "2.0.1"


def test_a_canary_sorts_before_what_it_becomes() -> None:
    assert Version.parse("2.0.1-rc.2") < Version.parse("2.0.1-rc.10") < Version.parse("2.0.1")
    assert str(Version.parse("2.0.1-rc.2")) == "2.0.1-rc.2"


def test_only_readers_that_could_not_read_before_widen() -> None:
    everyone, sales, both = frozenset({"everyone"}), frozenset({"group:s"}), frozenset({"group:s", "group:t"})

    assert widened({1: everyone, 2: sales, 3: sales}, {1: sales, 2: both, 3: sales, 4: everyone}) == 1


@pytest.mark.parametrize(
    ("day", "window", "inside"),
    [
        (date(2026, 12, 31), "12-20/01-06", True),
        (date(2027, 1, 6), "12-20/01-06", True),
        (date(2027, 1, 7), "12-20/01-06", False),
        (date(2026, 8, 1), "08-01/08-31", True),
        (date(2027, 12, 24), "2026-12-20/2027-01-06", False),
    ],
)
def test_a_freeze_holds_on_both_of_its_days_and_between(day: date, window: str, inside: bool) -> None:
    assert bool(frozen(day, [window])) is inside


def test_the_train_leaves_on_its_weekday() -> None:
    assert train_leaves(date(2026, 11, 24), "tue")
    assert not train_leaves(date(2026, 11, 24), "wed")
    assert not train_leaves(date(2026, 11, 24), "")


def test_a_share_is_sticky_and_about_as_large_as_said() -> None:
    tenth = Audience.parse("10%")
    got = [tenth.includes(frozenset(), "salt", f"user-{n}") for n in range(5_000)]

    assert got == [tenth.includes(frozenset(), "salt", f"user-{n}") for n in range(5_000)]
    assert 0.08 < sum(got) / len(got) < 0.12


def test_a_named_group_gets_the_canary_and_nobody_else() -> None:
    sales = Audience.parse("group:sales")

    assert sales.includes(frozenset({"everyone", "group:sales"}), "salt", "anna")
    assert not sales.includes(frozenset({"everyone"}), "salt", "anna")


@pytest.mark.parametrize("text", ["", "0%", "everyone", "101%", "ten"])
def test_an_audience_that_is_neither_share_nor_group_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        Audience.parse(text)


def test_a_violation_three_problems_or_errors_stop_a_canary() -> None:
    assert must_stop(CanaryFigures(n_answers=10, n_violations=1))
    assert must_stop(CanaryFigures(n_answers=10, n_problems=3))
    assert must_stop(CanaryFigures(n_answers=100, n_errors=3))
    assert not must_stop(CanaryFigures(n_answers=100, n_errors=2, n_problems=2))
    assert not must_stop(CanaryFigures(n_answers=1_000, n_errors=3))
