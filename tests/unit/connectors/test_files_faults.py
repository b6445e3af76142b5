"""The connector ``files``: a fault is never taken for emptiness."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from kbm.domain.sync import Brake, Failed, Known, Mark, Ref, SyncPlan, plan_sync
from tests.unit.connectors.folders import as_nobody, connector, put


def test_a_missing_root_is_the_whole_source(dms: Path) -> None:
    one = connector(dms / "nowhere")

    assert [(type(event), getattr(event, "scope", None)) for event in one.scan(None)] == [(Failed, "")]
    assert "does not exist" in one.check()[0]


def test_a_file_as_root_is_told(dms: Path) -> None:
    put(dms, "a.md")

    assert [event for event in connector(dms / "a.md").scan(None) if isinstance(event, Mark)] == []
    assert "is not a folder" in connector(dms / "a.md").check()[0]


def test_an_unreadable_nested_folder_keeps_its_documents(open_dms: Path) -> None:
    put(open_dms, "a.md", "hr/b.md", "hr/secret/c.md", "hr/secret/deep/d.md", "secretary/e.md")
    known = {
        event.id: Known(version=event.version, readers=frozenset({"everyone"}), scope=event.scope)
        for event in connector(open_dms).scan(None)
        if isinstance(event, Ref)
    }
    (open_dms / "hr/secret").chmod(0)
    (open_dms / "secretary/e.md").unlink()
    try:
        events, problems = as_nobody(open_dms)
    finally:
        (open_dms / "hr/secret").chmod(0o755)

    assert ["Failed", None, "hr/secret"] in events
    assert events[-1][0] == "Mark"
    assert problems == ["hr/secret cannot be read: permission denied"]
    seen = [
        Ref(id=str(id), version=known[str(id)].version) if kind == "Ref" else Failed(scope=str(scope), why="")
        for kind, id, scope in events[:-1]
    ]
    plan = plan_sync(
        "quality",
        [*seen, Mark(cursor=None, full=True)],
        known,
        default_readers=frozenset({"everyone"}),
        brake=Brake(),
    )
    assert plan.removed == ("secretary/e.md",)


def test_an_unreadable_root_gives_no_complete_listing(open_dms: Path) -> None:
    put(open_dms, "root/a.md")
    (open_dms / "root").chmod(0)
    try:
        events, problems = as_nobody(open_dms / "root")
    finally:
        (open_dms / "root").chmod(0o755)

    assert events == [["Failed", None, ""]]
    assert "permission denied" in problems[0]


def test_a_folder_nobody_asked_for_is_not_opened(open_dms: Path) -> None:
    put(open_dms, "a.md", "private/b.md")
    (open_dms / "private").chmod(0)
    try:
        assert as_nobody(open_dms, include=["*.md"])[0] == [["Ref", "a.md", ""], ["Mark", None, None]]
        assert as_nobody(open_dms, exclude=["private"])[1] == []
        assert as_nobody(open_dms)[1] == ["private cannot be read: permission denied"]
    finally:
        (open_dms / "private").chmod(0o755)


def test_a_file_that_may_not_be_read_needs_a_person(open_dms: Path) -> None:
    put(open_dms, "a.md")
    (open_dms / "a.md").chmod(0)
    script = """
import os, sys
from pathlib import Path
from kbm_connectors.files import FilesConnector
from kbm.domain.sync import Ref
from kbm.errors import ConnectorRefused
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    FilesConnector("quality", {"url": sys.argv[1]}, Path("/")).fetch(Ref(id="a.md", version="1"))
except ConnectorRefused as error:
    print(error, error.hint)
"""
    run = subprocess.run(
        [sys.executable, "-c", script, str(open_dms)], capture_output=True, check=True, timeout=60, cwd="/"
    )

    assert run.stdout.decode().startswith(
        "source quality: a.md cannot be read: permission denied give the user"
    )


def test_a_root_that_vanishes_meanwhile_is_not_complete(dms: Path) -> None:
    put(dms, "a.md", "b/c.md")
    scan = connector(dms).scan(None)
    next(scan)
    dms.rename(dms.parent / "away")
    dms.mkdir()

    rest = list(scan)

    assert any(isinstance(event, Failed) and event.scope == "" for event in rest)
    assert not any(isinstance(event, Mark) for event in rest)


def test_nothing_that_matches_is_told(dms: Path) -> None:
    put(dms, "x/a.docx")

    assert "matches include = *.docx" in connector(dms, include=["*.docx"]).check()[0]
    assert "write **/*.docx" in connector(dms, include=["*.docx"]).check()[0]


def test_a_mount_point_without_its_share_takes_nothing_away(dms: Path) -> None:
    """The folder is there and empty: only the whole tells that the share is not."""
    put(dms, "a.md", "hr/b.md")
    known = {
        event.id: Known(version=event.version, readers=frozenset({"everyone"}), scope=event.scope)
        for event in connector(dms).scan(None)
        if isinstance(event, Ref)
    }

    def plan() -> SyncPlan:
        events = list(connector(dms).scan(None))
        return plan_sync("quality", events, known, default_readers=frozenset({"everyone"}), brake=Brake())

    dms.rename(dms.with_name("share"))
    dms.mkdir()
    unmounted = plan()
    dms.rmdir()
    dms.with_name("share").rename(dms)

    assert set(unmounted.removed) <= unmounted.held
    assert plan().does_nothing
