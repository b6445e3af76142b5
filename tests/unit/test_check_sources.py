"""What `kbm check` says of a source: what works, what keeps it from being read, what a person must do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from kbm.domain.catalogue import PlanRecord, SourceRecord
from kbm.domain.sync import PlanState, SyncPlan
from kbm.errors import ConfigError
from kbm.services.check_sources import CheckedSource, CheckSources, ConfiguredSource
from kbm.testing.fakes import FakeConnector

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@dataclass
class Store:
    """What is stored, as the two needed lists."""

    records: list[SourceRecord] = field(default_factory=list)
    plans: list[PlanRecord] = field(default_factory=list)

    def sources(self) -> list[SourceRecord]:
        return self.records

    def held(self) -> list[PlanRecord]:
        return self.plans


def checked(
    *,
    connector: FakeConnector | None = None,
    store: Store | None = None,
    readers: frozenset[str] = frozenset({"everyone"}),
    gpts: frozenset[str] = frozenset({"helper"}),
    proven: bool = True,
) -> CheckedSource:
    def made(_: str) -> FakeConnector:
        if connector is None:
            raise ConfigError("the extra is missing", hint="pip install 'kbm[s3]'")
        return connector

    store = store or Store()
    [one] = CheckSources(
        configured={"docs": ConfiguredSource(kind="fake", readers=readers, gpts=gpts)},
        connector=made,
        is_proven_live=lambda _: proven,
        stored=store,
        plans=store,
    ).run()
    return one


def record(**more: object) -> SourceRecord:
    whole = {"name": "docs", "kind": "fake", "synced_at": NOW, "last_error": None, "n_documents": 7, **more}
    return SourceRecord(**whole)  # type: ignore[arg-type]  # written with what matters to a test


def test_a_source_in_order_asks_nothing_of_anybody() -> None:
    one = checked(connector=FakeConnector(), store=Store([record()]))

    assert (one.problems, one.to_do) == ((), ())
    assert one.works == ("it answers, and its documents can be listed", "7 documents are stored")


def test_what_keeps_it_from_being_read_comes_with_what_to_do() -> None:
    down = checked(connector=FakeConnector(down=True), store=Store([record()]))
    missing = checked(store=Store([record()]))

    assert (down.problems, down.works) == (("the fake source is down",), ("7 documents are stored",))
    assert missing.problems == ("the extra is missing pip install 'kbm[s3]'",)


def test_what_waits_for_a_person_is_told_with_its_command() -> None:
    plan = PlanRecord(id=4, state=PlanState.HELD, plan=SyncPlan(source="docs"), created_at=NOW)
    store = Store([record(n_quarantined=2, failed_scopes=("hr", ""))], [plan])
    one = checked(connector=FakeConnector(), store=store, readers=frozenset(), gpts=frozenset(), proven=False)

    assert one.problems == ()
    assert [text.partition(":")[0] for text in one.to_do] == [
        "a plan waits for a decision",
        "2 documents could not be read",
        "the last sync could not list hr, the whole source",
        "readers is empty",
        "no assistant uses it",
        "connectors of kind 'fake' were never run against a live server",
    ]
    assert "kbm plans approve 4" in one.to_do[0]


def test_a_source_that_was_never_read_says_how() -> None:
    assert checked(connector=FakeConnector()).to_do == ("it was never read: kbm sync docs",)
