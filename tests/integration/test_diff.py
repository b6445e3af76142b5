"""Diffs and release notes over releases that kbm really built."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kbm.bootstrap import Kbm
from kbm.domain.changes import Kind, Part
from kbm.domain.evaluation import GoldenQuestion, GoldenState
from kbm.entrypoints.cli.changes import diff_json, notes_json
from kbm.entrypoints.cli.main import app
from kbm.errors import NotFound
from kbm.services.diff import ReleaseDiff
from kbm.services.notes import notes_of, to_markdown
from kbm.services.notes_html import to_html
from kbm.testing.builders import ONE_FOLDER_TOML, kbm_over
from kbm.testing.fakes import FakeConnector, FakeEmbedder, NoProgress

PAGES = {
    "leave.txt": "Employees get 30 days of leave a year.",
    "press.txt": "The press holds 40 tons and weighs 900 kilograms.",
    "old.txt": "An old page that nobody needs.",
}


def release(kbm: Kbm) -> str:
    kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
    return str(kbm.build.run(kbm.gpt_to_build("helper"), NoProgress()).release.version)


def two_releases(kbm: Kbm, source: FakeConnector) -> tuple[str, str]:
    first = release(kbm)
    source.items["leave.txt"] = "Employees get 31 days of leave a year."
    source.items["new.txt"] = "A new page about [bold] visitors."
    del source.items["old.txt"]
    return first, release(kbm)


def items(found: ReleaseDiff) -> tuple[list[str], list[str], list[str]]:
    changes = found.changes
    return (
        [one.item_id for one in changes.added],
        [one.after.item_id for one in changes.changed],
        [one.item_id for one in changes.removed],
    )


def words(found: ReleaseDiff) -> list[tuple[Part, ...]]:
    return list(found.texts.values())


def test_a_diff_names_what_was_added_changed_and_removed_with_the_changed_words(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        first, second = two_releases(kbm, source)

        found = kbm.diff.run("helper", first, second)

        assert items(found) == (["new.txt"], ["leave.txt"], ["old.txt"])
        assert words(found) == [
            (
                Part(Kind.SAME, "Employees get "),
                Part(Kind.REMOVED, "30"),
                Part(Kind.ADDED, "31"),
                Part(Kind.SAME, " days of leave a year."),
            )
        ]
        assert found.specs == ()


def test_a_diff_backwards_is_the_other_way_round(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        first, second = two_releases(kbm, source)

        assert items(kbm.diff.run("helper", second, first)) == (["old.txt"], ["leave.txt"], ["new.txt"])


def test_each_text_is_the_one_of_its_release_even_when_it_came_back(tmp_path: Path) -> None:
    source = FakeConnector(items={"page.txt": "The limit is 10 tons."})
    with kbm_over(tmp_path, source) as kbm:
        versions = [release(kbm)]
        for text in ("The limit is 20 tons.", "The limit is 10 tons.", "The limit is 30 tons."):
            source.items["page.txt"] = text
            versions.append(release(kbm))

        def numbers(a: int, b: int) -> list[str]:
            (parts,) = words(kbm.diff.run("helper", versions[a], versions[b]))
            return [part.text for part in parts if part.kind is not Kind.SAME]

        assert numbers(0, 1) == ["10", "20"]
        assert numbers(1, 2) == ["20", "10"]
        assert numbers(0, 3) == ["10", "30"]
        assert items(kbm.diff.run("helper", versions[0], versions[2])) == ([], [], [])


def test_the_words_of_a_document_withdrawn_since_are_not_shown(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        first, second = two_releases(kbm, source)
        del source.items["leave.txt"]
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())

        found = kbm.diff.run("helper", first, second)

        assert items(found)[1] == ["leave.txt"]
        assert found.texts == {}
        assert "31" not in json.dumps(diff_json(found)["changed"][0]["words"])


def test_an_unknown_release_is_told_with_those_there_are(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as kbm:
        release(kbm)

        with pytest.raises(NotFound, match=r"there is: 1\.0\.0"):
            kbm.diff.run("helper", "1.0.0", "9.9.9")


def test_other_instructions_are_named_in_diff_and_notes(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as kbm:
        first = release(kbm)
        todo = kbm.gpt_to_build("helper")
        todo = replace(todo, answer_spec=replace(todo.answer_spec, instructions="Be brief."))
        second = str(kbm.build.run(todo, NoProgress()).release.version)

        found = kbm.diff.run("helper", first, second)
        notes = to_markdown(notes_of(kbm.diff.since_previous("helper", second), "de"))

        assert [(one.name, one.after) for one in found.specs] == [("instructions", "Be brief.")]
        assert "### Wie Antworten entstehen\n\n- Anweisungen: leer → Be brief.\n" in notes


def test_the_notes_of_the_first_release_list_every_document(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as kbm:
        first = release(kbm)

        notes = notes_of(kbm.diff.since_previous("helper", first), "en")

        assert notes.before is None
        assert notes.summary == "First release of helper; documents: 3."
        assert [entry.document.item_id for entry in notes.categories[0].entries] == sorted(PAGES)


@pytest.mark.parametrize(
    ("language", "headings"),
    [
        ("de", ["Hinzugefügt", "Geändert", "Entfernt"]),
        ("en", ["Added", "Changed", "Removed"]),
        ("fr", ["Ajouté", "Modifié", "Supprimé"]),
    ],
)
def test_the_notes_list_the_whole_diff_in_each_language(
    tmp_path: Path, language: str, headings: list[str]
) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        _, second = two_releases(kbm, source)

        notes = notes_of(kbm.diff.since_previous("helper", second), language)
        text = to_markdown(notes)

        assert [category["heading"] for category in notes_json(notes)["categories"]] == headings
        assert [line[4:] for line in text.splitlines() if line.startswith("### ")] == headings
        assert [item in text for item in ("docs · `new.txt`", "docs · `leave.txt`", "docs · `old.txt`")] == [
            True,
            True,
            True,
        ]
        assert "`press.txt`" not in text


LEAVE = GoldenQuestion(
    id="leave",
    question="How many days of leave do employees get a year?",
    expected=("docs:leave.txt",),
    must_contain=("30 days",),
    state=GoldenState.TO_REVIEW,
)
PRESS = GoldenQuestion(
    id="press", question="How many tons does the press hold?", expected=("docs:press.txt",)
)


def test_golden_questions_that_are_answered_differently_are_named_those_to_review_too(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        first, second = two_releases(kbm, source)
        kbm.catalogue.golden.put("helper", [LEAVE, PRESS])

        found = kbm.diff.run("helper", first, second, NoProgress())

        (changed,) = found.golden
        assert (changed.question.id, found.n_golden, found.golden_unasked) == ("leave", 2, "")
        assert "30 days" in changed.before.text
        assert "31 days" in changed.after.text
        assert (changed.before.result.passed, changed.after.result.passed) == (True, False)
        told = "(leave): beantwortet, wie erwartet, docs:leave.txt → beantwortet, nicht wie erwartet"
        assert told in to_markdown(notes_of(found, "de"))


def test_golden_questions_are_asked_only_where_both_releases_can_be(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        first, second = two_releases(kbm, source)
        kbm.catalogue.golden.put("helper", [PRESS])
        with sqlite3.connect(tmp_path / ".kbm" / "catalogue.db") as connection:
            connection.execute("UPDATE release SET content = 'evicted' WHERE version = '1.0.0'")

        found = kbm.diff.run("helper", first, second, NoProgress())

        assert items(found) == (["new.txt"], ["leave.txt"], ["old.txt"])
        assert found.n_golden == 0
        assert found.golden_unasked == "the index of 1.0.0 was put away (evicted)"


def test_sources_and_instructions_are_told_in_words(tmp_path: Path) -> None:
    docs, wiki = FakeConnector(items=dict(PAGES)), FakeConnector(items={"page.txt": "About welding."})
    with kbm_over(tmp_path, {"docs": docs, "wiki": wiki}) as kbm:
        for name in ("docs", "wiki"):
            kbm.sync.run(kbm.source_to_sync(name), NoProgress())
        todo = kbm.gpt_to_build("helper")
        spec = replace(todo.answer_spec, instructions="Answer briefly and in German.")
        before = replace(todo, sources=("docs",), answer_spec=spec)
        first = str(kbm.build.run(before, NoProgress()).release.version)
        spec = replace(spec, instructions="Answer briefly and in French.")
        second = str(kbm.build.run(replace(todo, answer_spec=spec), NoProgress()).release.version)

        found = kbm.diff.run("helper", first, second)
        back = kbm.diff.run("helper", second, first)
        notes = notes_of(found, "en")

        assert (found.sources_added, back.sources_removed) == (("wiki",), ("wiki",))
        assert [part.text for part in found.instructions if part.kind is not Kind.SAME] == [
            "German",
            "French",
        ]
        assert "### Added\n\n- source wiki\n- **page**" in to_markdown(notes)
        assert "> Answer briefly and in ~~German~~**French**." in to_markdown(notes)
        assert "<del>German</del><ins>French</ins>" in to_html(notes)


HOSTILE = "<script>alert(1)</script>\u202e\x1b[2J\" onload='x' &amp; ]]> --> \ud800"


def test_nothing_a_document_says_becomes_markup_in_the_page(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as kbm:
        found = kbm.diff.since_previous("helper", release(kbm))
        hostile = replace(found.changes.added[0], title=HOSTILE, source=HOSTILE, item_id=HOSTILE)
        found = replace(found, changes=replace(found.changes, added=(hostile,)), sources_added=(HOSTILE,))

        page = to_html(notes_of(found, "fr"))
        seen = Page()
        seen.feed(page)

        assert seen.tags <= {
            *("html", "head", "meta", "title", "style", "body", "h1", "h2", "time", "p", "section", "ul"),
            *("li", "strong", "span", "code", "bdi"),
        }
        assert seen.attributes <= {"lang", "charset", "http-equiv", "content", "name", "datetime", "class"}
        assert seen.language == "fr"
        assert not set(page) & {"\u202e", "\x1b"}
        assert page.encode("utf-8")
        assert "<script>alert(1)</script>" in seen.text


class Page(HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.language: str | None = None
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.language = dict(attrs).get("lang", self.language)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("de", "- Embedder anders als zuvor ("),
        ("en", "- Embedder differs from before ("),
        ("fr", "- Modèle d'embedding : différent d'avant ("),
    ],
)
def test_another_state_of_the_embedder_is_said_in_words(tmp_path: Path, language: str, said: str) -> None:
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as kbm:
        first = release(kbm)
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES)), embedder=FakeEmbedder(variant="2")) as kbm:
        second = release(kbm)

        found = kbm.diff.run("helper", first, second)

        assert said in to_markdown(notes_of(found, language))


def test_the_command_line_tells_both(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (tmp_path / "kbm.toml").write_text(ONE_FOLDER_TOML)
    for name, text in PAGES.items():
        (docs / name).write_text(text)

    def kbm(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["--config", str(tmp_path / "kbm.toml"), *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    kbm("sync")
    kbm("build", "helper")
    (docs / "leave.txt").write_text("Employees get 31 days of leave \x1b[2J a year.")
    kbm("sync")
    second = json.loads(kbm("build", "helper", "--json"))["version"]

    shown = kbm("diff", "helper", "1.0.0", second)
    told = json.loads(kbm("diff", "helper", "1.0.0", second, "--json"))
    notes = kbm("release-notes", "helper", second, "--language", "fr")
    first = json.loads(kbm("release-notes", "helper", "1.0.0", "--format", "json"))
    page = kbm("release-notes", "helper", second, "--format", "html", "--language", "de")

    assert "Employees get [-30-]{+31+} days of leave" in shown
    assert "\x1b" not in shown
    assert "Readers and withdrawals are in no release" in shown
    assert (told["readers"], told["golden"]["not_asked_because"]) == (None, None)
    assert page.startswith('<!DOCTYPE html>\n<html lang="de">')
    assert [one["item_id"] for one in told["changed"]] == ["leave.txt"]
    assert notes.startswith(f"## [{second}] – ")
    assert "### Modifié\n\n- **leave** – docs · `leave.txt`\n" in notes
    assert (first["first"], first["language"], len(first["categories"][0]["documents"])) == (True, "de", 3)
