"""The connector ``files`` against real WebDAV servers: wsgidav from the package index, Apache from Debian."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kbm_connectors.files import FilesConnector

from kbm.domain.sync import Brake, Event, Failed, Known, Mark, Ref, plan_sync
from kbm.testing.contracts.connector import ConnectorContract
from tests.live.packages import VENV
from tests.live.servers import free_port, needs, start, stop
from tests.unit.connectors.core import Core

pytestmark = pytest.mark.live
EVERYONE = frozenset({"everyone"})
APACHE_MODULES = (
    *(
        "mpm_event",
        "authz_core",
        "authn_core",
        "authn_file",
        "auth_basic",
        "authz_user",
        "mime",
        "dav",
        "dav_fs",
    ),
)
BEST_LISTING_S = {"wsgidav": 3.3, "apache": 1.35}
"""Seconds that listing 5,000 files in 100 folders takes at best with a client that only lists."""


@dataclass
class Served:
    """A folder behind a server; ``port`` 0 is no server."""

    kind: str
    tree: Path
    port: int

    def connect(self) -> FilesConnector:
        (self.tree.parent / "password").write_text("kbm-secret")
        settings = {
            "url": f"webdav+http://127.0.0.1:{self.port}/dav",
            "user": "kbm",
            "password": "file:password",
            "allow_private": True,
        }
        return FilesConnector(
            "share", settings, self.tree.parent, pause=lambda seconds: time.sleep(min(seconds, 0.02))
        )

    def make(self, id: str, text: str) -> None:
        path = self.tree / id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)
        hour_ago = time.time() - 3600
        os.utime(path, (hour_ago, hour_ago))

    edit = make

    def remove(self, id: str) -> None:
        (self.tree / id).unlink()

    def break_root(self) -> None:
        shutil.move(self.tree, self.tree.with_name("away"))


def wsgidav(folder: Path, tree: Path, port: int) -> list[str]:
    config = folder / "wsgidav.yaml"
    config.write_text(
        f"host: 127.0.0.1\nport: {port}\nserver: cheroot\nlogging: {{enable: false}}\n"
        f"provider_mapping: {{'/dav': {{root: '{tree}'}}}}\n"
        "simple_dc: {user_mapping: {'*': {kbm: {password: kbm-secret}}}}\n"
    )
    return [str(VENV / "bin" / "wsgidav"), f"--config={config}"]


def apache(folder: Path, tree: Path, port: int) -> list[str]:
    modules = Path("/usr/lib/apache2/modules")
    hashed = b64encode(hashlib.sha1(b"kbm-secret", usedforsecurity=False).digest()).decode("ascii")
    (folder / "users").write_text(f"kbm:{{SHA}}{hashed}\n")
    lines = [f"LoadModule {name}_module {modules}/mod_{name}.so" for name in APACHE_MODULES]
    lines += [
        f"Listen 127.0.0.1:{port}",
        "ServerName localhost",
        f"ServerRoot {folder}",
        f"PidFile {folder}/pid",
    ]
    lines += [f"ErrorLog {folder}/error.log", "TypesConfig /etc/mime.types", f"DAVLockDB {folder}/locks"]
    lines += [
        "User www-data",
        "Group www-data",
        f"DocumentRoot {tree.parent}",
        f"<Directory {tree.parent}>",
        "Dav On",
        "AuthType Basic",
    ]
    lines += ["AuthName dav", f"AuthUserFile {folder}/users", "Require valid-user", "</Directory>"]
    config = folder / "httpd.conf"
    config.write_text("\n".join(lines) + "\n")
    return ["/usr/sbin/apache2", "-f", str(config), "-DFOREGROUND"]


@pytest.fixture(params=["wsgidav", "apache"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    needs(request.param)
    folder = tmp_path / "server"
    tree = folder / "dav"
    tree.mkdir(parents=True)
    for one in (*reversed(tree.parents), tree):
        if one.is_relative_to(tmp_path.parent.parent):
            one.chmod(0o755)
    port = free_port()
    command = {"wsgidav": wsgidav, "apache": apache}[request.param](folder, tree, port)
    process = start(command, port, folder)
    yield Served(request.param, tree, port)
    stop(process)


class TestWebDavLive(ConnectorContract):
    ids = ("a.txt", "policies/b.txt", "policies/2026/ü & c.txt")
    secrets = ("kbm-secret",)

    @pytest.fixture
    def source(self, source: Served) -> Served:
        return source


def test_five_thousand_files_are_listed_in_time(source: Served) -> None:
    for folder in range(100):
        for file in range(50):
            source.make(f"Ordner {folder}/Prüfung {file}.txt", "x")
    began = time.monotonic()
    events = list(source.connect().scan(None))
    took = time.monotonic() - began
    print(f"{source.kind}: {took:.2f} s")  # noqa: T201 - the figure is the result

    assert sum(isinstance(event, Ref) for event in events) == 5000
    assert took < 3 * BEST_LISTING_S[source.kind]


def test_a_folder_that_the_server_may_not_read_keeps_its_documents(source: Served) -> None:
    if os.geteuid() == 0 and source.kind == "wsgidav":
        pytest.skip("the server runs as root, which may read everything")
    for id in ("a.txt", "hr/b.txt", "hr/secret/c.txt"):
        source.make(id, "text")
    known = {
        event.id: Known(version=event.version, readers=EVERYONE, scope=event.scope)
        for event in source.connect().scan(None)
        if isinstance(event, Ref)
    }
    (source.tree / "hr" / "secret").chmod(0)
    events: list[Event] = list(source.connect().scan(None))
    (source.tree / "hr" / "secret").chmod(0o755)

    assert any(isinstance(event, Failed) for event in events) or not any(
        isinstance(event, Mark) for event in events
    )
    assert plan_sync("share", events, known, default_readers=EVERYONE, brake=Brake()).removed == ()


def test_moved_replaced_and_quickly_edited_files_are_right_afterwards(source: Served) -> None:
    for id in ("a.txt", "hr/b.txt", "it/c.txt", "it/d.txt"):
        source.make(id, f"text of {id}")
    now = time.time()
    os.utime(source.tree / "a.txt", (now, now))
    core, connector = Core(), source.connect()
    core.sync(connector)

    (source.tree / "hr" / "b.txt").rename(source.tree / "it" / "moved.txt")
    source.remove("it/c.txt")
    source.make("it/c.txt", "text of another c")
    (source.tree / "a.txt").write_text("texT of a.txt")  # of the same size,
    os.utime(source.tree / "a.txt", (now, now))  # and within the same second
    time.sleep(max(0.0, now + 3 - time.time()))
    plan = core.sync(connector)
    (source.tree / "it").rename(source.tree / "edv")
    moved = core.sync(source.connect())

    assert (plan.added, plan.changed) == (("it/moved.txt",), ("a.txt", "it/c.txt"))
    assert plan.removed == ("hr/b.txt",)
    assert core.blobs["a.txt"].data == b"texT of a.txt"
    assert moved.added == ("edv/c.txt", "edv/d.txt", "edv/moved.txt")
    assert moved.removed == ("it/c.txt", "it/d.txt", "it/moved.txt")
    assert core.sync(source.connect()).does_nothing
