"""Golden questions are asked in other words at night, and the figures of the nights are kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kbm.bootstrap import Kbm
from kbm.domain.evaluation import GoldenQuestion
from kbm.entrypoints.cli.golden import show_trend
from kbm.services.ask_variants import AskVariants
from kbm.testing.fakes import FakeClock, NoProgress
from tests.integration.asked_in_vain import company, released, review

LEAVE = GoldenQuestion(
    id="q1", question="How many days of leave do employees get?", expected=("presses:leave.txt",)
)
WRONG = GoldenQuestion(id="q2", question="What weighs the press KB 40?", expected=("presses:gone.txt",))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def kbm(tmp_path: Path, clock: FakeClock) -> Iterator[Kbm]:
    with company(tmp_path, clock) as made:
        yield released(made)


def asked(kbm: Kbm, *golden: GoldenQuestion, variants: AskVariants | None = None) -> dict[str, float]:
    live = kbm.catalogue.releases.live("helper")
    assert live is not None
    return (variants or kbm.reviewing.review.variants).run(live, golden, NoProgress())


def test_variants_of_what_is_found_count_and_of_what_fails_anyway_do_not(kbm: Kbm) -> None:
    assert asked(kbm, LEAVE) == {"golden_hits": 1.0, "golden_variants": 1.0}
    assert asked(kbm, LEAVE, WRONG) == {"golden_hits": 0.5, "golden_variants": 1.0}
    assert asked(kbm, WRONG) == {"golden_hits": 0.0}
    assert asked(kbm) == {}


def test_what_must_stay_unanswered_has_no_variants(kbm: Kbm) -> None:
    assert asked(kbm, replace(LEAVE, answerable=False)) == {}


def test_a_model_words_questions_anew_and_what_it_writes_is_only_searched_for(kbm: Kbm) -> None:
    prompts: list[str] = []

    def write(prompt: str, _: int) -> str:
        prompts.append(prompt)
        return "Holidays per person?\nzzz qqq xxx\n<b>ignored</b>"

    made = replace(kbm.reviewing.review.variants, writer=lambda _: write)
    shares = asked(kbm, LEAVE, WRONG, variants=made)

    assert len(prompts) == 1, "what fails as it stands is not worded anew"
    assert json.loads(prompts[0].splitlines()[-1]) == {"question": LEAVE.question}
    assert 0 < shares["golden_variants"] <= 1.0


def test_figures_are_kept_by_night_and_shown_as_a_trend(
    kbm: Kbm, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    kbm.catalogue.golden.put("helper", [LEAVE])
    review(kbm)
    clock.advance(days=1)
    review(kbm)
    last = kbm.journal.gaps.last_review("helper")

    assert last is not None
    assert [(day, one["golden_variants"]) for day, one in last.nights] == [
        ("2026-11-02", 1.0),
        ("2026-11-03", 1.0),
    ]
    assert last.figures["alarm_variants"] == 0.0

    show_trend("helper", last, as_json=True)
    told = json.loads(capsys.readouterr().out)

    assert [one["day"] for one in told["nights"]] == ["2026-11-03", "2026-11-02"]
    show_trend("helper", last, as_json=False)
    assert "2026-11-03" in capsys.readouterr().out
