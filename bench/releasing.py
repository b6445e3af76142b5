"""What a release of 2 % change costs: its steps, and from the changed documents to the moment it answers.

The plain way is copying a Chroma collection of the same rows: the single-node engine cannot fork one, so a
second version that leaves the first as it was is a copy. Deleting and adding the changed rows in it is left out in
its favour. Embedding is left out on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
from kbm_indexes import lexical
from kbm_indexes.release_index import IndexFolder

from bench.embedders import minilm
from bench.figures import Part, interleave, percentile, seconds
from bench.made_up import GPT, SECTIONS, SOURCE, document, made_up, quick_passages
from bench.plain_bm25 import PlainTokens
from bench.plain_chroma import PlainChroma
from bench.synthetic import clustered, rows, texts
from kbm.bootstrap import Kbm
from kbm.domain.identity import ChunkId
from kbm.domain.retrieval import IndexRow
from kbm.errors import KbmError, ModelMissing
from kbm.testing.fakes import FakeConnector, NoProgress

CHANGED = 0.02
ROUNDS = 5
NIGHTS = 3


@dataclass(slots=True)
class Releases:
    """Releases one after another, each with the oldest 2 % of the rows out and as many new ones in."""

    builder: IndexFolder
    live: list[ChunkId]
    n_new: int
    n_made: int = 0
    seq: int = 1
    whole_s: list[float] = field(default_factory=list)
    storage_s: list[float] = field(default_factory=list)

    def make(self, *, tokens_ready: bool) -> None:
        """Write a release and note the seconds, with or without counting the terms of the new rows."""
        self.seq += 1
        written = texts(self.n_new, seed=1_000 + self.seq)
        new = rows(written, first=self.n_made)
        vectors = clustered(self.n_new, seed=1_000 + self.seq)
        self.n_made += self.n_new
        self.live = [*self.live[self.n_new :], *(row.chunk_id for row in new)]

        def release() -> None:
            self.builder.append(new, vectors)
            self.builder.seal(self.seq, self.live)

        if tokens_ready:
            tokens = lexical.tokenise(written)
            # What is left is writing, hashing and forcing to disk: what a copy of rows does, too.
            with patch("kbm_indexes.segment.tokenise", lambda _: tokens):
                self.storage_s.append(seconds(release))
        else:
            self.whole_s.append(seconds(release))


def measure_steps(part: Part, builder: IndexFolder, live: Sequence[IndexRow], chroma: PlainChroma) -> None:
    """Measure releases on a folder that is built, half of them before the copy and half after it."""
    n = len(live)
    made = Releases(builder, [row.chunk_id for row in live], round(CHANGED * n), n_made=n)
    copy_s = 0.0
    for at in range(ROUNDS):
        if at == ROUNDS // 2:
            copy_s = seconds(chroma.copy)
        made.make(tokens_ready=False)
        made.make(tokens_ready=True)
    for name, took in (
        ("release of 2 %", made.whole_s),
        ("release of 2 %, storage only", made.storage_s),
    ):
        part.add(f"{n} rows: {name}", 1000 * percentile(took, 50), "ms", 1000 * copy_s, better="lower")
    for name, forget in (("of which tokenising", False), ("tokenising, no word known yet", True)):
        pairs = [_tokenising(texts(made.n_new, seed=2_000 + at), forget=forget) for at in range(ROUNDS)]
        times = interleave(pairs)
        ours_ms, plain_ms = (1000 * percentile(took, 50) for took in (times.ours, times.plain))
        part.add(f"{n} rows: {name}", ours_ms, "ms", plain_ms, better="lower")


def _tokenising(written: list[str], *, forget: bool) -> tuple[Callable[[], object], Callable[[], object]]:
    plain = PlainTokens()

    def ours() -> None:
        if forget:
            _forget_words()
        lexical.tokenise(written)

    if not forget:
        plain.tokenise(written)  # its stemmer remembers words as well
    return ours, partial(plain.tokenise, written)


def _forget_words() -> None:
    """Empty the memory of words that the build left behind: a builder that starts at night has none."""
    for known in lexical._RUNS.values():
        known.clear()


def measure_nights(part: Part, n: int) -> None:
    """Change 2 % of the documents of a knowledge base and time building, probing and publishing.

    Reading the documents again is not in it, as it is not in copying a collection; cutting them into passages is.
    """
    try:
        embedder = quick_passages(minilm())
    except ModelMissing as error:
        part.notes.append(f"built to published was not measured: {error}")
        return
    with (
        TemporaryDirectory() as name,
        made_up(Path(name) / "kbm", texts(n, seed=11), embedder) as (kbm, source),
    ):
        chroma = PlainChroma(Path(name) / "chroma")
        _copy_vectors(kbm, chroma)
        took, copies = [], []
        for at, night in enumerate(_nights(kbm, source, n)):
            took.append(seconds(night))
            copies.append(seconds(partial(chroma.copy, f"copy-{at}")))
        chroma.close()
    part.add(
        f"{n} rows: release of 2 %, built to published",
        1000 * percentile(took, 50),
        "ms",
        1000 * percentile(copies, 50),
        better="lower",
    )


def _nights(kbm: Kbm, source: FakeConnector, n: int) -> Iterator[Callable[[], object]]:
    n_documents = round(CHANGED * n / SECTIONS)
    names = sorted(source.items)
    for night in range(NIGHTS):
        written = texts(n_documents * SECTIONS, seed=3_000 + night)
        for at, name in enumerate(names[night * n_documents : (night + 1) * n_documents]):
            mine = written[at * SECTIONS : (at + 1) * SECTIONS]
            source.items[name] = document(name.removesuffix(".md"), mine)[1]
        with kbm.working("bench", SOURCE):
            kbm.sync.run(kbm.source_to_sync(SOURCE), NoProgress())
            yield partial(_build_and_publish, kbm)


def _build_and_publish(kbm: Kbm) -> None:
    built = kbm.build.run(kbm.gpt_to_build(GPT), NoProgress())
    if not built.built or not built.n_rows_added:
        raise KbmError("the bench changed documents, yet nothing was built")
    kbm.publish.run(GPT, str(built.release.version), who="bench", why="measured")
    # The first question opens the release; until then nothing answers from it.
    kbm.retrieve.release_of(GPT, None)


def _copy_vectors(kbm: Kbm, chroma: PlainChroma) -> None:
    embedder = kbm.embedder
    assert embedder is not None
    versions = [one.version_id for one in kbm.catalogue.documents.current_versions([SOURCE])]
    places = kbm.catalogue.texts.places(versions, kbm.chunker.digest)
    found = kbm.catalogue.texts.chunks([place.chunk_id for place in places])
    chunks = [found[place.chunk_id] for place in places]
    keys = [chunk.vector_key(embedder.digest) for chunk in chunks]
    stored = kbm.vectors.get(keys)
    chroma.add(
        [IndexRow(chunk_id=chunk.id, document_no=at, text="") for at, chunk in enumerate(chunks)],
        np.stack([stored[key] for key in keys]),
        {"readable": np.ones(len(chunks), dtype=np.bool_)},
    )
