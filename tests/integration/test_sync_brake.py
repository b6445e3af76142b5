"""What a source lists as changed is not taken as it comes: login pages, empty bodies, another drive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from kbm.bootstrap import Kbm
from kbm.domain.sync import Event, Json, Mark, PlanState, Ref
from kbm.services.sync import SyncResult
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeClock, FakeConnector, NoProgress


def sync(kbm: Kbm) -> SyncResult:
    return kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())


LOGIN = "Please sign in with your company account. The session has ended; the page you asked for comes after that."


def articles(n: int) -> dict[str, str]:
    return {
        f"p/{at}.txt": f"Machine {at} weighs {at * 7} tons and stands in hall {at * 3}. " * 8
        for at in range(n)
    }


def texts(kbm: Kbm) -> dict[str, str]:
    return {
        one.item_id: (kbm.raw.get(one.content) or b"").decode()
        for one in kbm.catalogue.documents.current_versions(["docs"])
    }


def test_documents_that_turn_into_a_login_page_wait_while_the_rest_is_taken(tmp_path: Path) -> None:
    source = FakeConnector(items=articles(20))
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        before = texts(kbm)
        asked_for = {id: f"{LOGIN} ({id})" for id in list(source.items)[:8]}
        source.items |= asked_for | {
            "p/new.txt": "A new page.",
            "p/19.txt": articles(20)["p/19.txt"] + "Edited.",
        }

        result = sync(kbm)

        assert result.state is PlanState.HELD
        assert result.plan.contents.keys() == result.plan.held == asked_for.keys()
        assert result.plan.held_because == (
            "8 of 20 documents would get the same text: a login or maintenance page?",
        )
        assert texts(kbm) == before | {id: source.items[id] for id in ("p/new.txt", "p/19.txt")}


def test_approving_takes_the_texts_that_were_shown_and_holds_later_ones(tmp_path: Path) -> None:
    source = FakeConnector(items=articles(20))
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        source.items |= dict.fromkeys(list(source.items)[:8], LOGIN)
        sync(kbm)
        [held] = kbm.catalogue.plans.held()
        later = dict.fromkeys(list(source.items)[4:14], "The wiki is being maintained tonight.")
        source.items |= later  # while the owner reads the plan

        kbm.sync.approve(held, kbm.source_to_sync("docs"), "anna", NoProgress())

        assert {id for id, text in texts(kbm).items() if text == LOGIN} == set(list(source.items)[:4])
        assert [one.plan.held for one in kbm.catalogue.plans.held()] == [frozenset(later)]


def test_a_login_page_that_goes_away_again_leaves_no_plan(tmp_path: Path) -> None:
    source = FakeConnector(items=articles(20))
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        source.items |= dict.fromkeys(list(source.items)[:8], LOGIN)
        sync(kbm)
        source.items = articles(20)

        result = sync(kbm)

        assert result.plan.does_nothing
        assert kbm.catalogue.plans.held() == []
        assert texts(kbm) == articles(20)


@pytest.mark.parametrize(
    ("spoiled", "why"),
    [
        (lambda _: "", "14 of 20 documents would become empty"),
        (lambda at: f"Machine {at}.", "14 of 20 documents would shrink to less than 20% of their text"),
        (
            lambda at: f"Die Maschine {at} wiegt {at * 7} Tonnen und sie steht in der Halle {at * 3}. " * 8,
            "14 of 20 documents would change their language",
        ),
    ],
)
def test_many_documents_that_lose_what_they_said_wait(
    tmp_path: Path, spoiled: Callable[[int], str], why: str
) -> None:
    source = FakeConnector(items=articles(20))
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        for at in range(14):
            source.items[f"p/{at}.txt"] = spoiled(at)

        result = sync(kbm)

        assert result.plan.held_because == (why,)
        assert texts(kbm) == articles(20)


def test_what_is_held_is_listed_again_from_the_old_cursor(tmp_path: Path) -> None:
    source = CursorConnector(items=articles(20))
    with kbm_over(tmp_path, {"docs": source}) as kbm:
        sync(kbm)
        source.changed = list(source.items)[:8]
        source.items |= dict.fromkeys(source.changed, LOGIN)
        sync(kbm)
        [held] = kbm.catalogue.plans.held()

        kbm.sync.approve(held, kbm.source_to_sync("docs"), "anna", NoProgress())

        assert source.cursors == [None, 1, 1]
        assert sum(text == LOGIN for text in texts(kbm).values()) == 8


class CursorConnector(FakeConnector):
    """Lists what changed only, once it was listed."""

    def __init__(self, items: dict[str, str]) -> None:
        super().__init__(items=items)
        self.changed: list[str] = []
        self.cursors: list[Json] = []

    def scan(self, cursor: Json) -> Iterator[Event]:
        self.cursors.append(cursor)
        for event in super().scan(cursor):
            if not isinstance(event, Ref) or cursor is None or event.id in self.changed:
                yield (
                    Mark(cursor=len(self.cursors), full=cursor is None) if isinstance(event, Mark) else event
                )


def test_another_root_removes_and_replaces_nothing_before_a_person_agrees(tmp_path: Path) -> None:
    source = FakeConnector(items={"a.txt": "The old drive.", "b.txt": "Only there.", "c.txt": "The same."})
    with kbm_over(tmp_path, source) as kbm:
        kbm.sync.run(replace(kbm.source_to_sync("docs"), root="./old"), NoProgress())
        source.items = {"a.txt": "The new drive.", "c.txt": "The same.", "d.txt": "New there."}
        moved = replace(kbm.source_to_sync("docs"), root="./new")

        held = kbm.sync.run(moved, NoProgress())
        meanwhile = texts(kbm)
        again = kbm.sync.run(moved, NoProgress())
        [record] = kbm.catalogue.plans.held()
        kbm.sync.approve(record, moved, "anna", NoProgress())
        after = kbm.sync.run(moved, NoProgress())

        assert held.plan.held == again.plan.held == {"a.txt", "b.txt"}
        assert held.plan.held_because == (
            "./new is read now, ./old before: 1 of 3 documents would be removed, 1 replaced",
        )
        assert meanwhile == {
            "a.txt": "The old drive.",
            "b.txt": "Only there.",
            "c.txt": "The same.",
            "d.txt": "New there.",
        }
        assert texts(kbm) == source.items
        assert after.plan.does_nothing


def test_the_delay_of_each_kind_of_change_is_measured(tmp_path: Path) -> None:
    clock = FakeClock()
    source = FakeConnector(items=articles(3))
    with kbm_over(tmp_path, source, clock=clock) as kbm:
        sync(kbm)
        clock.advance(hours=2)
        source.items["p/0.txt"] = "Rewritten."
        source.modified["p/0.txt"] = clock.now()
        source.items["copied.txt"] = "An old file, copied here."
        source.modified["copied.txt"] = clock.now() - timedelta(days=900)
        del source.items["p/2.txt"]
        clock.advance(hours=1)
        sync(kbm)

        [record] = kbm.catalogue.documents.sources()

        assert {kind: (one.n, one.worst_s) for kind, one in record.delays.items()} == {
            "changed": (1, 3600.0),
            "new": (1, 3 * 3600.0),
            "removed": (1, 3 * 3600.0),
        }


def test_an_erasure_finds_what_was_held_of_an_item(tmp_path: Path) -> None:
    source = FakeConnector(items=articles(20))
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        for at in range(14):
            source.items[f"p/{at}.txt"] = f"Machine {at}."
        held = sync(kbm).plan.held

        kbm.erase.run("docs:p/3.txt", who="anna", reason="asked for", progress=NoProgress())

        assert "p/3.txt" in held
        kept = [path.read_bytes() for path in (tmp_path / ".kbm" / "raw").rglob("*") if path.is_file()]
        assert b"Machine 4." in kept
        assert b"Machine 3." not in kept
