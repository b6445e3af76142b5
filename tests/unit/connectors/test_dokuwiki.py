"""What the connector ``dokuwiki`` does beyond the contract: faults at every request, accounts, readers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kbm_connectors.dokuwiki_acl import readers

from kbm.domain.sync import Event, Mark, Ref
from kbm.errors import ConnectorError, ConnectorRefused, ConnectorUnavailable
from tests.unit.connectors.core import Core
from tests.unit.connectors.fake_dokuwiki import PASSWORD, FakeDokuWiki
from tests.unit.connectors.fake_web import FAULTS


@pytest.fixture(params=[False, True], ids=["json", "xml"])
def wiki(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FakeDokuWiki]:
    wiki = FakeDokuWiki(tmp_path, is_old=request.param)
    wiki.pages = {"start": "Start", "handbuch:a": "Text A", "handbuch:b": "Text B", "secret:plan": "Plan"}
    yield wiki
    wiki.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_at_any_request_deletes_a_page(wiki: FakeDokuWiki, fault: str) -> None:
    list(wiki.connect().scan(None))
    n_requests = len(wiki.asked)
    assert n_requests >= 4

    wiki.fault = FAULTS[fault]
    for n in range(n_requests):
        wiki.asked.clear()
        wiki.fault_from = n
        events: list[Event] = []
        with pytest.raises(ConnectorError) as told:
            events.extend(wiki.connect().scan(None))

        assert not any(isinstance(event, Mark) for event in events)
        assert PASSWORD not in f"{told.value}{told.value.hint}"


def test_a_session_that_is_not_the_accounts_is_never_listed(wiki: FakeDokuWiki) -> None:
    core = Core()
    core.sync(wiki.connect())
    connector = wiki.connect()
    (wiki.root / "password").write_text("an0ther")

    with pytest.raises(ConnectorRefused, match="does not log bert in") as told:
        core.sync(connector)

    assert "an0ther" not in f"{told.value}{told.value.hint}"
    assert core.sync(wiki.connect()).does_nothing


def test_a_session_that_ended_is_begun_anew_for_a_fetch(wiki: FakeDokuWiki) -> None:
    connector = wiki.connect()
    refs = {event.id: event for event in connector.scan(None) if isinstance(event, Ref)}
    wiki.sessions.clear()

    assert b"Plan" in connector.fetch(refs["secret:plan"]).data


def test_an_administrator_brings_the_readers_and_others_do_not(wiki: FakeDokuWiki) -> None:
    wiki.acl["secret:*"] = {"@ALL": 0, "@board": 1}
    refs = {event.id: event for event in wiki.connect().scan(None) if isinstance(event, Ref)}
    wiki.is_admin = False
    seen = {event.id: event for event in wiki.connect().scan(None) if isinstance(event, Ref)}

    assert refs["start"].readers == frozenset({"everyone"})
    assert refs["secret:plan"].readers == frozenset({"group:board"})
    assert seen.keys() == refs.keys() - {"secret:plan"}
    assert seen["start"].readers is None


def test_an_administrator_without_the_table_of_rights_is_refused(wiki: FakeDokuWiki) -> None:
    wiki.has_acl = False

    with pytest.raises(ConnectorRefused, match="does not tell its table of rights"):
        list(wiki.connect().scan(None))


def test_rights_that_change_change_no_version(wiki: FakeDokuWiki) -> None:
    core = Core()
    core.sync(wiki.connect())
    wiki.acl["handbuch:a"] = {"@ALL": 0, "@it": 1}

    plan = core.sync(wiki.connect())

    assert (plan.readers_changed, core.fetched) == (("handbuch:a",), [])


def test_a_namespace_without_pages_keeps_what_was_read_of_it(wiki: FakeDokuWiki) -> None:
    core = Core()
    core.sync(wiki.connect(namespaces=["handbuch", "secret"]))
    del wiki.pages["handbuch:a"], wiki.pages["secret:plan"]

    plan = core.sync(wiki.connect(namespaces=["handbuch", "secret"]))

    assert (plan.removed, plan.failed_scopes) == (("handbuch:a",), ("secret",))


def test_a_wiki_that_shows_no_page_is_refused(wiki: FakeDokuWiki) -> None:
    wiki.pages.clear()

    with pytest.raises(ConnectorRefused, match="no page at all"):
        list(wiki.connect().scan(None))


def test_what_is_left_out_is_not_listed(wiki: FakeDokuWiki) -> None:
    refs = [e.id for e in wiki.connect(exclude=["secret", "start"]).scan(None) if isinstance(e, Ref)]

    assert refs == ["handbuch:a", "handbuch:b"]


def test_an_interface_that_is_off_is_told(tmp_path: Path) -> None:
    wiki = FakeDokuWiki(tmp_path, is_off=True)

    (problem,) = wiki.connect().check()

    assert "remote interface is off" in problem
    wiki.close()


def test_a_page_that_went_before_it_was_fetched_is_told(wiki: FakeDokuWiki) -> None:
    with pytest.raises(ConnectorUnavailable, match="not there any more"):
        wiki.connect().fetch(Ref(id="weg", version="1"))


@pytest.mark.parametrize(
    ("acl", "who"),
    [
        ({"*": {"@ALL": 1}}, {"everyone"}),
        ({"*": {"@ALL": 8, "@hr": 1}}, {"everyone"}),
        ({"*": {"@ALL": 0}, "a:*": {"@ALL": 0, "@hr": 1, "bert": 8}}, {"group:hr", "user:bert"}),
        ({"*": {"@ALL": 1}, "a:*": {"@ALL": 0}}, set()),
        ({"*": {"@ALL": 1}, "a:b:page": {"@hr": 2}}, {"everyone"}),
        ({"*": {"@hr": 1}, "a:*": {"@it": 1}, "a:b:*": {"@it": 1}}, {"group:hr", "group:it"}),
        # Whoever is shut out nearer by may be in a group that a wider right lets in.
        ({"*": {"@ALL": 1}, "a:*": {"@guests": 0}}, set()),
        ({"*": {"@sales": 1}, "a:*": {"@guests": 0, "@hr": 1}}, {"group:hr"}),
        ({"a:*": {"%USER%": 1}}, set()),
        ({"a:*": {"@Büro Süd": 1}}, {"group:Büro_Süd"}),
        ({"b:*": {"@ALL": 1}}, set()),
    ],
)
def test_readers_are_never_more_than_the_wiki_lets_in(acl: dict[str, dict[str, int]], who: set[str]) -> None:
    assert readers(acl, "a:b:page") == frozenset(who)
