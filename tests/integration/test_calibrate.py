"""Thresholds measured at build: what they are part of, what moves them, and what does not."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from kbm.bootstrap import Kbm
from kbm.domain.answers import Verdict
from kbm.domain.evaluation import GoldenQuestion
from kbm.domain.releases import Release, release_digest
from kbm.domain.versioning import Bump, between
from kbm.entrypoints.cli.confidence import confidence_json, show_confidence
from kbm.services.retrieve import Caller
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, FakeEmbedder, NoProgress

N = 80
_SYLLABLES = ("ba", "ko", "li", "mer", "tan", "su", "vor", "gel", "pri", "dom", "fex", "nul")


def pages(n: int, *, seed: int = 7) -> dict[str, str]:
    draw = random.Random(seed)
    words = ["".join(draw.choices(_SYLLABLES, k=3)) for _ in range(600)]
    return {
        f"{'hr' if at % 5 == 0 else 'open'}/{at:03}.txt": " ".join(
            f"The {' '.join(draw.choices(words, k=9))} is {at}." for _ in range(3)
        )
        for at in range(n)
    }


def company(n: int = N) -> FakeConnector:
    return FakeConnector(items=pages(n))


def built(kbm: Kbm, lose: int = 5) -> Release:
    kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
    todo = kbm.gpt_to_build("helper")
    todo = replace(todo, answer_spec=replace(todo.answer_spec, lose=lose))
    made = kbm.build.run(todo, NoProgress()).release
    kbm.publish.run("helper", str(made.version), who="anna", why="test")
    return kbm.catalogue.releases.get("helper", str(made.version))


def test_a_release_has_measured_thresholds_in_its_digest(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        made = built(kbm)

        assert made.calibration is not None
        assert made.calibration.dense is not None
        assert made.thresholds(dense=True)[0] == made.calibration.dense.threshold
        lines = kbm.catalogue.releases.manifest("helper", made.seq)
        digests = [
            release_digest(made.index_digest, made.answer_spec, lines, one)
            for one in (made.calibration, None)
        ]
        assert made.digest == digests[0] != digests[1]


def test_the_same_content_gives_the_same_digest_in_another_folder(tmp_path: Path) -> None:
    reversed_order = FakeConnector(items=dict(reversed(pages(N).items())))
    with kbm_over(tmp_path / "one", company()) as one, kbm_over(tmp_path / "two", reversed_order) as two:
        assert built(one).digest == built(two).digest


def test_a_night_that_moves_the_threshold_is_a_patch(tmp_path: Path) -> None:
    source = company()
    with kbm_over(tmp_path, source) as kbm:
        before = built(kbm)
        source.items |= {
            id: f"{text} And {at} more." for at, (id, text) in enumerate(list(source.items.items())[:60])
        }
        after = built(kbm)

        assert before.calibration != after.calibration
        assert between(before.version, after.version) is Bump.PATCH


def test_a_night_of_little_news_goes_on_with_the_threshold_and_asks_nothing(tmp_path: Path) -> None:
    source, embedder = company(), FakeEmbedder()
    with kbm_over(tmp_path, source, embedder=embedder) as kbm:
        before = built(kbm)
        questions = embedder.n_embedded - embedder.n_passages
        source.items[next(iter(source.items))] += " And one more."
        after = built(kbm)

        assert after.seq > before.seq
        assert before.calibration is not None
        assert after.calibration == before.calibration
        assert embedder.n_embedded - embedder.n_passages == questions


def test_where_nothing_could_be_measured_a_night_of_little_news_does_not_try_again(tmp_path: Path) -> None:
    same = "The gate of the yard closes at nine in the evening on every working day of the year."
    source = FakeConnector(items={f"{n}.txt": f"{same} Note {n}." for n in range(N)})
    embedder = FakeEmbedder()
    with kbm_over(tmp_path, source, embedder=embedder) as kbm:
        before = built(kbm)
        questions = embedder.n_embedded - embedder.n_passages
        source.items["0.txt"] += " And one more."
        built(kbm)

        assert before.calibration is None
        assert questions > 0
        assert embedder.n_embedded - embedder.n_passages == questions


def test_losing_more_or_less_is_a_rule_that_people_change(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company()) as kbm:
        before, after = built(kbm), built(kbm, lose=10)

        assert between(before.version, after.version) is Bump.MAJOR
        assert before.thresholds(dense=True)[0] <= after.thresholds(dense=True)[0]


def test_an_unchanged_night_measures_nothing_and_builds_nothing(tmp_path: Path) -> None:
    embedder = FakeEmbedder()
    with kbm_over(tmp_path, company(), embedder=embedder) as kbm:
        before = built(kbm)
        asked = embedder.n_embedded

        assert built(kbm) == before
        assert embedder.n_embedded == asked


def test_a_document_that_not_all_may_read_moves_no_threshold(tmp_path: Path) -> None:
    hidden = FakeConnector(
        items=pages(N), readers={id: frozenset({"group:hr"}) for id in pages(N) if "hr/" in id}
    )
    absent = FakeConnector(items={id: text for id, text in pages(N).items() if "hr/" not in id})
    with kbm_over(tmp_path / "one", hidden) as one, kbm_over(tmp_path / "two", absent) as two:
        assert built(one).calibration == built(two).calibration


def test_without_an_embedder_that_answers_words_alone_are_measured(tmp_path: Path) -> None:
    embedder = FakeEmbedder(fail_after=N)
    with kbm_over(tmp_path, company(), embedder=embedder) as kbm:
        made = built(kbm)

        assert made.calibration is not None
        assert made.calibration.dense is None
        assert made.calibration.words is not None
        assert made.thresholds(dense=True) == (made.answer_spec.threshold, made.answer_spec.uncertain_below)


def test_a_small_release_keeps_the_shipped_thresholds(tmp_path: Path) -> None:
    with kbm_over(tmp_path, company(5)) as kbm:
        made = built(kbm)

        assert made.calibration is None
        assert made.thresholds(dense=True) == (made.answer_spec.threshold, made.answer_spec.uncertain_below)


def test_golden_questions_and_verdicts_are_counted_once_there_are_enough(tmp_path: Path) -> None:
    texts = list(pages(N).values())
    with kbm_over(tmp_path, company()) as kbm:
        first = built(kbm)
        kbm.catalogue.golden.put(
            "helper",
            [GoldenQuestion(id=f"g{at}", question=texts[at][:40], expected=("docs:x",)) for at in range(40)],
        )
        for at in range(60):
            answer = kbm.ask.run("helper", texts[at][:60], Caller())
            kbm.ask.feedback(answer.id, Verdict.HELPFUL, None)
        kbm.ask.settle()
        second = built(kbm, lose=10)

        assert first.calibration is not None
        assert (first.calibration.n_golden, first.calibration.n_verdicts) == (0, 0)
        assert second.calibration is not None
        assert (second.calibration.n_golden, second.calibration.n_verdicts) == (40, 60)


def test_eval_tells_thresholds_and_what_they_rest_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with kbm_over(tmp_path / "large", company()) as large, kbm_over(tmp_path / "small", company(5)) as small:
        measured, shipped = built(large), built(small)
    show_confidence(measured)
    show_confidence(shipped)
    told = capsys.readouterr().out

    assert confidence_json(shipped)["measured"] is None
    body = confidence_json(measured)
    assert body["with_vectors"]["threshold"] == measured.thresholds(dense=True)[0]
    assert len(body["measured"]["dense"]["points"]) == 9
    assert "questions made of its own documents" in told
    assert "as shipped" in told
