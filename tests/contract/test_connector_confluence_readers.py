"""Who may read the pages of a Confluence, and how its pages and files are read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from kbm_connectors.confluence_storage import as_html

from kbm.domain.sync import Ref
from tests.contract.confluence_stub import ConfluenceStub, shift
from tests.contract.confluence_wiki import Media
from tests.unit.connectors.core import Core


@pytest.fixture(params=[True, False], ids=["cloud", "server"])
def wiki(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ConfluenceStub]:
    stub = ConfluenceStub(tmp_path, is_cloud=request.param)
    yield stub
    stub.close()


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[ConfluenceStub]:
    stub = ConfluenceStub(tmp_path)
    yield stub
    stub.close()


@pytest.fixture
def stored(wiki: ConfluenceStub) -> Core:
    """A core that has read five pages; the site has since lost one and got one."""
    core = Core()
    for n in range(10, 15):
        wiki.save(str(n), f"<p>Text {n}</p>", parent="10" if n > 12 else "")
    core.sync(wiki.connect())
    wiki.trash("11")
    wiki.save("19", "<p>Text 19</p>")
    return core


def test_restrictions_of_a_page_and_all_above_it_are_intersected(wiki: ConfluenceStub) -> None:
    core = Core()
    wiki.save("10", "<p>Offen</p>")
    wiki.save("11", "<p>Eng</p>", parent="10", groups=("HR", "IT Team"), users=("Anna@keller.example",))
    wiki.save("12", "<p>Enger</p>", parent="11", groups=("HR",))
    wiki.save("13", "<p>Niemand</p>", parent="12", users=("bert@keller.example",))
    wiki.save("14", "<p>Erbt</p>", parent="11")
    refs = core.sync(wiki.connect()).refs

    assert refs["10"].readers is None
    assert refs["11"].readers == frozenset({"group:HR", "group:IT_Team", "user:anna@keller.example"})
    assert refs["12"].readers == frozenset({"group:HR"})
    assert refs["13"].readers == frozenset()
    assert refs["14"].readers == refs["11"].readers


@pytest.mark.parametrize("full", [True, False])
def test_expanding_ancestors_that_fails_is_asked_page_by_page(wiki: ConfluenceStub, full: bool) -> None:
    core = Core()
    wiki.save("10", "<p>Eng</p>", groups=("HR",))
    wiki.save("11", "<p>Darunter</p>", parent="10")
    wiki.save("12", "<p>Entwurf</p>", status="draft")
    wiki.save("13", "<p>Unter dem Entwurf</p>", parent="12")
    core.sync(wiki.connect())
    wiki.has_draft_ancestor = True
    shift(wiki, hours=1)
    for id in ("11", "13"):
        wiki.save(id, "<p>Neu</p>")
    if full:
        core.cursor = None

    plan = core.sync(wiki.connect())

    assert (plan.changed, plan.failures) == (("11", "13"), ())
    assert plan.refs["11"].readers == frozenset({"group:HR"})
    assert plan.refs["13"].readers is None


def test_a_folder_whose_restrictions_are_not_told_lets_nobody_in(tmp_path: Path) -> None:
    wiki = ConfluenceStub(tmp_path)
    wiki.pages["10"] = folder = wiki.save("10", "", kind="folder")
    wiki.save("11", "<p>Darin</p>", parent="10")
    told = next(event for event in wiki.connect().scan(None) if isinstance(event, Ref))
    folder.status = "draft"
    untold = next(event for event in wiki.connect().scan(None) if isinstance(event, Ref))
    wiki.close()

    assert told.readers is None
    assert untold.readers == frozenset()


def test_what_the_search_does_not_show_is_asked_page_by_page(tmp_path: Path) -> None:
    wiki = ConfluenceStub(tmp_path, sees_no_restrictions_in_search=True)
    wiki.save("10", "<p>Eng</p>", groups=("HR",))
    refs = Core().sync(wiki.connect()).refs
    wiki.close()

    assert refs["10"].readers == frozenset({"group:HR"})


def test_a_tightened_restriction_narrows_without_a_fetch(wiki: ConfluenceStub, stored: Core) -> None:
    stored.sync(wiki.connect())
    wiki.pages["10"].groups = ("HR",)
    shift(wiki, hours=20)

    plan = stored.sync(wiki.connect())

    assert plan.readers_changed == ("10", "13", "14")
    assert stored.fetched == []


def test_files_are_documents_with_the_readers_of_their_page(wiki: ConfluenceStub) -> None:
    core = Core()
    files = {"att21": ("plan.pdf", b"%PDF-1.4 Plan", 1)}
    wiki.save("11", "<p>Text</p>", groups=("HR",), files=files)
    assert core.sync(wiki.connect()).added == ("11",)
    core = Core()
    refs = core.sync(wiki.connect(attachments=True)).refs
    assert refs["att21"].readers == frozenset({"group:HR"})
    assert (core.blobs["att21"].name, core.blobs["att21"].data) == ("plan.pdf", b"%PDF-1.4 Plan")

    wiki.pages["11"].files["att21"] = ("plan.pdf", b"%PDF-1.4 Neu", 2)
    shift(wiki, hours=4)
    assert core.sync(wiki.connect(attachments=True)).changed == ("att21",)
    wiki.pages["11"].files.clear()
    shift(wiki, hours=20)
    assert core.sync(wiki.connect(attachments=True)).removed == ("att21",)


def test_no_credentials_follow_a_file_to_another_host(wiki: ConfluenceStub) -> None:
    wiki.media = media = Media()
    wiki.save("11", "<p>Text</p>", files={"att21": ("plan.pdf", b"%PDF", 1)})
    core = Core()
    core.sync(wiki.connect(attachments=True))
    media.close()

    assert core.blobs["att21"].data == b"%PDF-1.4 elsewhere"
    assert [asked.params for asked in media.asked] == [{"token": "presigned"}]
    assert not {name.lower() for name in media.asked[0].headers} & {"authorization", "cookie"}
    assert all("Authorization" in asked.headers for asked in wiki.asked)


def test_a_page_the_site_does_not_render_is_read_from_its_storage(wiki: ConfluenceStub) -> None:
    wiki.renders = False
    wiki.save("11", '<p>Gr&uuml;&szlig;e</p><ac:structured-macro ac:name="toc"/>')
    core = Core()
    core.sync(wiki.connect())

    assert b"Gr\xc3\xbc\xc3\x9fe" in core.blobs["11"].data
    assert b"<title>Seite 11</title>" in core.blobs["11"].data


STORAGE = """
<h1>Urlaub &amp; Fehlzeiten</h1><ac:structured-macro ac:name="toc"><ac:parameter ac:name="maxLevel">2</ac:parameter>
</ac:structured-macro><ac:structured-macro ac:name="info"><ac:parameter ac:name="title">Frist</ac:parameter>
<ac:rich-text-body><p>Bis <time datetime="2026-12-31"/> &ndash; sonst <ac:link>
<ri:page ri:content-title="Verfall"/></ac:link>.</p>
</ac:rich-text-body></ac:structured-macro><ac:structured-macro ac:name="code">
<ac:parameter ac:name="language">sql</ac:parameter>
<ac:plain-text-body><![CDATA[SELECT a < b]]></ac:plain-text-body></ac:structured-macro>
<p><ac:structured-macro ac:name="status"><ac:parameter ac:name="title">GÜLTIG</ac:parameter></ac:structured-macro>
<ac:inline-comment-marker ac:ref="x">markiert</ac:inline-comment-marker><ac:emoticon ac:emoji-fallback="✅"/></p>
<ac:task-list><ac:task><ac:task-id>1</ac:task-id>
<ac:task-status>complete</ac:task-status><ac:task-body>Antrag stellen</ac:task-body>
</ac:task></ac:task-list><table><tbody><tr><td colspan="2" onclick="x()">Zelle</td></tr></tbody></table>
<ac:image><ri:attachment ri:filename="plan.png"/></ac:image><script>alert(1)</script>
<ac:structured-macro ac:name="excerpt"><ac:parameter ac:name="hidden">true</ac:parameter>
<ac:rich-text-body><p>unsichtbar</p>
</ac:rich-text-body></ac:structured-macro><p>Ende"""


def test_storage_becomes_plain_html_with_the_text_of_its_macros() -> None:
    made = re.sub(r"\s*\n\s*", "", as_html(STORAGE))

    for part in (
        "<h1>Urlaub &amp; Fehlzeiten</h1>",
        "<p><strong>Frist</strong></p><div><p>Bis 2026-12-31 – sonst Verfall.</p></div>",
        "<pre>SELECT a &lt; b</pre>",
        "<p>GÜLTIGmarkiert✅</p>",
        "<li><div>Antrag stellen</div></li>",
        '<td colspan="2">Zelle</td>',
        '<img alt="plan.png"/>',
        "<p>Ende</p>",
    ):
        assert part in made, part
    assert not [
        word for word in ("ac:", "ri:", "maxLevel", "sql", "alert", "onclick", "unsichtbar") if word in made
    ]


def test_an_entity_in_storage_reads_no_file() -> None:
    assert as_html('<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><p>&e;</p>').find("root:") == -1
