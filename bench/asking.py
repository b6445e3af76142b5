"""Questions answered end to end, embedding of the question included, on one thread.

kbm answers through its real services: reader masks, the fused search, passages from the catalogue, extraction,
confidence, receipt line in the journal. The plain way is a LlamaIndex query engine with the same embedder on the
same chunks, and the sentences that share most words; it checks nobody's rights and writes nothing down. It is
measured with the store that LlamaIndex takes by itself, and with Chroma, whose graph is approximate.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from bench.embedders import minilm
from bench.figures import Part, interleave, percentile
from bench.made_up import GPT, made_up, publish, quick_passages
from bench.plain_llamaindex import PlainPipeline
from bench.synthetic import questions, texts
from kbm.bootstrap import Kbm
from kbm.config import CONFIG_NAME, load_settings
from kbm.demo.company import copy_company
from kbm.errors import ModelMissing
from kbm.ports import Embedder
from kbm.services.retrieve import Caller

PLAIN = "LlamaIndex query engine with its own store, the same embedder, top 10, sentences by shared words"
LARGE, QUICK_LARGE = 10_000, 2_000
N_QUESTIONS = 60
COMPANY_GPT = "offers"
CALLER = Caller(readers=frozenset({"everyone", "group:sales"}))


def run(*, quick: bool) -> Iterator[Part]:
    """Measure the sample company and a large made-up knowledge base."""
    part = Part("ask", PLAIN)
    try:
        embedder = minilm()
        embedder.embed(["warm"], "question")
    except ModelMissing as error:
        yield Part("ask", PLAIN, skipped=str(error))
        return
    with TemporaryDirectory() as folder, _company(Path(folder) / "company", embedder) as kbm:
        _measure(part, kbm, COMPANY_GPT, "sample company", Path(folder), embedder, _golden())
    n = QUICK_LARGE if quick else LARGE
    made, written = quick_passages(embedder), texts(n, seed=11)
    with TemporaryDirectory() as folder, made_up(Path(folder) / "large", written, made) as (kbm, _):
        asked = [text for _, text in questions(written, N_QUESTIONS)]
        _measure(part, kbm, GPT, "made up", Path(folder), made, asked)
    yield part


@contextmanager
def _company(folder: Path, embedder: Embedder) -> Iterator[Kbm]:
    copy_company(folder)
    read = load_settings(folder / CONFIG_NAME)
    with Kbm(read, embedder=embedder) as kbm:
        publish(kbm, list(read.sources), COMPANY_GPT)
        yield kbm


def _golden() -> list[str]:
    text = (files("kbm.demo") / "company" / "golden" / "offers.csv").read_text(encoding="utf-8")
    return [line["question"] for line in csv.DictReader(text.splitlines())]


def _measure(
    part: Part, kbm: Kbm, gpt: str, label: str, folder: Path, embedder: Embedder, asked: Sequence[str]
) -> None:
    release = kbm.retrieve.release_of(gpt, None)
    versions = [
        one.version_id for one in kbm.catalogue.documents.current_versions(kbm.gpt_settings(gpt).sources)
    ]
    places = kbm.catalogue.texts.places(versions, kbm.chunker.digest)
    found = kbm.catalogue.texts.chunks([place.chunk_id for place in places])
    chunks = [found[place.chunk_id] for place in places]
    assert len(chunks) == release.n_chunks
    keys = [chunk.vector_key(embedder.digest) for chunk in chunks]
    stored = kbm.vectors.get(keys)
    vectors = [stored[key] for key in keys]
    stores: list[tuple[Literal["simple", "chroma"], str]] = [("simple", ""), ("chroma", ", Chroma behind it")]
    for store, against in stores:
        plain = PlainPipeline(folder / f"plain-{store}", chunks, vectors, embedder, store=store)
        # Each way hears a question once: kbm keeps the vectors of questions that come again.
        pairs: list[tuple[Callable[[], object], Callable[[], object]]] = [
            (
                partial(kbm.ask.run, gpt, f"{question} {'?' * len(store)}", CALLER),
                partial(plain.ask, question),
            )
            for question in asked
        ]
        interleave(pairs[:5])
        times = interleave(pairs[5:])
        plain.close()
        name, n = f"{label}, {len(chunks)} chunks{against}", len(pairs) - 5
        part.add(f"{name}: answers", n / sum(times.ours), "answers/s", n / sum(times.plain))
        for at in (50, 95):
            ours_ms, plain_ms = (1000 * percentile(one, at) for one in (times.ours, times.plain))
            part.add(f"{name}: p{at}", ours_ms, "ms", plain_ms, better="lower")
