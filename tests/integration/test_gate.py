"""Golden questions over sources in memory: what passes, what holds, what fails, and what a verdict rests on."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from kbm.bootstrap import Kbm
from kbm.domain.evaluation import GateReport, GateVerdict, GoldenQuestion, GoldenState
from kbm.domain.releases import Release
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, NoProgress

PAGES = {
    "leave.txt": "Employees get 30 days of leave a year.",
    "press.txt": "The press KB 40 holds 40 tons and weighs 900 kilograms.",
    "canteen.txt": "The canteen opens at eleven and closes at two.",
}
LEAVE = GoldenQuestion(
    id="leave",
    question="How many days of leave do employees get a year?",
    expected=("docs:leave.txt",),
    must_contain=("30 days",),
    critical=True,
)
PRESS = GoldenQuestion(
    id="press",
    question="How many tons does the press KB 40 hold?",
    expected=("docs:press.txt",),
    critical=True,
)


def build(kbm: Kbm) -> Release:
    kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
    return kbm.build.run(kbm.gpt_to_build("helper"), NoProgress()).release


def live_release(kbm: Kbm) -> Release:
    made = build(kbm)
    return kbm.publish.run("helper", str(made.version), who="anna", why="test")


def gate(kbm: Kbm, candidate: Release) -> GateReport:
    return kbm.evaluate.gate("helper", candidate, max_drop=0.03, progress=NoProgress())


def crowded_out(source: FakeConnector) -> None:
    """Leave the press's document as it is, but let others take its place among what is found."""
    for n in range(12):
        source.items[f"copy-{n}.txt"] = f"The press KB 40 holds 40 tons, how many tons does it hold {n}?"


def tamper(folder: Path, statement: str) -> None:
    with sqlite3.connect(folder / ".kbm" / "catalogue.db") as connection:
        assert connection.execute(statement).rowcount == 1


def test_a_release_that_answers_its_golden_questions_passes(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        live_release(kbm)
        kbm.catalogue.golden.put("helper", [LEAVE, PRESS])
        source.items["canteen.txt"] = "The canteen opens at noon."

        report = gate(kbm, build(kbm))

        assert report.verdict is GateVerdict.PASS
        assert (report.live, report.passed, report.citation_coverage) == ("1.0.0", 1.0, 1.0)
        assert report.dead_citations == ()


def test_a_release_that_loses_a_critical_question_fails(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        live_release(kbm)
        kbm.catalogue.golden.put("helper", [LEAVE, PRESS])
        crowded_out(source)

        report = gate(kbm, build(kbm))

        assert report.verdict is GateVerdict.FAIL
        assert report.lost == ("press",)


def test_the_verdict_is_kept_with_the_release_as_it_was_given(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        live_release(kbm)
        kbm.catalogue.golden.put("helper", [LEAVE, PRESS])
        crowded_out(source)
        candidate = build(kbm)

        report = gate(kbm, candidate)

        assert kbm.catalogue.releases.gate_report("helper", candidate.seq) == report


def test_a_verdict_stands_as_long_as_what_it_rests_on(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        live = live_release(kbm)
        kbm.catalogue.golden.put("helper", [LEAVE])
        source.items["canteen.txt"] = "The canteen opens at noon."
        candidate = build(kbm)

        def stands(live: Release | None = live, max_drop: float = 0.03) -> bool:
            found = kbm.evaluate.standing("helper", candidate, live, max_drop=max_drop)
            return found is not None

        assert not stands()
        gate(kbm, candidate)
        assert stands()
        assert not stands(live=None)
        assert not stands(max_drop=0.1)
        kbm.catalogue.golden.put("helper", [PRESS])
        assert not stands()


def test_a_question_whose_document_changed_at_the_source_is_put_up_for_review(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        live_release(kbm)
        kbm.catalogue.golden.put("helper", [LEAVE, PRESS])
        source.items["leave.txt"] = "Employees get 31 days of leave a year."

        report = gate(kbm, build(kbm))

        states = {one.id: one.state for one in kbm.catalogue.golden.all("helper")}
        assert states == {"leave": GoldenState.TO_REVIEW, "press": GoldenState.CONFIRMED}
        assert (report.verdict, report.n_questions, report.n_to_review) == (GateVerdict.PASS, 1, 1)


def test_a_quote_that_is_not_in_the_stored_text_fails_the_gate(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as kbm:
        candidate = build(kbm)
        kbm.catalogue.golden.put("helper", [LEAVE])
        tamper(tmp_path, "UPDATE chunk SET text = replace(text, '30', '90') WHERE text LIKE '%leave%'")

        report = gate(kbm, candidate)

        assert report.verdict is GateVerdict.FAIL
        assert report.dead_citations == ("leave: [1] its quote is not in the stored text",)


def test_a_passage_that_is_not_in_the_release_fails_the_gate(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as kbm:
        candidate = build(kbm)
        kbm.catalogue.golden.put("helper", [PRESS])
        # The index still finds the passage; the manifest has its document from the next release on.
        tamper(
            tmp_path,
            "UPDATE membership SET from_seq = 2 WHERE version_id = (SELECT version_id FROM document"
            " WHERE item_id = 'press.txt')",
        )

        report = gate(kbm, candidate)

        assert report.verdict is GateVerdict.FAIL
        assert report.dead_citations == ("press: [1] its passage is not in the release",)


def test_a_citation_whose_page_would_be_empty_is_dead(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as kbm:
        candidate = build(kbm)
        kbm.catalogue.golden.put("helper", [PRESS])
        # Nothing was withdrawn, but the page of the document finds no text of it.
        tamper(
            tmp_path,
            "DELETE FROM parsed WHERE content = (SELECT content FROM document_version v"
            " JOIN document d ON d.version_id = v.id WHERE d.item_id = 'press.txt')",
        )

        report = gate(kbm, candidate)

        assert report.dead_citations == ("press: [1] its link leads nowhere",)


def test_without_golden_questions_passages_must_find_themselves(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        report = gate(kbm, build(kbm))

        assert (report.verdict, report.hit_at_5) == (GateVerdict.UNPROVED, 1.0)


def test_golden_questions_are_not_in_the_journal(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as kbm:
        kbm.catalogue.golden.put("helper", [LEAVE])
        gate(kbm, build(kbm))

    with sqlite3.connect(tmp_path / ".kbm" / "journal.db") as connection:
        assert connection.execute("SELECT count(*) FROM answer").fetchone() == (0,)
