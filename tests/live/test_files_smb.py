"""The connector ``files`` against a real file server: Samba from Debian, with access lists as Windows has them."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kbm_connectors.files import FilesConnector

from kbm.domain.sync import Brake, Event, Failed, Known, Mark, Ref, SyncPlan, plan_sync
from kbm.testing.contracts.connector import ConnectorContract
from tests.live.servers import end_children, free_port, needs, needs_root, open_folder, start, stop

pytestmark = pytest.mark.live
EVERYONE = frozenset({"everyone"})
ACCOUNT, PASSWORD = "www-data", "kbm-secret"
BEST_LISTING_S = 3.0
"""Seconds that listing 5,000 files in 100 folders takes with a client that only lists."""


@dataclass
class Smbd:
    """A folder behind a server."""

    tree: Path
    port: int
    process: subprocess.Popen[bytes]

    def connect(self, **more: Any) -> FilesConnector:
        folder = self.tree.parent
        (folder / "password").write_text(PASSWORD)
        settings = {
            "url": f"smb://127.0.0.1:{self.port}/dms",
            "user": ACCOUNT,
            "password": "file:password",
            "allow_private": True,
            **more,
        }
        return FilesConnector("nas", settings, folder, pause=lambda s: time.sleep(min(s, 0.02)))

    def make(self, id: str, text: str) -> None:
        path = self.tree / id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    edit = make

    def remove(self, id: str) -> None:
        (self.tree / id).unlink()

    def break_part(self, id: str) -> None:
        (self.tree / id).parent.chmod(0)

    def break_root(self) -> None:
        shutil.move(self.tree, self.tree.with_name("away"))


def config(folder: Path, tree: Path, port: int) -> str:
    kept = "\n".join(
        f"{one} = {folder}/state" for one in ("private dir", "lock directory", "state directory")
    )
    return (
        "[global]\nserver role = standalone server\nbind interfaces only = yes\ninterfaces = 127.0.0.1\n"
        f"smb ports = {port}\n{kept}\ncache directory = {folder}/state\npid directory = {folder}/state\n"
        f"log file = {folder}/smbd.log\nload printers = no\ndisable spoolss = yes\n"
        f"[dms]\npath = {tree}\nvalid users = {ACCOUNT}\nwritable = yes\nvfs objects = acl_xattr\n"
    )


def smbd(folder: Path, port: int) -> subprocess.Popen[bytes]:
    command = ["/usr/sbin/smbd", "--foreground", "--no-process-group", "-s", str(folder / "smb.conf")]
    return start([*command, "--debug-stdout", "-d1"], port, folder)


@pytest.fixture
def source() -> Iterator[Smbd]:
    needs("samba")
    needs_root("may let another account log in")
    with open_folder() as folder:
        tree = folder / "tree"
        tree.mkdir(parents=True)
        (folder / "state").mkdir()
        port = free_port()
        (folder / "smb.conf").write_text(config(folder, tree, port))
        subprocess.run(
            ["/usr/bin/smbpasswd", "-c", str(folder / "smb.conf"), "-s", "-a", ACCOUNT],
            input=f"{PASSWORD}\n{PASSWORD}\n".encode(),
            check=True,
            capture_output=True,
            timeout=60,
        )
        made = Smbd(tree, port, smbd(folder, port))
        yield made
        stop(made.process)


class TestSmbLive(ConnectorContract):
    ids = ("a.txt", "policies/b.txt", "policies/2026/ü & c.txt")
    secrets = (PASSWORD,)

    @pytest.fixture
    def source(self, source: Smbd) -> Smbd:
        return source


def known_of(events: list[Event]) -> dict[str, Known]:
    return {
        event.id: Known(version=event.version, readers=EVERYONE, scope=event.scope)
        for event in events
        if isinstance(event, Ref)
    }


def planned(events: list[Event], known: dict[str, Known]) -> SyncPlan:
    return plan_sync("nas", events, known, default_readers=EVERYONE, brake=Brake())


@pytest.mark.parametrize("readers_from", ["", "acl"])
def test_five_thousand_files_are_listed_in_time(source: Smbd, readers_from: str) -> None:
    for folder in range(100):
        for file in range(50):
            source.make(f"Ordner {folder}/Prüfung {file}.txt", "x")
    began = time.monotonic()
    events = list(source.connect(readers_from=readers_from).scan(None))
    took = time.monotonic() - began
    print(f"smb{' with readers' if readers_from else ''}: {took:.2f} s")  # noqa: T201 - the figure is the result

    assert sum(isinstance(event, Ref) for event in events) == 5000
    assert took < (3 * BEST_LISTING_S if not readers_from else 120)


def test_a_folder_that_the_account_may_not_read_keeps_its_documents(source: Smbd) -> None:
    for id in ("a.txt", "hr/b.txt", "hr/secret/c.txt", "it/d.txt"):
        source.make(id, "text")
    known = known_of(list(source.connect().scan(None)))
    (source.tree / "hr" / "secret").chmod(0)
    source.remove("it/d.txt")
    events = list(source.connect().scan(None))

    assert [(one.scope, one.retry) for one in events if isinstance(one, Failed)] == [("hr/secret", False)]
    assert planned(events, known).removed == ("it/d.txt",)


def test_a_file_that_the_account_may_not_read_is_listed_and_told_when_fetched(source: Smbd) -> None:
    source.make("a.txt", "text")
    (source.tree / "a.txt").chmod(0)
    made = source.connect()
    [ref] = [one for one in made.scan(None) if isinstance(one, Ref)]

    with pytest.raises(Exception, match="the account may not read it"):
        made.fetch(ref)


def test_a_renamed_file_keeps_its_version_and_one_in_its_place_gets_another(source: Smbd) -> None:
    source.make("a.txt", "one")
    source.make("b.txt", "two")
    before = {one.id: one for one in source.connect().scan(None) if isinstance(one, Ref)}
    stat = (source.tree / "a.txt").stat()
    (source.tree / "a.txt").rename(source.tree / "c.txt")
    (source.tree / "b.txt").rename(source.tree / "a.txt")
    os.utime(source.tree / "a.txt", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    events = list(source.connect().scan(None))
    after = {one.id: one for one in events if isinstance(one, Ref)}
    plan = planned(events, known_of(list(before.values())))

    assert (plan.added, plan.changed, plan.removed) == (("c.txt",), ("a.txt",), ("b.txt",))
    assert after["c.txt"].version.rpartition("-")[2] == before["a.txt"].version.rpartition("-")[2]
    assert after["a.txt"].modified == before["a.txt"].modified


def test_edits_of_the_same_size_within_one_second_are_seen(source: Smbd) -> None:
    source.make("a.txt", "first")
    seen = []
    for text in ("later", "third"):
        known = known_of(list(source.connect().scan(None)))
        source.make("a.txt", text)
        seen.append(planned(list(source.connect().scan(None)), known).changed)

    assert seen == [("a.txt",), ("a.txt",)]


def test_a_server_that_is_ended_midway_deletes_nothing_and_is_found_again(source: Smbd) -> None:
    for folder in range(10):
        source.make(f"{folder}/a.txt", "text")
    known = known_of(list(source.connect().scan(None)))
    made = source.connect()
    scan = made.scan(None)
    events = [next(scan)]
    end_children(source.process)
    events += list(scan)
    source.process = smbd(source.tree.parent, source.port)
    after = list(made.scan(None))

    assert not any(isinstance(event, Mark) for event in events)
    assert planned(events, known).removed == ()
    assert planned(after, known).does_nothing


def test_a_share_whose_folder_is_not_mounted_deletes_nothing(source: Smbd) -> None:
    source.make("a.txt", "text")
    source.make("b/c.txt", "text")
    known = known_of(list(source.connect().scan(None)))
    made = source.connect()
    shutil.move(source.tree, source.tree.with_name("away"))
    gone = list(made.scan(None))
    source.tree.mkdir()  # what an empty mount point looks like
    plan = planned(list(source.connect().scan(None)), known)

    assert planned(gone, known).removed == ()
    assert plan.held_removals == known.keys()


def test_a_loop_of_links_ends(source: Smbd) -> None:
    source.make("a/b.txt", "text")
    (source.tree / "a" / "up").symlink_to("..")
    events = list(source.connect().scan(None))

    assert [one.id for one in events if isinstance(one, Ref)] == ["a/b.txt"]


def test_a_large_file_is_read_whole(source: Smbd) -> None:
    source.make("a.bin", "0123456789" * 1_200_000)
    made = source.connect()
    [ref] = [one for one in made.scan(None) if isinstance(one, Ref)]

    assert made.fetch(ref).data == b"0123456789" * 1_200_000


def test_readers_come_from_the_access_list_and_narrow_with_it(source: Smbd) -> None:
    source.make("a.txt", "text")
    source.make("b.txt", "text")
    for name, mode in (("a.txt", 0o644), ("b.txt", 0o640)):
        shutil.chown(source.tree / name, group=ACCOUNT)
        (source.tree / name).chmod(mode)
    group = f"S-1-22-2-{(source.tree / 'a.txt').stat().st_gid}"  # how Samba names groups of its own computer
    keys = {"readers_from": "acl", "readers_map": {group: "group:web"}}
    before = {one.id: one.readers for one in source.connect(**keys).scan(None) if isinstance(one, Ref)}
    (source.tree / "a.txt").chmod(0o640)
    after = {one.id: one.readers for one in source.connect(**keys).scan(None) if isinstance(one, Ref)}

    assert before == {"a.txt": frozenset({"everyone", "group:web"}), "b.txt": frozenset({"group:web"})}
    assert after["a.txt"] == frozenset({"group:web"})


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"password": "file:wrong"}, "the account or its password is not taken"),
        ({"url": "/other"}, "no share of that name"),
        ({"url": "/dms/nowhere"}, "it is not there"),
    ],
)
def test_what_is_wrong_is_told(source: Smbd, keys: dict[str, str], told: str) -> None:
    (source.tree.parent / "wrong").write_text("wrong-horse")
    if "url" in keys:
        keys = {"url": f"smb://127.0.0.1:{source.port}{keys['url']}"}
    [problem] = source.connect(**keys).check()

    assert told in problem
    assert "horse" not in problem


def test_a_session_may_be_encrypted(source: Smbd) -> None:
    source.make("a.txt", "text")

    assert source.connect(encrypt=True).check() == []
