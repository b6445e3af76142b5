"""A merge moves rows and changes nothing that anybody can find."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from kbm_indexes import manifest
from kbm_indexes.merge import merge_segments
from kbm_indexes.release_index import IndexFolder, ReleaseIndex, SharedSegments
from kbm_indexes.segment import Segment, write_segment
from numpy.typing import NDArray

from kbm.domain.retrieval import SegmentRecord
from kbm.errors import IndexDamaged
from tests.unit.indexes.rows import DIMENSIONS, SPEC, chunk, index_row, text, vectors

QUESTIONS = ["Which pump has the valve?", "Wer genehmigt Urlaub?", "4711-0815"]


def opened(folder: Path, record: SegmentRecord) -> Segment:
    return Segment(folder / record.name, record.n_rows, record.blake2b)


def segments(folder: Path, sizes: Sequence[int], *, dense: bool = True) -> list[Segment]:
    """Write rows 0, 1, 2 … in segments of these sizes."""
    made, at, vecs = [], 0, vectors(sum(sizes))
    for n in sizes:
        rows = [index_row(each) for each in range(at, at + n)]
        made.append(opened(folder, write_segment(folder, at, rows, vecs[at : at + n] if dense else None)))
        at += n
    return made


def every(segment: Segment) -> NDArray[np.bool_]:
    return np.ones(segment.n_rows, dtype=np.bool_)


def found(index: ReleaseIndex) -> list[object]:
    asked = [(question, vectors(3)[2]) for question in QUESTIONS] + [(text(5, 6), None)]
    return [index.search(question, vector, readable=None, k=20) for question, vector in asked]


@pytest.mark.parametrize("dense", [True, False])
def test_whole_neighbours_joined_are_the_file_that_one_append_would_have_written(
    tmp_path: Path, dense: bool
) -> None:
    parts = segments(tmp_path, [5, 1, 9], dense=dense)
    rows = [index_row(at) for at in range(15)]
    (tmp_path / "straight").mkdir()
    straight = write_segment(tmp_path / "straight", 0, rows, vectors(15) if dense else None)

    # Whatever the order in which they are given.
    joined = merge_segments(tmp_path, [(part, every(part)) for part in reversed(parts)])

    assert joined == straight
    assert joined is not None
    opened(tmp_path, joined).verify()


def test_chosen_rows_keep_number_leaf_document_and_the_bits_of_their_vector(tmp_path: Path) -> None:
    parts = segments(tmp_path, [6, 6])
    masks = [np.arange(6) % 2 == 0, np.arange(6) >= 4]

    record = merge_segments(tmp_path, list(zip(parts, masks, strict=True)))

    assert record is not None
    assert (record.first_row, record.n_rows) == (0, 5)
    made = opened(tmp_path, record)
    assert made.rows.tolist() == [0, 2, 4, 10, 11]
    for name in ("ids", "leaf", "doc", "vec"):
        expected = np.concatenate(
            [getattr(each, name)[mask] for each, mask in zip(parts, masks, strict=True)]
        )
        assert getattr(made, name).tobytes() == expected.tobytes()


def test_no_chosen_row_is_no_file(tmp_path: Path) -> None:
    (part,) = segments(tmp_path, [3])
    before = sorted(tmp_path.iterdir())

    assert merge_segments(tmp_path, [(part, ~every(part))]) is None
    assert merge_segments(tmp_path, []) is None
    assert sorted(tmp_path.iterdir()) == before


def test_what_does_not_fit_together_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    dense, lexical = segments(tmp_path, [3])[0], segments(tmp_path, [3, 2], dense=False)
    before = sorted(tmp_path.iterdir())

    with pytest.raises(ValueError, match="two segments"):
        merge_segments(tmp_path, [(dense, every(dense)), (lexical[0], every(lexical[0]))])
    with pytest.raises(ValueError, match="have vectors"):
        merge_segments(tmp_path, [(dense, every(dense)), (lexical[1], every(lexical[1]))])
    assert sorted(tmp_path.iterdir()) == before


def three_releases(folder: Path) -> list[SegmentRecord]:
    """Seal rows 0-7 as release 1, 4-15 as 2 and 12-19 as 3, over segments of four rows."""
    with IndexFolder(folder, SPEC, [], DIMENSIONS) as index:
        vecs = vectors(20)
        records = [
            record
            for at in range(0, 20, 4)
            for record in index.append([index_row(each) for each in range(at, at + 4)], vecs[at : at + 4])
        ]
        for seq, (first, end) in enumerate([(0, 8), (4, 16), (12, 20)], start=1):
            index.seal(seq, [chunk(at) for at in range(first, end)])
    return records


def test_replaced_segments_change_neither_hits_nor_scores_nor_digest(tmp_path: Path) -> None:
    old = three_releases(tmp_path)
    before = [found(ReleaseIndex.open(tmp_path, seq, SharedSegments())) for seq in (1, 2, 3)]
    digests = [manifest.read(tmp_path, seq)[0].digest for seq in (1, 2, 3)]
    parts = [opened(tmp_path, record) for record in old]
    new = [
        record
        for half in (0, 1)
        if (record := merge_segments(tmp_path, [(part, part.rows % 2 == half) for part in parts]))
    ]

    with IndexFolder(tmp_path, SPEC, old, DIMENSIONS) as folder:
        folder.replace(old, new)
        assert folder.rows() == {chunk(at): at for at in range(20)}

    indexes = [ReleaseIndex.open(tmp_path, seq, SharedSegments()) for seq in (1, 2, 3)]
    assert [index.verify() for index in indexes] == digests
    assert [found(index) for index in indexes] == before
    assert {path.name for path in tmp_path.glob("*.kseg")} == {record.name for record in new}


def test_a_merge_that_died_after_its_commit_is_finished_by_the_next_builder(tmp_path: Path) -> None:
    old = three_releases(tmp_path)
    joined = merge_segments(tmp_path, [(part, every(part)) for part in (opened(tmp_path, r) for r in old)])
    assert joined is not None

    with IndexFolder(tmp_path, SPEC, [joined], DIMENSIONS) as folder:
        gone = folder.sweep([1, 2, 3])

    assert gone == [record.name for record in old]
    for seq in (1, 2, 3):
        ReleaseIndex.open(tmp_path, seq, SharedSegments()).verify()


def test_a_merge_that_died_before_its_commit_leaves_litter_only(tmp_path: Path) -> None:
    old = three_releases(tmp_path)
    joined = merge_segments(tmp_path, [(part, every(part)) for part in (opened(tmp_path, r) for r in old)])
    assert joined is not None

    with IndexFolder(tmp_path, SPEC, old, DIMENSIONS) as folder:
        gone = folder.sweep([1, 2, 3])

    assert gone == [joined.name]
    for seq in (1, 2, 3):
        ReleaseIndex.open(tmp_path, seq, SharedSegments()).verify()


def test_a_reader_that_was_open_before_a_merge_goes_on_reading_what_it_has(tmp_path: Path) -> None:
    old = three_releases(tmp_path)
    reader = ReleaseIndex.open(tmp_path, 2, SharedSegments())
    before = found(reader)
    joined = merge_segments(tmp_path, [(part, every(part)) for part in (opened(tmp_path, r) for r in old)])
    assert joined is not None

    with IndexFolder(tmp_path, SPEC, old, DIMENSIONS) as folder:
        folder.replace(old, [joined])

    assert found(reader) == before


class MergedMeanwhile(SharedSegments):
    """Lets a merge happen between the reading of a description and the opening of its files."""

    def __init__(self, folder: Path, old: list[SegmentRecord]) -> None:
        super().__init__()
        self._folder, self._old = folder, old

    def open(self, folder: Path, record: SegmentRecord) -> Segment:
        if self._old:
            parts = [opened(self._folder, each) for each in self._old]
            joined = merge_segments(self._folder, [(part, every(part)) for part in parts])
            assert joined is not None
            with IndexFolder(self._folder, SPEC, self._old, DIMENSIONS) as index:
                index.replace(self._old, [joined])
            self._old = []
        return super().open(folder, record)


def test_a_reader_that_comes_while_a_merge_ends_opens_what_it_made(tmp_path: Path) -> None:
    old = three_releases(tmp_path)

    reader = ReleaseIndex.open(tmp_path, 2, MergedMeanwhile(tmp_path, old))

    assert reader.n_rows == 12
    assert len(reader._segments) == 1


def test_a_damaged_part_is_refused_instead_of_being_sealed_again(tmp_path: Path) -> None:
    (part,) = segments(tmp_path, [6])
    data = bytearray(part.path.read_bytes())
    data[len(data) // 2] ^= 1
    part.path.write_bytes(data)
    record = SegmentRecord(name=part.name, first_row=0, n_rows=6, blake2b=part.blake2b)

    with pytest.raises(IndexDamaged):
        merge_segments(tmp_path, [(opened(tmp_path, record), every(part))])
