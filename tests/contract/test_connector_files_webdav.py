"""The connector ``files`` over WebDAV keeps the promises of every connector, whatever answers in its place."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import pytest
from kbm_connectors.files import FilesConnector

from kbm.domain.sync import Brake, Event, Failed, Known, Mark, Ref, plan_sync
from kbm.errors import ConnectorError, ConnectorRefused
from kbm.testing.contracts.connector import ConnectorContract
from tests.unit.connectors.core import Core
from tests.unit.connectors.dav_server import DavServer, serving

PASSWORD = "correct-horse"
EVERYONE = frozenset({"everyone"})
FAULTS = ("down", "login", "empty", "redirect", "ghost", "half", "cut")


def no_pause(_: float) -> None:
    """Do not wait between tries."""


@dataclass
class Share:
    server: DavServer
    root: Path
    broken_by: str = "down"

    def connect(self) -> FilesConnector:
        (self.root / "password").write_text(PASSWORD)
        settings = {
            "url": f"webdav+http://127.0.0.1:{self.server.port}/dav",
            "user": "kbm",
            "password": "file:password",
            "allow_private": True,
            "max_requests_per_second": 10_000,
        }
        return FilesConnector("share", settings, self.root, pause=no_pause)

    def make(self, id: str, text: str) -> None:
        self.server.files[id] = text

    edit = make

    def remove(self, id: str) -> None:
        del self.server.files[id]

    def break_part(self, id: str) -> None:
        self.server.forbidden.add(id.rpartition("/")[0])

    def break_root(self) -> None:
        self.server.fault = self.broken_by


@pytest.fixture
def server() -> Iterator[DavServer]:
    with serving() as made:
        yield made


class TestWebDav(ConnectorContract):
    ids = ("a.txt", "policies/b.txt", "policies/2026/ü & c.txt")
    secrets = (PASSWORD,)

    @pytest.fixture
    def source(self, server: DavServer, tmp_path: Path) -> Share:
        return Share(server, tmp_path)


def full(share: Share) -> dict[str, Known]:
    for id in ("a.txt", "hr/b.txt", "hr/secret/c.txt", "it/d.txt"):
        share.make(id, f"text of {id}")
    return {
        event.id: Known(version=event.version, readers=EVERYONE, scope=event.scope)
        for event in share.connect().scan(None)
        if isinstance(event, Ref)
    }


def removed(events: list[Event], known: dict[str, Known]) -> tuple[str, ...]:
    return plan_sync("share", events, known, default_readers=EVERYONE, brake=Brake()).removed


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_answers_in_place_of_the_root_deletes_nothing(
    server: DavServer, tmp_path: Path, fault: str
) -> None:
    share = Share(server, tmp_path, fault)
    known = full(share)
    share.break_root()
    events = list(share.connect().scan(None))

    assert [event.scope for event in events if isinstance(event, Failed)] == [""]
    assert not any(isinstance(event, Mark) for event in events)
    assert removed(events, known) == ()
    assert share.connect().check()


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_answers_in_place_of_a_folder_keeps_what_is_below_it(
    server: DavServer, tmp_path: Path, fault: str
) -> None:
    share = Share(server, tmp_path)
    known = full(share)
    server.at_folder["hr"] = fault
    share.remove("it/d.txt")
    events = list(share.connect().scan(None))

    assert [event.scope for event in events if isinstance(event, Failed)] == ["hr"]
    assert removed(events, known) == ("it/d.txt",)


def test_a_nested_folder_that_is_forbidden_keeps_its_documents(server: DavServer, tmp_path: Path) -> None:
    share = Share(server, tmp_path)
    known = full(share)
    server.forbidden.add("hr/secret")
    events = list(share.connect().scan(None))

    assert [(one.scope, one.retry) for one in events if isinstance(one, Failed)] == [("hr/secret", False)]
    assert removed(events, known) == ()


def test_a_server_that_goes_down_midway_is_not_asked_for_every_folder(
    server: DavServer, tmp_path: Path
) -> None:
    share = Share(server, tmp_path)
    for at in range(20):
        share.make(f"{at}/a.txt", "text")
        server.at_folder[str(at)] = "down"
    events = list(share.connect().scan(None))

    assert isinstance(events[-1], Failed)
    assert events[-1].scope == ""
    assert len({one for one in server.requests if one != "PROPFIND "}) == 3


def test_folders_nobody_asked_for_are_not_opened(server: DavServer, tmp_path: Path) -> None:
    share = Share(server, tmp_path)
    full(share)
    server.requests.clear()
    made = share.connect()
    settings = {**made.settings.model_dump(exclude_defaults=True), "exclude": ["hr"]}
    settings["url"] = f"webdav+{settings['url']}"
    found = FilesConnector("share", settings, tmp_path).scan(None)

    assert [one.id for one in found if isinstance(one, Ref)] == ["a.txt", "it/d.txt"]
    assert not any("hr" in one for one in server.requests)


def test_a_login_page_in_place_of_a_document_is_not_its_content(server: DavServer, tmp_path: Path) -> None:
    share = Share(server, tmp_path)
    share.make("a.pdf", "%PDF-1.7")
    made = share.connect()
    ref = next(one for one in made.scan(None) if isinstance(one, Ref))
    server.fault = "login"

    with pytest.raises(ConnectorRefused, match="login page"):
        made.fetch(ref)


def test_private_addresses_need_a_word_from_a_person(server: DavServer, tmp_path: Path) -> None:
    settings = {"url": f"webdav+http://127.0.0.1:{server.port}/dav"}
    [problem] = FilesConnector("share", settings, tmp_path).check()

    assert "allow_private" in problem
    assert not server.requests
    with pytest.raises(ConnectorError):
        FilesConnector("share", settings, tmp_path).fetch(Ref(id="a.txt", version="1"))


def test_an_edit_within_the_second_of_the_listing_is_seen_by_the_next(
    server: DavServer, tmp_path: Path
) -> None:
    share = Share(server, tmp_path)
    server.by_time, server.modified = True, formatdate(written := time.time(), usegmt=True)
    share.make("a.txt", "first")
    core = Core()
    core.sync(share.connect())
    share.edit("a.txt", "later")  # the same size, the same second
    time.sleep(max(0.0, written + 3.1 - time.time()))

    assert core.sync(share.connect()).changed == ("a.txt",)
    assert core.blobs["a.txt"].data == b"later"
    assert core.sync(share.connect()).does_nothing
