"""The connector ``files`` against a real SFTP server: OpenSSH from Debian, with an account that may not read all."""

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
ACCOUNT = "www-data"
BEST_LISTING_S = 0.67
"""Seconds that listing 5,000 files in 100 folders takes with a client that only lists."""


@dataclass
class Sshd:
    """A folder behind a server."""

    tree: Path
    port: int
    process: subprocess.Popen[bytes]

    def connect(self, **more: Any) -> FilesConnector:
        folder = self.tree.parent
        settings = {
            "url": f"sftp://{ACCOUNT}@127.0.0.1:{self.port}{self.tree}",
            "private_key": f"file:{folder / 'id'}",
            "known_hosts": str(folder / "known_hosts"),
            "allow_private": True,
            **more,
        }
        return FilesConnector("archive", settings, folder, pause=lambda s: time.sleep(min(s, 0.02)))

    def make(self, id: str, text: str) -> None:
        path = self.tree / id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        hour_ago = time.time() - 3600
        os.utime(path, (hour_ago, hour_ago))

    edit = make

    def remove(self, id: str) -> None:
        (self.tree / id).unlink()

    def break_part(self, id: str) -> None:
        (self.tree / id).parent.chmod(0)

    def break_root(self) -> None:
        shutil.move(self.tree, self.tree.with_name("away"))


def sshd(folder: Path, port: int) -> subprocess.Popen[bytes]:
    return start(["/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "config")], port, folder)


@pytest.fixture
def source() -> Iterator[Sshd]:
    needs("openssh")
    needs_root("may let another account log in")
    with open_folder() as folder:
        tree = folder / "tree"
        tree.mkdir(parents=True)
        for key in ("hostkey", "id"):
            subprocess.run(
                ["/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)],
                check=True,
                timeout=30,
            )
        port = free_port()
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'hostkey.pub').read_text()}")
        (folder / "config").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/hostkey\nPidFile none\n"
            f"AuthorizedKeysFile {folder}/id.pub\nUsePAM no\nStrictModes no\n"
            "Subsystem sftp internal-sftp\nForceCommand internal-sftp\n"
        )
        Path("/run/sshd").mkdir(exist_ok=True)
        made = Sshd(tree, port, sshd(folder, port))
        yield made
        stop(made.process)


class TestSftpLive(ConnectorContract):
    ids = ("a.txt", "policies/b.txt", "policies/2026/ü & c.txt")
    secrets = ("OPENSSH PRIVATE KEY",)

    @pytest.fixture
    def source(self, source: Sshd) -> Sshd:
        return source


def known_of(events: list[Event]) -> dict[str, Known]:
    return {
        event.id: Known(version=event.version, readers=EVERYONE, scope=event.scope)
        for event in events
        if isinstance(event, Ref)
    }


def planned(events: list[Event], known: dict[str, Known]) -> SyncPlan:
    return plan_sync("archive", events, known, default_readers=EVERYONE, brake=Brake())


def test_five_thousand_files_are_listed_in_time(source: Sshd) -> None:
    for folder in range(100):
        for file in range(50):
            source.make(f"Ordner {folder}/Prüfung {file}.txt", "x")
    began = time.monotonic()
    events = list(source.connect().scan(None))
    took = time.monotonic() - began
    print(f"sftp: {took:.2f} s")  # noqa: T201 - the figure is the result

    assert sum(isinstance(event, Ref) for event in events) == 5000
    assert took < 3 * BEST_LISTING_S


def test_a_folder_that_the_account_may_not_read_keeps_its_documents(source: Sshd) -> None:
    for id in ("a.txt", "hr/b.txt", "hr/secret/c.txt", "it/d.txt"):
        source.make(id, "text")
    known = known_of(list(source.connect().scan(None)))
    (source.tree / "hr" / "secret").chmod(0)
    source.remove("it/d.txt")
    events = list(source.connect().scan(None))

    assert [(one.scope, one.retry) for one in events if isinstance(one, Failed)] == [("hr/secret", False)]
    assert planned(events, known).removed == ("it/d.txt",)


def test_a_file_that_the_account_may_not_read_is_listed_and_told_when_fetched(source: Sshd) -> None:
    source.make("a.txt", "text")
    (source.tree / "a.txt").chmod(0)
    made = source.connect()
    [ref] = [one for one in made.scan(None) if isinstance(one, Ref)]

    with pytest.raises(Exception, match="the account may not read it"):
        made.fetch(ref)


def test_a_server_that_is_ended_midway_deletes_nothing_and_is_found_again(source: Sshd) -> None:
    for folder in range(10):
        source.make(f"{folder}/a.txt", "text")
    known = known_of(list(source.connect().scan(None)))
    made = source.connect()
    scan = made.scan(None)
    events = [next(scan)]
    end_children(source.process)
    events += list(scan)
    source.process = sshd(source.tree.parent, source.port)
    after = list(made.scan(None))

    assert not any(isinstance(event, Mark) for event in events)
    assert planned(events, known).removed == ()
    assert planned(after, known).does_nothing


def test_names_in_any_code_page_are_listed_and_read(source: Sshd) -> None:
    odd = os.fsdecode("Pr\u00fcfung.txt".encode("cp1252"))
    source.make(f"Ordner/{odd}", "text")
    made = source.connect()
    [ref] = [one for one in made.scan(None) if isinstance(one, Ref)]

    assert ref.id == "Ordner/Pr\\xfcfung.txt"
    assert made.fetch(ref).data == b"text"


def test_links_are_followed_to_files_below_the_folder_only(source: Sshd) -> None:
    source.make("a/b.txt", "text")
    (source.tree / "in.txt").symlink_to("a/b.txt")
    (source.tree / "gone.txt").symlink_to("nowhere")
    (source.tree / "out.txt").symlink_to("/etc/passwd")
    (source.tree / "up").symlink_to(".")
    made = source.connect()
    events = list(made.scan(None))

    assert [one.id for one in events if isinstance(one, Ref)] == ["in.txt", "a/b.txt"]
    assert [one.id for one in events if isinstance(one, Failed)] == ["out.txt"]
    with pytest.raises(Exception, match="outside"):
        made.fetch(Ref(id="out.txt", version="1"))


def test_a_server_with_another_key_is_refused(source: Sshd) -> None:
    known = source.tree.parent / "known_hosts"
    known.write_text(f"[127.0.0.1]:{source.port} {(source.tree.parent / 'id.pub').read_text()}")
    [problem] = source.connect().check()

    assert "another one than expected" in problem
