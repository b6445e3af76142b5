"""The connector ``files`` over SMB keeps the promises of every connector, whatever the server answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from kbm_connectors.nt_share import NtEntry, entries_in

from kbm.domain.sync import Brake, Event, Failed, Known, Mark, Ref, plan_sync
from kbm.errors import ConnectorRefused, ConnectorUnavailable
from kbm.testing.contracts.connector import ConnectorContract
from tests.unit.connectors.fake_share import (
    FILE,
    FOLDER,
    NO_ACCESS,
    NOT_THERE,
    PASSWORD,
    Nas,
    listing,
)

DEFAULT = frozenset({"group:default"})
FAULTS = ("down", "cut", "missing", "no share", "taken away")


@pytest.fixture
def nas(tmp_path: Path) -> Nas:
    return Nas(tmp_path)


class TestSmb(ConnectorContract):
    ids = ("a.txt", "policies/b.txt", "policies/2026/ü & c.txt")
    secrets = (PASSWORD,)

    @pytest.fixture
    def source(self, nas: Nas) -> Nas:
        return nas


def full(nas: Nas) -> dict[str, Known]:
    for id in ("a.txt", "hr/b.txt", "hr/secret/c.txt", "it/d.txt"):
        nas.make(id, f"text of {id}")
    return known_of(list(nas.connect().scan(None)))


def known_of(events: list[Event]) -> dict[str, Known]:
    return {
        event.id: Known(version=event.version, readers=event.readers or DEFAULT, scope=event.scope)
        for event in events
        if isinstance(event, Ref)
    }


def plan(events: list[Event], known: dict[str, Known]) -> tuple[tuple[str, ...], ...]:
    made = plan_sync("nas", events, known, default_readers=DEFAULT, brake=Brake())
    return made.added, made.changed, made.removed


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_is_wrong_with_the_root_deletes_nothing(nas: Nas, fault: str) -> None:
    known = full(nas)
    nas.share.fault = fault
    events = list(nas.connect().scan(None))

    assert [event.scope for event in events if isinstance(event, Failed)] == [""]
    assert not any(isinstance(event, Mark) for event in events)
    assert plan(events, known) == ((), (), ())
    assert nas.connect().check()


@pytest.mark.parametrize("fault", [NO_ACCESS, NOT_THERE, 0xC0000001, "the connection broke off"])
def test_a_folder_that_fails_keeps_what_is_below_it(nas: Nas, fault: int | str) -> None:
    known = full(nas)
    nas.share.at_folder["hr"] = fault
    nas.remove("it/d.txt")
    events = list(nas.connect().scan(None))

    assert [event.scope for event in events if isinstance(event, Failed)] == ["hr"]
    assert plan(events, known) == ((), (), ("it/d.txt",))


def test_a_nested_folder_that_is_forbidden_waits_for_a_person(nas: Nas) -> None:
    known = full(nas)
    nas.share.forbidden.add("hr/secret")
    events = list(nas.connect().scan(None))

    assert [(one.scope, one.retry) for one in events if isinstance(one, Failed)] == [("hr/secret", False)]
    assert plan(events, known) == ((), (), ())


def test_a_server_that_goes_down_midway_is_not_asked_for_every_folder(nas: Nas) -> None:
    for at in range(20):
        nas.make(f"{at}/a.txt", "text")
        nas.share.at_folder[str(at)] = "the connection broke off"
    events = list(nas.connect().scan(None))

    assert isinstance(events[-1], Failed)
    assert events[-1].scope == ""
    assert len({one for one in nas.share.asked if one.startswith("entries ") and one != "entries "}) == 3


def test_a_password_that_is_changed_midway_ends_the_listing(nas: Nas) -> None:
    known = full(nas)
    scan = nas.connect().scan(None)
    events = [next(scan)]
    nas.share.at_folder["hr"] = "the connection broke off"
    nas.share.password = "another"
    events += list(scan)

    assert [(one.scope, one.retry) for one in events if isinstance(one, Failed)] == [("", False)]
    assert plan(events, known)[2] == ()


def test_a_root_that_becomes_another_folder_vouches_for_nothing(nas: Nas) -> None:
    known = full(nas)
    scan = nas.connect().scan(None)
    events = [next(scan)]
    nas.share.root_number = 2
    nas.share.files.clear()
    events += list(scan)

    assert not any(isinstance(event, Mark) for event in events)
    assert plan(events, known)[2] == ()


def test_a_broken_connection_is_made_again_and_the_listing_goes_on(nas: Nas) -> None:
    known = full(nas)
    nas.share.once["hr"] = 0xC0000203  # the session was ended
    events = list(nas.connect().scan(None))

    assert not any(isinstance(event, Failed) for event in events)
    assert not nas.share.once
    assert plan(events, known) == ((), (), ())


def test_a_file_put_in_the_place_of_another_is_an_edit(nas: Nas) -> None:
    known = full(nas)
    file = nas.share.files["hr/b.txt"]
    file.data, file.number = b"text of hr/B.txt", 77  # the same size, the same times
    events = list(nas.connect().scan(None))

    assert plan(events, known) == ((), ("hr/b.txt",), ())


def test_an_edit_of_the_same_size_whose_time_was_set_back_is_seen(nas: Nas) -> None:
    known = full(nas)
    file = nas.share.files["hr/b.txt"]
    file.data, file.changed = b"text of hr/B.txt", file.changed + 1  # 100 ns later

    assert plan(list(nas.connect().scan(None)), known) == ((), ("hr/b.txt",), ())


def test_a_file_that_is_renamed_goes_under_its_old_name_only(nas: Nas) -> None:
    known = full(nas)
    nas.share.files["it/e.txt"] = nas.share.files.pop("it/d.txt")
    events = list(nas.connect().scan(None))

    assert plan(events, known) == (("it/e.txt",), (), ("it/d.txt",))


def test_after_a_kill_only_what_is_not_stored_is_new(nas: Nas) -> None:
    known = full(nas)
    stored = {id: known[id] for id in list(known)[:2]}

    assert plan(list(nas.connect().scan(None)), stored) == (tuple(sorted(known.keys() - stored)), (), ())


def test_links_and_other_servers_are_told_and_never_followed(nas: Nas) -> None:
    nas.make("a.txt", "text")
    nas.share.extra[""] = [
        NtEntry(name="link", attributes=FOLDER | 0x400, tag=0xA000000C),
        NtEntry(name="dfs", attributes=FOLDER | 0x400, tag=0x8000000A),
        NtEntry(name="link.txt", attributes=FILE | 0x400, tag=0xA000000C, size=3),
        NtEntry(name="archived.txt", attributes=FILE | 0x400, tag=0x80000013, size=3),
    ]
    events = list(nas.connect().scan(None))

    assert {one.scope or one.id for one in events if isinstance(one, Failed)} == {"link.txt", "dfs", "link"}
    assert [one.id for one in events if isinstance(one, Ref)] == ["a.txt", "archived.txt"]
    assert not any("link" in one or "dfs" in one for one in nas.share.asked)


def test_a_folder_that_leads_to_one_above_it_ends_there(nas: Nas) -> None:
    nas.make("a/b.txt", "text")
    nas.share.extra["a"] = [NtEntry(name="up", attributes=FOLDER, number=nas.share.root_number)]
    events = list(nas.connect().scan(None))

    assert [one.id for one in events if isinstance(one, Ref)] == ["a/b.txt"]
    assert isinstance(events[-1], Mark)
    assert "entries a/up" not in nas.share.asked


@pytest.mark.parametrize("name", ["x\\..\\..\\y.txt", "a/../../x.txt", "nul\0.txt", "\ud800.txt"])
def test_names_that_are_none_are_told(nas: Nas, name: str) -> None:
    nas.make("a.txt", "text")
    nas.share.extra[""] = [NtEntry(name=name, attributes=FILE)]
    events = list(nas.connect().scan(None))

    assert [one.id for one in events if isinstance(one, Ref)] == ["a.txt"]
    assert [one.why for one in events if isinstance(one, Failed)] == ["its name is no text"]


@pytest.mark.parametrize("cut", [1, 40, 81, 165, 180])
def test_a_listing_that_is_cut_off_is_no_listing(cut: int) -> None:
    whole = listing([NtEntry(name=f"{n}.txt", attributes=FILE) for n in range(2)])

    with pytest.raises(ValueError, match="broke off"):
        list(entries_in(whole[:cut]))


def test_folders_nobody_asked_for_are_not_opened(nas: Nas) -> None:
    full(nas)
    nas.share.asked.clear()
    found = nas.connect(exclude=["hr"]).scan(None)

    assert [one.id for one in found if isinstance(one, Ref)] == ["a.txt", "it/d.txt"]
    assert not any("hr" in one for one in nas.share.asked)


def test_a_folder_of_the_share_is_the_root(nas: Nas) -> None:
    full(nas)
    made = nas.connect(url="smb://127.0.0.1/dms/hr/")
    refs = [one for one in made.scan(None) if isinstance(one, Ref)]

    assert [one.id for one in refs] == ["b.txt", "secret/c.txt"]
    assert refs[0].url == "smb://127.0.0.1/dms/hr/b.txt"
    assert made.fetch(refs[1]).data == b"text of hr/secret/c.txt"


def test_a_file_that_is_too_large_is_refused_with_the_key_to_change(nas: Nas) -> None:
    nas.make("a.bin", "x" * 1_000_001)
    made = nas.connect(max_file_mb=1)
    ref = next(one for one in made.scan(None) if isinstance(one, Ref))

    with pytest.raises(ConnectorRefused) as told:
        made.fetch(ref)
    assert "max_file_mb" in told.value.hint


def test_a_file_that_is_open_elsewhere_is_tried_again_later(nas: Nas) -> None:
    nas.make("a.txt", "text")
    made = nas.connect()
    ref = next(one for one in made.scan(None) if isinstance(one, Ref))
    nas.share.at_folder["a.txt"] = 0xC0000043

    with pytest.raises(ConnectorUnavailable, match="another program has it open"):
        made.fetch(ref)


@pytest.mark.parametrize("id", ["../x.txt", "/etc/passwd", "a//b", "a/./b"])
def test_no_path_leads_out_of_the_folder(nas: Nas, id: str) -> None:
    with pytest.raises(ConnectorRefused):
        nas.connect().fetch(Ref(id=id, version="1"))
    assert not nas.share.asked
