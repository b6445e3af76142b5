"""The connector ``dokuwiki`` against DokuWiki 2022-07-31 over XML-RPC, as Debian ships it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kbm_connectors.dokuwiki import DokuWikiConnector

from kbm.domain.sync import Ref
from kbm.errors import ConnectorError, ConnectorRefused, ConnectorUnavailable
from tests.live.servers import free_port, needs, start, stop
from tests.unit.connectors.core import Core

pytestmark = pytest.mark.live
PHP = "/usr/bin/php"
CODE = "/usr/share/dokuwiki"
PASSWORDS = {"admin": "admin-Pass-123", "kbm": "kbm-Pass-456"}
CONFIG = """<?php
$conf['title'] = 'KB'; $conf['useacl'] = 1; $conf['superuser'] = '@admin'; $conf['remote'] = 1;
$conf['remoteuser'] = ''; $conf['savedir'] = '{data}'; $conf['authtype'] = 'authplain';
"""
ACL = """# <?php exit()?>
*           @ALL        1
secret:*    @ALL        0
secret:*    @board      1
secret:*    bert        8
"""


@dataclass
class Wiki:
    """A wiki with pages on its disk."""

    root: Path
    port: int
    process: subprocess.Popen[bytes]

    def write(self, page: str, text: str) -> None:
        path = self.root / "data" / "pages" / f"{page.replace(':', '/')}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def delete(self, page: str) -> None:
        (self.root / "data" / "pages" / f"{page.replace(':', '/')}.txt").unlink()

    def connect(self, user: str = "admin", **settings: object) -> DokuWikiConnector:
        os.environ["KBM_TEST_WIKI"] = PASSWORDS.get(user, "")
        return DokuWikiConnector(
            "wiki",
            {
                "url": f"http://127.0.0.1:{self.port}",
                "user": user,
                "password": "env:KBM_TEST_WIKI" if user else "",
                "allow_private": True,
                "max_requests_per_second": 1000,
                **settings,
            },
            self.root,
            pause=lambda _: None,
        )

    def down(self) -> None:
        stop(self.process)


@pytest.fixture
def wiki(tmp_path: Path) -> Iterator[Wiki]:
    needs("dokuwiki")
    # Debian spreads the tree over /usr, /etc and /var with links, and keeps some of it from others.
    shutil.copytree(CODE, tmp_path / "www")
    shutil.copytree("/etc/dokuwiki", tmp_path / "conf", ignore_dangling_symlinks=True)
    shutil.copytree("/var/lib/dokuwiki/data", tmp_path / "data", ignore_dangling_symlinks=True)
    defines = "".join(f"define('{name}', '{tmp_path}/conf/');" for name in ("DOKU_CONF", "DOKU_MAIN_CONF"))
    (tmp_path / "www" / "inc" / "preload.php").write_text(f"<?php {defines}")
    (tmp_path / "conf" / "local.php").write_text(CONFIG.replace("{data}", str(tmp_path / "data")))
    (tmp_path / "conf" / "acl.auth.php").write_text(ACL)
    (tmp_path / "conf" / "users.auth.php").write_text("".join(_user(name) for name in PASSWORDS))
    port = free_port()
    wiki = Wiki(
        tmp_path, port, start([PHP, "-S", f"127.0.0.1:{port}", "-t", str(tmp_path / "www")], port, tmp_path)
    )
    for n in range(6):
        wiki.write(f"handbuch:seite{n}", f"====== Seite {n} ======\n\nText Nummer {n} mit Größe.\n")
    wiki.write("secret:plan", "====== Plan ======\n\nNur für den Vorstand.\n")
    yield wiki
    stop(wiki.process)


def _user(name: str) -> str:
    script = f"echo password_hash('{PASSWORDS[name]}', PASSWORD_BCRYPT);"
    made = subprocess.run([PHP, "-r", script], capture_output=True, text=True, check=True)
    groups = "admin,user" if name == "admin" else "user"
    return f"{name}:{made.stdout}:{name}:{name}@example.com:{groups}\n"


def test_edits_deletions_and_moves_of_a_wiki(wiki: Wiki) -> None:
    core, connector = Core(), wiki.connect()
    assert connector.check() == []
    assert {f"handbuch:seite{n}" for n in range(6)} < set(core.sync(connector).added)
    assert core.holds("Text Nummer 3 mit Größe") == 1
    assert "<title>Seite 3</title>" in core.blobs["handbuch:seite3"].data.decode()
    assert core.sync(wiki.connect()).does_nothing

    path = wiki.root / "data/pages/handbuch/seite1.txt"
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    wiki.write("handbuch:seite1", "====== Seite 1 ======\n\nText Nummer 9 mit Größe.\n")
    os.utime(path, ns=times)
    wiki.delete("handbuch:seite2")
    path.with_name("seite3.txt").rename(path.with_name("umgezogen.txt"))
    wiki.delete("handbuch:seite4")
    wiki.write("handbuch:seite4", "====== Seite 4 ======\n\nNeu angelegt.\n")
    plan = core.sync(connector)

    assert (plan.added, plan.changed) == (("handbuch:umgezogen",), ("handbuch:seite1", "handbuch:seite4"))
    assert plan.removed == ("handbuch:seite2", "handbuch:seite3")
    assert core.holds("Text Nummer 3 mit Größe") == core.holds("Neu angelegt") == 1


def test_the_readers_come_from_the_table_of_rights(wiki: Wiki) -> None:
    refs = {event.id: event for event in wiki.connect().scan(None) if isinstance(event, Ref)}
    seen = {event.id: event for event in wiki.connect("kbm").scan(None) if isinstance(event, Ref)}

    assert refs["handbuch:seite1"].readers == frozenset({"everyone"})
    assert refs["secret:plan"].readers == frozenset({"group:board", "user:bert"})
    assert seen.keys() == refs.keys() - {"secret:plan"}
    assert seen["handbuch:seite1"].readers is None
    with pytest.raises(ConnectorRefused, match="does not let the account"):
        wiki.connect("kbm").fetch(refs["secret:plan"])


def test_an_outage_and_a_wrong_password_delete_nothing(wiki: Wiki) -> None:
    core = Core()
    core.sync(wiki.connect())
    PASSWORDS["nobody"] = "not-the-password-of-this-wiki"

    with pytest.raises(ConnectorRefused, match="does not log nobody in") as refused:
        core.sync(wiki.connect("nobody"))
    assert "not-the-password" not in f"{refused.value}{refused.value.hint}"
    gone = core.sync(wiki.connect(namespaces=["handbuhc", "handbuch", "secret", "wiki"]))
    assert gone.failed_scopes == ("handbuhc",)
    wiki.down()
    with pytest.raises(ConnectorUnavailable, match="no connection"):
        core.sync(wiki.connect())


def test_a_page_that_went_before_it_was_fetched_is_told(wiki: Wiki) -> None:
    connector = wiki.connect()
    ref = next(
        event for event in connector.scan(None) if isinstance(event, Ref) and event.id == "handbuch:seite1"
    )
    wiki.delete("handbuch:seite1")

    with pytest.raises(ConnectorError, match="not there any more"):
        connector.fetch(ref)
