"""The morning report: what is told, to whom, in which words; and the files it is kept in."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kbm.domain.report import (
    Delivery,
    Expiry,
    Findings,
    GptNews,
    KnowledgeNews,
    SourceNews,
    StepNews,
    Unreadable,
    Waiting,
    outdated,
)
from kbm.errors import ConfigError
from kbm.providers.secret_refs import resolve
from kbm.services.report import ReportedSource
from kbm.services.report_knowledge_texts import KNOWLEDGE_WORDS
from kbm.services.report_pages import make_report, pages_of
from kbm.services.report_texts import WORDS
from kbm.store.reports import Reports
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeClock, FakeConnector, NoProgress

NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
LANGUAGES = ("de", "en", "fr")


def findings(**more: object) -> Findings:
    return Findings(**{"company": "Keller", "job": 17, "at": NOW, "day": NOW.date(), "exit_code": 0} | more)  # type: ignore[arg-type]


FULL = findings(
    exit_code=3,
    sources=(
        SourceNews(source="docs", added=2, changed=1, removed=1, readers_changed=1, unchanged=9),
        SourceNews(source="wiki", failures=("the wiki does not answer",), n_failures=3),
    ),
    gpts=(
        GptNews(
            gpt="offers",
            title="Offers",
            live="1.2.1",
            steps=(
                StepNews(version="1.2.1", built=True, published=True, verdict="pass"),
                StepNews(version="1.3.0", built=True, verdict="hold", held=("2 golden questions lost",)),
            ),
        ),
        GptNews(gpt="hr", title="HR", live="1.0.0", error="the disk is full"),
    ),
    waiting=(
        Waiting(
            subject="offers 1.3.0",
            why=("2 golden questions lost",),
            people=("anna@test.example",),
            command="kbm publish offers 1.3.0",
        ),
    ),
    knowledge=(
        KnowledgeNews(
            gpt="offers",
            title="Offers",
            n_closed=2,
            n_open=5,
            trend=3,
            n_waiting=4,
            new_low=1,
            new_high=2,
            alarms=("failed",),
            failed_agents=("conflicts",),
            healed=("refresh_source docs",),
            not_healed=("reparse",),
            n_withdrawn=1,
        ),
        KnowledgeNews(gpt="hr", title="HR", n_open=1, trend=-4),
    ),
    next_expiry=Expiry(source="docs", at=NOW + timedelta(days=9), item_id="p.txt", title="Price list"),
    n_expired=4,
    ages_watched=True,
    upkeep=("old indexes could not be put away",),
    unreadable=(Unreadable(source="docs", item_id="x.pdf", reason="damaged", detail="no end | of file"),),
    n_unreadable=2,
    deliveries=(Delivery(by="mail"), Delivery(by="webhook", why="it answered 500")),
)


def test_the_first_five_lines_tell_what_matters() -> None:
    assert make_report(FULL, "en").lines == (
        ("Changed", "documents added: 2, changed: 1, removed: 1; published: offers 1.2.1"),
        ("Held", "offers 1.3.0: 2 golden questions lost (with anna@test.example)"),
        ("Withdrawn", "documents: 1, hidden on every release at once; readers changed: 1"),
        (
            "Gaps",
            "closed: 2, open: 6 (questions within a week: -1); suggestions to decide: 4; alarm: offers",
        ),
        ("Next expiry", "2026-11-11, Price list (docs); past it already: 4"),
    )


def test_a_night_without_news_says_so_in_five_lines() -> None:
    report = make_report(findings(), "de")

    assert [said for _, said in report.lines] == [
        "nichts",
        "nichts",
        "nichts",
        "noch nicht beobachtet",
        "keine Quelle hat ein max_age",
    ]
    assert report.subject == "kbm, Keller, Nacht zum 2026-11-02: alles in Ordnung"


def test_the_subject_says_what_failed_before_what_waits() -> None:
    failed = findings(exit_code=1, sources=(SourceNews(source="wiki", n_failures=2),), waiting=FULL.waiting)

    assert make_report(failed, "fr").subject.endswith("échecs : 2")
    assert make_report(FULL, "en").subject.endswith("waiting for a decision: 1")


def test_of_many_things_that_wait_the_line_names_three_and_the_section_all() -> None:
    many = tuple(
        Waiting(subject=f"source{n}", why=("too large",), people=(), command=f"kbm plans approve {n}")
        for n in range(7)
    )
    report = make_report(findings(exit_code=3, waiting=many), "en")

    assert report.lines[1][1].endswith("4 more, see below")
    assert all(one.command in report.markdown for one in many)
    assert "nobody named" in report.markdown


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_every_word_with_the_same_gaps(language: str) -> None:
    for words in (WORDS, KNOWLEDGE_WORDS):
        gaps = {name: sorted(re.findall(r"{\w*}", said)) for name, said in words["en"].items()}

        assert {name: sorted(re.findall(r"{\w*}", said)) for name, said in words[language].items()} == gaps


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_pages_tell_all_of_it(language: str) -> None:
    pages = pages_of(make_report(FULL, language))
    told = [
        "offers 1.3.0",
        "2 golden questions lost",
        "the wiki does not answer",
        "the disk is full",
        "x.pdf",
    ]
    told += [
        "old indexes could not be put away",
        "it answered 500",
        "anna@test.example",
        "kbm publish offers 1.3.0",
    ]

    words = KNOWLEDGE_WORDS[language]
    told += [
        "conflicts",
        words["failed"],
        words["refresh_source"].format(of="docs"),
        words["new_by_risk"].format(low=1, medium=0, high=2),
        words["gone"].format(gpt="offers", n=1),
    ]
    pages["json"] += " ".join(told[-4:])  # numbers there, no sentences

    assert {page: [one for one in told if one not in unescape(text)] for page, text in pages.items()} == {
        "md": [],
        "html": [],
        "json": [],
    }
    assert f'<html lang="{language}">' in pages["html"]


class _Tags(HTMLParser):
    """Notes the elements of a page and checks that they are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert not any(name.startswith("on") or name in {"src", "href"} for name, _ in attrs)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


HOSTILE = '<script>alert(1)</script> | [x](javascript:1) `c` "q" \u202e\x1b[31m\nnew line ‹’é'


def test_what_documents_and_sources_say_is_never_markup() -> None:
    report = make_report(
        findings(
            company=HOSTILE,
            exit_code=1,
            sources=(SourceNews(source="docs", failures=(HOSTILE,), n_failures=1),),
            waiting=(Waiting(subject=HOSTILE, why=(HOSTILE,), people=(HOSTILE,), command="kbm plans"),),
            next_expiry=Expiry(source="docs", at=NOW, title=HOSTILE),
            ages_watched=True,
            unreadable=(Unreadable(source="docs", item_id=HOSTILE, reason="damaged", detail=HOSTILE),),
            n_unreadable=1,
        ),
        "en",
    )
    tags = _Tags()
    tags.feed(report.html)

    assert tags.open == []
    assert tags.seen <= {
        *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "dl", "dt", "dd"),
        *("ul", "li", "div", "table", "thead", "tbody", "tr", "th", "td"),
    }
    for text in (report.subject, report.markdown, report.html):
        assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", text)
    # Each row of a table keeps its number of cells, and nothing is a link.
    rows = [line for line in report.markdown.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5, 8}
    assert not re.search(r"(?<!\\)\[x\]|(?<!\\)<script", report.markdown)


def test_the_json_is_plain_and_dates_are_iso() -> None:
    data = json.loads(pages_of(make_report(FULL, "en"))["json"])

    assert data["at"] == "2026-11-02T08:00:00+00:00"
    assert (data["outcome"], data["day"], data["job"]) == ("held", "2026-11-02", 17)
    assert data["published"] == ["offers 1.2.1"]
    assert data["gpts"][0]["steps"][1]["held"] == ["2 golden questions lost"]


def test_the_oldest_reports_go_by_day_and_then_by_job() -> None:
    ids = {"2026-11-02-9", "2026-11-02-10", "2026-10-30-8", "2026-11-03-11"}

    assert outdated(ids, keep=2) == {"2026-10-30-8", "2026-11-02-9"}


def test_the_last_ninety_reports_are_kept_and_other_files_left_alone(tmp_path: Path) -> None:
    reports = Reports(tmp_path / "reports")
    for job in range(1, 95):
        reports.put(f"{date(2026, 1, 1) + timedelta(days=job)}-{job}", {"md": "x", "json": "{}"})
    (tmp_path / "reports/.2026-01-02-1.md.part").write_text("what a killed run left")
    (tmp_path / "reports/notes.txt").write_text("mine")
    reports.prune()
    kept = {path.name for path in (tmp_path / "reports").iterdir()}

    assert len(kept) == 2 * 90 + 1
    assert {"notes.txt", "2026-04-05-94.md", "2026-01-06-5.json"} <= kept


def test_a_report_is_claimed_once(tmp_path: Path) -> None:
    reports = Reports(tmp_path)
    reports.put("2026-01-01-1", {"md": "x"})

    assert [Reports(tmp_path).claim("2026-01-01-1") for _ in range(3)] == [True, False, False]


def test_documents_that_not_everyone_may_read_are_counted_and_not_named(tmp_path: Path) -> None:
    source = FakeConnector(
        items={"open.txt": "", "hr/pay-cuts.txt": "", "away.txt": "x", "hr/layoffs.txt": "y"},
        readers={"hr/pay-cuts.txt": frozenset({"group:hr"}), "hr/layoffs.txt": frozenset({"group:hr"})},
        failing={"away.txt", "hr/layoffs.txt"},
    )
    with kbm_over(tmp_path, source) as kbm, kbm.working("nightly", "helper") as job:
        todo = [(kbm.gpt_to_build("helper"), kbm.night_policy("helper"))]
        night = kbm.nightly.run(
            [kbm.source_to_sync("docs")], todo, NoProgress(), configured=kbm.settings.sources, who="night"
        )
        report = make_report(kbm.report.find(night, job), "en")

    text = "".join(pages_of(report).values())
    assert "open.txt" in text
    assert "away.txt" in text
    assert "pay-cuts" not in text
    assert "layoffs" not in text
    assert report.data["n_unreadable"] == 2
    assert "1 more with documents of restricted readers" in report.markdown


def test_what_the_source_says_of_itself_is_told_only_where_everyone_may_read_it(tmp_path: Path) -> None:
    down = {"open": FakeConnector(down=True), "closed": FakeConnector(down=True)}
    with kbm_over(tmp_path, down, readers={"closed": ("group:hr",)}) as kbm, kbm.working("n", "") as job:
        sources = [kbm.source_to_sync(name) for name in down]
        night = kbm.nightly.run(sources, [], NoProgress(), configured=kbm.settings.sources, who="night")
        news = kbm.report.find(night, job).sources

    assert [(one.source, len(one.failures), one.n_failures) for one in news] == [
        ("open", 1, 1),
        ("closed", 0, 1),
    ]


def test_held_plans_wait_with_the_steward_and_stay_in_every_report_until_decided(tmp_path: Path) -> None:
    source = FakeConnector(items={f"{n}.txt": f"Page {n}." for n in range(20)})
    with kbm_over(tmp_path, source) as kbm, kbm.working("nightly", "") as job:
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
        source.items.clear()
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
        quiet = kbm.nightly.run([], [], NoProgress(), configured=kbm.settings.sources, who="night")
        by_owner = kbm.report.find(quiet, job).waiting
        steward = ReportedSource(steward="sam@test.example", open_to_all=True, max_age_hours=None)
        by_steward = replace(kbm.report, sources={"docs": steward}).find(quiet, job).waiting

    assert [one.people for one in by_owner] == [("owner@test.example",)]
    assert [one.people for one in by_steward] == [("sam@test.example",)]
    assert by_steward[0].command.startswith("kbm plans approve ")


def test_the_next_expiry_is_the_earliest_still_to_come(tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    ages = {"old.txt": 40, "next.txt": 25, "fresh.txt": 1}
    source = FakeConnector(
        items={id: f"About {id}." for id in [*ages, "undated.txt"]},
        modified={id: NOW - timedelta(days=days) for id, days in ages.items()},
    )
    with kbm_over(tmp_path, source, clock=clock, max_age="30d") as kbm:
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
        first, n_expired = kbm.catalogue.ages.expiries("docs", timedelta(days=30), clock.now())

    assert n_expired == 1
    assert first == Expiry(source="docs", at=NOW + timedelta(days=5), item_id="next.txt", title="next")


def test_a_secret_is_read_from_a_variable_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("from a file\n")
    monkeypatch.setenv("KBM_TEST_SECRET", "from a variable")

    assert resolve("file:key", key="x", root=tmp_path) == "from a file"
    assert resolve(f"file:{tmp_path}/key", key="x", root=Path("/nowhere")) == "from a file"
    assert resolve("env:KBM_TEST_SECRET", key="x", root=tmp_path) == "from a variable"


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("env:KBM_TEST_ABSENT", "the variable KBM_TEST_ABSENT is not set"),
        ("env:KBM_TEST_EMPTY", "is empty"),
        ("file:absent", "cannot be read: no such file"),
        ("file:.", "cannot be read"),
        ("file:binary", "not text in UTF-8"),
        ("file:large", "larger than a secret"),
        ("hunter2", "names no secret"),
        ("env:", "names no secret"),
    ],
)
def test_a_secret_that_cannot_be_had_is_told_by_its_key_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, told: str
) -> None:
    monkeypatch.setenv("KBM_TEST_EMPTY", "")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "large").write_bytes(b"s" * 70_000)
    with pytest.raises(ConfigError, match=rf"report\.smtp_password.*{told}") as failed:
        resolve(reference, key="report.smtp_password", root=tmp_path)

    assert "hunter2" not in f"{failed.value} {failed.value.hint}"
