"""What the bench says about its figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import quality as quality_part
from bench.figures import Figure, Part, interleave
from bench.ranking import first_occurrences, quality
from bench.report import write


@pytest.mark.parametrize(("better", "ratio"), [("higher", 0.5), ("lower", 2.0)])
def test_above_one_is_better_whichever_way_the_unit_points(better: str, ratio: float) -> None:
    figure = Figure(
        name="f", value=10.0, unit="u", plain=20.0, better="higher" if better == "higher" else "lower"
    )

    assert figure.ratio == ratio


def test_without_a_plain_way_there_is_no_ratio() -> None:
    assert Figure(name="f", value=10.0, unit="u").ratio is None


def test_chunks_become_documents_by_their_first_occurrence() -> None:
    assert first_occurrences(["b", "a", "b", "c", "a"]) == ["b", "a", "c"]


def test_hits_and_gain_depend_on_the_place() -> None:
    found = quality([["x", "gold"], ["gold"]], [{"gold"}, {"gold"}])

    assert (found.hit_at_1, found.hit_at_5) == (0.5, 1.0)
    assert found.ndcg_at_10 == pytest.approx((0.6309 + 1) / 2, abs=1e-4)


def test_neighbours_take_turns_in_going_first() -> None:
    order: list[str] = []
    interleave([(lambda: order.append("kbm"), lambda: order.append("plain"))] * 2)

    assert order == ["kbm", "plain", "plain", "kbm"]


def test_a_result_names_no_place_of_this_machine(tmp_path: Path) -> None:
    part = Part("index", "something plain")
    part.add("rows", 12345.678, "rows/s", 1000.0)
    content = write(part, quick=True, took_s=1.0, folder=tmp_path).read_text()

    assert json.loads(content)["figures"][0]["times_better"] == 12.35
    assert str(Path.home()) not in content
    assert str(Path.cwd()) not in content


def test_a_skipped_part_leaves_the_last_result_alone(tmp_path: Path) -> None:
    path = write(Part("index"), quick=True, took_s=1.0, folder=tmp_path)
    before = path.read_text()
    write(Part("index", skipped="not there"), quick=True, took_s=1.0, folder=tmp_path)

    assert path.read_text() == before


def test_quality_is_skipped_in_words_without_the_question_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.corpora.SHARED", tmp_path)
    (part,) = quality_part.run(quick=True)

    assert "not there" in part.skipped
