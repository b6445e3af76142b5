"""What was written here goes on its day, and is read by nobody who may not read what it was drawn from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from kbm.bootstrap import Kbm
from kbm.domain.documents import EVERYONE
from kbm.domain.fixes import AddOverlay, Evidence
from kbm.domain.identity import ChunkId, document_id
from kbm.domain.internal import overlays_of
from kbm.domain.suggestions import Proposal, Suggestion, SuggestionState
from kbm.services.tend_overlays import Tended
from kbm.testing.fakes import FakeClock, FakeConnector, NoProgress
from tests.integration.asked_in_vain import OWNER, company, released

HR = frozenset({"group:hr"})
SALES = frozenset({"group:sales"})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def kbm(tmp_path: Path, clock: FakeClock) -> Iterator[Kbm]:
    with company(tmp_path, clock) as made:
        yield released(made)


def written(kbm: Kbm, *items: str, days: int = 30) -> Suggestion:
    """Put an approved overlay, drawn from items of the source presses."""
    now = kbm.clock.now()
    evidence = tuple(
        Evidence(chunk_id=ChunkId("c"), document_id=document_id("presses", one), start=0, end=10)
        for one in items
    )
    fix = AddOverlay(
        title="Presses",
        text="The press KB 40 holds 40 tons.",
        language="en",
        evidence=evidence,
        expires_on=(now + timedelta(days=days)).date(),
    )
    one = Suggestion(
        id="overlay1",
        gpt="helper",
        proposed_by="agent:gaps",
        proposal=Proposal(fix=fix, why="test"),
        state=SuggestionState.APPLIED,
        created_at=now,
        proposed_at=now,
        expires_at=now + timedelta(weeks=4),
        decided_at=now,
        decided_by=OWNER,
    )
    kbm.catalogue.suggestions.put([one])
    kbm.reviewing.overlays.write("helper", one.id, fix)
    return one


def tend(kbm: Kbm) -> Tended:
    return kbm.reviewing.tend.run("helper")


def stored(kbm: Kbm) -> frozenset[str] | None:
    known = kbm.catalogue.documents.known(overlays_of("helper")).get("overlay1")
    return known.readers if known else None


def narrow(kbm: Kbm, item: str, readers: frozenset[str]) -> None:
    kbm.catalogue.documents.set_readers("presses", {item: readers})


def test_it_stays_until_its_day_and_is_hidden_on_it(kbm: Kbm, clock: FakeClock) -> None:
    one = written(kbm, "kb40.txt", days=3)
    clock.advance(days=2)

    assert tend(kbm) == Tended(gpt="helper")
    assert stored(kbm) == frozenset({EVERYONE})

    clock.advance(days=1)

    assert tend(kbm).expired == (one.id,)
    assert stored(kbm) is None
    assert kbm.catalogue.suggestions.get(one.id).state is SuggestionState.EXPIRED
    entry = kbm.catalogue.audit.entries()[-1]
    assert (entry.who, entry.action, entry.detail) == (
        "agent:overlays",
        "overlay.withdraw",
        {"why": "expired"},
    )
    assert tend(kbm) == Tended(gpt="helper"), "it is safe to repeat"


def test_where_fewer_may_read_the_evidence_fewer_may_read_what_was_drawn_from_it(kbm: Kbm) -> None:
    written(kbm, "kb40.txt", "kb65.txt")
    narrow(kbm, "kb40.txt", HR | SALES)
    narrow(kbm, "kb65.txt", HR)

    assert tend(kbm).narrowed == ("overlay1",)
    assert stored(kbm) == HR


def test_readers_of_the_evidence_that_become_more_do_not_open_it_again(kbm: Kbm) -> None:
    written(kbm, "kb40.txt")
    narrow(kbm, "kb40.txt", HR)
    tend(kbm)
    narrow(kbm, "kb40.txt", frozenset({EVERYONE}))

    assert tend(kbm).narrowed == ()
    assert stored(kbm) == HR


def test_it_goes_when_nobody_may_read_all_that_it_was_drawn_from(kbm: Kbm) -> None:
    one = written(kbm, "kb40.txt", "kb65.txt")
    narrow(kbm, "kb40.txt", SALES)
    narrow(kbm, "kb65.txt", HR)

    assert tend(kbm).unfounded == (one.id,)
    assert stored(kbm) is None


def test_it_goes_when_what_it_was_drawn_from_is_withdrawn(kbm: Kbm) -> None:
    one = written(kbm, "kb40.txt")
    kbm.catalogue.documents.remove("presses", ["kb40.txt"])

    assert tend(kbm).unfounded == (one.id,)
    assert stored(kbm) is None
    assert kbm.catalogue.suggestions.get(one.id).state is SuggestionState.EXPIRED


def test_the_night_withdraws_it_before_it_builds(kbm: Kbm, clock: FakeClock) -> None:
    written(kbm, "kb40.txt", days=5)
    before = kbm.build.run(kbm.gpt_to_build("helper"), NoProgress()).release
    clock.advance(days=5)
    presses = kbm._connectors["presses"]
    assert isinstance(presses, FakeConnector)
    presses.items["kb80.txt"] = "The press KB 80 holds 80 tons."
    sources = [kbm.source_to_sync(name) for name in kbm.settings.sources]
    todo = [(kbm.gpt_to_build("helper"), kbm.night_policy("helper"))]
    night = replace(kbm.nightly, review=None).run(
        sources, todo, NoProgress(), configured=kbm.settings.sources, who="night"
    )
    built = night.gpts[0].build

    assert [one.expired for one in night.tended] == [("overlay1",)]
    assert built is not None
    assert (before.n_documents, built.release.n_documents) == (4, 4), "the overlay gone, kb80 new"
