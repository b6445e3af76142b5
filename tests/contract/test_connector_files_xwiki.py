"""Exports of XWiki, as a XAR or as HTML, keep the promises of every connector and read like the wiki's pages."""

from __future__ import annotations

import zipfile
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import pytest
from kbm_connectors.files import FilesConnector
from kbm_connectors.xwiki_markup import to_html

from kbm.domain.sync import Brake, Event, Failed, Known, Mark, Ref, plan_sync
from kbm.errors import ConnectorUnavailable
from kbm.testing.contracts.connector import ConnectorContract

EVERYONE = frozenset({"everyone"})


def page(
    web: str,
    name: str,
    content: str,
    *,
    title: str = "",
    syntax: str = "xwiki/2.1",
    hidden: bool = False,
    files: dict[str, bytes] | None = None,
) -> str:
    attached = "".join(
        f"<attachment><filename>{escape(file)}</filename><filesize>{len(data)}</filesize><date>1600000000000</date>"
        f"<author>xwiki:XWiki.bert</author><content>{b64encode(data).decode()}</content></attachment>"
        for file, data in (files or {}).items()
    )
    return (
        '<?xml version="1.1" encoding="UTF-8"?>\n<xwikidoc version="1.5" reference="x" locale="">'
        f"<web>{web}</web><name>{name}</name><author>xwiki:XWiki.anna</author><date>1700000000000</date>"
        f"<title>{escape(title)}</title><syntaxId>{syntax}</syntaxId><hidden>{str(hidden).lower()}</hidden>"
        f"<content>{escape(content)}</content>{attached}</xwikidoc>"
    )


def packed(path: Path, items: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("package.xml", "<package><infos><name>Wiki</name></infos></package>")
        for id, text in items.items():
            archive.writestr(id, text)
    return path


@dataclass
class Xar:
    """A wiki exported anew with every change."""

    path: Path
    items: dict[str, str] = field(default_factory=dict)

    def connect(self) -> FilesConnector:
        settings = {"url": self.path.name, "export": "xwiki"}
        return FilesConnector("wiki", settings, self.path.parent)

    def make(self, id: str, text: str) -> None:
        self.items[id] = page("Help", id.rpartition("/")[2].removesuffix(".xml"), text)
        packed(self.path, self.items)

    edit = make

    def remove(self, id: str) -> None:
        del self.items[id]
        packed(self.path, self.items)

    def break_root(self) -> None:
        self.path.write_bytes(self.path.read_bytes()[:-30])

    def break_part(self, id: str) -> None:
        packed(self.path, {**self.items, id: self.items[id][:-5]})


class TestXar(ConnectorContract):
    ids = ("Help/A.xml", "Help/Macros/WebHome.xml", "Help/Prüfung.xml")

    @pytest.fixture
    def source(self, tmp_path: Path) -> Xar:
        return Xar(tmp_path / "wiki.xar")


def scanned(path: Path, **settings: object) -> tuple[FilesConnector, list[Event]]:
    connector = FilesConnector("wiki", {"url": path.name, "export": "xwiki", **settings}, path.parent)
    return connector, list(connector.scan(None))


def refs(events: list[Event]) -> dict[str, Ref]:
    return {event.id: event for event in events if isinstance(event, Ref)}


def test_pages_have_their_titles_and_addresses_and_their_attachments_are_documents(tmp_path: Path) -> None:
    path = packed(
        tmp_path / "wiki.xar",
        {
            "Help/Films/WebHome.xml": page("Help.Films", "WebHome", "About", title="$services.render('x')"),
            "Help/Films/Modern Times.xml": page(
                "Help.Films", "Modern Times", "= Plot =", title="Modern & Old", files={"plan.pdf": b"%PDF-1"}
            ),
            "Help/v1.2/News.xml": page("Help.v1\\.2", "News", "New"),
            "Help/Films/WebPreferences.xml": page("Help.Films", "WebPreferences", "", hidden=True),
        },
    )
    connector, events = scanned(path, url_prefix="https://wiki.example/bin/view")
    found = refs(events)

    assert {id: (ref.title, ref.url, ref.author) for id, ref in found.items()} == {
        "Help/Films/WebHome.xml": ("Films", "https://wiki.example/bin/view/Help/Films/", "anna"),
        "Help/Films/Modern Times.xml": (
            "Modern & Old",
            "https://wiki.example/bin/view/Help/Films/Modern%20Times",
            "anna",
        ),
        "Help/Films/Modern Times.xml/plan.pdf": (
            "",
            "https://wiki.example/bin/view/Help/Films/Modern%20Times",
            "bert",
        ),
        "Help/v1.2/News.xml": ("News", "https://wiki.example/bin/view/Help/v1.2/News", "anna"),
    }
    attached = found["Help/Films/Modern Times.xml/plan.pdf"]
    assert (connector.fetch(attached).data, connector.fetch(attached).name) == (b"%PDF-1", "plan.pdf")
    assert (attached.size, attached.modified) == (6, datetime.fromtimestamp(1_600_000_000, UTC))
    text = connector.fetch(found["Help/Films/Modern Times.xml"]).data.decode()
    assert "<title>Modern &amp; Old</title>" in text
    assert "<h1>Plot</h1>" in text


def test_an_attachment_that_changes_changes_no_page(tmp_path: Path) -> None:
    path = packed(tmp_path / "w.xar", {"A.xml": page("H", "A", "text", files={"a.txt": b"1", "b.txt": b"1"})})
    before = {id: ref.version for id, ref in refs(scanned(path)[1]).items()}
    packed(path, {"A.xml": page("H", "A", "text", files={"a.txt": b"2", "b.txt": b"1"})})
    after = {id: ref.version for id, ref in refs(scanned(path)[1]).items()}

    assert [id for id in before if before[id] != after[id]] == ["A.xml/a.txt"]


def test_a_damaged_page_keeps_its_attachments(tmp_path: Path) -> None:
    whole = page("H", "A", "text", files={"a.txt": b"1"})
    path = packed(tmp_path / "w.xar", {"A.xml": whole, "B.xml": page("H", "B", "text")})
    known = {
        id: Known(version=ref.version, readers=EVERYONE, scope=ref.scope)
        for id, ref in refs(scanned(path)[1]).items()
    }
    packed(path, {"A.xml": whole[:-20]})
    _, events = scanned(path)
    plan = plan_sync("wiki", events, known, default_readers=EVERYONE, brake=Brake())

    assert len(known) == 3
    assert plan.removed == ("B.xml",)


def test_an_attachment_that_is_gone_is_told(tmp_path: Path) -> None:
    path = packed(tmp_path / "w.xar", {"A.xml": page("H", "A", "text")})
    connector, _ = scanned(path)

    with pytest.raises(ConnectorUnavailable):
        connector.fetch(Ref(id="A.xml/a.txt", version="1"))


def test_entities_of_a_hostile_page_are_not_looked_up(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2")
    hostile = page("H", "A", "SPOT").replace(
        "<xwikidoc", f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]><xwikidoc', 1
    )
    path = packed(tmp_path / "w.xar", {"A.xml": hostile.replace("SPOT", "&e;")})
    connector, events = scanned(path)

    assert all(b"hunter2" not in connector.fetch(ref).data for ref in refs(events).values())


@pytest.mark.parametrize(
    ("syntax", "content", "kept"),
    [
        ("xhtml/1.0", "<p>Ein <b>Satz</b></p>", "<p>Ein <b>Satz</b></p>"),
        ("markdown/1.2", "## Zwei", "# A\n\n## Zwei"),
        ("plain/1.0", "a < b", "<pre>a &lt; b</pre>"),
        ("xwiki/1.0", "1.1 Zwei", "<h2>Zwei</h2>"),
    ],
)
def test_pages_in_other_syntaxes_are_read(tmp_path: Path, syntax: str, content: str, kept: str) -> None:
    path = packed(tmp_path / "w.xar", {"A.xml": page("H", "A", content, syntax=syntax)})
    connector, events = scanned(path)

    assert kept in connector.fetch(refs(events)["A.xml"]).data.decode()


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("== Zwei ==", "<h2>Zwei</h2>"),
        ("**fett** //kursiv// https://a.example/x", "<p>fett kursiv https://a.example/x</p>"),
        (
            "* eins\n** zwei\n1. drei",
            "<ul><li>eins</li></ul>\n<ul><li>zwei</li></ul>\n<ul><li>drei</li></ul>",
        ),
        (
            "|=Nr|=Name\n|007|[[Öl>>doc:Help.Oil||target=x]]",
            "<table><tr><th>Nr</th><th>Name</th></tr><tr><td>007</td><td>Öl</td></tr></table>",
        ),
        ("[[Help.Macros.WebHome]] und [[mailto:a@b.example]]", "<p>Macros und mailto:a@b.example</p>"),
        ("{{info}}Wichtig{{/info}} {{toc depth=2/}}", "<p>Wichtig</p>"),
        ("{{velocity}}#set($x = 1){{/velocity}}Text", "<p>Text</p>"),
        ("{{code language=sh}}\nrm **x**\nls\n{{/code}}", "<pre>rm **x**\nls</pre>"),
        ("{{html clean=false}}<b>ja</b>{{/html}}", "<b>ja</b>"),
        ("(% class=x %)(((\nText\n)))", "<p>  Text </p>"),
        ("a < b image:x.png ~** c", "<p>a &lt; b ** c</p>"),
    ],
)
def test_markup_becomes_what_it_means(markup: str, text: str) -> None:
    assert " ".join(to_html(markup).split()) == " ".join(text.split())


HTML_PAGE = """<html><head><title>Filme - XWiki</title></head><body><div id="menu">Anmelden</div>
<div id="document-title"><h1>Filme &amp; Serien</h1></div><div id="xwikicontent">Ein <p>Satz</p> danach</div>
<div id="rightPanels">Zuletzt geändert</div></body></html>"""


def test_pages_exported_as_html_lose_what_stands_around_the_text(tmp_path: Path) -> None:
    path = packed(
        tmp_path / "wiki.zip",
        {
            "pages/xwiki/Help/Filme.html": HTML_PAGE,
            "pages/xwiki/resources/WebHome.html": HTML_PAGE.replace('id="document-title"', ""),
            "attachment/xwiki/Help/Filme/plan.pdf": "%PDF-1",
            "resources/js/x.html": "x",
            "skins/flamingo/style.css": "x",
        },
    )
    connector, events = scanned(path)
    found = refs(events)

    assert {id: ref.title for id, ref in found.items()} == {
        "pages/xwiki/Help/Filme.html": "Filme & Serien",
        "pages/xwiki/resources/WebHome.html": "Filme",
        "attachment/xwiki/Help/Filme/plan.pdf": "",
    }
    text = connector.fetch(found["pages/xwiki/Help/Filme.html"]).data.decode()
    assert "<h1>Filme &amp; Serien</h1>\nEin <p>Satz</p> danach" in text
    assert "Anmelden" not in text
    assert "geändert" not in text


def test_a_xar_is_recognised_as_what_it_is(tmp_path: Path) -> None:
    path = packed(tmp_path / "wiki.xar", {})

    assert FilesConnector.recognises(str(path), tmp_path) == {"url": str(path), "export": "xwiki"}
    assert [event for event in scanned(path)[1] if not isinstance(event, Mark)] == []


def test_a_page_whose_text_cannot_be_xml_is_told(tmp_path: Path) -> None:
    path = packed(tmp_path / "w.xar", {"A.xml": page("H", "A", "x").replace(">x<", ">&#1;<")})
    _, events = scanned(path)

    assert [event.id for event in events if isinstance(event, Failed)] == ["A.xml", None]
