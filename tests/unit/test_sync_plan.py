"""What a scan may change: a fault is never a deletion, and a large or total one waits for a person."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kbm.domain.sync import Brake, Event, Failed, Gone, Known, Mark, Ref, SyncPlan, plan_sync

EVERYONE = frozenset({"everyone"})
HR = frozenset({"group:hr"})
FULL = Mark(cursor=None, full=True)


def known(*ids: str, readers: frozenset[str] = EVERYONE) -> dict[str, Known]:
    return {id: Known(version="1", readers=readers, scope=id.rpartition("/")[0]) for id in ids}


def refs(*ids: str) -> list[Event]:
    return [Ref(id=id, version="1", scope=id.rpartition("/")[0]) for id in ids]


def plan(
    events: Sequence[Event],
    stored: dict[str, Known],
    *,
    approved: frozenset[str] = frozenset(),
    default_readers: frozenset[str] = EVERYONE,
    brake: Brake = Brake(),  # noqa: B008  # frozen
) -> SyncPlan:
    return plan_sync("dms", events, stored, default_readers=default_readers, brake=brake, approved=approved)


def test_added_changed_removed_and_unchanged() -> None:
    events = [*refs("a", "b"), Ref(id="c", version="2"), FULL]
    made = plan(events, known("b", "c", "d"))

    assert (made.added, made.changed, made.removed, made.unchanged) == (("a",), ("c",), ("d",), 1)
    assert made.held == frozenset()


def test_the_same_again_does_nothing() -> None:
    assert plan([*refs("a", "b"), FULL], known("a", "b")).does_nothing


@pytest.mark.parametrize(
    "events",
    [
        refs("a"),
        [*refs("a"), Mark(cursor=3)],
        [*refs("a"), Failed(scope="", why="down"), FULL],
        [*refs("a"), FULL, Failed(scope="/", why="down")],
        [],
    ],
    ids=["ended early", "only what changed", "root failed", "failed after the mark", "nothing"],
)
def test_what_a_listing_does_not_vouch_for_removes_nothing(events: list[Event]) -> None:
    assert plan(events, known("a", "b", "c")).removed == ()


def test_what_the_source_calls_gone_goes_without_a_complete_listing() -> None:
    made = plan([Gone(id="a"), Gone(id="never known"), Mark(cursor=2)], known("a", "b"))

    assert (made.removed, made.held, made.cursor) == (("a",), frozenset(), 2)


def test_the_last_word_on_an_item_counts() -> None:
    back = plan([Gone(id="a"), *refs("a", "b"), FULL], known("a", "b"))
    away = plan([*refs("a", "b"), Gone(id="a"), FULL], known("a", "b"))

    assert (back.removed, away.removed) == ((), ("a",))


@pytest.mark.parametrize(
    ("failed", "removed"),
    [
        (Failed(scope="hr", why="denied"), ("hr2/c", "top")),
        (Failed(scope="hr/", why="denied"), ("hr2/c", "top")),
        (Failed(scope="hr/secret", why="denied"), ("hr/a", "hr2/c", "top")),
        (Failed(scope="hr", id="hr/a", why="denied"), ("hr/secret/b", "hr2/c", "top")),
        (Failed(scope="", id="top", why="vanished"), ("hr/a", "hr/secret/b", "hr2/c")),
    ],
)
def test_nothing_at_or_under_a_failure_goes(failed: Failed, removed: tuple[str, ...]) -> None:
    made = plan([*refs("kept"), failed, FULL], known("kept", "hr/a", "hr/secret/b", "hr2/c", "top"))

    assert made.removed == removed


def test_a_failed_item_is_no_failed_scope() -> None:
    made = plan(
        [*refs("a"), Failed(scope="", id="b", why="denied"), Failed(scope="x", why="denied"), FULL], {}
    )

    assert made.failed_scopes == ("x",)
    assert made.failures == ("b: denied", "x: denied")


# --- the brake


@pytest.mark.parametrize(
    ("n_known", "n_removed", "held"),
    [(100, 10, False), (100, 11, True), (200, 20, False), (200, 21, True), (20, 10, False), (12, 11, True)],
)
def test_the_brake_needs_both_bounds(n_known: int, n_removed: int, held: bool) -> None:
    ids = [f"{n:03}" for n in range(n_known)]
    made = plan([*refs(*ids[n_removed:]), FULL], known(*ids))

    assert len(made.removed) == n_removed
    assert made.held == (frozenset(ids[:n_removed]) if held else frozenset())
    assert bool(made.held_because) == held


def test_an_exact_share_is_not_more_than_the_share() -> None:
    assert not Brake(documents=0, share=0.29).holds(29, 100)
    assert Brake(documents=0, share=0.29).holds(30, 100)


def test_the_brake_also_stops_what_a_source_calls_gone() -> None:
    ids = [str(n) for n in range(30)]

    assert plan([Gone(id=id) for id in ids], known(*ids)).held == frozenset(ids)


def test_what_was_approved_goes_and_does_not_count() -> None:
    ids = [f"{n:02}" for n in range(30)]
    made = plan([*refs(*ids[20:]), FULL], known(*ids), approved=frozenset(ids[:12]))

    assert len(made.removed) == 20
    assert made.held == frozenset()


def test_additions_are_not_held_back_by_the_brake() -> None:
    ids = [f"{n:02}" for n in range(30)]
    made = plan([*refs("new"), FULL], known(*ids))

    assert made.added == ("new",)
    assert made.held == frozenset(ids)


# --- a listing of nothing


def test_a_small_source_that_lists_nothing_is_held() -> None:
    made = plan([FULL], known("a", "b"))

    assert made.removed == ("a", "b")
    assert made.held == {"a", "b"}
    assert made.held_because == (
        "the source lists nothing at all, but 2 documents of it are known: is it connected?",
    )


def test_a_person_may_let_a_source_be_emptied() -> None:
    assert plan([FULL], known("a", "b"), approved=frozenset({"a", "b"})).held == frozenset()


def test_an_empty_source_that_never_had_anything_is_fine() -> None:
    assert plan([FULL], {}).does_nothing


def test_what_a_source_calls_gone_is_proved_even_if_nothing_is_left() -> None:
    made = plan([Gone(id="a"), FULL], known("a"))

    assert (made.removed, made.held) == (("a",), frozenset())


def test_a_renamed_only_document_is_not_held() -> None:
    made = plan([*refs("new"), FULL], known("old"))

    assert (made.added, made.removed, made.held) == (("new",), ("old",), frozenset())


# --- readers


def test_more_readers_wait_for_a_person_and_fewer_do_not() -> None:
    wider = plan([*refs("a"), FULL], known("a", readers=HR))
    narrower = plan([*refs("a"), FULL], known("a"), default_readers=HR)

    assert (wider.readers_changed, wider.held) == (("a",), frozenset({"a"}))
    assert wider.held_because == ("1 documents would get more readers",)
    assert (narrower.readers_changed, narrower.held) == (("a",), frozenset())


def test_approved_readers_are_not_held() -> None:
    assert plan([*refs("a")], known("a", readers=HR), approved=frozenset({"a"})).held == frozenset()


def test_readers_a_source_names_win_over_the_default() -> None:
    named = Ref(id="a", version="1", readers=HR)

    assert plan([named], known("a", readers=HR)).does_nothing
