"""A release finds what a fresh index of just its visible rows would find."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import pytest
from kbm_indexes.lexical import K1, B, Counts, tokenise
from kbm_indexes.question import tokenise_question
from kbm_indexes.ranking import View, match, rank_terms, rank_vectors, view_grams, view_stems
from kbm_indexes.release_index import IndexFolder, ReleaseIndex, SharedSegments, release_files
from numpy.typing import NDArray

from kbm.domain.identity import ChunkId
from kbm.domain.retrieval import Signals
from kbm.errors import Busy, ReleaseNotSealed
from tests.unit.indexes.rows import DIMENSIONS, SPEC, built, chunk, index_row, readable, text, vectors

QUESTIONS = [
    "Which pump has the valve?",
    "Wer genehmigt Urlaub und Reisekosten?",
    "prix de la pompe M12",
    "4711-0815",
]


def oracle(counts: Counts, visible: Sequence[int], terms: NDArray[np.uint32]) -> dict[int, float]:
    """Score the *visible* texts with a fresh bm25s index of just these."""
    tokens = [
        [
            str(term)
            for term, tf in zip(
                counts.term[counts.ptr[at] : counts.ptr[at + 1]],
                counts.tf[counts.ptr[at] : counts.ptr[at + 1]],
                strict=True,
            )
            for _ in range(tf)
        ]
        for at in visible
    ]
    # Any: bm25s has no types.
    index: Any = bm25s.BM25(method="lucene", k1=K1, b=B)
    index.index(tokens, show_progress=False)
    known = {token for each in tokens for token in each}
    scores = index.get_scores([str(term) for term in terms if str(term) in known])
    return {at: float(score) for at, score in zip(visible, scores, strict=True) if score > 0}


@pytest.mark.parametrize("view", ["stems", "grams"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_scores_equal_those_of_bm25s_over_exactly_the_visible_rows(
    tmp_path: Path, seed: int, view: str
) -> None:
    rows = [index_row(at) for at in range(90)]
    index = built(tmp_path, rows, None, parts=3)
    may = readable(30, seed)
    visible = [at for at in range(90) if may[at // 3]]
    pick: View = view_stems if view == "stems" else view_grams
    counts = getattr(tokenise([row.text for row in rows]), view)
    for question in QUESTIONS:
        terms = getattr(tokenise_question(question), view)
        mask = index._mask(may)
        norms = mask.stem_norms if view == "stems" else mask.gram_norms

        ranking = rank_terms(index._segments, pick, norms, match(index._segments, mask, pick, terms))

        expected = oracle(counts, visible, terms)
        assert dict(zip(ranking.row.tolist(), ranking.score.tolist(), strict=True)) == pytest.approx(
            expected, abs=1e-5
        )


def test_cosines_are_exact_over_the_visible_rows(tmp_path: Path) -> None:
    rows, vecs = [index_row(at, words=f"nothing{at}") for at in range(60)], vectors(60)
    index = built(tmp_path, rows, vecs, parts=2)
    may = readable(20, 4)

    found = index.search("?", vecs[8], readable=may, k=60)

    cosine = {chunk(at): float(vecs[at].astype(float) @ vecs[8]) for at in range(60) if may[at // 3]}
    assert [hit.chunk_id for hit in found.hits] == sorted(cosine, key=lambda each: -cosine[each])
    assert found.signals.cosine == pytest.approx(max(cosine.values()), abs=1e-6)


def test_cosines_do_not_depend_on_how_blas_adds(tmp_path: Path) -> None:
    vecs = vectors(400, 384)
    index = built(tmp_path, [index_row(at) for at in range(400)], vecs, parts=3)

    found = rank_vectors(index._segments, index._mask(None), vecs[0])

    assert found.score.tolist() == np.round((vecs[found.row].astype(float) * vecs[0]).sum(axis=1), 6).tolist()


def test_only_visible_rows_of_the_release_are_found(tmp_path: Path) -> None:
    rows, vecs = [index_row(at, words="the same pump") for at in range(12)], vectors(12)
    with IndexFolder(tmp_path, SPEC, [], DIMENSIONS) as folder:
        folder.append(rows, vecs)
        folder.seal(1, [chunk(at) for at in range(6)])
    index = ReleaseIndex.open(tmp_path, 1, SharedSegments())

    everything = index.search("pump", vecs[0], readable=None)
    some = index.search("pump", vecs[0], readable=np.array([False, True, True, True]))
    none = index.search("pump", vecs[0], readable=np.zeros(4, dtype=np.bool_))
    beyond = index.search("pump", vecs[0], readable=np.array([True]))

    assert {hit.chunk_id for hit in everything.hits} == {chunk(at) for at in range(6)}
    assert {hit.chunk_id for hit in some.hits} == {chunk(at) for at in (3, 4, 5)}
    assert none.hits == ()
    assert none.signals == Signals()
    assert {hit.chunk_id for hit in beyond.hits} == {chunk(at) for at in (0, 1, 2)}


def test_a_mask_that_the_caller_changes_afterwards_counts_as_changed(tmp_path: Path) -> None:
    index = built(tmp_path, [index_row(at, words="pump") for at in range(6)], None)
    may = np.array([True, False])
    index.search("pump", None, readable=may)
    may[:] = [False, True]

    found = index.search("pump", None, readable=may)

    assert {hit.chunk_id for hit in found.hits} == {chunk(at) for at in (3, 4, 5)}


def test_equal_rows_are_ordered_by_chunk_id(tmp_path: Path) -> None:
    index = built(tmp_path, [index_row(at, words="pump") for at in range(300)], None, parts=3)

    found = index.search("pump", None, readable=None, k=5)

    assert [hit.chunk_id for hit in found.hits] == sorted(chunk(at) for at in range(300))[:5]


def test_scores_lie_between_0_and_1_and_descend(tmp_path: Path) -> None:
    index = built(tmp_path, [index_row(at) for at in range(150)], vectors(150))

    for question in QUESTIONS:
        scores = [hit.score for hit in index.search(question, vectors(1)[0], readable=None, k=200).hits]

        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)


def test_signals_tell_a_covered_question_from_an_uncovered_one(tmp_path: Path) -> None:
    rows = [index_row(at) for at in range(40)] + [index_row(40, words="Die Kantine öffnet um zwölf Uhr.")]
    index = built(tmp_path, rows, None)

    covered = index.search("Wann öffnet die Kantine?", None, readable=None).signals
    half = index.search("Kantine zyxwvut", None, readable=None).signals
    hidden = index.search("Wann öffnet die Kantine?", None, readable=np.ones(13, dtype=np.bool_)).signals

    assert covered.coverage > 0.6
    assert covered.agreement == 1.0
    assert half.unknown == 0.5
    assert half.coverage < covered.coverage
    assert hidden.unknown > covered.unknown
    assert hidden.coverage < covered.coverage


def test_overlap_is_the_share_of_the_questions_weight(tmp_path: Path) -> None:
    index = built(tmp_path, [index_row(at) for at in range(40)], None)

    full, part, nothing = index.overlap(
        "pump valve", ["The pumps have valves.", "A pump.", "Urlaub"], readable=None
    )

    assert full == 1.0
    assert 0 < part < 1
    assert nothing == 0.0
    assert index.overlap("?", ["pump"], readable=None) == [0.0]
    assert index.overlap("pump", [], readable=None) == []


def test_an_empty_release_finds_nothing(tmp_path: Path) -> None:
    with IndexFolder(tmp_path, SPEC, [], DIMENSIONS) as folder:
        folder.seal(1, [])
    index = ReleaseIndex.open(tmp_path, 1, SharedSegments())

    assert index.n_rows == 0
    assert index.search("pump", vectors(1)[0], readable=None).hits == ()
    assert index.overlap("pump", ["pump", "valve"], readable=None) == [1.0, 0.0]
    index.verify()


def test_questions_without_words_or_with_strange_ones_are_survived(tmp_path: Path) -> None:
    index = built(tmp_path, [index_row(at) for at in range(10)], None)

    for question in ("", "???", "\x00", "\ud800", "日本語のポンプ", "a" * 5000, "-".join(["x"] * 900)):
        assert len(index.search(question, None, readable=None).hits) <= 10


@pytest.mark.parametrize(
    "vector", [np.zeros(3, dtype=np.float32), np.full(DIMENSIONS, np.nan, dtype=np.float32)]
)
def test_an_unfit_question_vector_is_refused(tmp_path: Path, vector: NDArray[np.float32]) -> None:
    index = built(tmp_path, [index_row(0)], vectors(1))

    with pytest.raises(ValueError):
        index.search("pump", vector, readable=None)


def test_a_vector_for_an_index_without_vectors_is_refused(tmp_path: Path) -> None:
    index = built(tmp_path, [index_row(0)], None)

    with pytest.raises(ValueError, match="without an embedder"):
        index.search("pump", vectors(1)[0], readable=None)


def test_many_threads_find_what_one_finds(tmp_path: Path) -> None:
    index = built(tmp_path, [index_row(at) for at in range(200)], vectors(200), parts=4)
    jobs = [(QUESTIONS[at % 4], vectors(1)[0], readable(67, at % 40)) for at in range(200)]
    alone = [index.search(question, vector, readable=may) for question, vector, may in jobs]
    index._masks.clear()

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda job: index.search(job[0], job[1], readable=job[2]), jobs))

    assert together == alone


def test_releases_share_segments_and_see_only_their_own_rows(tmp_path: Path) -> None:
    rows = [index_row(at) for at in range(30)]
    with IndexFolder(tmp_path, SPEC, [], 0) as folder:
        first = folder.append(rows[:20], None)
        folder.seal(1, [row.chunk_id for row in rows[:20]])
    with IndexFolder(tmp_path, SPEC, first, 0) as folder:
        assert folder.rows() == {chunk(at): at for at in range(20)}
        second = folder.append(rows[20:], None)
        folder.seal(2, [row.chunk_id for row in rows[10:]])
    shared = SharedSegments()

    old, new = (ReleaseIndex.open(tmp_path, seq, shared) for seq in (1, 2))

    assert [record.first_row for record in (*first, *second)] == [0, 20]
    assert (old.n_rows, new.n_rows) == (20, 20)
    assert old._segments[0] is new._segments[0]
    assert len(old._segments) == 1
    assert len({old.verify(), new.verify()}) == 2


def test_what_was_not_recorded_is_swept_and_written_again_the_same(tmp_path: Path) -> None:
    rows = [index_row(at) for at in range(9)]
    with IndexFolder(tmp_path, SPEC, [], 0) as folder:
        kept = folder.append(rows[:3], None)
        lost = folder.append(rows[3:], None)
        folder.seal(1, [rows[0].chunk_id])
        folder.seal(2, [rows[0].chunk_id])
        (tmp_path / ".seg-1.kseg.7.tmp").write_bytes(b"half")
        (tmp_path / "notes.txt").write_text("mine")
    with IndexFolder(tmp_path, SPEC, kept, 0) as folder:
        gone = folder.sweep({1})
        again = folder.append(rows[3:], None)

    assert set(gone) == {lost[0].name, *release_files(2), ".seg-1.kseg.7.tmp"}
    assert again == lost
    assert {path.name for path in tmp_path.iterdir()} == {
        "LOCK", "notes.txt", kept[0].name, lost[0].name, *release_files(1)
    }  # fmt: skip


def test_a_dropped_release_cannot_be_opened_and_others_can(tmp_path: Path) -> None:
    with IndexFolder(tmp_path, SPEC, [], 0) as folder:
        folder.append([index_row(0)], None)
        folder.seal(1, [chunk(0)])
        folder.seal(2, [chunk(0)])
        folder.drop(1)
        folder.drop(1)

    with pytest.raises(ReleaseNotSealed):
        ReleaseIndex.open(tmp_path, 1, SharedSegments())
    assert ReleaseIndex.open(tmp_path, 2, SharedSegments()).n_rows == 1


def test_appending_checks_before_it_writes(tmp_path: Path) -> None:
    with IndexFolder(tmp_path, SPEC, [], DIMENSIONS) as folder:
        folder.append([index_row(0)], vectors(1))
        before = sorted(tmp_path.iterdir())
        for rows, vecs in (
            ([index_row(0)], vectors(1)),
            ([index_row(1), index_row(1)], vectors(2)),
            ([index_row(1)], None),
            ([index_row(1)], vectors(2)),
            ([index_row(1)], vectors(1) * np.float32(np.nan)),
        ):
            with pytest.raises(ValueError):
                folder.append(rows, vecs)
        assert folder.append([], vectors(0)) == ()

        with pytest.raises(ValueError, match="1 of 2 chunks have no row"):
            folder.seal(1, [chunk(0), ChunkId("f" * 32)])

        assert sorted(tmp_path.iterdir()) == before


def test_one_builder_at_a_time_and_it_is_named(tmp_path: Path) -> None:
    with IndexFolder(tmp_path, SPEC, [], 0), pytest.raises(Busy, match=f"process {os.getpid()} is building"):
        IndexFolder(tmp_path, SPEC, [], 0)

    with IndexFolder(tmp_path, SPEC, [], 0) as folder:
        assert folder.rows() == {}


def test_more_rows_than_a_segment_holds_are_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kbm_indexes.release_index.MAX_ROWS", 4)
    with IndexFolder(tmp_path, SPEC, [], 0) as folder:
        records = folder.append([index_row(at) for at in range(10)], None)

    assert [(record.first_row, record.n_rows) for record in records] == [(0, 4), (4, 4), (8, 2)]


def test_the_prefix_of_one_seed_is_not_another_text() -> None:
    assert text(1) != text(2)


def test_searching_needs_no_builder_and_no_chroma() -> None:
    code = "import sys, kbm_indexes.release_index; sys.exit('chromadb' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
