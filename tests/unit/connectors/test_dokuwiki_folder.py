"""A DokuWiki that is read from its data folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from kbm_connectors.dokuwiki import DokuWikiConnector
from kbm_connectors.dokuwiki_markup import to_html

from kbm.domain.sync import Ref
from kbm.errors import ConfigError, ConnectorRefused, ConnectorUnavailable
from tests.unit.connectors.core import Core

ACL = "# <?php exit()?>\n*          @ALL   1\nsecret:*   @ALL   0\nsecret:*   @B%c3%bcro 2  # wer sonst\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for page in ("start", "it/vpn", "it/gr%C3%B6%C3%9Fe", "secret/plan"):
        path = tmp_path / "data" / "pages" / f"{page}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"====== Titel {page} ======\n\nText & mehr.\n")
    (tmp_path / "data" / "meta").mkdir()
    (tmp_path / "acl.auth.php").write_text(ACL)
    return tmp_path


def _connect(root: Path, **settings: object) -> DokuWikiConnector:
    return DokuWikiConnector("wiki", {"url": "data", **settings}, root)


def test_pages_are_named_as_the_wiki_names_them(data: Path) -> None:
    core = Core()

    assert DokuWikiConnector.recognises("data", data) == {"url": "data"}
    assert _connect(data).check() == []
    assert core.sync(_connect(data)).added == ("it:größe", "it:vpn", "secret:plan", "start")
    assert core.holds("<p>Text &amp; mehr.</p>") == 4
    assert core.holds("<title>Titel it/vpn</title>") == 1


def test_readers_come_from_the_file_of_rights(data: Path) -> None:
    refs = {e.id: e for e in _connect(data, acl_file="acl.auth.php").scan(None) if isinstance(e, Ref)}

    assert refs["start"].readers == frozenset({"everyone"})
    assert refs["secret:plan"].readers == frozenset({"group:Büro"})
    assert all(e.readers is None for e in _connect(data).scan(None) if isinstance(e, Ref))


@pytest.mark.parametrize("text", ["", "# nichts\n", "* @ALL\n", "* @ALL viel\n"])
def test_a_file_of_rights_that_cannot_be_understood_lists_nothing(data: Path, text: str) -> None:
    (data / "acl.auth.php").write_text(text)
    with pytest.raises(ConnectorRefused):
        list(_connect(data, acl_file="acl.auth.php").scan(None))
    (data / "acl.auth.php").unlink()
    with pytest.raises(ConnectorUnavailable):
        list(_connect(data, acl_file="acl.auth.php").scan(None))


def test_only_the_wanted_namespaces_are_read_and_an_empty_one_is_told(data: Path) -> None:
    core = Core()
    core.sync(_connect(data, namespaces=["it", "secret"], exclude=["it:vpn"]))
    assert sorted(core.known) == ["it:größe", "secret:plan"]
    (data / "data" / "pages" / "secret" / "plan.txt").unlink()

    plan = core.sync(_connect(data, namespaces=["it", "secret"], exclude=["it:vpn"]))

    assert (plan.removed, plan.failed_scopes) == ((), ("secret",))


def test_a_file_of_rights_is_for_a_folder_only(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it is for a data folder"):
        DokuWikiConnector("wiki", {"url": "https://w.example", "acl_file": "x"}, tmp_path)


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("===== Zwei =====\nEins\nzwei\n\ndrei", "<h2>Zwei</h2>\n<p>Eins zwei</p>\n<p>drei</p>"),
        ("  * a\n    - b", "<ul><li>a</li></ul>\n<ul><li>b</li></ul>"),
        ("**fett** //kursiv// __u__ ''mono'' https://x.de/a", "<p>fett kursiv u mono https://x.de/a</p>"),
        ("[[it:vpn|Zugang]] [[it:server]] {{bild.png?200|x}}((Fußnote))", "<p>Zugang server (Fußnote)</p>"),
        (
            "^ A ^ B ^\n| 1 | [[x|zwei]] |",
            "<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>zwei</td></tr></table>",
        ),
        (
            "Vor\n<code bash>\nls **x**\n</code>\nNach ~~NOTOC~~",
            "<p>Vor</p>\n<pre>ls **x**</pre>\n<p>Nach</p>",
        ),
        ("1 < 2 \\\\ 3", "<p>1 &lt; 2 3</p>"),
        ("", ""),
    ],
)
def test_what_an_author_wrote_is_kept(text: str, body: str) -> None:
    assert to_html(text) == body
