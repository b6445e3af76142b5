"""The connector ``confluence`` keeps the promises of every connector, against a stub of each of its interfaces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kbm_connectors.confluence import ConfluenceConnector
from kbm_connectors.confluence_storage import as_html
from kbm_connectors.mediawiki import MediaWikiConnector

from kbm.domain.sync import Brake, Event, Failed, Json, Mark, Ref, plan_sync
from kbm.errors import ConfigError, ConnectorError, ConnectorRefused, ConnectorUnavailable
from kbm.testing.builders import kbm_over
from kbm.testing.contracts.connector import ConnectorContract
from kbm.testing.fakes import NoProgress
from tests.contract.confluence_stub import PASSWORD, ConfluenceStub, shift
from tests.unit.connectors.core import Core
from tests.unit.connectors.fake_web import FAULTS, Answer, Asked, FakeWeb


@dataclass
class Wiki:
    stub: ConfluenceStub

    def connect(self) -> ConfluenceConnector:
        return self.stub.connect(spaces=["HB"])

    def make(self, id: str, text: str) -> None:
        self.stub.save(id, f"<p>{text}</p>")

    edit = make

    def remove(self, id: str) -> None:
        self.stub.trash(id)

    def break_root(self) -> None:
        self.stub.close()


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


def test_restrictions_of_a_page_and_all_above_it_are_intersected(wiki: ConfluenceStub) -> None:
    core = Core()
    wiki.save("10", "<p>Offen</p>")
    wiki.save("11", "<p>Eng</p>", parent="10", groups=("HR", "IT Team"), users=("Anna@keller.example",))
    wiki.save("12", "<p>Enger</p>", parent="11", groups=("HR",))
    wiki.save("13", "<p>Niemand</p>", parent="12", users=("bert@keller.example",))
    wiki.save("14", "<p>Erbt</p>", parent="11")
    refs = core.sync(wiki.connect()).refs

    assert refs["10"].readers is None
    assert refs["11"].readers == frozenset({"group:HR", "group:IT_Team", "user:anna@keller.example"})
    assert refs["12"].readers == frozenset({"group:HR"})
    assert refs["13"].readers == frozenset()
    assert refs["14"].readers == refs["11"].readers


@pytest.mark.parametrize("full", [True, False])
def test_expanding_ancestors_that_fails_is_asked_page_by_page(wiki: ConfluenceStub, full: bool) -> None:
    core = Core()
    wiki.save("10", "<p>Eng</p>", groups=("HR",))
    wiki.save("11", "<p>Darunter</p>", parent="10")
    wiki.save("12", "<p>Entwurf</p>", status="draft")
    wiki.save("13", "<p>Unter dem Entwurf</p>", parent="12")
    core.sync(wiki.connect())
    wiki.has_draft_ancestor = True
    shift(wiki, hours=1)
    for id in ("11", "13"):
        wiki.save(id, "<p>Neu</p>")
    if full:
        core.cursor = None

    plan = core.sync(wiki.connect())

    assert (plan.changed, plan.failures) == (("11", "13"), ())
    assert plan.refs["11"].readers == frozenset({"group:HR"})
    assert plan.refs["13"].readers is None


def test_a_folder_whose_restrictions_are_not_told_lets_nobody_in(tmp_path: Path) -> None:
    wiki = ConfluenceStub(tmp_path)
    wiki.pages["10"] = folder = wiki.save("10", "", kind="folder")
    wiki.save("11", "<p>Darin</p>", parent="10")
    told = next(event for event in wiki.connect().scan(None) if isinstance(event, Ref))
    folder.status = "draft"
    untold = next(event for event in wiki.connect().scan(None) if isinstance(event, Ref))
    wiki.close()

    assert told.readers is None
    assert untold.readers == frozenset()


def test_what_the_search_does_not_show_is_asked_page_by_page(tmp_path: Path) -> None:
    wiki = ConfluenceStub(tmp_path, sees_no_restrictions_in_search=True)
    wiki.save("10", "<p>Eng</p>", groups=("HR",))
    refs = Core().sync(wiki.connect()).refs
    wiki.close()

    assert refs["10"].readers == frozenset({"group:HR"})


def test_a_tightened_restriction_narrows_without_a_fetch(wiki: ConfluenceStub, stored: Core) -> None:
    stored.sync(wiki.connect())
    wiki.pages["10"].groups = ("HR",)
    shift(wiki, hours=20)

    plan = stored.sync(wiki.connect())

    assert plan.readers_changed == ("10", "13", "14")
    assert stored.fetched == []


def test_files_are_documents_with_the_readers_of_their_page(wiki: ConfluenceStub) -> None:
    core = Core()
    files = {"att21": ("plan.pdf", b"%PDF-1.4 Plan", 1)}
    wiki.save("11", "<p>Text</p>", groups=("HR",), files=files)
    assert core.sync(wiki.connect()).added == ("11",)
    core = Core()
    refs = core.sync(wiki.connect(attachments=True)).refs
    assert refs["att21"].readers == frozenset({"group:HR"})
    assert (core.blobs["att21"].name, core.blobs["att21"].data) == ("plan.pdf", b"%PDF-1.4 Plan")

    wiki.pages["11"].files["att21"] = ("plan.pdf", b"%PDF-1.4 Neu", 2)
    shift(wiki, hours=4)
    assert core.sync(wiki.connect(attachments=True)).changed == ("att21",)
    wiki.pages["11"].files.clear()
    shift(wiki, hours=20)
    assert core.sync(wiki.connect(attachments=True)).removed == ("att21",)


class Media(FakeWeb):
    """Another host that keeps files."""

    def answer(self, asked: Asked) -> Answer:
        return Answer(b"%PDF-1.4 elsewhere", "application/pdf")


def test_no_credentials_follow_a_file_to_another_host(wiki: ConfluenceStub) -> None:
    wiki.media = media = Media()
    wiki.save("11", "<p>Text</p>", files={"att21": ("plan.pdf", b"%PDF", 1)})
    core = Core()
    core.sync(wiki.connect(attachments=True))
    media.close()

    assert core.blobs["att21"].data == b"%PDF-1.4 elsewhere"
    assert [asked.params for asked in media.asked] == [{"token": "presigned"}]
    assert not {name.lower() for name in media.asked[0].headers} & {"authorization", "cookie"}
    assert all("Authorization" in asked.headers for asked in wiki.asked)


def test_a_page_the_site_does_not_render_is_read_from_its_storage(wiki: ConfluenceStub) -> None:
    wiki.renders = False
    wiki.save("11", '<p>Gr&uuml;&szlig;e</p><ac:structured-macro ac:name="toc"/>')
    core = Core()
    core.sync(wiki.connect())

    assert b"Gr\xc3\xbc\xc3\x9fe" in core.blobs["11"].data
    assert b"<title>Seite 11</title>" in core.blobs["11"].data


STORAGE = """
<h1>Urlaub &amp; Fehlzeiten</h1><ac:structured-macro ac:name="toc"><ac:parameter ac:name="maxLevel">2</ac:parameter>
</ac:structured-macro><ac:structured-macro ac:name="info"><ac:parameter ac:name="title">Frist</ac:parameter>
<ac:rich-text-body><p>Bis <time datetime="2026-12-31"/> &ndash; sonst <ac:link>
<ri:page ri:content-title="Verfall"/></ac:link>.</p>
</ac:rich-text-body></ac:structured-macro><ac:structured-macro ac:name="code">
<ac:parameter ac:name="language">sql</ac:parameter>
<ac:plain-text-body><![CDATA[SELECT a < b]]></ac:plain-text-body></ac:structured-macro>
<p><ac:structured-macro ac:name="status"><ac:parameter ac:name="title">GÜLTIG</ac:parameter></ac:structured-macro>
<ac:inline-comment-marker ac:ref="x">markiert</ac:inline-comment-marker><ac:emoticon ac:emoji-fallback="✅"/></p>
<ac:task-list><ac:task><ac:task-id>1</ac:task-id>
<ac:task-status>complete</ac:task-status><ac:task-body>Antrag stellen</ac:task-body>
</ac:task></ac:task-list><table><tbody><tr><td colspan="2" onclick="x()">Zelle</td></tr></tbody></table>
<ac:image><ri:attachment ri:filename="plan.png"/></ac:image><script>alert(1)</script>
<ac:structured-macro ac:name="excerpt"><ac:parameter ac:name="hidden">true</ac:parameter>
<ac:rich-text-body><p>unsichtbar</p>
</ac:rich-text-body></ac:structured-macro><p>Ende"""


def test_storage_becomes_plain_html_with_the_text_of_its_macros() -> None:
    made = re.sub(r"\s*\n\s*", "", as_html(STORAGE))

    for part in (
        "<h1>Urlaub &amp; Fehlzeiten</h1>",
        "<p><strong>Frist</strong></p><div><p>Bis 2026-12-31 – sonst Verfall.</p></div>",
        "<pre>SELECT a &lt; b</pre>",
        "<p>GÜLTIGmarkiert✅</p>",
        "<li><div>Antrag stellen</div></li>",
        '<td colspan="2">Zelle</td>',
        '<img alt="plan.png"/>',
        "<p>Ende</p>",
    ):
        assert part in made, part
    assert not [
        word for word in ("ac:", "ri:", "maxLevel", "sql", "alert", "onclick", "unsichtbar") if word in made
    ]


def test_an_entity_in_storage_reads_no_file() -> None:
    assert as_html('<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><p>&e;</p>').find("root:") == -1


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
