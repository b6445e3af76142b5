"""Golden questions come from documents where nobody asked, and hold once they are approved."""

from __future__ import annotations

from pathlib import Path

from kbm.domain.fixes import AddGoldenQuestions
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeClock, FakeConnector, NoProgress
from tests.integration.asked_in_vain import OWNER, PRESSES, ask_in_vain, night, review

MANUALS = {
    "travel.md": "# Travel policy\n\n## Overnight stays\n\nA hotel costs at most 120 euros a night.\n",
    "stock.md": "# Spare parts\n\n| Part | Shelf |\n|---|---|\n| Oil seal | B 12 |\n| Filter | C 4 |\n",
}


def test_a_source_that_nobody_asked_about_gets_golden_questions_of_its_headings_and_rows(
    tmp_path: Path,
) -> None:
    sources = {"presses": FakeConnector(items=dict(PRESSES)), "manuals": FakeConnector(items=dict(MANUALS))}
    with kbm_over(tmp_path, sources, gpts={"helper": list(sources)}, clock=FakeClock()) as kbm:
        night(kbm)
        ask_in_vain(kbm, questions=(), people=1)
        done = review(kbm)
        [one] = [each for each in done.new if each.proposal.about == ("manuals",)]

        assert isinstance(one.fix, AddGoldenQuestions)
        assert {each.question: each.expected for each in one.fix.questions} == {
            "Spare parts: Oil seal": ("manuals:stock.md",),
            "Travel policy: Overnight stays": ("manuals:travel.md",),
        }

        kbm.reviewing.decide.approve(one.id, seen=one.seal, who=OWNER, progress=NoProgress())
        review(kbm)
        last = kbm.journal.gaps.last_review("helper")

        assert last is not None
        assert last.figures["golden_hits"] == 1.0
        assert last.figures["guarded_sources"] == 0.5
