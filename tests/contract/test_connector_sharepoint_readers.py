"""Who may read the files of a SharePoint, and where its token goes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kbm_connectors.sharepoint_readers import ReaderWords, readers_of

from kbm.domain.sync import Failed, Json, Mark, Ref
from kbm.errors import ConnectorRefused, ConnectorUnavailable
from tests.contract.sharepoint_site import of
from tests.contract.sharepoint_stub import (
    DRIVE,
    ROOT,
    SECRET,
    SharePointStub,
    link,
    people,
    site_group,
)
from tests.unit.connectors.core import Core
from tests.unit.connectors.fake_web import LOGIN_PAGE, Answer, Asked, FakeWeb


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


def test_a_folder_that_is_moved_under_other_permissions_changes_its_files_readers(
    site: SharePointStub, stored: Core
) -> None:
    site.put("F2", None, name="Personal", permissions=people("anna@keller.example"))
    stored.sync(site.connect())
    site.put("F1", None, parent="F2")

    plan = stored.sync(site.connect())

    assert plan.readers_changed == (of("03"), of("04"))
    assert plan.refs[of("03")].readers == frozenset({"user:anna@keller.example"})


@pytest.mark.parametrize("roles", [("Sites.FullControl.All",), ("Sites.Read.All", "Files.Read.All")])
@pytest.mark.parametrize("at", ["02", "F1", ROOT])
def test_somebody_shut_out_is_noticed_with_the_next_sync_and_nothing_is_fetched(
    site: SharePointStub, stored: Core, roles: tuple[str, ...], at: str
) -> None:
    site.roles = roles
    stored.sync(site.connect())
    site.share(at, people("anna@keller.example"))

    plan = stored.sync(site.connect())

    assert stored.fetched == []
    touched = {"02": ["02"], "F1": ["03", "04"], ROOT: ["00", "02", "03", "04", "09"]}[at]
    assert plan.readers_changed == tuple(of(id) for id in touched)
    assert {plan.refs[of(id)].readers for id in touched} == {frozenset({"user:anna@keller.example"})}


@pytest.mark.parametrize("batch_status", [200, 429, 503])
def test_permissions_are_asked_one_by_one_where_a_batch_does_not_tell(
    site: SharePointStub, batch_status: int
) -> None:
    site.batch_status = batch_status
    site.put("01", "Text", permissions=[*people("a@k.example", "b@k.example"), site_group("Leser")])

    [ref] = [event for event in site.connect().scan(None) if isinstance(event, Ref)]

    assert ref.readers == frozenset({"user:a@k.example", "user:b@k.example", "group:Leser"})


@pytest.mark.usefixtures("stored")
def test_without_permissions_the_readers_of_the_source_hold(site: SharePointStub) -> None:
    site.asked.clear()
    refs = [event for event in site.connect(permissions=False).scan(None) if isinstance(event, Ref)]

    assert {ref.readers for ref in refs} == {None}
    assert not [asked for asked in site.asked if "permissions" in asked.path or "batch" in asked.path]


def test_permissions_that_are_not_shown_keep_the_file_and_are_asked_again(
    site: SharePointStub, stored: Core
) -> None:
    before = stored.cursor
    site.put("02", "Neu")
    site.batch_status = 403
    real = site.answer
    site.answer = lambda asked: (  # type: ignore[method-assign]
        Answer(b"{}", status=403) if asked.path.endswith("/02/permissions") else real(asked)
    )
    events = list(site.connect().scan(before))

    [failed] = [event for event in events if isinstance(event, Failed)]
    assert (failed.id, "Sites.FullControl.All" in failed.why) == (of("02"), True)
    assert isinstance(events[-1], Mark)
    assert events[-1].cursor == before


@pytest.mark.parametrize(
    ("permissions", "readers"),
    [
        (people("Anna@Keller.example", role="owner"), {"user:anna@keller.example"}),
        (people("anna@keller.example", role="sp.limited access"), set()),
        ([link("organization")], {"group:staff"}),
        ([link("anonymous")], {"everyone"}),
        ([link("users", "bert@keller.example")], {"user:bert@keller.example"}),
        ([link("existingAccess", "bert@keller.example")], set()),
        ([link("somethingNew", "bert@keller.example")], set()),
        ([{"roles": ["read"], "link": {"type": "view", "webUrl": "https://1drv.example/x"}}], set()),
        ([{**people("a@k.example")[0], "expirationDateTime": "2026-11-01T00:00:00Z"}], set()),
        ([{**people("a@k.example")[0], "expirationDateTime": "2026-12-01T00:00:00Z"}], {"user:a@k.example"}),
        ([{**people("a@k.example")[0], "expirationDateTime": "bald"}], set()),
        ([{"roles": ["read"], "invitation": {"email": "gast@example.com", "signInRequired": True}}], set()),
        ([{"roles": ["read"], "grantedTo": {"user": {"id": "5D33"}}}], {"user:5D33"}),
        (
            [{"roles": ["read"], "grantedToV2": {"group": {"id": "guid-1", "email": "HR@k.example"}}}],
            {"group:guid-1", "group:hr@k.example"},
        ),
        ([site_group("Alle Leser")], {"group:Alle_Leser"}),
        ([site_group("Geschäftsführung")], {"group:board"}),
        (
            [
                {
                    "roles": ["read"],
                    "grantedToV2": {"siteUser": {"loginName": "i:0#.f|membership|Eva@k.example"}},
                }
            ],
            {"user:eva@k.example"},
        ),
        (
            [
                {
                    "roles": ["read"],
                    "grantedToV2": {"siteUser": {"loginName": "c:0-.f|rolemanager|spo-grid-all-users/1"}},
                }
            ],
            {"group:staff"},
        ),
        ([{"roles": ["read"], "grantedToV2": {"siteUser": {"loginName": "c:0(.s|true"}}}], {"everyone"}),
        (
            [
                {
                    "roles": ["read"],
                    "grantedToV2": {"siteUser": {"loginName": "c:0o.c|other|x", "email": "t@k"}},
                }
            ],
            set(),
        ),
        ([{"roles": ["read"], "grantedToV2": {"application": {"id": "app"}}}], set()),
        ([], set()),
    ],
)
def test_permissions_become_readers_and_what_is_not_understood_lets_nobody_in(
    permissions: list[dict[str, Any]], readers: set[str]
) -> None:
    words = ReaderWords(
        organisation=frozenset({"group:staff"}),
        anonymous=frozenset({"everyone"}),
        names={"Geschäftsführung": "group:board"},
    )

    assert readers_of(permissions, words, datetime(2026, 11, 15, tzinfo=UTC)) == readers


def test_links_let_nobody_in_unless_the_settings_say_whom(site: SharePointStub) -> None:
    site.put("01", "Text", permissions=[link("organization"), link("anonymous")])
    silent, told = (
        next(event for event in site.connect(**settings).scan(None) if isinstance(event, Ref))
        for settings in ({}, {"organisation": ["group:staff"], "anonymous": ["everyone"]})
    )

    assert silent.readers == frozenset()
    assert told.readers == frozenset({"group:staff", "everyone"})


class Storage(FakeWeb):
    """Another host that keeps the bytes."""

    def answer(self, asked: Asked) -> Answer:
        return Answer(b"from elsewhere", "application/octet-stream")


def test_the_token_does_not_follow_a_file_to_another_host(site: SharePointStub) -> None:
    site.storage = storage = Storage()
    site.put("01", "Text")
    core = Core()
    core.sync(site.connect())
    storage.close()

    assert core.blobs[of("01")].data == b"from elsewhere"
    assert [asked.params for asked in storage.asked] == [{"tempauth": "pre"}]
    assert not {name.lower() for name in storage.asked[0].headers} & {"authorization", "cookie"}


def test_no_link_leads_the_token_away_from_graph(site: SharePointStub, stored: Core) -> None:
    other = Storage()
    site.fault = lambda answer: Answer(
        answer.body.replace(f"{site.url}/v1.0/drives".encode(), f"{other.url}/v1.0/drives".encode()),
        answer.media_type,
    )
    with pytest.raises(ConnectorUnavailable, match="leads away from Graph"):
        list(site.connect().scan(None))
    assert isinstance(stored.cursor, dict)
    moved: Json = {**stored.cursor, "links": {DRIVE: f"{other.url}/v1.0/drives/x/delta?token=1"}}
    site.fault = None
    with pytest.raises(ConnectorUnavailable, match="leads away from Graph"):
        list(site.connect().scan(moved))
    other.close()

    assert other.asked == []


def test_a_login_page_in_place_of_a_file_is_no_document(site: SharePointStub) -> None:
    site.put("01", "Text")
    connector = site.connect()
    [ref] = [event for event in connector.scan(None) if isinstance(event, Ref)]
    site.fault = lambda _: Answer(LOGIN_PAGE, "text/html")

    with pytest.raises(ConnectorRefused, match="login page"):
        connector.fetch(ref)
    site.fault = lambda _: Answer(b"", "application/octet-stream")
    with pytest.raises(ConnectorUnavailable, match="without its bytes"):
        connector.fetch(ref)


@pytest.mark.usefixtures("stored")
def test_a_token_that_ended_is_renewed(site: SharePointStub) -> None:
    connector = site.connect()
    scan = connector.scan(None)
    next(scan)
    site.tokens.clear()

    events = list(scan)
    ref = next(event for event in events if isinstance(event, Ref))
    site.tokens.clear()
    assert connector.fetch(ref).data
    assert isinstance(events[-1], Mark)
    assert len(site.tokens) == 1


@pytest.mark.usefixtures("stored")
def test_a_refused_secret_is_told_by_its_number_and_without_itself(
    site: SharePointStub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    site.token_fails = 1
    connector = site.connect()

    with pytest.raises(ConnectorRefused, match="invalid_client AADSTS7000215") as told:
        list(connector.scan(None))
    [problem] = connector.check()
    assert SECRET not in f"{told.value}{told.value.hint}{problem}{caplog.text}{vars(connector)}"
