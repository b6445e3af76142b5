"""The release index: building, opening, searching with and without a reader filter, a release of 2 %.

The plain way is an embedded Chroma over the same vectors: 100 results, a `where` on a flag for the reader filter,
dense only, approximate and without versions. kbm answers with the fused top 10 of three exact rankings.

A release is opened with nothing of it mapped before, against a new client of a closed folder. Chroma loads its graph
with the first query, so opening is measured with and without one. New processes would add to both, and more to Chroma
(the first client of a process takes 60 ms longer than later ones). Files are in the page cache for both.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from kbm_indexes.release_index import IndexFolder, ReleaseIndex, SharedSegments
from numpy.typing import NDArray

from bench.figures import Part, Times, interleave, percentile, seconds
from bench.plain_chroma import PlainChroma
from bench.releasing import measure_nights, measure_steps
from bench.synthetic import DIMENSIONS, clustered, near, questions, rows, texts
from kbm.domain.identity import digest
from kbm.domain.retrieval import IndexRow
from kbm.ports import Vectors

PLAIN = (
    "embedded Chroma, 100 results, `where` on a flag, the same vectors, interleaved per question; a release against"
    " a copy of the collection, tokenising against bm25s with an English stemmer"
)
SIZES = (1_000, 10_000, 50_000, 100_000)
QUICK_SIZES = (1_000, 10_000)
CHANGED_SIZES = (10_000, 50_000)
"""Sizes at which a release of 2 % change is compared with copying the collection."""
PUBLISHED_SIZES, QUICK_PUBLISHED_SIZE = (10_000, 50_000), 2_000
"""Sizes of the knowledge base in which such a release goes through kbm's services."""
FILTERS: tuple[tuple[str, float | None], ...] = (
    ("no filter", None),
    ("50 % readable", 0.5),
    ("9 % readable", 0.09),
)
OPENINGS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Everything about one size."""

    rows: list[IndexRow]
    vectors: Vectors
    asked: list[tuple[str, NDArray[np.float32]]]
    flags: dict[str, NDArray[np.bool_]]


def run(*, quick: bool) -> Iterator[Part]:
    """Measure each size in a folder of its own."""
    part = Part("index", PLAIN)
    part.notes.append(
        "Chroma chooses its own number of threads; kbm has one. Without a filter Chroma is faster: it is"
        " approximate, dense only and knows no releases."
    )
    part.notes.append(
        "Tokenising gives kbm stems in the passage's language, 4-grams and codes; the plain way gives English stems"
        " only, and is faster for it."
    )
    for n in QUICK_SIZES if quick else SIZES:
        with TemporaryDirectory() as folder:
            _measure(part, Path(folder), make(n, n_questions=20 if quick else 40))
        gc.collect()
    for n in (QUICK_PUBLISHED_SIZE,) if quick else PUBLISHED_SIZES:
        measure_nights(part, n)
    yield part


def make(n: int, n_questions: int) -> Made:
    """Make rows, vectors, questions and reader flags."""
    written = texts(n)
    vectors = clustered(n)
    places = questions(written, n_questions)
    wanted = near(vectors[[at for at, _ in places]], seed=9, spread=0.4)
    chance = np.random.default_rng(5)
    return Made(
        rows=rows(written),
        vectors=vectors,
        asked=[(text, vector) for (_, text), vector in zip(places, wanted, strict=True)],
        flags={name: chance.random(n) < share for name, share in FILTERS if share is not None},
    )


def _measure(part: Part, folder: Path, made: Made) -> None:
    n = len(made.rows)
    spec = digest("bench", "index")
    chroma = PlainChroma(folder / "chroma")
    with IndexFolder(folder / "index", spec, [], DIMENSIONS) as builder:

        def build() -> None:
            builder.append(made.rows, made.vectors)
            builder.seal(1, [row.chunk_id for row in made.rows])

        build_s = seconds(build)
        insert_s = seconds(lambda: chroma.add(made.rows, made.vectors, made.flags))
        part.add(f"{n} rows: build", n / build_s, "rows/s", n / insert_s)
        chroma.close()
        for name, asks in (("open a release", False), ("open a release and answer", True)):
            times = opening_times(folder, made, asks=asks)
            ours, plain = (1000 * percentile(one, 50) for one in (times.ours, times.plain))
            part.add(f"{n} rows: {name}", ours, "ms", plain, better="lower")
        chroma = PlainChroma(folder / "chroma")
        index = ReleaseIndex.open(folder / "index", 1, SharedSegments())
        for name, share in FILTERS:
            times = search_times(index, chroma, made, None if share is None else name)
            for label, at in (("p50", 50), ("p95", 95)):
                ours, plain = (1000 * percentile(one, at) for one in (times.ours, times.plain))
                part.add(f"{n} rows, {name}: search {label}", ours, "ms", plain, better="lower")
        if n in CHANGED_SIZES:
            measure_steps(part, builder, made.rows, chroma)
    chroma.close()


def opening_times(folder: Path, made: Made, *, asks: bool) -> Times:
    """Open both in turns, with or without the first question; nobody may have the Chroma folder open."""

    def ours(question: str, vector: NDArray[np.float32]) -> None:
        index = ReleaseIndex.open(folder / "index", 1, SharedSegments())
        if asks:
            index.search(question, vector, readable=None, k=10)

    def plain(vector: NDArray[np.float32], opened: list[PlainChroma]) -> None:
        opened.append(PlainChroma(folder / "chroma"))
        if asks:
            opened[0].query(vector, None)

    times = Times()
    for at, (question, vector) in enumerate(made.asked[: OPENINGS + 1]):
        opened: list[PlainChroma] = []
        one = interleave([(partial(ours, question, vector), partial(plain, vector, opened))])
        opened[0].close()  # outside of the time: the next one loads anew
        if at:  # the first one warms up
            times.ours += one.ours
            times.plain += one.plain
    return times


def search_times(index: ReleaseIndex, chroma: PlainChroma, made: Made, flag: str | None) -> Times:
    """Ask both the same questions in turns, after a few to warm up."""
    readable = made.flags[flag] if flag else None

    def ours(question: str, vector: NDArray[np.float32]) -> object:
        return index.search(question, vector, readable=readable, k=10)

    def plain(vector: NDArray[np.float32]) -> object:
        return chroma.query(vector, flag)

    pairs: list[tuple[Callable[[], object], Callable[[], object]]] = [
        (partial(ours, question, vector), partial(plain, vector)) for question, vector in made.asked
    ]
    interleave(pairs[:5])
    return interleave(pairs)
