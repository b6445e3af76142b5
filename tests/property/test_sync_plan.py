"""Promises of ``plan_sync`` under any scan: whatever a connector yields, in whatever order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kbm.domain.sync import Brake, Event, Failed, Gone, Known, Mark, Ref, SyncPlan, plan_sync

EVERYONE = frozenset({"everyone"})
FOLDERS = ("", "hr", "hr/secret", "hr2")
IDS = [f"{folder}/{name}".lstrip("/") for folder in FOLDERS for name in "abcd"]

ids = st.sampled_from(IDS)
scopes = st.sampled_from([*FOLDERS, "hr/", "nowhere"])
versions = st.sampled_from("12")
readers = st.sampled_from([EVERYONE, frozenset({"group:hr"}), frozenset({"group:hr", "group:it"})])


def _folder(id: str) -> str:
    return id.rpartition("/")[0]


refs = st.builds(
    lambda id, version, who: Ref(id=id, version=version, readers=who, scope=_folder(id)),
    ids,
    versions,
    st.none() | readers,
)
failures = st.builds(lambda scope: Failed(scope=scope, why="denied"), scopes)
failed_items = st.builds(lambda id: Failed(scope=_folder(id), id=id, why="denied"), ids)
marks = st.builds(lambda full: Mark(cursor=None, full=full), st.booleans())
events = st.lists(
    st.one_of(refs, refs, refs, st.builds(lambda id: Gone(id=id), ids), failures, failed_items, marks)
)
stored = st.dictionaries(ids, st.tuples(versions, readers)).map(
    lambda items: {
        id: Known(version=version, readers=who, scope=_folder(id)) for id, (version, who) in items.items()
    }
)
brakes = st.builds(lambda n, share: Brake(documents=n, share=share), st.integers(0, 6), st.floats(0, 1))
approvals = st.frozensets(ids)


def plan(
    scan: list[Event], known: dict[str, Known], brake: Brake, approved: frozenset[str] = frozenset()
) -> SyncPlan:
    return plan_sync("dms", scan, known, default_readers=EVERYONE, brake=brake, approved=approved)


@given(events, stored, brakes, approvals)
def test_only_known_items_are_removed_and_none_that_is_listed(
    scan: list[Event], known: dict[str, Known], brake: Brake, approved: frozenset[str]
) -> None:
    made = plan(scan, known, brake, approved)

    assert set(made.removed) <= known.keys() - made.refs.keys()
    assert set(made.added) == made.refs.keys() - known.keys()
    assert set(made.changed) <= known.keys() & made.refs.keys()
    assert made.unchanged + len(made.added) + len(made.changed) == len(made.refs)
    assert made.held <= {*made.removed, *made.readers_changed}
    assert bool(made.held) == bool(made.held_because)
    assert not made.held & approved


@given(events, stored, brakes)
def test_without_proof_nothing_goes(scan: list[Event], known: dict[str, Known], brake: Brake) -> None:
    unproved: list[Event] = [
        event
        for event in scan
        if not isinstance(event, Gone) and not (isinstance(event, Mark) and event.full)
    ]

    assert plan(unproved, known, brake).removed == ()


@given(events, stored, brakes, st.integers(0))
def test_a_failed_root_anywhere_in_the_scan_removes_nothing_unseen(
    scan: list[Event], known: dict[str, Known], brake: Brake, at: int
) -> None:
    without_gone: list[Event] = [event for event in scan if not isinstance(event, Gone)]
    without_gone.insert(at % (len(without_gone) + 1), Failed(scope="", why="unmounted"))

    assert plan(without_gone, known, brake).removed == ()


@given(events, stored, brakes, scopes.filter(bool))
def test_nothing_under_a_failed_folder_goes_unseen(
    scan: list[Event], known: dict[str, Known], brake: Brake, scope: str
) -> None:
    without_gone: list[Event] = [event for event in scan if not isinstance(event, Gone)]
    without_gone.append(Failed(scope=scope, why="denied"))
    removed = plan(without_gone, known, brake).removed

    assert not [id for id in removed if id.startswith(scope.rstrip("/") + "/")]


@given(events, stored, brakes, failures | failed_items)
def test_one_more_failure_never_removes_more(
    scan: list[Event], known: dict[str, Known], brake: Brake, failure: Failed
) -> None:
    assert set(plan([*scan, failure], known, brake).removed) <= set(plan(scan, known, brake).removed)


@given(events, stored, brakes, approvals)
def test_what_is_let_through_stays_within_the_brake(
    scan: list[Event], known: dict[str, Known], brake: Brake, approved: frozenset[str]
) -> None:
    made = plan(scan, known, brake, approved)
    by_itself = set(made.removed) - made.held - approved

    assert not brake.holds(len(by_itself), len(known))


@given(stored, brakes)
def test_a_listing_of_nothing_never_empties_a_source(known: dict[str, Known], brake: Brake) -> None:
    made = plan([Mark(cursor=None, full=True)], known, brake)

    assert made.held == frozenset(known)


@given(events, stored, brakes)
def test_nobody_gets_more_readers_without_a_person(
    scan: list[Event], known: dict[str, Known], brake: Brake
) -> None:
    made = plan(scan, known, brake)
    for id in set(made.readers_changed) - made.held:
        named = made.refs[id].readers
        after = EVERYONE if named is None else named

        assert after <= known[id].readers or known[id].readers == EVERYONE


@given(events, stored, brakes, approvals)
def test_applied_once_it_does_nothing_again(
    scan: list[Event], known: dict[str, Known], brake: Brake, approved: frozenset[str]
) -> None:
    first = plan(scan, known, brake, approved)
    after = {id: item for id, item in known.items() if id not in first.removed or id in first.held}
    for id, ref in first.refs.items():
        who = known[id].readers if id in first.held else (EVERYONE if ref.readers is None else ref.readers)
        after[id] = Known(version=ref.version, readers=who, scope=ref.scope)
    again = plan(scan, after, brake, approved)

    assert (again.added, again.changed) == ((), ())
    assert set(again.readers_changed) <= first.held


@given(events, stored, brakes, approvals, st.dictionaries(ids, versions))
def test_from_another_root_nothing_goes_or_is_replaced_that_no_person_saw(
    scan: list[Event],
    known: dict[str, Known],
    brake: Brake,
    approved: frozenset[str],
    seen: dict[str, str],
) -> None:
    made = plan_sync(
        "dms",
        scan,
        known,
        default_readers=EVERYONE,
        brake=brake,
        approved=approved,
        versions=seen,
        moved="./new is read now, ./old before",
    )

    assert set(made.removed) - made.held <= approved
    assert all(seen[id] == made.refs[id].version for id in made.taken)
    assert made.contents.keys() <= made.held
    assert bool(made.held) == bool(made.held_because)
