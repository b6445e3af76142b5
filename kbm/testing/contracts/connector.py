"""What the core relies on in every connector.

Inherit :class:`ConnectorContract` in a test class and give it a fixture ``source``: a source of your kind, empty at
first, that the suite fills, edits and breaks. Each promise guards against a way documents were lost elsewhere: a
listing that ended early taken for complete, a version that changes by itself, an id that does not come back.

A connector without a cursor and one with a cursor are both served: what is asked is the state after each scan.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import ClassVar, Protocol

import pytest

from kbm.domain.sync import Brake, Event, Failed, Gone, Json, Known, Mark, Ref, SyncPlan, plan_sync
from kbm.errors import ConnectorError, ConnectorRefused, ConnectorUnavailable
from kbm.ports import Connector

EVERYONE = frozenset({"everyone"})


class SourceUnderTest(Protocol):
    """A source the suite may change. Ids are the connector's, texts are plain words.

    It may also have ``break_part(id)``, which makes the place where that item lies unreadable and nothing else.
    """

    def connect(self) -> Connector:
        """Make a connector to this source, as a new process would."""
        ...

    def make(self, id: str, text: str) -> None:
        """Add an item."""
        ...

    def edit(self, id: str, text: str) -> None:
        """Give an item another text."""
        ...

    def remove(self, id: str) -> None:
        """Delete an item for good."""
        ...

    def break_root(self) -> None:
        """Make the whole source unreadable, as an outage or a wrong address does."""
        ...


class ConnectorContract:
    """Promises of a connector; ``ids`` and ``secrets`` may be overridden."""

    ids: ClassVar[tuple[str, str, str]] = ("a.txt", "b.txt", "c.txt")
    """Three item ids the source can make."""
    secrets: ClassVar[tuple[str, ...]] = ()
    """Texts that may appear in no error and no listing: passwords, masked values."""

    @pytest.fixture
    def connector(self, source: SourceUnderTest) -> Connector:
        """Give a connector to the source with its three items."""
        for n, id in enumerate(self.ids):
            source.make(id, f"text number {n}")
        return source.connect()

    def test_a_scan_lists_every_item_once_and_vouches_for_it(self, connector: Connector) -> None:
        events = list(connector.scan(None))

        assert sorted(event.id for event in events if isinstance(event, Ref)) == sorted(self.ids)
        assert isinstance(events[-1], Mark)
        assert events[-1].full

    def test_what_is_listed_can_be_stored(self, connector: Connector) -> None:
        events = list(connector.scan(None))

        for ref in (event for event in events if isinstance(event, Ref)):
            for text in (ref.id, ref.version, ref.title, ref.url, ref.author, ref.media_type, ref.scope):
                text.encode("utf-8")
            assert ref.id
            assert ref.version
            assert ref.modified is None or ref.modified.tzinfo is not None
            assert ref.size is None or ref.size >= 0
        for mark in (event for event in events if isinstance(event, Mark)):
            json.dumps(mark.cursor)

    def test_nothing_changes_by_itself(self, connector: Connector) -> None:
        plan = self._plan(connector, *self._known(connector))

        assert plan.does_nothing

    def test_another_process_sees_the_same(self, source: SourceUnderTest, connector: Connector) -> None:
        plan = self._plan(source.connect(), *self._known(connector))

        assert plan.does_nothing

    def test_an_abandoned_scan_leaves_the_connector_usable(self, connector: Connector) -> None:
        known, _ = self._known(connector)
        next(iter(connector.scan(None)))

        assert self._plan(connector, known, None).does_nothing

    def test_an_edit_changes_that_item_only(self, source: SourceUnderTest, connector: Connector) -> None:
        known, cursor = self._known(connector)
        source.edit(self.ids[1], "another text of another length")

        plan = self._plan(connector, known, cursor)

        assert (plan.added, plan.changed, plan.removed) == ((), (self.ids[1],), ())

    def test_a_removed_item_goes(self, source: SourceUnderTest, connector: Connector) -> None:
        known, cursor = self._known(connector)
        source.remove(self.ids[2])

        plan = self._plan(connector, known, cursor)

        assert (plan.added, plan.changed, plan.removed) == ((), (), (self.ids[2],))

    def test_an_item_made_again_has_its_old_id(self, source: SourceUnderTest, connector: Connector) -> None:
        known, _ = self._known(connector)
        source.remove(self.ids[0])
        list(connector.scan(None))
        source.make(self.ids[0], "text number 0")

        plan = self._plan(connector, known, None)

        assert (plan.added, plan.removed) == ((), ())

    def test_fetch_gives_the_bytes_and_gives_them_again(self, connector: Connector) -> None:
        refs = self._refs(connector)

        for ref in refs:
            blob = connector.fetch(ref)
            assert isinstance(blob.data, bytes)
            assert blob.data
            assert blob.name
            assert connector.fetch(ref) == blob

    def test_fetch_works_without_a_scan_before(self, source: SourceUnderTest, connector: Connector) -> None:
        ref = self._refs(connector)[0]

        assert source.connect().fetch(ref) == connector.fetch(ref)

    def test_fetch_follows_an_edit(self, source: SourceUnderTest, connector: Connector) -> None:
        before = {ref.id: connector.fetch(ref).data for ref in self._refs(connector)}
        source.edit(self.ids[0], "another text of another length")
        after = {ref.id: connector.fetch(ref).data for ref in self._refs(connector)}

        assert [id for id in self.ids if before[id] != after[id]] == [self.ids[0]]

    def test_fetching_what_is_gone_is_told(self, source: SourceUnderTest, connector: Connector) -> None:
        ref = next(ref for ref in self._refs(connector) if ref.id == self.ids[0])
        source.remove(self.ids[0])

        with pytest.raises(ConnectorError):
            source.connect().fetch(ref)

    def test_an_outage_is_never_a_complete_listing(
        self, source: SourceUnderTest, connector: Connector
    ) -> None:
        known, cursor = self._known(connector)
        source.break_root()
        events, error = _until_it_ends(connector, cursor)

        assert not any(isinstance(event, Mark) and event.full for event in events)
        assert not any(isinstance(event, Gone) for event in events)
        assert error is not None or any(
            isinstance(event, Failed) and not event.scope and event.id is None for event in events
        )
        assert not _plan_of(events, known).removed

    def test_what_cannot_be_listed_keeps_its_documents(
        self, source: SourceUnderTest, connector: Connector
    ) -> None:
        break_part = getattr(source, "break_part", None)
        if break_part is None:
            pytest.skip("no part of this source can fail alone")
        known, cursor = self._known(connector)
        break_part(self.ids[1])
        events, _ = _until_it_ends(source.connect(), cursor)

        assert any(isinstance(event, Failed) for event in events)
        assert not _plan_of(events, known).removed

    def test_an_outage_hides_no_secret_in_its_text(
        self, source: SourceUnderTest, connector: Connector
    ) -> None:
        source.break_root()
        events, error = _until_it_ends(connector, None)
        told = [repr(events), str(error), getattr(error, "hint", ""), *connector.check()]

        assert not [secret for secret in self.secrets if any(secret in text for text in told)]

    def test_no_secret_is_listed_or_fetched(self, connector: Connector) -> None:
        refs = self._refs(connector)
        shown = [repr(refs), *(repr(connector.fetch(ref)) for ref in refs)]

        assert not [secret for secret in self.secrets if any(secret in text for text in shown)]

    def test_check_finds_nothing_in_a_source_that_works(self, connector: Connector) -> None:
        assert connector.check() == []

    def test_check_says_what_is_broken_and_does_not_raise(
        self, source: SourceUnderTest, connector: Connector
    ) -> None:
        source.break_root()

        assert connector.check()

    # --- how the core sees it

    def _refs(self, connector: Connector) -> list[Ref]:
        return [event for event in connector.scan(None) if isinstance(event, Ref)]

    def _known(self, connector: Connector) -> tuple[dict[str, Known], Json]:
        """Give what the core has stored after a first scan, and the cursor it keeps."""
        plan = _plan_of(list(connector.scan(None)), {})
        known = {
            id: Known(version=ref.version, readers=ref.readers or EVERYONE, scope=ref.scope)
            for id, ref in plan.refs.items()
        }
        return known, plan.cursor

    def _plan(self, connector: Connector, known: Mapping[str, Known], cursor: Json) -> SyncPlan:
        return _plan_of(list(connector.scan(cursor)), known)


def _plan_of(events: list[Event], known: Mapping[str, Known]) -> SyncPlan:
    return plan_sync("source", events, known, default_readers=EVERYONE, brake=Brake())


def _until_it_ends(connector: Connector, cursor: Json) -> tuple[list[Event], ConnectorError | None]:
    """Collect what a scan lists, and the error it ends with."""
    events: list[Event] = []
    try:
        events.extend(connector.scan(cursor))
    except (ConnectorUnavailable, ConnectorRefused) as error:
        return events, error
    return events, None
