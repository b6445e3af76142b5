"""The connector ``confluence`` keeps the promises of every connector, against a stub of each of its interfaces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kbm_connectors.confluence import ConfluenceConnector
from kbm_connectors.mediawiki import MediaWikiConnector

from kbm.domain.sync import Brake, Event, Failed, Json, Mark, Ref, plan_sync
from kbm.errors import ConfigError, ConnectorError, ConnectorRefused, ConnectorUnavailable
from kbm.testing.builders import kbm_over
from kbm.testing.contracts.connector import ConnectorContract
from kbm.testing.fakes import NoProgress
from tests.contract.confluence_stub import PASSWORD, ConfluenceStub, shift
from tests.contract.confluence_wiki import Media, Wiki
from tests.unit.connectors.core import Core
from tests.unit.connectors.fake_web import FAULTS, Answer, Asked


class TestConfluenceCloud(ConnectorContract):
    ids = ("11", "12", "13")
    secrets = (PASSWORD,)
    is_cloud = True

    @pytest.fixture
    def source(self, tmp_path: Path) -> Iterator[Wiki]:
        wiki = Wiki(ConfluenceStub(tmp_path, is_cloud=self.is_cloud))
        yield wiki
        wiki.stub.close()


class TestConfluenceServer(TestConfluenceCloud):
    is_cloud = False


@pytest.fixture(params=[True, False], ids=["cloud", "server"])
def wiki(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ConfluenceStub]:
    stub = ConfluenceStub(tmp_path, is_cloud=request.param)
    yield stub
    stub.close()


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[ConfluenceStub]:
    stub = ConfluenceStub(tmp_path)
    yield stub
    stub.close()


@pytest.fixture
def stored(wiki: ConfluenceStub) -> Core:
    """A core that has read five pages; the site has since lost one and got one."""
    core = Core()
    for n in range(10, 15):
        wiki.save(str(n), f"<p>Text {n}</p>", parent="10" if n > 12 else "")
    core.sync(wiki.connect())
    wiki.trash("11")
    wiki.save("19", "<p>Text 19</p>")
    return core


@pytest.mark.parametrize("fault", sorted(FAULTS))
@pytest.mark.parametrize("full", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_no_fault_at_any_request_deletes_a_page_that_is_there(
    wiki: ConfluenceStub, stored: Core, fault: str, full: bool
) -> None:
    cursor = None if full else stored.cursor
    wiki.asked.clear()
    list(wiki.connect().scan(cursor))
    n_requests = len(wiki.asked)
    assert n_requests >= 4

    wiki.fault = FAULTS[fault]
    for n in range(n_requests):
        wiki.asked.clear()
        wiki.fault_from = n
        events, told = _until_it_ends(wiki.connect(), cursor)

        assert set(_removed(events, stored)) <= {"11"}
        assert PASSWORD not in told
    wiki.fault = None
    assert stored.sync(wiki.connect()).removed == ("11",)


def _until_it_ends(connector: ConfluenceConnector, cursor: Json) -> tuple[list[Event], str]:
    events: list[Event] = []
    try:
        events.extend(connector.scan(cursor))
    except ConnectorError as error:
        return events, f"{error}{error.hint}"
    return events, ""


def _removed(events: list[Event], stored: Core) -> tuple[str, ...]:
    everyone, brake = frozenset({"everyone"}), Brake(documents=10_000)
    return plan_sync("wiki", events, stored.known, default_readers=everyone, brake=brake).removed


@pytest.mark.usefixtures("stored")
def test_a_cloud_listing_that_ends_after_its_first_page_is_told(wiki: ConfluenceStub) -> None:
    wiki.keeps_next = False
    if not wiki.is_cloud:  # Data Center is asked on by number, whatever it links to
        assert len([event for event in wiki.connect().scan(None) if isinstance(event, Ref)]) == 5
        return

    with pytest.raises(ConnectorUnavailable, match="ended before its last page"):
        list(wiki.connect().scan(None))


def test_a_fault_that_passes_is_waited_for(wiki: ConfluenceStub, stored: Core) -> None:
    wiki.fault, wiki.fault_times = FAULTS["429"], 2
    wiki.fault_from = len(wiki.asked) + 3

    assert stored.sync(wiki.connect()).removed == ("11",)


def test_a_space_that_is_not_shown_or_shows_no_page_keeps_its_documents(wiki: ConfluenceStub) -> None:
    core = Core()
    wiki.spaces["HR"] = "98307"
    wiki.save("11", "<p>Eins</p>")
    wiki.save("21", "<p>Zwei</p>", space="HR")
    core.sync(wiki.connect(spaces=["HB", "HR"]))
    core.cursor = None
    wiki.pages["21"].status = "draft"
    empty = core.sync(wiki.connect(spaces=["HB", "HR"]))
    del wiki.spaces["HR"]
    gone = core.sync(wiki.connect(spaces=["HB", "HR"]))

    assert (empty.removed, empty.failed_scopes) == ((), ("HR",))
    assert (gone.removed, gone.failed_scopes) == ((), ("HR",))
    assert wiki.connect(spaces=["HB", "HR"]).check() == ["the site shows the account no space HR"]


def test_a_quiet_site_costs_few_requests_and_no_fetch(wiki: ConfluenceStub, stored: Core) -> None:
    stored.sync(wiki.connect())
    shift(wiki, hours=3)
    wiki.save("12", "<p>Neu</p>")
    assert stored.sync(wiki.connect()).changed == ("12",)
    shift(wiki, hours=3)
    wiki.asked.clear()

    assert stored.sync(wiki.connect()).does_nothing
    assert len(wiki.asked) <= 8


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
@pytest.mark.parametrize("told", [True, False])
def test_an_edit_is_found_in_every_time_zone(
    wiki: ConfluenceStub, stored: Core, zone: str, told: bool
) -> None:
    wiki.time_zone = zone
    settings = {"time_zone": zone} if told else {}
    stored.sync(wiki.connect(**settings))
    shift(wiki, minutes=1)
    wiki.save("12", "<p>Neu</p>")

    assert stored.sync(wiki.connect(**settings)).changed == ("12",)


def test_a_purged_page_goes_with_the_full_listing(wiki: ConfluenceStub, stored: Core) -> None:
    stored.sync(wiki.connect())
    del wiki.pages["13"]
    assert stored.sync(wiki.connect()).does_nothing

    shift(wiki, hours=20)
    assert stored.sync(wiki.connect()).removed == ("13",)


@pytest.mark.usefixtures("stored")
def test_a_page_that_was_trashed_before_it_was_fetched_is_told(wiki: ConfluenceStub) -> None:
    with pytest.raises(ConnectorUnavailable, match="not there any more"):
        wiki.connect().fetch(Ref(id="11", version="1"))


def test_a_restored_page_comes_back_as_the_same_document(wiki: ConfluenceStub, stored: Core) -> None:
    assert stored.sync(wiki.connect()).removed == ("11",)
    wiki.save("11", "<p>Wieder da</p>")

    assert stored.sync(wiki.connect()).added == ("11",)


def test_other_settings_list_everything(wiki: ConfluenceStub, stored: Core) -> None:
    stored.sync(wiki.connect())
    wiki.spaces["HR"] = "98307"
    wiki.save("21", "<p>Alt</p>", space="HR", modified=wiki.now.replace(year=2020))

    assert stored.sync(wiki.connect(spaces=["HB", "HR"])).added == ("21",)


def test_a_listing_never_leads_to_another_host(tmp_path: Path) -> None:
    wiki, other = ConfluenceStub(tmp_path), Media()
    wiki.save("11", "<p>Text</p>")
    wiki.fault = lambda answer: Answer(
        answer.body.replace(b'{"base"', f'{{"next": "{other.url}/steal", "base"'.encode()),
        answer.media_type,
    )
    with pytest.raises(ConnectorUnavailable, match="not the interface's"):
        list(wiki.connect().scan(None))
    wiki.close()
    other.close()

    assert other.asked == []


def test_a_personal_token_is_a_bearer(tmp_path: Path) -> None:
    wiki = ConfluenceStub(tmp_path, is_cloud=False)
    wiki.save("11", "<p>Text</p>")
    connector = wiki.connect(user="", password="", token="file:password")
    events = list(connector.scan(None))
    wiki.fault = lambda _: Answer(f"{PASSWORD} is wrong".encode(), "text/plain", 401)
    with pytest.raises(ConnectorRefused) as told:
        list(connector.scan(None))
    wiki.close()

    assert isinstance(events[-1], Mark)
    assert {asked.headers["Authorization"] for asked in wiki.asked} == {f"Bearer {PASSWORD}"}
    assert PASSWORD not in f"{told.value}{told.value.hint}"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "wiki.example.com"}, "write the full address"),
        ({"spaces": ['HB" or type = page']}, "is no key of a space"),
        ({"time_zone": "Mitteleuropa"}, "no time zone of that name"),
        ({"token": "t0ken"}, "a secret is named, never written here"),
        ({"token": "env:T"}, "not both"),
        ({"deployment": "datacenter"}, "'cloud'"),
    ],
)
def test_settings_that_cannot_be_used_are_told(
    tmp_path: Path, settings: dict[str, object], said: str
) -> None:
    usable = {"url": "https://k.atlassian.net/wiki", "user": "a@b.c", "password": "env:P"}

    with pytest.raises(ConfigError, match=said) as told:
        ConfluenceConnector("wiki", {**usable, **settings}, tmp_path)
    assert "t0ken" not in str(told.value)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://k.atlassian.net", {"url": "https://k.atlassian.net/wiki"}),
        ("https://k.atlassian.net/wiki/home", {"url": "https://k.atlassian.net/wiki"}),
        (
            "https://k.atlassian.net/wiki/spaces/HB/pages/11/Start",
            {"url": "https://k.atlassian.net/wiki", "spaces": ["HB"]},
        ),
        ("https://k.atlassian.net/jira/software", None),
        (
            "https://w.example/confluence/display/HB/Start",
            {"url": "https://w.example/confluence", "deployment": "server", "spaces": ["HB"]},
        ),
        (
            "https://w.example/pages/viewpage.action?pageId=11",
            {"url": "https://w.example", "deployment": "server"},
        ),
        (
            "https://w.example/spaces/HB/pages/11/Start",
            {"url": "https://w.example", "deployment": "server", "spaces": ["HB"]},
        ),
        ("https://w.example/wiki/Start", None),
        ("./confluence", None),
    ],
)
def test_an_address_is_told_by_its_look(url: str, found: dict[str, object] | None, tmp_path: Path) -> None:
    assert ConfluenceConnector.recognises(url, tmp_path) == found
    if found:
        assert MediaWikiConnector.recognises(url, tmp_path) is None


def test_a_sync_stores_pages_survives_an_outage_and_withdraws_the_trash(
    cloud: ConfluenceStub, tmp_path: Path
) -> None:
    wiki = cloud
    for n in range(10, 16):
        wiki.save(str(n), f"<p>Text der Seite {n}.</p>", groups=("HR",) if n == 12 else ())
    connector = wiki.connect()
    with kbm_over(tmp_path / "kbm", {"docs": connector}) as kbm:
        source = kbm.source_to_sync("docs")
        assert kbm.sync.run(source, NoProgress()).n_stored == 6
        wiki.fault = FAULTS["login page"]
        with pytest.raises(ConnectorError):
            kbm.sync.run(source, NoProgress())
        assert len(kbm.catalogue.documents.known("docs")) == 6
        [record] = kbm.catalogue.documents.sources()
        assert PASSWORD not in str(record.last_error)
        wiki.fault = None
        wiki.trash("13")
        wiki.asked.clear()

        kbm.sync.run(source, NoProgress())

        known = kbm.catalogue.documents.known("docs")
        assert sorted(known) == ["10", "11", "12", "14", "15"]
        assert known["12"].readers == frozenset({"group:HR"})
        assert not [asked for asked in wiki.asked if "export_view" in str(asked.params)]
    left = [path.read_bytes() for path in (tmp_path / "kbm").rglob("*") if path.is_file()]
    assert not [data for data in left if PASSWORD.encode() in data]


def test_a_run_that_dies_between_two_documents_fetches_only_the_rest(
    cloud: ConfluenceStub, tmp_path: Path
) -> None:
    wiki = cloud
    for n in range(10, 15):
        wiki.save(str(n), f"<p>Text der Seite {n}.</p>")

    def bodies() -> list[str]:
        return [asked.path.rpartition("/")[2] for asked in wiki.asked if "export_view" in str(asked.params)]

    class Dies(ConfluenceConnector):
        def fetch(self, ref: Ref) -> object:  # type: ignore[override]
            if len(bodies()) == 3:
                raise KeyboardInterrupt
            return super().fetch(ref)

    first = wiki.connect()
    first.__class__ = Dies
    with kbm_over(tmp_path / "kbm", {"docs": first}) as kbm, pytest.raises(KeyboardInterrupt):
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
    with kbm_over(tmp_path / "kbm", {"docs": wiki.connect()}) as kbm:
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())

        assert len(kbm.catalogue.documents.known("docs")) == 5
    assert sorted(bodies()) == ["10", "11", "12", "13", "14"]


def test_a_failure_is_asked_again_and_its_page_stays(wiki: ConfluenceStub, stored: Core) -> None:
    stored.sync(wiki.connect())
    before = stored.cursor
    shift(wiki, hours=1)
    wiki.save("12", "<p>Neu</p>")
    real, wiki.has_draft_ancestor = wiki.answer, True

    def hides(asked: Asked) -> Answer:
        by_itself = asked.path.endswith("/12") and asked.params.get("expand") == "ancestors"
        hidden = asked.path.endswith("/12/ancestors") or by_itself
        return Answer(b"{}", status=404) if hidden else real(asked)

    wiki.answer = hides  # type: ignore[method-assign]
    events = list(wiki.connect().scan(before))
    wiki.answer = real  # type: ignore[method-assign]

    assert [event.id for event in events if isinstance(event, Failed)] == ["12"]
    assert isinstance(events[-1], Mark)
    assert events[-1].cursor == before
    assert stored.sync(wiki.connect()).changed == ("12",)
