"""Sync over a source that lists only what changed since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from kbm.bootstrap import Kbm
from kbm.domain.sync import Event, Json, Mark
from kbm.services.sync import SyncResult
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, NoProgress

ITEMS = {"a.txt": "The first page.", "b.txt": "The second page."}


class OnlyNews(FakeConnector):
    """Lists everything when it has no cursor, else nothing: nothing ever changes there."""

    def scan(self, cursor: Json) -> Iterator[Event]:
        if cursor is None:
            yield from super().scan(None)
        yield Mark(cursor="seen", full=cursor is None)


def sync(kbm: Kbm, *readers: str) -> SyncResult:
    source = kbm.source_to_sync("docs")
    return kbm.sync.run(replace(source, readers=frozenset(readers)), NoProgress())


def stored(kbm: Kbm) -> dict[str, frozenset[str]]:
    return {id: one.readers for id, one in kbm.catalogue.documents.known("docs").items()}


def test_fewer_default_readers_hold_for_documents_that_did_not_change(tmp_path: Path) -> None:
    with kbm_over(tmp_path, OnlyNews(items=dict(ITEMS))) as kbm:
        sync(kbm, "everyone")

        sync(kbm, "group:hr")

        assert stored(kbm) == dict.fromkeys(ITEMS, frozenset({"group:hr"}))


def test_more_default_readers_wait_for_a_person_and_are_not_forgotten(tmp_path: Path) -> None:
    with kbm_over(tmp_path, OnlyNews(items=dict(ITEMS))) as kbm:
        sync(kbm, "group:hr")
        for _ in range(2):
            assert sync(kbm, "everyone").plan.wider.keys() == ITEMS.keys()
        [held] = kbm.catalogue.plans.held()
        source = replace(kbm.source_to_sync("docs"), readers=frozenset({"everyone"}))

        kbm.sync.approve(held, source, "anna", NoProgress())

        assert stored(kbm) == dict.fromkeys(ITEMS, frozenset({"everyone"}))


def test_the_same_readers_cost_no_listing(tmp_path: Path) -> None:
    with kbm_over(tmp_path, OnlyNews(items=dict(ITEMS))) as kbm:
        sync(kbm, "everyone")

        assert sync(kbm, "everyone").plan.unchanged == 0  # nothing was listed
