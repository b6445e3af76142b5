"""What an application notices while knowledge is released, and what twenty releases cost.

Two readers ask without pause while another process publishes and rolls back; the 95th percentile of what they wait is
put beside that of a quiet time. The plain way of going back is a copy of a collection, because a single-node Chroma
keeps no earlier version. Shares are of two measurements of the same run.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bench.figures import Part, interleave, percentile, seconds
from bench.made_up import GPT, SECTIONS, SOURCE, document, made_up
from bench.plain_chroma import PlainChroma
from bench.synthetic import clustered, questions, rows, texts
from kbm.bootstrap import Kbm
from kbm.config import CONFIG_NAME
from kbm.services.retrieve import Caller
from kbm.testing.fakes import FakeConnector, FakeEmbedder, NoProgress

LARGE, QUICK_LARGE = 10_000, 2_000
CHANGED, RELEASES = 0.02, 20
READERS, SPELL_S, GO_BACKS = 2, 8.0, 20
FILTER_ROUNDS = 10
PLAIN = "a copy of a Chroma collection of the same rows, for going back to an earlier version"
DIMENSIONS = 384


def run(*, quick: bool) -> Iterator[Part]:
    """Measure on a knowledge base of made-up documents."""
    part = Part("serving", PLAIN)
    n = QUICK_LARGE if quick else LARGE
    with TemporaryDirectory() as name:
        folder = Path(name) / "kbm"
        written = texts(n, seed=21)
        with made_up(folder, written, FakeEmbedder(dimensions=DIMENSIONS)) as (kbm, source):
            first = _size(folder / ".kbm" / "index")
            _releases(kbm, source, n)
            part.add(
                f"{n} rows: index folder after {RELEASES} releases of 2 %, to the first",
                _size(folder / ".kbm" / "index") / first,
                "share",
            )
            asked = [text for _, text in questions(written, 40)]
            _go_back(part, kbm, n, Path(name))
            _while_publishing(part, kbm, asked, n)
            _under_filter(part, kbm, asked, n)
    yield part


def _releases(kbm: Kbm, source: FakeConnector, n: int) -> None:
    """Change 2 % of the documents a night, as nights do it: built, published, compacted."""
    names = sorted(source.items)
    per_night = max(1, round(CHANGED * n / SECTIONS))
    for night in range(RELEASES):
        written = texts(per_night * SECTIONS, seed=4_000 + night)
        for at in range(per_night):
            which = names[(night * per_night + at) % len(names)]
            mine = written[at * SECTIONS : (at + 1) * SECTIONS]
            source.items[which] = document(which.removesuffix(".md"), mine)[1]
        with kbm.working("bench", SOURCE):
            kbm.sync.run(kbm.source_to_sync(SOURCE), NoProgress())
            made = kbm.build.run(kbm.gpt_to_build(GPT), NoProgress()).release
            kbm.publish.run(GPT, str(made.version), who="bench", why="measured")
            kbm.compact.after_publish(GPT, NoProgress())


def _go_back(part: Part, kbm: Kbm, n: int, folder: Path) -> None:
    """Time rollbacks, the first question's opening included, beside copies of a collection."""
    chroma = PlainChroma(folder / "chroma")
    chroma.add(
        rows(texts(n, seed=21), first=0), clustered(n, seed=21), {"readable": np.ones(n, dtype=np.bool_)}
    )

    newest, before = (str(one.version) for one in kbm.catalogue.releases.all(GPT)[:2])

    def back() -> None:
        live = kbm.retrieve.release_of(GPT)
        to = before if str(live.version) == newest else newest
        kbm.publish.roll_back(GPT, to=to, who="bench", reason="measured")
        live = kbm.retrieve.release_of(GPT)
        kbm.indexes.open(GPT, live.index_spec, live.seq, live.index_digest)

    took = [seconds(back) for _ in range(GO_BACKS)]
    copied = seconds(chroma.copy)
    chroma.close()
    part.add(f"{n} rows: rollback p50", 1000 * percentile(took, 50), "ms", 1000 * copied, better="lower")


def _while_publishing(part: Part, kbm: Kbm, asked: list[str], n: int) -> None:
    """Let readers ask while another process moves the pointer to and fro."""
    quiet = _ask_for(kbm, asked, SPELL_S)
    versions = [str(one.version) for one in kbm.catalogue.releases.all(GPT)[:2]]
    config = kbm.settings.root
    mover = subprocess.Popen(
        [sys.executable, "-m", "bench.mover", str(config / CONFIG_NAME), GPT, *versions, str(SPELL_S)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        busy = _ask_for(kbm, asked, SPELL_S)
        told, _ = mover.communicate(timeout=60)
    finally:
        mover.kill()
    moves = int(told.strip().splitlines()[-1])
    part.add(
        f"{n} rows: p95 of a question while releases are published, to a quiet time",
        percentile(busy, 95) / percentile(quiet, 95),
        "share",
    )
    part.notes.append(
        f"{moves} releases published during {len(busy)} questions of {READERS} readers in {SPELL_S:g} s; "
        f"{len(quiet)} questions in the same time without"
    )


def _under_filter(part: Part, kbm: Kbm, asked: list[str], n: int) -> None:
    """Search for a reader who may read a part of the documents, and for one who may read all, in turns."""
    live = kbm.retrieve.release_of(GPT)
    index = kbm.indexes.open(GPT, live.index_spec, live.seq, live.index_digest)
    embedder = kbm.embedder
    assert embedder is not None
    vectors = embedder.embed(asked, "question")
    n_documents = max(kbm.catalogue.documents.visibility().readers) + 1
    for readable in (0.5, 0.09):
        mask = np.random.default_rng(5).random(n_documents) < readable
        pairs = [
            (
                partial(index.search, question, vector, readable=mask),
                partial(index.search, question, vector, readable=None),
            )
            for _ in range(FILTER_ROUNDS)
            for question, vector in zip(asked, vectors, strict=True)
        ]
        times = interleave(pairs)
        part.add(
            f"{n} rows: p50 of a search with {readable:.0%} readable, to one of all",
            percentile(times.ours, 50) / percentile(times.plain, 50),
            "share",
        )


def _ask_for(kbm: Kbm, asked: list[str], spell_s: float) -> list[float]:
    """Ask in turns from several threads for some seconds; gives what each question took."""
    took: list[float] = []
    ends = time.perf_counter() + spell_s

    def reader(at: int) -> None:
        while time.perf_counter() < ends:
            took.append(seconds(partial(kbm.retrieve.run, GPT, asked[at % len(asked)], Caller())))
            at += READERS

    threads = [threading.Thread(target=reader, args=(at,)) for at in range(READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
