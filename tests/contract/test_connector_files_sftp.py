"""The connector ``files`` over SFTP keeps the promises of every connector, whatever the server answers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kbm.domain.sync import Brake, Event, Failed, Known, Mark, Ref, SyncPlan, plan_sync
from kbm.errors import ConnectorError, ConnectorRefused, ConnectorUnavailable
from kbm.testing.contracts.connector import ConnectorContract
from tests.unit.connectors.sftp_server import PASSWORD, Server, serving

EVERYONE = frozenset({"everyone"})
FAULTS = ("down", "cut", "denied", "other key")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "tree").mkdir()
    with serving(tmp_path / "tree") as stub:
        yield Server(stub, tmp_path)


class TestSftp(ConnectorContract):
    ids = ("a.txt", "policies/b.txt", "policies/2026/ü & c.txt")
    secrets = (PASSWORD,)

    @pytest.fixture
    def source(self, server: Server) -> Server:
        return server


def full(server: Server) -> dict[str, Known]:
    for id in ("a.txt", "hr/b.txt", "hr/secret/c.txt", "it/d.txt"):
        server.make(id, f"text of {id}")
    return known_of(list(server.connect().scan(None)))


def known_of(events: list[Event]) -> dict[str, Known]:
    return {
        event.id: Known(version=event.version, readers=EVERYONE, scope=event.scope)
        for event in events
        if isinstance(event, Ref)
    }


def planned(events: list[Event], known: dict[str, Known]) -> SyncPlan:
    return plan_sync("archive", events, known, default_readers=EVERYONE, brake=Brake())


def failed(events: list[Event]) -> list[str]:
    return [event.id or event.scope for event in events if isinstance(event, Failed)]


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_is_wrong_with_the_root_deletes_nothing(server: Server, fault: str) -> None:
    known = full(server)
    server.stub.fault = fault
    events = list(server.connect().scan(None))

    assert failed(events) == [""]
    assert not any(isinstance(event, Mark) for event in events)
    assert planned(events, known).does_nothing
    assert server.connect().check()


def test_a_root_that_is_missing_or_is_a_file_deletes_nothing(server: Server) -> None:
    known = full(server)
    server.stub.tree.rename(server.root / "away")
    events = list(server.connect().scan(None))
    server.stub.tree.write_text("a file")
    events_of_a_file = list(server.connect().scan(None))

    assert failed(events) == failed(events_of_a_file) == [""]
    assert planned(events, known).does_nothing
    assert planned(events_of_a_file, known).does_nothing


@pytest.mark.parametrize("fault", ["cut", "failure"])
def test_a_folder_that_fails_keeps_what_is_below_it(server: Server, fault: str) -> None:
    known = full(server)
    server.stub.at_folder["hr"] = fault
    server.remove("it/d.txt")
    events = list(server.connect().scan(None))

    assert failed(events) == ["hr"]
    assert planned(events, known).removed == ("it/d.txt",)


def test_a_nested_folder_that_is_forbidden_waits_for_a_person(server: Server) -> None:
    known = full(server)
    server.stub.forbidden.add("hr/secret")
    events = list(server.connect().scan(None))

    assert [(one.scope, one.retry) for one in events if isinstance(one, Failed)] == [("hr/secret", False)]
    assert planned(events, known).does_nothing


def test_a_server_that_goes_down_midway_is_not_asked_for_every_folder(server: Server) -> None:
    for at in range(20):
        server.make(f"{at}/a.txt", "text")
        server.stub.at_folder[str(at)] = "cut"
    events = list(server.connect().scan(None))

    assert isinstance(events[-1], Failed)
    assert events[-1].scope == ""
    assert len({one for one in server.stub.asked if one.startswith("list ") and one != "list ."}) == 3


def test_half_a_listing_is_none(server: Server) -> None:
    for n in range(100):
        server.make(f"{n}.txt", "text")
    known = known_of(list(server.connect().scan(None)))
    server.stub.fault = "half"
    events = list(server.connect().scan(None))

    assert failed(events) == [""]
    assert not any(isinstance(event, Mark | Ref) for event in events)
    assert len(known) == 100


def test_a_connection_that_broke_off_is_made_again(server: Server) -> None:
    known = full(server)
    scan = server.connect().scan(None)
    events = [next(scan)]
    server.stub.cut()
    events += list(scan)

    assert isinstance(events[-1], Mark)
    assert planned(events, known).does_nothing
    assert server.stub.n_logins == 3


def test_a_server_that_says_nothing_is_not_waited_for(server: Server) -> None:
    known = full(server)
    server.stub.at_folder["hr"] = "silent"
    began = time.monotonic()
    events = list(server.connect(timeout_s=0.2).scan(None))

    assert time.monotonic() - began < 4
    assert failed(events) == ["hr"]
    assert planned(events, known).does_nothing


def test_an_edit_within_the_second_of_the_listing_is_seen_by_the_next(server: Server) -> None:
    server.make("a.txt", "first", at=(now := time.time()))
    known = known_of(list(server.connect().scan(None)))
    server.make("a.txt", "later", at=now)  # the same size, the same second
    time.sleep(max(0.0, now + 2.1 - time.time()))

    assert planned(list(server.connect().scan(None)), known).changed == ("a.txt",)


def test_a_file_that_is_moved_goes_under_its_old_name_only(server: Server) -> None:
    known = full(server)
    (server.stub.tree / "it/d.txt").rename(server.stub.tree / "it/e.txt")
    plan = planned(list(server.connect().scan(None)), known)

    assert (plan.added, plan.changed, plan.removed) == (("it/e.txt",), (), ("it/d.txt",))


def test_after_a_kill_only_what_is_not_stored_is_new(server: Server) -> None:
    known = full(server)
    stored = {id: known[id] for id in list(known)[:2]}
    plan = planned(list(server.connect().scan(None)), stored)

    assert (plan.added, plan.changed) == (tuple(sorted(known.keys() - stored)), ())


def test_names_in_any_code_page_are_listed(server: Server) -> None:
    server.make("a.txt", "text")
    server.stub.names["."] = ["Prüfung.txt".encode("cp1252")]
    events = list(server.connect().scan(None))

    assert [one.id for one in events if isinstance(one, Ref)] == ["Pr\\xfcfung.txt", "a.txt"]
    assert isinstance(events[-1], Mark)


def test_names_that_lead_elsewhere_are_told_and_never_read(server: Server) -> None:
    server.make("a.txt", "text")
    server.stub.names["."] = [b"x/../../y.txt", b".", b".."]
    events = list(server.connect().scan(None))

    assert [one.id for one in events if isinstance(one, Ref)] == ["a.txt"]
    assert [one.why for one in events if isinstance(one, Failed)] == ["its name is no name"]


def test_links_are_followed_to_files_below_the_folder_only(server: Server) -> None:
    server.make("a/b.txt", "text")
    outside = server.root / "outside"
    outside.mkdir()
    (outside / "c.txt").write_text("secret")
    for name, target in (
        *(("in.txt", "a/b.txt"), ("folder", "a"), ("gone.txt", "nowhere"), ("up", ".")),
        *(("out.txt", outside / "c.txt"), ("out", outside)),
    ):
        (server.stub.tree / name).symlink_to(target)
    made = server.connect()
    events = list(made.scan(None))

    assert [one.id for one in events if isinstance(one, Ref)] == ["in.txt", "a/b.txt"]
    assert failed(events) == ["out", "out.txt"]
    assert isinstance(events[-1], Mark)
    with pytest.raises(ConnectorRefused, match="outside"):
        made.fetch(Ref(id="out.txt", version="1"))


def test_a_link_whose_target_cannot_be_looked_at_keeps_its_document(server: Server) -> None:
    server.make("a/b.txt", "text")
    (server.stub.tree / "in.txt").symlink_to("a/b.txt")
    known = known_of(list(server.connect().scan(None)))
    server.stub.forbidden.add("in.txt")
    events = list(server.connect().scan(None))

    assert failed(events) == ["in.txt"]
    assert planned(events, known).does_nothing


def test_a_pipe_is_told_and_never_opened(server: Server) -> None:
    os.mkfifo(server.stub.tree / "pipe.txt")
    made = server.connect()

    assert failed(list(made.scan(None))) == ["pipe.txt"]
    with pytest.raises(ConnectorRefused, match="not a regular file"):
        made.fetch(Ref(id="pipe.txt", version="1"))


def test_a_large_file_is_read_whole_or_refused(server: Server) -> None:
    server.make("a.bin", "0123456789" * 120_000)
    made = server.connect()
    [ref] = [one for one in made.scan(None) if isinstance(one, Ref)]

    assert made.fetch(ref).data == b"0123456789" * 120_000
    with pytest.raises(ConnectorRefused, match="larger than 1 MB"):
        server.connect(max_file_mb=1).fetch(ref)


def test_a_file_whose_reading_breaks_off_is_no_content(server: Server) -> None:
    server.make("a.txt", "text")
    made = server.connect()
    [ref] = [one for one in made.scan(None) if isinstance(one, Ref)]
    server.stub.at_folder["a.txt"] = "cut"

    with pytest.raises(ConnectorUnavailable):
        made.fetch(ref)


def test_no_error_of_a_server_tells_the_password(server: Server) -> None:
    full(server)
    made = server.connect()
    for fault in FAULTS:
        server.stub.fault = fault
        server.stub.cut()
        with pytest.raises(ConnectorError) as told:
            made.fetch(Ref(id="a.txt", version="1"))
        assert (
            PASSWORD not in f"{told.value} {told.value.hint} {told.value.__cause__} {told.value.__context__}"
        )
