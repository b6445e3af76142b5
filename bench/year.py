"""A year of nights: what is left on disk, and what a search costs then.

Each night some documents are written anew, now and then one goes and another comes, and all runs as at night: sync,
build, gate, publishing, compaction, report, by the rules that hold if kbm.toml says nothing of them. The plain way is
a folder that was made today and holds the last content alone; its index must have the same digest.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figures import Part, interleave, percentile, seconds
from bench.made_up import GPT, SOURCE, document
from bench.synthetic import questions, texts
from kbm.bootstrap import Kbm
from kbm.domain.identity import Digest
from kbm.errors import KbmError
from kbm.services.retrieve import Caller
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeClock, FakeConnector, FakeEmbedder, NoProgress

PLAIN = "a new data folder that holds the last content alone"
QUICK_NIGHTS = 60
DOCUMENTS, PASSAGES = 200, 5
DIMENSIONS = 64
YEARS = ((0.02, 365), (0.01, 60))
"""Change a night and nights: the whole year for the change that costs more, two months for the common one."""
REPLACED_EVERY = 10
"""Every tenth night a document goes and another one comes, beside those that change."""
EDGE = 30
"""Nights at either end of the year whose times are compared."""
N_QUESTIONS = 150


@dataclass(slots=True)
class Year:
    """A knowledge base and its nights. ``took_s`` is seconds by night, ``n_bytes`` the data folder's by night."""

    kbm: Kbm
    clock: FakeClock
    source: FakeConnector
    chance: random.Random
    n_changed: int
    took_s: list[float] = field(default_factory=list)
    n_bytes: list[int] = field(default_factory=list)
    _names: Iterator[int] = field(default_factory=count)

    def write(self, name: str) -> None:
        """Write a document, or write it anew."""
        said = texts(PASSAGES, seed=self.chance.randrange(2**32))
        self.source.items[f"{name}.md"] = document(name, said)[1]

    def add(self) -> None:
        """Write one that was not there."""
        self.write(f"doc-{next(self._names):06d}")

    def night(self) -> None:
        """Change documents, sleep, and let a night do the rest.

        Raises:
            KbmError: nothing was published, or something failed.
        """
        for name in self.chance.sample(sorted(self.source.items), self.n_changed):
            self.write(name.removesuffix(".md"))
        if len(self.took_s) % REPLACED_EVERY == REPLACED_EVERY - 1:
            del self.source.items[self.chance.choice(sorted(self.source.items))]
            self.add()
        self.clock.advance(days=1)
        self.took_s.append(seconds(self.run))
        self.n_bytes.append(self.data_bytes())

    def run(self) -> None:
        """Run a night as ``kbm nightly`` does.

        Raises:
            KbmError: nothing was published, or something failed.
        """
        kbm = self.kbm
        with kbm.working("nightly", GPT) as job:
            night = kbm.nightly.run(
                [kbm.source_to_sync(SOURCE)],
                [(kbm.gpt_to_build(GPT), kbm.night_policy(GPT))],
                NoProgress(),
                configured=[SOURCE],
                who="bench",
            )
        kbm.report.run(night, job)
        if night.exit_code or night.upkeep or not night.gpts[0].published:
            raise KbmError(f"night {len(self.took_s)} went wrong: {night.gpts[0]}, {night.upkeep}")

    def data_bytes(self) -> int:
        """Add up the files of the data folder."""
        files = (path for path in self.kbm.settings.data_dir.rglob("*") if path.is_file())
        return sum(path.stat().st_size for path in files)

    @property
    def digest(self) -> Digest:
        """Give the digest of the live release's index."""
        return self.kbm.retrieve.release_of(GPT).index_digest

    @property
    def n_segments(self) -> int:
        """Count the segments a search of the live release reads."""
        live = self.kbm.retrieve.release_of(GPT)
        index = self.kbm.indexes.open(GPT, live.index_spec, live.seq, live.index_digest)
        return len(index.manifest.segments) if index.manifest else 0


@contextmanager
def year(folder: Path, nights: int, change: float, *, n_documents: int = DOCUMENTS) -> Iterator[Year]:
    """Let *nights* go by, each with a *change* (a share in (0, 1]) of the documents."""
    folder.mkdir(exist_ok=True)
    source, clock = FakeConnector(), FakeClock()
    with kbm_over(folder, source, clock=clock, embedder=FakeEmbedder(dimensions=DIMENSIONS)) as kbm:
        made = Year(kbm, clock, source, random.Random(17), max(1, round(change * n_documents)))
        for _ in range(n_documents):
            made.add()
        made.run()
        for _ in range(nights):
            made.night()
        yield made


@contextmanager
def fresh(folder: Path, after: Year) -> Iterator[Year]:
    """Bring what a year ended with into a new folder."""
    folder.mkdir(exist_ok=True)
    source = FakeConnector(items=dict(after.source.items))
    clock = FakeClock(after.clock.now())
    with kbm_over(folder, source, clock=clock, embedder=FakeEmbedder(dimensions=DIMENSIONS)) as kbm:
        made = Year(kbm, clock, source, random.Random(17), after.n_changed)
        made.run()
        yield made


def run(*, quick: bool) -> Iterator[Part]:
    """Let nights go by with 2 % and with 1 % change."""
    part = Part("year", PLAIN)
    for change, nights in YEARS:
        _measure(part, min(nights, QUICK_NIGHTS) if quick else nights, change)
    yield part


def _measure(part: Part, nights: int, change: float) -> None:
    name = f"{nights} nights of {change:.0%}"
    with (
        TemporaryDirectory() as folder,
        TemporaryDirectory() as other,
        year(Path(folder), nights, change) as old,
        fresh(Path(other), old) as new,
    ):
        if old.digest != new.digest:
            raise KbmError(f"{name} ended in {old.digest}, a new folder of the same content in {new.digest}")
        mb, plain_mb = (each.data_bytes() / 1e6 for each in (old, new))
        part.add(f"{name}: data folder", mb, "MB", plain_mb, better="lower")
        part.add(f"{name}: largest data folder", max(old.n_bytes) / 1e6, "MB", plain_mb, better="lower")
        part.add(f"{name}: segments that a search reads", old.n_segments, "files", new.n_segments, "lower")
        _measure_search(part, name, old, new)
        edge = min(EDGE, nights // 2)
        last, first = (1000 * percentile(some, 50) for some in (old.took_s[-edge:], old.took_s[:edge]))
        part.add(
            f"{name}: one of the last {edge} nights against the first", last, "ms", first, better="lower"
        )
    sizes = ", ".join(f"{n / 1e6:.1f}" for n in old.n_bytes[EDGE - 1 :: EDGE])
    part.notes.append(f"{name}: MB after each {EDGE} nights: {sizes}; digests equal")


def _measure_search(part: Part, name: str, old: Year, new: Year) -> None:
    asked = [text for _, text in questions(list(old.source.items.values()), N_QUESTIONS)]
    pairs = [
        (
            partial(old.kbm.retrieve.run, GPT, question, Caller()),
            partial(new.kbm.retrieve.run, GPT, question, Caller()),
        )
        for question in asked
    ]
    interleave(pairs[:5])
    times = interleave(pairs)
    for at in (50, 95):
        ours, plain = (1000 * percentile(one, at) for one in (times.ours, times.plain))
        part.add(f"{name}: search p{at}", ours, "ms", plain, better="lower")
