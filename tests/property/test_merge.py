"""Whatever is appended, merged, put away or cut short: each release finds what a fresh index of its rows finds."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from kbm_indexes.release_index import IndexFolder, ReleaseIndex, SharedSegments
from kbm_indexes.segment import Segment

from kbm.domain.identity import Digest
from kbm.domain.retrieval import Retrieval, SegmentRecord
from tests.unit.indexes.rows import DIMENSIONS, SPEC, built, chunk, index_row, text, vectors

N_ROWS = 60
VECTORS = vectors(N_ROWS)
CHUNKS = [chunk(at) for at in range(N_ROWS)]
QUESTIONS = [("Wer genehmigt Urlaub?", None), (text(7, 8), VECTORS[3]), ("4711-0815 pump", VECTORS[40])]

steps = st.lists(
    st.one_of(
        st.tuples(st.just("release"), st.sets(st.integers(0, N_ROWS - 1), max_size=25)),
        st.tuples(
            st.just("release and compact"), st.sets(st.integers(0, N_ROWS - 1), min_size=8, max_size=30)
        ),
        st.tuples(st.just("evict"), st.integers(0, 5)),
        st.tuples(st.just("compact"), st.booleans()),
        st.tuples(st.just("die"), st.sampled_from(["written", "committed", "refitted"])),
    ),
    min_size=2,
    max_size=12,
)


@dataclass
class House:
    """An index folder, and what SQL would know of it."""

    folder: Path
    records: list[SegmentRecord] = field(default_factory=list)
    releases: dict[int, frozenset[int]] = field(default_factory=dict)
    sealed: dict[int, Digest] = field(default_factory=dict)
    n: int = 0

    def open(self) -> IndexFolder:
        return IndexFolder(self.folder, SPEC, self.records, DIMENSIONS)

    def release(self, rows: frozenset[int]) -> None:
        self.n += 1
        with self.open() as index:
            index.sweep(self.releases)
            known = index.rows()
            new = sorted(at for at in rows if chunk(at) not in known)
            self.records += index.append([index_row(at) for at in new], VECTORS[new])
            self.sealed[self.n] = index.seal(self.n, [chunk(at) for at in rows]).digest
        self.releases[self.n] = rows

    def evict(self, at: int) -> None:
        for seq in sorted(self.releases)[at : at + 1]:
            del self.releases[seq]

    def compact(self, *, everything: bool, until: str = "") -> None:
        """Compact as the use case does; *until* says what was done last before it was killed."""
        with self.open() as index:
            index.sweep(self.releases)
            hot = sorted(self.releases)[-1:]
            merged = index.compact(hot, list(self.releases), everything=everything)
            if until == "written":
                return
            self.records = [record for record in self.records if record not in merged.gone]
            self.records = sorted([*self.records, *merged.made], key=lambda record: record.first_row)
            if until == "committed":
                return
            index.adopt(merged.gone, merged.made)
            index.refit()
            if until == "refitted":
                return
            index.replace(merged.gone, merged.made)


def answers(index: ReleaseIndex) -> list[Retrieval]:
    return [index.search(question, vector, readable=None, k=20) for question, vector in QUESTIONS]


@settings(max_examples=60, deadline=None)
@given(steps)
def test_each_release_answers_as_a_fresh_index_of_its_rows(plan: list[tuple[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        house = House(Path(place) / "index")
        for what, how in plan:
            if isinstance(how, set):
                house.release(frozenset(how))
                if what == "release and compact":
                    house.compact(everything=True)
            elif what == "evict" and isinstance(how, int):
                house.evict(how)
            elif what == "compact":
                house.compact(everything=bool(how))
            elif what == "die":
                house.compact(everything=True, until=str(how))
        with house.open() as index:
            index.sweep(house.releases)

        for segment in (
            Segment(house.folder / each.name, each.n_rows, each.blake2b) for each in house.records
        ):
            numbered = [CHUNKS.index(id) for id in segment.chunk_ids()]
            assert segment.vec is not None
            assert segment.vec.tobytes() == VECTORS[numbered].tobytes()
            assert segment.doc.tolist() == [index_row(at).document_no for at in numbered]
        for seq, rows in house.releases.items():
            one = ReleaseIndex.open(house.folder, seq, SharedSegments())
            listed = sorted(rows)
            fresh_folder = Path(place) / f"fresh-{seq}"
            fresh = built(fresh_folder, [index_row(at) for at in listed], VECTORS[listed])

            assert one.verify() == house.sealed[seq] == fresh.logical_digest()
            assert answers(one) == answers(fresh)
        there = {path.name for path in house.folder.glob("*.kseg")}
        assert there == {record.name for record in house.records}
