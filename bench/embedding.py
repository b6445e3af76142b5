"""Texts embedded per second of one core with the default model.

The plain way is what sentence-transformers does, on the same onnxruntime graph: batches of 32, sorted by length and
padded. The library itself is not compared: it needs torch, which kbm is built to do without. The graph has
no attention mask, so the padded vectors of the plain way are not used; what a mask adds is left out in its favour.

One question is a batch of one, which has nothing to pad, so there the two do nearly the same. Chroma's own embedding
function pads a question as well, to 256 tokens; it downloads its model, so its padding is measured on the same graph.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from bench.embedders import MODELS, minilm
from bench.figures import Part, interleave, percentile
from bench.synthetic import questions, texts
from kbm.errors import ModelMissing
from kbm.providers.minilm import MAX_TOKENS, TOKENIZER, WEIGHTS, MiniLm, find_files

PLAIN = (
    "onnxruntime on the same graph, padded batches of 32 (sentence-transformers needs torch: not installed);"
    " one question as a batch of one, and padded to 256 tokens"
)
BATCH = 32
LENGTHS = (128, 256)
ROUNDS = 3
WARM_UP = 5
SPECIAL = 2
"""Tokens the tokenizer adds to each text."""


class PaddedBatches:
    """The plain way: tokenise, sort by length, pad, run 32 at a time."""

    def __init__(self, precision: str) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        from kbm.domain.identity import digest
        from kbm.providers.minilm import sha256_of
        from kbm.providers.minilm_graph import graph_file

        files = find_files(MODELS)
        weights_hash = str(digest("weights", sha256_of(files / WEIGHTS), sha256_of(files / TOKENIZER)))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # Any: the vendors ship no types.
        self.tokenizer: Any = Tokenizer.from_file(str(files / TOKENIZER))
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self._session: Any = onnxruntime.InferenceSession(
            str(graph_file(files / WEIGHTS, weights_hash, precision, MODELS)),
            options,
            providers=["CPUExecutionProvider"],
        )

    def embed(self, texts: Sequence[str], width: int = 0) -> None:
        """Embed *texts*, padded to the longest of a batch or to *width* tokens; only the time counts."""
        self.tokenizer.no_padding()
        ids = sorted((one.ids for one in self.tokenizer.encode_batch(list(texts))), key=len)
        for start in range(0, len(ids), BATCH):
            some = ids[start : start + BATCH]
            padded = np.zeros((len(some), max(width, len(some[-1]))), dtype=np.int64)
            for at, line in enumerate(some):
                padded[at, : len(line)] = line
            self._session.run(None, {"input_ids": padded})


def run(*, quick: bool) -> Iterator[Part]:
    """Measure by processor time, kbm and plain way in turns."""
    part = Part("embedding", PLAIN)
    try:
        for precision in ("fp32",) if quick else ("fp32", "int8"):
            _measure(part, precision, rounds=1 if quick else ROUNDS)
    except ModelMissing as error:
        part.skipped = str(error)
    yield part


def _measure(part: Part, precision: str, *, rounds: int) -> None:
    ours, plain = minilm(f"{precision},threads=1"), PaddedBatches(precision)
    cases = {f"{tokens} tokens": _exactly(plain.tokenizer, tokens) for tokens in LENGTHS}
    cases["10 to 256 tokens, mixed"] = _mixed(plain.tokenizer)
    for name, lines in cases.items():
        spent = ours_s, plain_s = [0.0], [0.0]
        for at in range(-1, rounds):  # the first round warms up
            pair = (_ours(ours, lines), _plain(plain, lines))
            for which in (0, 1) if at % 2 else (1, 0):
                used = _core_seconds(pair[which])
                spent[which][0] += used if at >= 0 else 0.0
        n = rounds * len(lines)
        part.add(f"{precision}, {name}", n / ours_s[0], "texts/core-s", n / plain_s[0])
    asked = [text for _, text in questions(texts(BATCH), BATCH)]
    for name, width in (
        ("one question p50", 0),
        ("one question p50, plain way pads as Chroma does", MAX_TOKENS),
    ):
        pairs: list[tuple[Callable[[], object], Callable[[], object]]] = [
            (partial(ours.embed, [text], "question"), partial(plain.embed, [text], width)) for text in asked
        ]
        interleave(pairs[:WARM_UP])
        times = interleave(pairs * rounds)
        ours_ms, plain_ms = (1000 * percentile(took, 50) for took in (times.ours, times.plain))
        part.add(f"{precision}, {name}", ours_ms, "ms", plain_ms, better="lower")


def _ours(embedder: MiniLm, lines: Sequence[str]) -> Callable[[], object]:
    return lambda: embedder.embed(lines, "passage")


def _plain(embedder: PaddedBatches, lines: Sequence[str]) -> Callable[[], object]:
    return lambda: embedder.embed(lines)


def _core_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _exactly(tokenizer: Any, tokens: int) -> list[str]:
    """Make a batch of texts of so many tokens, special ones included."""
    tokenizer.no_truncation()
    lines = []
    for text in texts(8 * BATCH):
        encoded = tokenizer.encode(" ".join([text] * 3))
        end = encoded.offsets[tokens - SPECIAL][1]
        line = " ".join([text] * 3)[:end]
        if len(tokenizer.encode(line).ids) == tokens:
            lines.append(line)
    tokenizer.enable_truncation(MAX_TOKENS)
    return lines[:BATCH]


def _mixed(tokenizer: Any) -> list[str]:
    """Make texts of evenly spread length: what a padded batch pays for."""
    del tokenizer
    return [text[: 30 + 9 * at] for at, text in enumerate(texts(2 * BATCH))]
