"""Golden questions over sources in memory: what passes, what holds, what a night does with it."""

from __future__ import annotations

from pathlib import Path

from kbm.bootstrap import Kbm
from kbm.domain.evaluation import GateVerdict, GoldenQuestion, GoldenState
from kbm.services.nightly import Night, NightPolicy
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


def night(kbm: Kbm) -> Night:
    return kbm.nightly.run(
        [kbm.source_to_sync("docs")],
        [(kbm.gpt_to_build("helper"), NightPolicy())],
        NoProgress(),
        configured=kbm.settings.sources,
        who="night",
    )


def live(kbm: Kbm) -> str:
    release = kbm.catalogue.releases.live("helper")
    return str(release.version) if release else "nothing"


def test_a_patch_that_passes_its_golden_questions_is_published(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        night(kbm)
        kbm.catalogue.golden.put("helper", [LEAVE, PRESS])
        source.items["canteen.txt"] = "The canteen opens at noon."

        done = night(kbm)

        assert live(kbm) == "1.0.1"
        assert done.gpts[0].gate is not None
        assert done.gpts[0].gate.verdict is GateVerdict.PASS
        assert done.exit_code == 0


def test_a_release_that_loses_a_critical_question_is_not_published(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        night(kbm)
        kbm.catalogue.golden.put("helper", [LEAVE, PRESS])
        # The document is as it was, but others crowd it out of what is found.
        for n in range(12):
            source.items[f"copy-{n}.txt"] = f"The press KB 40 holds 40 tons, how many tons does it hold {n}?"

        done = night(kbm)

        assert live(kbm) == "1.0.0"
        assert done.exit_code == 3
        assert done.gpts[0].gate is not None
        assert done.gpts[0].gate.verdict is GateVerdict.FAIL


def test_a_question_whose_document_changed_at_the_source_is_put_up_for_review(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        night(kbm)
        kbm.catalogue.golden.put("helper", [LEAVE, PRESS])
        source.items["leave.txt"] = "Employees get 31 days of leave a year."

        night(kbm)

        states = {one.id: one.state for one in kbm.catalogue.golden.all("helper")}
        assert states == {"leave": GoldenState.TO_REVIEW, "press": GoldenState.CONFIRMED}
        assert live(kbm) == "1.0.1"


def test_without_golden_questions_passages_must_find_themselves(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        night(kbm)
        source.items["canteen.txt"] = "The canteen opens at noon."

        done = night(kbm)

        assert done.gpts[0].gate is not None
        assert (done.gpts[0].gate.verdict, done.gpts[0].gate.hit_at_5) == (GateVerdict.UNPROVED, 1.0)


def test_a_minor_release_waits_for_a_person(tmp_path: Path) -> None:
    docs, wiki = FakeConnector(items=dict(PAGES)), FakeConnector()
    with kbm_over(tmp_path, {"docs": docs, "wiki": wiki}) as kbm:
        night(kbm)
        wiki.items["page.txt"] = "The wiki has a page about welding."
        kbm.sync.run(kbm.source_to_sync("wiki"), NoProgress())

        done = night(kbm)

        assert live(kbm) == "1.0.0"
        assert done.exit_code == 3


def test_golden_questions_are_not_in_the_journal(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        night(kbm)
        kbm.catalogue.golden.put("helper", [LEAVE])
        source.items["canteen.txt"] = "The canteen opens at noon."
        night(kbm)

    assert not (tmp_path / ".kbm" / "journal.db").exists() or _n_answers(tmp_path) == 0


def _n_answers(folder: Path) -> int:
    import sqlite3

    with sqlite3.connect(folder / ".kbm" / "journal.db") as connection:
        return int(connection.execute("SELECT count(*) FROM answer").fetchone()[0])
