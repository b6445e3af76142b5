"""A wiki that is only there as a dump."""

from __future__ import annotations

import bz2
import gzip
import os
from pathlib import Path

import pytest
from kbm_connectors.mediawiki import MediaWikiConnector
from kbm_connectors.wikitext import to_html

from kbm.errors import ConfigError, ConnectorError, ConnectorRefused, ConnectorUnavailable
from tests.unit.connectors.core import Core

PAGE = """<page><title>{title}</title><ns>{ns}</ns><id>{id}</id>{redirect}
<revision><id>{revision}</id><timestamp>2026-11-01T10:00:00Z</timestamp>
<contributor><username>Berta</username><id>1</id></contributor>
<text bytes="5" xml:space="preserve"{hidden}>{text}</text></revision>{older}</page>"""
OLDER = """<revision><id>1</id><timestamp>2020-01-01T10:00:00Z</timestamp><text>Alt</text></revision>"""


def _page(id: int, text: str, **more: object) -> str:
    keys = {"title": f"Seite {id}", "ns": 0, "revision": 100 + id, "redirect": "", "hidden": "", "older": ""}
    return PAGE.format(**{**keys, "id": id, "text": text, **more})


def _dump(*pages: str) -> bytes:
    head = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" xml:lang="de"><siteinfo></siteinfo>'
    return f"{head}{''.join(pages)}</mediawiki>".encode()


def _connect(folder: Path, name: str = "wiki.xml", **settings: object) -> MediaWikiConnector:
    return MediaWikiConnector("wiki", {"url": f"./{name}", **settings}, folder)


@pytest.mark.parametrize("name", ["wiki.xml", "wiki.xml.gz", "wiki.xml.bz2"])
def test_the_newest_text_of_each_page_is_read(tmp_path: Path, name: str) -> None:
    pages = [
        _page(1, "Text &amp; mehr", older=OLDER),
        _page(2, "#REDIRECT [[x]]", redirect='<redirect title="x"/>'),
        _page(3, "", hidden=' deleted="deleted"'),
        _page(4, "Vorlage", ns=10),
        _page(5, "Größe"),
    ]
    dump = _dump(*pages)
    packed = {"xml": dump, "gz": gzip.compress(dump), "bz2": bz2.compress(dump)}
    (tmp_path / name).write_bytes(packed[name.rpartition(".")[2]])
    core = Core()

    assert MediaWikiConnector.recognises(f"./{name}", tmp_path) == {"url": f"./{name}"}
    assert _connect(tmp_path, name).check() == []
    assert core.sync(_connect(tmp_path, name)).added == ("1", "5")
    assert core.holds("<p>Text &amp; mehr</p>") == core.holds("<title>Seite 5</title>") == 1
    assert core.sync(_connect(tmp_path, name)).does_nothing


def test_a_newer_dump_changes_what_it_changes(tmp_path: Path) -> None:
    core, path = Core(), tmp_path / "wiki.xml"
    path.write_bytes(_dump(*(_page(n, f"Text {n}") for n in range(4))))
    core.sync(_connect(tmp_path))
    path.write_bytes(_dump(_page(0, "Text 0"), _page(1, "Anders", revision=300), _page(3, "Text 3")))

    plan = core.sync(_connect(tmp_path))

    assert (plan.added, plan.changed, plan.removed) == ((), ("1",), ("2",))


@pytest.mark.parametrize("name", ["wiki.xml", "wiki.xml.gz"])
def test_a_dump_that_is_cut_off_anywhere_lists_nothing(tmp_path: Path, name: str) -> None:
    whole = _dump(*(_page(n, os.urandom(200).hex()) for n in range(20)))
    packed = gzip.compress(whole) if name.endswith(".gz") else whole
    for end in range(0, len(packed) - 13, len(packed) // 25):
        (tmp_path / name).write_bytes(packed[:end])
        with pytest.raises(ConnectorError):
            list(_connect(tmp_path, name).scan(None))


def test_what_is_no_dump_and_what_is_not_there_are_told(tmp_path: Path) -> None:
    (tmp_path / "wiki.xml").write_text("<feed><entry/></feed>")
    with pytest.raises(ConnectorRefused, match="no dump of a MediaWiki"):
        list(_connect(tmp_path).scan(None))
    assert MediaWikiConnector.recognises("./wiki.xml", tmp_path) is None
    (tmp_path / "wiki.xml").unlink()
    with pytest.raises(ConnectorUnavailable, match="no such file"):
        list(_connect(tmp_path).scan(None))
    with pytest.raises(ConfigError, match="only the wiki itself"):
        _connect(tmp_path, categories=["Handbuch"])
    with pytest.raises(ConfigError, match="write the full address"):
        _connect(tmp_path, "wiki.txt")


def test_entities_of_a_hostile_dump_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("geheim")
    entity = f'<!DOCTYPE m [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]>'
    (tmp_path / "wiki.xml").write_bytes(entity.encode() + _dump(_page(1, "Text &e; Ende")))
    core = Core()
    try:
        core.sync(_connect(tmp_path))
    except ConnectorUnavailable:
        return

    assert core.holds("geheim") == 0


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("== Titel ==\nEins\nzwei\n\ndrei", "<h2>Titel</h2>\n<p>Eins zwei</p>\n<p>drei</p>"),
        ("* a\n** b\n# c", "<ul><li>a</li></ul>\n<ul><li>b</li></ul>\n<ul><li>c</li></ul>"),
        ("'''Fett''' [[Seite|Wort]] [[A_b]] [https://x.de Text]", "<p>Fett Wort A b Text</p>"),
        ("[[Datei:x.png|mini|Ein [[Bild]]]]Da [[Kategorie:X]]", "<p>Da</p>"),
        ("{{Hinweis|Text {{fett|hier}}|frist=3 Tage}} {{#if:x|y}}", "<p>Text hier frist: 3 Tage</p>"),
        ("<!-- weg -->1 &lt; 2<ref>Quelle</ref> <script>x</script>", "<p>1 &lt; 2</p>"),
        (
            '{| class="x"\n! A !! B\n|-\n| style="y" | 1 || 2\n|-\n| 3\n| 4\n|}',
            "<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr><tr><td>3</td><td>4</td></tr></table>",
        ),
        ("{| \n| offen", "<table><tr><td>offen</td></tr></table>"),
        ("", ""),
    ],
)
def test_what_an_author_wrote_is_kept(text: str, body: str) -> None:
    assert to_html(text) == body


def test_wikitext_without_end_takes_no_time() -> None:
    nested = "{{a|" * 5_000 + "}}" * 5_000
    for text in (nested, "{{" * 20_000, "[[" * 20_000, "'" * 50_000, "<!--" * 5_000, "=" * 50_000):
        to_html(text)
