"""The connector ``files``: nothing outside the folder is read, and nothing that is no file is opened."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from pathlib import Path

import pytest

from kbm.domain.sync import Brake, Failed, Known, Mark, Ref, plan_sync
from kbm.errors import ConnectorRefused, ConnectorUnavailable
from tests.unit.connectors.folders import connector, failures, listed, put

# --- links and what is no file


def test_links_inside_are_followed_and_loops_end(dms: Path) -> None:
    put(dms, "releases/3/a.md", "b.md")
    (dms / "current").symlink_to("releases/3")
    (dms / "same.md").symlink_to("b.md")
    (dms / "releases/up").symlink_to("..")
    (dms / "self").symlink_to("self")
    (dms / "dangling").symlink_to("gone.md")

    assert listed(connector(dms)) == ["b.md", "same.md", "current/a.md", "releases/3/a.md"]
    assert [one.id for one in failures(connector(dms))] == ["self"]


def test_links_that_multiply_end(dms: Path) -> None:
    for n in range(8):
        put(dms, f"{n}/a.md")
        for m in range(8):
            (dms / f"{n}" / f"to{m}").symlink_to(f"../{m}")

    events = list(connector(dms).scan(None))

    assert len(events) < 50_000
    assert isinstance(events[-1], Mark)


def test_links_that_lead_outside_are_told_and_not_followed(dms: Path) -> None:
    outside = dms.parent / "dms-secret"
    put(outside, "s.md")
    put(dms, "a.md")
    (dms / "folder").symlink_to(outside)
    (dms / "file.md").symlink_to(outside / "s.md")
    (dms / "passwd").symlink_to("/etc/passwd")
    (dms / "climb").symlink_to("../dms-secret")

    assert listed(connector(dms)) == ["a.md"]
    assert [one.id or one.scope for one in failures(connector(dms))] == [
        "climb",
        "file.md",
        "folder",
        "passwd",
    ]
    assert failures(connector(dms, include=["*.md"], exclude=["file.md"])) == []


def test_what_is_no_file_is_told_and_the_rest_is_listed(dms: Path) -> None:
    put(dms, "a.md")
    os.mkfifo(dms / "pipe.md")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(dms / "socket.md"))
        events = list(connector(dms).scan(None))

    assert [type(event) for event in events] == [Ref, Failed, Failed, Mark]
    assert events[1] == Failed(scope="", id="pipe.md", why="a pipe, not a file; not opened", retry=False)
    assert events[2] == Failed(scope="", id="socket.md", why="a socket, not a file; not opened", retry=False)


def test_what_is_no_file_is_silent_where_nobody_asked_for_it(dms: Path) -> None:
    put(dms, "a.md")
    os.mkfifo(dms / "pipe.md")
    os.mkfifo(dms / "control")

    assert failures(connector(dms, include=["*.md"], exclude=["pipe.md"])) == []


def test_a_link_to_a_pipe_is_told_like_the_pipe(dms: Path) -> None:
    os.mkfifo(dms / "pipe.md")
    (dms / "link.md").symlink_to("pipe.md")

    assert [(one.id, one.why.partition(",")[0]) for one in failures(connector(dms))] == [
        ("link.md", "a pipe"),
        ("pipe.md", "a pipe"),
    ]


def test_a_pipe_among_files_is_told_by_check(dms: Path) -> None:
    put(dms, "a.md")
    os.mkfifo(dms / "pipe.md")

    assert connector(dms).check() == ["pipe.md cannot be read: a pipe, not a file; not opened"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes devices")
def test_a_device_is_told_and_not_opened(dms: Path) -> None:
    try:
        os.mknod(dms / "tape.md", stat.S_IFCHR | 0o600, os.makedev(1, 5))  # zeros without an end
    except PermissionError:
        pytest.skip("devices cannot be made here")

    assert [one.why for one in failures(connector(dms))] == ["a device, not a file; not opened"]


def test_a_known_document_whose_place_a_pipe_took_is_kept(dms: Path) -> None:
    put(dms, "a.md")
    os.mkfifo(dms / "b.md")
    known = {id: Known(version="1", readers=frozenset({"everyone"})) for id in ("a.md", "b.md", "c.md")}

    plan = plan_sync(
        "q", connector(dms).scan(None), known, default_readers=frozenset({"everyone"}), brake=Brake()
    )

    assert plan.removed == ("c.md",)
    assert plan.failures == ("b.md: a pipe, not a file; not opened",)


# --- fetching


@pytest.mark.parametrize(
    "id", ["../secret.md", "/etc/passwd", "a/../../secret.md", "a\\x00", "", ".", "x/./a.md"]
)
def test_an_id_that_leads_outside_is_refused(dms: Path, id: str) -> None:
    put(dms, "a.md", "x/a.md")
    put(dms.parent, "secret.md")

    with pytest.raises(ConnectorRefused):
        connector(dms).fetch(Ref(id=id, version="1"))


@pytest.mark.parametrize("inside", ["a.md", "x/a.md"])
def test_a_link_that_took_the_place_of_a_file_or_folder_is_not_followed(dms: Path, inside: str) -> None:
    put(dms.parent, "secret/a.md")
    put(dms, "x/a.md", "a.md")
    one = connector(dms)
    ref = next(event for event in one.scan(None) if isinstance(event, Ref) and event.id == inside)
    shutil.rmtree(dms / "x")
    (dms / "a.md").unlink()
    (dms / "x").symlink_to("../secret")
    (dms / "a.md").symlink_to("../secret/a.md")

    with pytest.raises(ConnectorRefused, match="outside"):
        one.fetch(ref)


def test_a_pipe_that_took_the_place_of_a_file_does_not_block(dms: Path) -> None:
    os.mkfifo(dms / "a.md")

    with pytest.raises(ConnectorRefused, match="regular"):
        connector(dms).fetch(Ref(id="a.md", version="1"))


def test_a_file_that_vanished_is_asked_for_again_later(dms: Path) -> None:
    with pytest.raises(ConnectorUnavailable, match=r"a\.md"):
        connector(dms).fetch(Ref(id="a.md", version="1"))


def test_fetching_leaves_no_file_open(dms: Path) -> None:
    put(dms, "x/y/a.md")
    one, before = connector(dms), len(os.listdir("/proc/self/fd"))
    for id in ("x/y/a.md", "x/y/gone.md", "x/gone/a.md"):
        try:
            one.fetch(Ref(id=id, version="1"))
        except ConnectorUnavailable:
            continue

    assert len(os.listdir("/proc/self/fd")) == before
