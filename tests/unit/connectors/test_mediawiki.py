"""What the connector ``mediawiki`` does beyond the contract: faults at every request, cursors, moves, templates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kbm_connectors.mediawiki import MediaWikiConnector

from kbm.domain.sync import Event, Gone, Mark, Ref
from kbm.errors import ConfigError, ConnectorError, ConnectorRefused, ConnectorUnavailable
from tests.unit.connectors.core import Core
from tests.unit.connectors.fake_mediawiki import PASSWORD, FakeMediaWiki, shift
from tests.unit.connectors.fake_web import FAULTS


@pytest.fixture
def wiki(tmp_path: Path) -> Iterator[FakeMediaWiki]:
    wiki = FakeMediaWiki(tmp_path)
    yield wiki
    wiki.close()


@pytest.fixture
def stored(wiki: FakeMediaWiki) -> Core:
    """A core that has read five pages; the wiki has since lost one and got one."""
    core = Core()
    for n in range(5):
        wiki.save(f"Seite {n}", f"Text {n}")
    core.sync(wiki.connect())
    wiki.delete(min(wiki.pages))
    wiki.save("Seite 9", "Text 9")
    return core


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("full", [True, False])
def test_no_fault_at_any_request_deletes_a_page_that_is_there(
    wiki: FakeMediaWiki, stored: Core, fault: str, full: bool
) -> None:
    gone = next(id for id in stored.known if int(id) not in wiki.pages)
    cursor = None if full else stored.cursor
    wiki.asked.clear()
    list(wiki.connect().scan(cursor))
    n_requests = len(wiki.asked)
    assert n_requests > 5

    wiki.fault = FAULTS[fault]
    for n in range(n_requests):
        wiki.asked.clear()
        wiki.fault_from = n
        events: list[Event] = []
        with pytest.raises(ConnectorError) as told:
            events.extend(wiki.connect().scan(cursor))

        assert not any(isinstance(event, Mark) for event in events)
        assert {event.id for event in events if isinstance(event, Gone)} <= {gone}
        assert PASSWORD not in f"{told.value}{told.value.hint}"
    wiki.fault = None
    assert stored.sync(wiki.connect()).removed == (gone,)


@pytest.mark.usefixtures("stored")
def test_a_listing_that_ends_after_its_first_page_is_told(wiki: FakeMediaWiki) -> None:
    wiki.keeps_continue = False

    with pytest.raises(ConnectorUnavailable, match="ended before its last page"):
        list(wiki.connect().scan(None))


def test_a_fault_that_passes_is_waited_for(wiki: FakeMediaWiki, stored: Core) -> None:
    wiki.fault, wiki.fault_times = FAULTS["429"], 2
    wiki.fault_from = len(wiki.asked) + 3

    assert len(stored.sync(wiki.connect()).removed) == 1


def test_an_edit_in_the_same_second_is_seen(wiki: FakeMediaWiki) -> None:
    core = Core()
    page = wiki.save("Seite", "Text")
    core.sync(wiki.connect())
    wiki.save("Seite", "Anders")

    assert core.sync(wiki.connect()).changed == (str(page),)
    wiki.save("Seite", "Noch anders")
    assert core.sync(wiki.connect()).changed == (str(page),)


def test_a_quiet_wiki_costs_few_requests_and_no_fetch(wiki: FakeMediaWiki, stored: Core) -> None:
    stored.sync(wiki.connect())
    shift(wiki, hours=1)
    stored.sync(wiki.connect())
    wiki.asked.clear()

    assert stored.sync(wiki.connect()).does_nothing
    assert stored.fetched == []
    assert len(wiki.asked) < 10


def test_a_template_changes_the_pages_that_include_it(wiki: FakeMediaWiki) -> None:
    core = Core()
    wiki.save("Vorlage:Not", "110", ns=10)
    pages = [str(wiki.save(title, "Ruf {{Not}}")) for title in ("A", "B")]
    wiki.save("C", "Ohne")
    core.sync(wiki.connect())
    wiki.save("Vorlage:Not", "112")

    assert core.sync(wiki.connect()).changed == tuple(pages)
    assert core.holds("Ruf 112") == 2
    core.cursor = None
    assert core.sync(wiki.connect()).does_nothing


def test_a_move_keeps_the_page_and_a_redirect_or_another_namespace_ends_it(wiki: FakeMediaWiki) -> None:
    core = Core()
    moved, merged, left = (wiki.save(title, "Text") for title in ("A", "B", "C"))
    core.sync(wiki.connect())
    wiki.move(moved, "Neu")
    wiki.save("B", "#WEITERLEITUNG [[Neu]]")
    wiki.move(left, "Vorlage:C", ns=10)

    plan = core.sync(wiki.connect())

    assert (plan.added, plan.changed, plan.removed) == ((), (str(moved),), (str(merged), str(left)))
    assert b"<title>Neu</title>" in core.blobs[str(moved)].data


def test_a_page_that_moves_while_all_are_listed_is_not_lost(wiki: FakeMediaWiki) -> None:
    core = Core()
    ids = [wiki.save(title, "Text") for title in ("B", "C", "D", "Z")]
    core.sync(wiki.connect())
    core.cursor = None
    events: list[Event] = []
    for event in wiki.connect().scan(None):
        if not events:
            wiki.move(ids[-1], "A")  # from a part not read yet into one that was
            wiki.save("Zz", "Text")
        events.append(event)

    assert {event.id for event in events if isinstance(event, Ref)} >= {str(id) for id in ids}


def test_a_cursor_that_is_too_old_or_of_a_restored_wiki_lists_everything(
    wiki: FakeMediaWiki, stored: Core
) -> None:
    gone = next(id for id in stored.known if int(id) not in wiki.pages)
    del wiki.changes[:-1]

    plan = stored.sync(wiki.connect())

    assert plan.removed == (gone,)
    assert len(plan.refs) == len(wiki.pages)


def test_a_full_listing_comes_when_it_is_due(wiki: FakeMediaWiki, stored: Core) -> None:
    stored.sync(wiki.connect())
    imported = wiki.save("Importiert", "Ohne Spur")
    wiki.changes.pop()
    assert stored.sync(wiki.connect()).does_nothing

    shift(wiki, days=8)
    assert stored.sync(wiki.connect()).added == (str(imported),)


def test_other_settings_list_everything(wiki: FakeMediaWiki, stored: Core) -> None:
    wiki.save("Hilfe", "Text", ns=12)
    wiki.changes.clear()
    stored.sync(wiki.connect())

    assert len(stored.sync(wiki.connect(namespaces=[0, 12])).added) == 1


def test_a_hidden_text_is_withdrawn(wiki: FakeMediaWiki) -> None:
    core = Core()
    id = wiki.save("Seite", "Geheim")
    core.sync(wiki.connect())
    ref = next(event for event in wiki.connect().scan(None) if isinstance(event, Ref))
    wiki.pages[id].hidden = True
    wiki.save("Seite", "Geheim")

    with pytest.raises(ConnectorRefused, match="hidden"):
        wiki.connect().fetch(ref)
    assert core.sync(wiki.connect()).removed == (str(id),)


def test_a_hidden_change_asks_for_everything(wiki: FakeMediaWiki, stored: Core) -> None:
    wiki.changes[-2] = {
        "type": "log",
        "rcid": 9,
        "actionhidden": True,
        "timestamp": wiki.changes[-2]["timestamp"],
    }

    plan = stored.sync(wiki.connect())

    assert len(plan.removed) == 1
    assert len(plan.refs) == len(wiki.pages)
    shift(wiki, hours=1)
    assert stored.sync(wiki.connect()).cursor == plan.cursor


def test_categories_choose_pages(wiki: FakeMediaWiki) -> None:
    core = Core()
    page = wiki.save("A", "Text [[Kategorie:Handbuch neu]]")
    wiki.save("B", "Text [[Kategorie:Handbuch neu]] [[Kategorie:Entwurf]]")
    wiki.save("C", "Text")
    settings = {"categories": ["handbuch_neu"], "exclude_categories": ["Entwurf"]}

    assert core.sync(wiki.connect(**settings)).added == (str(page),)
    wiki.save("A", "Text")
    assert core.sync(wiki.connect(**settings)).removed == (str(page),)


@pytest.mark.usefixtures("stored")
def test_a_session_that_ended_is_begun_anew(wiki: FakeMediaWiki) -> None:
    connector = wiki.connect()
    shift(wiki, hours=1)  # recent changes alone do not name every page
    wiki.save("Seite 9", "Neu")
    scan = connector.scan(None)
    next(scan)
    wiki.sessions.clear()
    wiki.shown_to_visitors = 3

    events = list(scan)
    assert isinstance(events[-1], Mark)
    assert len([event for event in events if isinstance(event, Ref)]) == len(wiki.pages) - 1


@pytest.mark.usefixtures("stored")
def test_a_wrong_password_is_told_without_it(wiki: FakeMediaWiki) -> None:
    wiki.said_at_login = "The supplied credentials Bert@kbm:an0ther are not correct."
    connector = wiki.connect()
    (wiki.root / "password").write_text("an0ther")

    with pytest.raises(ConnectorRefused, match="does not log Bert@kbm in") as told:
        list(connector.scan(None))
    (problem,) = connector.check()

    assert "an0ther" not in f"{told.value}{told.value.hint}{problem}"
    assert "Special:BotPasswords" in told.value.hint


@pytest.mark.usefixtures("stored")
def test_a_page_that_went_before_it_was_fetched_is_told(wiki: FakeMediaWiki) -> None:
    with pytest.raises(ConnectorUnavailable, match="not there any more"):
        wiki.connect().fetch(Ref(id="4711", version="1"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "wiki.example.com"}, "write the full address"),
        ({"url": "https://u:pa55word@wiki.example.com"}, "an address holds no account"),
        ({"user": ""}, "user and password are given together"),
        ({"password": "pa55word"}, "a secret is named, never written here"),
        ({"namespace": [0]}, "unknown key"),
        ({"full_every_days": 900}, "less than or equal to 90"),
    ],
)
def test_settings_that_cannot_be_used_are_told(
    tmp_path: Path, settings: dict[str, object], said: str
) -> None:
    usable = {"url": "https://wiki.example.com", "user": "Bert@kbm", "password": "env:WIKI"}

    with pytest.raises(ConfigError, match=said) as told:
        MediaWikiConnector("wiki", {**usable, **settings}, tmp_path)
    assert "pa55word" not in f"{told.value}{told.value.hint}"
