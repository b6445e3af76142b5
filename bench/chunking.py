"""Characters cut into passages per second, on the sample company's parsed documents.

The plain way is LlamaIndex' SentenceSplitter at 256 tokens, counting with the tokenizer of the default model. It
gets the text alone; kbm's chunker also keeps headings, pages and exact spans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from kbm_indexes.chunking import PassageChunker

from bench.documents import documents, one_worker, parse
from bench.embedders import MODELS
from bench.figures import Part, interleave
from kbm.domain.documents import ParsedDocument, lay_out
from kbm.domain.identity import VersionId
from kbm.errors import ModelMissing
from kbm.providers.minilm import TOKENIZER, find_files

PLAIN = "LlamaIndex SentenceSplitter, 256 tokens of the default model, 32 shared"
TOKENS, SHARED_TOKENS = 256, 32
ROUNDS = 3
VERSION = VersionId("0" * 32)


def run(*, quick: bool) -> Iterator[Part]:
    """Measure document by document, in turns."""
    part = Part("chunking", PLAIN)
    with documents() as found, one_worker() as pool:
        parsed = [one for file in found if (one := parse(pool, file)) is not None and one.elements]
    texts = [lay_out(one.elements)[0] for one in parsed]
    chunker = PassageChunker()
    try:
        splitter = _splitter()
    except ModelMissing as error:
        yield Part("chunking", PLAIN, skipped=str(error))
        return
    pairs: list[tuple[Callable[[], object], Callable[[], object]]] = [
        (partial(_cut, chunker, one), partial(splitter.split_text, text))
        for one, text in zip(parsed, texts, strict=True)
    ]
    interleave(pairs[:5])  # the first call of the plain way loads its sentence model
    times = interleave(pairs * (1 if quick else ROUNDS))
    n_chars = sum(map(len, texts)) * (1 if quick else ROUNDS)
    part.add(f"{len(texts)} documents", n_chars / sum(times.ours), "characters/s", n_chars / sum(times.plain))
    yield part


def _cut(chunker: PassageChunker, document: ParsedDocument) -> object:
    return chunker.chunk(VERSION, document.title, document.elements)


def _splitter() -> Any:
    # Any: LlamaIndex is not followed by the type checker.
    from llama_index.core.node_parser import SentenceSplitter
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(find_files(MODELS) / TOKENIZER))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return SentenceSplitter(
        chunk_size=TOKENS,
        chunk_overlap=SHARED_TOKENS,
        tokenizer=lambda text: tokenizer.encode(text, add_special_tokens=False).ids,
    )
