"""The connector ``mediawiki`` against MediaWiki 1.39, as Debian ships it."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from kbm_connectors.mediawiki import MediaWikiConnector

from kbm.errors import ConnectorRefused, ConnectorUnavailable
from tests.live.servers import free_port, needs, start, stop
from tests.unit.connectors.core import Core

pytestmark = pytest.mark.live
PHP = "/usr/bin/php"
CODE = "/usr/share/mediawiki"
BOT = "b" * 32
ADMIN = "admin-Pass-123"
SETTINGS = """
$wgGroupPermissions['*']['read'] = false;
$wgGroupPermissions['sysop']['deleterevision'] = true;
$wgJobRunRate = 0;
$wgMainCacheType = CACHE_DB;
$wgParserCacheType = CACHE_DB;
"""


@dataclass
class Wiki:
    """A private wiki and its administrator."""

    root: Path
    env: dict[str, str]
    port: int
    process: subprocess.Popen[bytes]
    _http: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=30))
    _token: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def act(self, **params: str) -> dict[str, Any]:
        """Ask the interface as the administrator."""
        if not self._token:
            token = self._ask(action="query", meta="tokens", type="login")["query"]["tokens"]["logintoken"]
            self._ask(action="login", lgname="Admin", lgpassword=ADMIN, lgtoken=token)
            self._token = self._ask(action="query", meta="tokens")["query"]["tokens"]["csrftoken"]
        answer = self._ask(**params, token=self._token)
        assert "error" not in answer, answer
        return answer

    def edit(self, title: str, text: str) -> str:
        """Save a page; gives its id."""
        return str(self.act(action="edit", title=title, text=text)["edit"]["pageid"])

    def connect(self, **settings: object) -> MediaWikiConnector:
        os.environ["KBM_TEST_WIKI"] = BOT
        return MediaWikiConnector(
            "wiki",
            {
                "url": self.url,
                "user": "Admin@kbm",
                "password": "env:KBM_TEST_WIKI",
                "allow_private": True,
                "max_requests_per_second": 1000,
                **settings,
            },
            self.root,
            pause=lambda _: None,
        )

    def down(self) -> None:
        stop(self.process)

    def up(self) -> None:
        self.process = _serve(self.port, self.root, self.env)

    def _ask(self, **params: str) -> dict[str, Any]:
        data = {**params, "format": "json", "formatversion": "2"}
        answer: dict[str, Any] = self._http.post(f"{self.url}/api.php", data=data).json()
        return answer


def _serve(port: int, folder: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
    return start([PHP, "-S", f"127.0.0.1:{port}", "-t", CODE], port, folder, env)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs("mediawiki")
    folder = tmp_path_factory.mktemp("mediawiki")
    for name in ("db", "conf"):
        (folder / name).mkdir()
    install = [
        *(PHP, f"{CODE}/maintenance/install.php", "--dbtype", "sqlite", "--dbpath", str(folder / "db")),
        *(
            "--dbname",
            "kb",
            "--confpath",
            str(folder / "conf"),
            "--server",
            "http://127.0.0.1",
            "--scriptpath",
            "",
        ),
        *("--pass", ADMIN, "--lang", "de", "KB", "Admin"),
    ]
    done = subprocess.run(install, capture_output=True, text=True, timeout=120)
    if done.returncode:
        pytest.skip(f"MediaWiki could not be installed: {done.stderr[-300:]}")
    with (folder / "conf" / "LocalSettings.php").open("a") as settings:
        settings.write(SETTINGS)
    env = os.environ | {"MW_CONFIG_FILE": str(folder / "conf" / "LocalSettings.php")}
    bot = ["createBotPassword.php", "--appid", "kbm", "--grants", "basic,highvolume", "Admin", BOT]
    subprocess.run([PHP, f"{CODE}/maintenance/{bot[0]}", *bot[1:]], check=True, env=env, timeout=60)
    return folder


@pytest.fixture
def wiki(installed: Path, tmp_path: Path) -> Iterator[Wiki]:
    folder = tmp_path / "wiki"
    shutil.copytree(installed, folder)
    config = folder / "conf" / "LocalSettings.php"
    config.write_text(config.read_text().replace(str(installed), str(folder)))
    env = os.environ | {"MW_CONFIG_FILE": str(config)}
    port = free_port()
    wiki = Wiki(folder, env, port, _serve(port, folder, env))
    yield wiki
    stop(wiki.process)


def test_a_year_of_a_wiki_in_one_minute(wiki: Wiki) -> None:
    core, connector = Core(), wiki.connect()
    assert connector.check() == []
    hint = wiki.edit("Vorlage:Hinweis", "Rufen Sie die 110 an.")
    pages = {name: wiki.edit(name, f"Text von {name}. {{{{Hinweis}}}}") for name in (["A", "B"])}
    pages |= {f"Seite {n}": wiki.edit(f"Seite {n}", f"Seite Nummer {n}.") for n in range(8)}
    first = core.sync(connector)
    assert set(pages.values()) < set(first.added)
    assert hint not in first.added
    assert core.holds("Rufen Sie die 110 an") == 2
    assert core.sync(wiki.connect()).does_nothing

    wiki.edit("Seite 1", "Anders.")
    assert core.sync(connector).changed == (pages["Seite 1"],)

    # a template, and the wiki's job queue never runs
    wiki.edit("Vorlage:Hinweis", "Rufen Sie die 112 an.")
    assert core.sync(connector).changed == tuple(sorted((pages["A"], pages["B"])))
    assert core.holds("Rufen Sie die 112 an") == 2

    wiki.act(**{"action": "move", "from": "Seite 2", "to": "Neue Seite 2"})
    moved = core.sync(connector)
    assert (moved.changed, moved.added, moved.removed) == ((pages["Seite 2"],), (), ())
    assert "<title>Neue Seite 2</title>" in core.blobs[pages["Seite 2"]].data.decode()

    wiki.act(action="delete", title="Seite 3")
    wiki.edit("Seite 4", "#WEITERLEITUNG [[Seite 5]]")
    assert core.sync(connector).removed == tuple(sorted((pages["Seite 3"], pages["Seite 4"])))
    wiki.act(action="undelete", title="Seite 3")
    again = core.sync(connector)
    assert (again.added, again.removed) == ((pages["Seite 3"],), ())

    before = core.sync(connector)
    assert before.does_nothing
    core.cursor = None
    assert core.sync(connector).does_nothing


def test_an_outage_and_a_wrong_password_delete_nothing(wiki: Wiki) -> None:
    core = Core()
    wiki.edit("Seite", "Text")
    core.sync(wiki.connect())

    wiki.down()
    with pytest.raises(ConnectorUnavailable, match="no connection"):
        core.sync(wiki.connect())
    wiki.up()
    os.environ["KBM_TEST_OTHER"] = "not-the-password-of-this-wiki"
    with pytest.raises(ConnectorRefused) as refused:
        core.sync(wiki.connect(password="env:KBM_TEST_OTHER"))
    with pytest.raises(ConnectorRefused, match="readapidenied"):
        core.sync(wiki.connect(user="", password=""))

    assert "not-the-password" not in f"{refused.value}{refused.value.hint}"
    assert core.sync(wiki.connect()).does_nothing


def test_a_cursor_that_is_too_old_lists_everything_again(wiki: Wiki) -> None:
    core = Core()
    page, other = wiki.edit("Seite", "Text"), wiki.edit("Andere", "Text")
    core.sync(wiki.connect())
    wiki.act(action="delete", title="Seite")
    wiki.edit("Andere", "Neu")
    subprocess.run(
        [PHP, f"{CODE}/maintenance/eval.php"],
        input=b"wfGetDB( DB_PRIMARY )->delete( 'recentchanges', '*' );\n",
        env=wiki.env,
        check=True,
        timeout=60,
        stdout=subprocess.DEVNULL,
    )

    plan = core.sync(wiki.connect())

    assert (plan.changed, plan.removed) == ((other,), (page,))


def test_only_pages_of_the_wanted_categories_are_read(wiki: Wiki) -> None:
    core = Core()
    page = wiki.edit("Eins", "Text [[Kategorie:Handbuch neu]]")
    draft = wiki.edit("Zwei", "Text [[Kategorie:Handbuch neu]] [[Kategorie:Entwurf]]")
    wiki.edit("Drei", "Text")
    connector = wiki.connect(categories=["handbuch_neu"], exclude_categories=["Entwurf"])

    assert core.sync(connector).added == (page,)
    wiki.edit("Zwei", "Text [[Kategorie:Handbuch neu]]")
    wiki.edit("Eins", "Text")
    plan = core.sync(connector)
    assert (plan.added, plan.removed) == ((draft,), (page,))


def test_a_dump_holds_the_pages_of_the_wiki(wiki: Wiki) -> None:
    page = wiki.edit("Seite", "== Frist ==\nEs sind '''14 Tage'''.")
    wiki.edit("Weiter", "#WEITERLEITUNG [[Seite]]")
    command = [PHP, f"{CODE}/maintenance/dumpBackup.php", "--full", "--quiet"]
    done = subprocess.run(command, env=wiki.env, check=True, timeout=60, capture_output=True)
    (wiki.root / "wiki.xml.gz").write_bytes(gzip.compress(done.stdout))
    online, offline = Core(), Core()
    online.sync(wiki.connect())
    offline.sync(MediaWikiConnector("wiki", {"url": "./wiki.xml.gz"}, wiki.root))

    assert offline.known.keys() == online.known.keys() >= {page}
    assert offline.holds("<h2>Frist</h2>\n<p>Es sind 14 Tage.</p>") == 1
