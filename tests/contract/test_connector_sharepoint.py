"""The connector ``sharepoint`` keeps the promises of every connector, against a stub of sign-in and Graph."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kbm_connectors.sharepoint import SharePointConnector

from kbm.domain.sync import Brake, Event, Json, Ref, plan_sync
from kbm.errors import ConfigError, ConnectorError, ConnectorUnavailable
from kbm.testing.builders import kbm_over
from kbm.testing.contracts.connector import ConnectorContract
from kbm.testing.fakes import NoProgress
from tests.contract.sharepoint_site import MEMBERS, Site, of
from tests.contract.sharepoint_stub import (
    DRIVE,
    ROOT,
    SECRET,
    SharePointStub,
    people,
    preferred,
    shift,
)
from tests.unit.connectors.core import Core
from tests.unit.connectors.fake_web import FAULTS, Answer


class TestSharePoint(ConnectorContract):
    ids = (of("01A"), of("01B"), of("01C"))
    secrets = (SECRET, "-signature")

    @pytest.fixture
    def source(self, tmp_path: Path) -> Iterator[Site]:
        site = Site(SharePointStub(tmp_path))
        yield site
        site.stub.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SharePointStub]:
    stub = SharePointStub(tmp_path)
    yield stub
    stub.close()


@pytest.fixture
def stored(site: SharePointStub) -> Core:
    """A core that has read five files, two in a folder; the site has since lost one and got one."""
    core = Core()
    site.put("F1", None, name="Handbuch")
    for n in range(5):
        site.put(f"0{n}", f"Text {n}", parent="F1" if n > 2 else ROOT)
    core.sync(site.connect())
    site.delete("01")
    site.put("09", "Text 9")
    return core


@pytest.mark.parametrize("fault", sorted(FAULTS))
@pytest.mark.parametrize("full", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_no_fault_at_any_request_deletes_a_file_that_is_there(
    site: SharePointStub, stored: Core, fault: str, full: bool
) -> None:
    cursor = None if full else stored.cursor
    site.asked.clear()
    list(site.connect().scan(cursor))
    n_requests = len(site.asked)
    assert n_requests > 5

    site.fault = FAULTS[fault]
    for n in range(n_requests):
        site.asked.clear()
        site.fault_from = n
        events, told = _until_it_ends(site.connect(), cursor)

        assert set(_removed(events, stored)) <= {of("01")}
        assert SECRET not in told
        assert "-signature" not in told
    site.fault = None
    assert stored.sync(site.connect()).removed == (of("01"),)


def _until_it_ends(connector: SharePointConnector, cursor: Json) -> tuple[list[Event], str]:
    events: list[Event] = []
    try:
        events.extend(connector.scan(cursor))
    except ConnectorError as error:
        return events, f"{error}{error.hint}"
    return events, ""


def _removed(events: list[Event], stored: Core) -> tuple[str, ...]:
    everyone, brake = frozenset({"everyone"}), Brake(documents=10_000)
    return plan_sync("dms", events, stored.known, default_readers=everyone, brake=brake).removed


def test_a_fault_that_passes_is_waited_for(site: SharePointStub, stored: Core) -> None:
    site.fault, site.fault_times = FAULTS["429"], 2
    site.fault_from = len(site.asked) + 3

    assert stored.sync(site.connect()).removed == (of("01"),)


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("taken", "said"), [(b"@odata.nextLink", "not whole"), (b'"root": {}, ', "without the library itself")]
)
def test_half_a_listing_is_told(site: SharePointStub, taken: bytes, said: str) -> None:
    site.fault = lambda answer: Answer(
        answer.body.replace(taken, b"x" if b"@" in taken else b""), answer.media_type
    )

    with pytest.raises(ConnectorUnavailable, match=said):
        list(site.connect().scan(None))


def test_changes_are_asked_for_by_the_link_that_was_given(site: SharePointStub, stored: Core) -> None:
    stored.sync(site.connect())
    site.asked.clear()

    assert stored.sync(site.connect()).does_nothing
    assert [asked.path.rpartition("/")[2] for asked in site.asked][-2:] == ["drives", "delta"]
    assert len(site.asked) == 4
    assert site.asked[-1].params["token"] != "0"
    assert "deltashowsharingchanges" in preferred(site.asked[-1])


@pytest.mark.parametrize("status", [410, 404])
def test_a_link_that_is_too_old_lists_everything(site: SharePointStub, stored: Core, status: int) -> None:
    site.oldest, site.lost_status = 1000, status

    plan = stored.sync(site.connect())

    assert (plan.added, plan.changed, plan.removed) == ((of("09"),), (), (of("01"),))
    assert len(plan.refs) == 5


def test_a_full_listing_comes_when_it_is_due(site: SharePointStub, stored: Core) -> None:
    stored.sync(site.connect())
    del site.items[DRIVE]["02"]
    assert stored.sync(site.connect()).does_nothing

    shift(site, hours=20)
    assert stored.sync(site.connect()).removed == (of("02"),)


def test_a_renamed_or_moved_file_stays_the_same_document(site: SharePointStub, stored: Core) -> None:
    stored.sync(site.connect())
    site.put("02", "Text 2", name="Neu.txt", parent="F1")

    plan = stored.sync(site.connect())

    assert (plan.added, plan.changed, plan.removed) == ((), (of("02"),), ())
    assert (plan.refs[of("02")].title, plan.refs[of("02")].scope) == ("Neu.txt", "Documents/Handbuch")


def test_what_is_in_a_deleted_folder_goes_though_only_the_folder_is_listed(
    site: SharePointStub, stored: Core
) -> None:
    stored.sync(site.connect())
    for id in ("03", "04"):
        site.items[DRIVE][id].is_deleted = True
    site.delete("F1")

    assert stored.sync(site.connect()).removed == (of("03"), of("04"))


def test_a_library_that_is_hidden_or_not_there_keeps_its_documents(site: SharePointStub) -> None:
    core = Core()
    site.add_library("b!two", "Verträge")
    site.put("01", "Text")
    site.put("01", "Vertrag", "b!two")
    assert core.sync(site.connect()).added == (of("01"), of("01", "b!two"))
    core.cursor = None
    site.hidden = {"b!two"}
    hidden = core.sync(site.connect())
    del site.names["b!two"]
    gone = core.sync(site.connect(library=["documents", "Verträge"]))

    assert (hidden.removed, hidden.failed_scopes) == ((), ("Verträge",))
    assert (gone.removed, gone.failed_scopes) == ((), ("Verträge",))
    assert site.connect(library=["documents", "Verträge"]).check() == ["the site shows no library Verträge"]


def test_a_library_that_was_deleted_goes_with_its_documents(site: SharePointStub) -> None:
    core = Core()
    site.add_library("b!two", "Verträge")
    site.put("01", "Text")
    site.put("02", "Vertrag", "b!two")
    core.sync(site.connect())
    del site.names["b!two"]

    assert core.sync(site.connect()).removed == (of("02", "b!two"),)


def test_patterns_choose_files_by_their_place(site: SharePointStub) -> None:
    core, settings = Core(), {"include": ["Handbuch/**/*.txt"], "exclude": ["**/Alt"]}
    site.put("F1", None, name="Handbuch")
    site.put("F2", None, name="Alt", parent="F1")
    for id, parent in (("01", ROOT), ("02", "F1"), ("03", "F2")):
        site.put(id, f"Text {id}", parent=parent)
    assert core.sync(site.connect(**settings)).added == (of("02"),)
    site.put("02", "Text 02", parent="F2")
    site.put("01", "Text 01", parent="F1")

    plan = core.sync(site.connect(**settings))

    assert (plan.added, plan.removed) == ((of("01"),), (of("02"),))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "keller.sharepoint.com"}, "write the full address"),
        ({"url": "https://u:pa55word@keller.sharepoint.com/sites/x"}, "an address holds no account"),
        ({"client_secret": "pa55word"}, "a secret is named, never written here"),
        ({"tenant": "../evil"}, "tenant"),
        ({"organisation": ["staff"]}, "a reader is written"),
        ({"readers_map": {"Leser": "group:a b"}}, "a reader is written"),
        ({"include": ["../x"]}, "stay in it"),
        ({"libraries": ["x"]}, "unknown key"),
    ],
)
def test_settings_that_cannot_be_used_are_told(
    tmp_path: Path, settings: dict[str, object], said: str
) -> None:
    usable = {
        "url": "https://k.sharepoint.com",
        "tenant": "k.example",
        "client_id": "c",
        "client_secret": "env:S",
    }

    with pytest.raises(ConfigError, match=said) as told:
        SharePointConnector("dms", {**usable, **settings}, tmp_path)
    assert "pa55word" not in f"{told.value}{told.value.hint}"


@pytest.mark.parametrize(
    ("url", "site", "library"),
    [
        ("https://k.sharepoint.com/sites/hr", "https://k.sharepoint.com/sites/hr", None),
        ("https://k.sharepoint.com/", "https://k.sharepoint.com", None),
        (
            "https://k.sharepoint.com/sites/hr/Vertr%C3%A4ge/Forms/AllItems.aspx",
            "https://k.sharepoint.com/sites/hr",
            ["Verträge"],
        ),
        (
            "https://k.sharepoint.com/:w:/r/sites/hr/Shared%20Documents/Plan.docx?d=w1",
            "https://k.sharepoint.com/sites/hr",
            ["Documents"],
        ),
        ("https://k.sharepoint.com/sites/hr/SitePages/Home.aspx", "https://k.sharepoint.com/sites/hr", None),
        ("https://sharepoint.example/sites/hr", None, None),
        ("./sharepoint.com", None, None),
    ],
)
def test_an_address_is_told_by_its_look(
    url: str, site: str | None, library: list[str] | None, tmp_path: Path
) -> None:
    found = SharePointConnector.recognises(url, tmp_path)

    assert (found or {}).get("url") == site
    assert (found or {}).get("library") == library
    if found:
        assert found["tenant"] == "k.onmicrosoft.com"
        SharePointConnector("dms", found, tmp_path)


def test_a_sync_stores_survives_outage_and_death_and_withdraws_at_once(
    site: SharePointStub, tmp_path: Path
) -> None:
    for n in range(6):
        site.put(f"0{n}", f"Der Text der Datei {n}.")

    def fetched() -> list[str]:
        return [asked.path.split("/")[-2] for asked in site.asked if asked.path.endswith("/content")]

    class Dies(SharePointConnector):
        def fetch(self, ref: Ref) -> Any:
            if len(fetched()) == 3:
                raise KeyboardInterrupt
            return super().fetch(ref)

    first = site.connect()
    first.__class__ = Dies
    with kbm_over(tmp_path / "kbm", {"docs": first}) as kbm, pytest.raises(KeyboardInterrupt):
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
    with kbm_over(tmp_path / "kbm", {"docs": site.connect()}) as kbm:
        source = kbm.source_to_sync("docs")
        kbm.sync.run(source, NoProgress())
        assert sorted(fetched()) == [f"0{n}" for n in range(6)]
        site.fault = FAULTS["empty object"]
        with pytest.raises(ConnectorError):
            kbm.sync.run(source, NoProgress())
        site.fault = None
        site.delete("01")
        site.share("02", people("anna@keller.example"))

        kbm.sync.run(source, NoProgress())

        known = kbm.catalogue.documents.known("docs")
        assert sorted(known) == [of(f"0{n}") for n in (0, 2, 3, 4, 5)]
        assert known[of("00")].readers == MEMBERS
        # Another reader in the place of these: the old ones go at once, the new one waits for a person.
        assert known[of("02")].readers == frozenset()
        assert len(fetched()) == 6
    left = [path.read_bytes() for path in (tmp_path / "kbm").rglob("*") if path.is_file()]
    assert not [data for data in left if SECRET.encode() in data or b"-signature" in data]
