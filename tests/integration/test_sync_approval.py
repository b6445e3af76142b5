"""What waits for a person: readers of what comes back, and who let a plan through."""

from __future__ import annotations

from pathlib import Path

import pytest

from kbm import faults
from kbm.bootstrap import Kbm
from kbm.domain.identity import digest, document_id
from kbm.domain.sync import PlanState
from kbm.services.sync import SyncResult
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, NoProgress

PAGES = {"pay.txt": "Anna earns 4,200 euros.", "leave.txt": "Employees get 30 days of leave a year."}
HR, EVERYONE = frozenset({"group:hr"}), frozenset({"everyone"})


def sync(kbm: Kbm) -> SyncResult:
    return kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())


def approve(kbm: Kbm, who: str) -> None:
    [record] = kbm.catalogue.plans.held()
    kbm.sync.approve(record, kbm.source_to_sync("docs"), who, NoProgress())


def readers(kbm: Kbm) -> frozenset[str]:
    return kbm.catalogue.documents.known("docs")["pay.txt"].readers


@pytest.mark.parametrize(
    ("now", "meanwhile"),
    [(EVERYONE, HR), (frozenset({"group:hr", "group:it"}), HR), (frozenset({"group:it"}), frozenset())],
)
def test_what_comes_back_with_wider_readers_than_it_had_waits_for_a_person(
    tmp_path: Path, now: frozenset[str], meanwhile: frozenset[str]
) -> None:
    source = FakeConnector(items=dict(PAGES), readers={"pay.txt": HR})
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        del source.items["pay.txt"]
        sync(kbm)
        source.items["pay.txt"], source.readers["pay.txt"] = PAGES["pay.txt"], now

        back, again = sync(kbm), sync(kbm)

        assert (back.state, again.state) == (PlanState.HELD, PlanState.HELD)
        assert back.plan.held == again.plan.held == {"pay.txt"}
        assert back.plan.held_because == ("1 documents would get more readers",)
        assert readers(kbm) == meanwhile
        approve(kbm, "ben")
        assert readers(kbm) == now


def test_what_comes_back_with_the_readers_it_had_or_fewer_does_not_wait(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        del source.items["pay.txt"]
        sync(kbm)
        source.items["pay.txt"], source.readers["pay.txt"] = PAGES["pay.txt"], HR

        assert sync(kbm).state is PlanState.APPLIED
        assert readers(kbm) == HR


@pytest.mark.parametrize("died_at", ["sync.approve:after", "sync.cursor:before", "sync.decide:before"])
def test_who_approved_is_logged_once_and_with_the_approval_wherever_the_run_dies(
    tmp_path: Path, died_at: str
) -> None:
    source = FakeConnector(items=dict(PAGES), readers={"pay.txt": HR})
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        source.readers["pay.txt"] = EVERYONE
        sync(kbm)
        [held] = kbm.catalogue.plans.held()
        faults.arm(f"{died_at}:EIO")
        with pytest.raises(OSError, match="sync"):
            approve(kbm, "ben")
        faults.arm("")
        [logged] = kbm.catalogue.audit.entries()

        if kbm.catalogue.plans.held():
            approve(kbm, "ben")

        items = digest("plan", document_id("docs", "pay.txt"))
        assert (logged.who, logged.action, logged.subject) == ("ben", "approve", "docs")
        assert logged.detail == {"plan": held.id, "items": 1, "digest": items}
        assert readers(kbm) == EVERYONE
        assert kbm.catalogue.audit.entries() == [logged]
        assert kbm.catalogue.audit.verify().broken is None
        assert kbm.catalogue.plans.held() == []
