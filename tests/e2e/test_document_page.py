"""The page behind a citation: what it shows, to whom, and that it says the same nothing to everybody else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient

from kbm.bootstrap import Kbm
from kbm.domain.access import Rights
from kbm.domain.identity import document_id
from kbm.entrypoints.api.app import create_app
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeClock, FakeConnector, NoProgress

LEAVE = "Employees get 30 days of leave a year. Leave is asked for four weeks ahead."
PAY = "The pay of the board is 250,000 euros a year."
EVIL = 'The <script>alert("x")</script> motor & <b>pump</b> weigh 77 kilograms.\u202e'
HR = frozenset({"everyone", "group:hr"})


@dataclass
class House:
    kbm: Kbm
    source: FakeConnector
    clock: FakeClock
    client: TestClient

    def release(self) -> None:
        self.sync()
        self.kbm.build.run(self.kbm.gpt_to_build("helper"), NoProgress())
        built = self.kbm.catalogue.releases.newest("helper")
        assert built
        self.kbm.publish.run("helper", str(built.version), who="anna", why="test")

    def sync(self) -> None:
        self.kbm.sync.run(self.kbm.source_to_sync("docs"), NoProgress())

    def key(self, readers: frozenset[str] = frozenset({"everyone"})) -> dict[str, str]:
        made = self.kbm.keys.create("test", Rights(readers=readers), valid_for=None, who="anna")
        return {"Authorization": f"Bearer {made.token}"}

    def link(self, question: str, headers: dict[str, str] | None = None) -> str:
        body = {"question": question}
        answer = self.client.post("/v1/gpts/helper/ask", json=body, headers=headers).json()
        url = urlsplit(answer["citations"][0]["url"])
        return f"{url.path}?{url.query}"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Give a company of this test's own."""
    with built(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Give a company for tests that change nothing."""
    with built(tmp_path_factory.mktemp("still")) as made:
        yield made


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Give the same where keys are needed."""
    with built(tmp_path_factory.mktemp("locked")) as made:
        made.key()
        yield made


@contextmanager
def built(tmp_path: Path) -> Iterator[House]:
    items = {"leave.txt": LEAVE, "hr/pay.txt": PAY, "evil.txt": EVIL}
    source = FakeConnector(items=items, readers={"hr/pay.txt": frozenset({"group:hr"})})
    clock = FakeClock()
    source.modified = dict.fromkeys(items, clock.now() - timedelta(days=3))
    with kbm_over(tmp_path, source, clock=clock, max_age="30d") as kbm, TestClient(create_app(kbm)) as client:
        made = House(kbm, source, clock, client)
        made.release()
        yield made


def marked(page: str) -> str:
    return " ".join(unescape(one) for one in re.findall(r"<mark>(.*?)</mark>", page, re.DOTALL))


def test_the_quote_is_marked_in_its_context(still: House) -> None:
    shown = still.client.get(still.link("How many days of leave do employees get?"))

    assert shown.status_code == 200
    assert marked(shown.text) == "Employees get 30 days of leave a year."
    assert "four weeks ahead" in shown.text
    assert 'id="quote"' in shown.text


def test_the_page_is_in_the_language_that_the_browser_asks_for(still: House) -> None:
    link = still.link("How many days of leave do employees get?")
    shown = {
        accepted: still.client.get(link, headers={"Accept-Language": accepted}).text
        for accepted in ("de-CH,de;q=0.9,en;q=0.5", "fr-CA", "es, en;q=0.3, fr;q=0.2", "es", "*;q=x", "")
    }
    languages = [re.search('<html lang="(..)"', page)[1] for page in shown.values()]  # type: ignore[index]

    assert languages == ["de", "fr", "en", "de", "de", "de"]
    assert "Zitierte Stelle" in shown["de-CH,de;q=0.9,en;q=0.5"]
    assert "Passage cité" in shown["fr-CA"]


def test_a_page_lets_nothing_run_and_loads_one_style_of_ours(still: House) -> None:
    shown = still.client.get(still.link("How much do motor and pump weigh?"))

    policy = shown.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self';")
    assert "unsafe" not in policy
    assert "<script" not in shown.text
    assert "<b>" not in shown.text
    assert "\u202e" not in shown.text
    assert "&lt;script&gt;" in shown.text
    assert re.findall(r'(?:src|href)="([^"#][^"]*)"', shown.text) == ["../pages.css"]
    assert " style=" not in shown.text
    style = still.client.get("/pages.css")
    assert style.headers["content-type"].startswith("text/css")
    assert "url(" not in style.text


def test_a_document_that_is_too_old_says_so(house: House) -> None:
    link = house.link("How many days of leave do employees get?")
    before = house.client.get(link, headers={"Accept-Language": "en"}).text
    house.clock.advance(days=40)
    after = house.client.get(link, headers={"Accept-Language": "en"}).text

    note = "Older than its source allows"
    assert (note in before, note in after) == (False, True)


def test_a_link_shows_its_own_release_after_later_ones(house: House) -> None:
    link = house.link("How many days of leave do employees get?")
    house.source.items["leave.txt"] = LEAVE.replace("30", "31")
    house.release()
    then = house.client.get(link, headers={"Accept-Language": "en"}).text
    now = house.client.get(re.sub("&release=[^&]*", "", link)).text

    assert ("30 days" in then, "not the live one" in then) == (True, True)
    assert "31 days" in now


def test_the_original_is_linked_when_it_is_on_the_web(house: House) -> None:
    house.source.urls["leave.txt"] = "https://wiki.example/leave?a=1&b=2"
    house.source.items["leave.txt"] = LEAVE + " "
    house.release()
    shown = house.client.get(house.link("How many days of leave do employees get?")).text

    assert 'href="https://wiki.example/leave?a=1&amp;b=2"' in shown


def test_everything_that_may_not_be_seen_looks_the_same(house: House) -> None:
    link = house.link("How many days of leave do employees get?")
    pages = {
        "hidden": f"/documents/{document_id('docs', 'hr/pay.txt')}",
        "hidden in its gpt": f"/documents/{document_id('docs', 'hr/pay.txt')}?gpt=helper&release=1.0.0",
        "absent": f"/documents/{document_id('docs', 'nope.txt')}",
        "no such release": f"/documents/{document_id('docs', 'leave.txt')}?gpt=helper&release=7.7.7",
        "no id": "/documents/x",
        "no such gpt": f"/documents/{document_id('docs', 'leave.txt')}?gpt=nope",
    }
    found = {name: house.client.get(path) for name, path in pages.items()}
    del house.source.items["leave.txt"]
    house.sync()
    found["withdrawn"] = house.client.get(link)

    assert {one.status_code for one in found.values()} == {404}
    assert len({one.text for one in found.values()}) == 1
    assert len({str(sorted(headers_of(one).items())) for one in found.values()}) == 1


def headers_of(response: Any) -> dict[str, str]:
    """Give the headers but the number that each request gets; Any: of whichever httpx the client is made."""
    return {name: value for name, value in response.headers.items() if name != "x-request-id"}


def test_with_keys_a_link_opens_in_a_browser_that_has_none(locked: House) -> None:
    link = locked.link("How much is the pay of the board?", locked.key(HR))
    shown = locked.client.get(link)

    assert (shown.status_code, marked(shown.text)) == (200, PAY)
    assert "group" not in link


@pytest.mark.parametrize(
    "change",
    [
        lambda link: re.sub("&t=.*", "", link),
        lambda link: re.sub("&t=.*", "&t=", link),
        lambda link: re.sub("&t=.*", "&t=2099-01-01.abc", link),
        lambda link: re.sub("&t=.*", "&t=2026-11-05.0-45", link),
        lambda link: re.sub(r"(&t=\d+-\d\d-\d\d)\.\d+-\d+\.", r"\1.0-9999.", link),
        lambda link: re.sub(r"&t=\d+-", "&t=2098-", link),
        lambda link: link[:-1] + ("0" if link[-1] != "0" else "1"),
        lambda link: link.replace("release=1.0.0", "release=1.0.1"),
        lambda link: link.replace("gpt=helper", "gpt=other"),
        lambda link: re.sub("gpt=helper&", "", link),
        lambda link: re.sub("/documents/[0-9a-f]+", f"/documents/{document_id('docs', 'leave.txt')}", link),
        lambda link: link + "ü",
    ],
)
def test_a_link_that_was_changed_opens_nothing(locked: House, change: object) -> None:
    link = locked.link("How much is the pay of the board?", locked.key(HR))
    assert callable(change)

    assert locked.client.get(change(link)).status_code == 404


def test_a_link_shows_the_context_of_its_own_passage_wherever_it_is_told_to_look(house: House) -> None:
    filler = [f"Chapter {n} is about the weather of the year {1900 + n}, which was mild." for n in range(400)]
    house.source.items["long.txt"] = "\n\n".join(["The gearbox takes 4 litres of oil.", *filler])
    house.release()
    link = house.link("How many litres of oil does the gearbox take?", house.key())
    shown = house.client.get(link).text
    moved = house.client.get(re.sub(r"start=\d+&end=\d+", "start=20000&end=20100", link)).text
    free = house.client.get(
        re.sub(r"start=\d+&end=\d+", "start=20000&end=20100", link), headers=house.key()
    ).text

    assert marked(shown) == "The gearbox takes 4 litres of oil."
    assert "Chapter 300" not in shown
    assert "Chapter 300" not in moved
    assert "Chapter 300" not in free  # the link decides what is shown
    assert "Chapter 20 " in moved


def test_a_link_runs_out_after_a_week(house: House) -> None:
    link = house.link("How much is the pay of the board?", house.key(HR))
    house.clock.advance(days=7)
    within = house.client.get(link).status_code
    house.clock.advance(days=1)
    after = house.client.get(link).status_code

    assert (within, after) == (200, 404)


def test_a_link_opens_nothing_once_its_document_is_withdrawn_or_its_readers_are_narrowed(
    house: House,
) -> None:
    link = house.link("How much is the pay of the board?", house.key(HR))
    house.source.readers["hr/pay.txt"] = frozenset({"group:board"})
    house.sync()
    narrowed = house.client.get(link).status_code
    del house.source.items["leave.txt"]
    other = house.link("How much do motor and pump weigh?", house.key())
    del house.source.items["evil.txt"]
    house.sync()

    assert narrowed == 404
    assert house.client.get(other).status_code == 404


def test_a_link_says_no_more_than_a_key_of_its_own_would(locked: House) -> None:
    locked.key()
    hidden = document_id("docs", "hr/pay.txt")
    link = locked.kbm.links.to(hidden, "helper", "1.0.0", frozenset({"everyone"}))

    assert locked.client.get(urlsplit(link).path + "?" + urlsplit(link).query).status_code == 404


def test_a_key_in_the_header_reads_what_it_may(locked: House) -> None:
    path = f"/documents/{document_id('docs', 'hr/pay.txt')}?gpt=helper"

    assert locked.client.get(path, headers=locked.key()).status_code == 404
    assert locked.client.get(path, headers=locked.key(HR)).status_code == 200
    assert locked.client.get(path, headers={"Authorization": "Bearer kbm_x"}).status_code == 401


def test_a_token_opens_one_document_of_one_release_of_one_gpt(locked: House) -> None:
    """Whoever may read them all still opens no other with it."""
    mine, other = (document_id("docs", name) for name in ("leave.txt", "evil.txt"))
    link = locked.kbm.links.to(mine, "helper", "1.0.0", frozenset({"everyone"}))
    token = link.partition("&t=")[2]
    record, another = (locked.kbm.catalogue.documents.document(one) for one in (mine, other))
    assert record
    assert another
    opened = locked.kbm.links.opened

    assert opened(token, record, "helper", "1.0.0")
    assert opened(token, another, "helper", "1.0.0") is None
    assert opened(token, record, "other", "1.0.0") is None
    assert opened(token, record, "helper", "1.0.1") is None


def test_links_of_one_day_are_the_same(locked: House) -> None:
    headers = locked.key(HR)
    question = "How much is the pay of the board?"

    assert locked.link(question, headers) == locked.link(question, headers)


def test_a_span_outside_the_document_marks_nothing(still: House) -> None:
    path = f"/documents/{document_id('docs', 'leave.txt')}?gpt=helper&start=5000&end=6000"

    assert "<mark>" not in still.client.get(path).text


def test_the_docs_are_a_page_of_this_service(still: House) -> None:
    shown = still.client.get("/docs")

    assert shown.status_code == 200
    assert "<script" not in shown.text
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', shown.text)
    for path in still.client.get("/openapi.json").json()["paths"]:
        assert f"<code>{path}</code>" in shown.text
    for code in ("key_refused", "not_found", "bad_question", "too_many_requests"):
        assert f"<code>{code}</code>" in shown.text
    assert still.client.get("/redoc").status_code == 404
