"""Text and vectors to measure speed with: as many as wanted, never anybody's.

Text is runs of 8 to 20 words out of the sample company's pages, joined to 80 words, with 1.2 % of the words new
article numbers, because real collections go on bringing new terms. Vectors are clustered: on unstructured noise a
graph index looks worse than it is.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import as_file, files

import numpy as np

from kbm.domain.identity import ChunkId, VersionId, chunk_id, digest
from kbm.domain.retrieval import IndexRow
from kbm.ports import Vectors

DIMENSIONS = 384
WORDS_PER_CHUNK = 80
NEW_WORDS = 0.012
CLUSTER_SIZE = 50
SPREAD = 0.7
"""Length of the noise on a cluster's centre, which has length 1."""

_TAG = re.compile(r"<(style|script).*?</\1>|<[^>]*>", re.DOTALL)


@cache
def company_pages() -> tuple[str, ...]:
    """Give the readable text of the sample company's Markdown and web pages."""
    with as_file(files("kbm.demo") / "company") as company:
        paths = sorted(path for path in company.rglob("*") if path.suffix in (".md", ".html"))
        pages = [_TAG.sub(" ", path.read_text(encoding="utf-8", errors="replace")) for path in paths]
    return tuple(pages)


@cache
def company_words() -> tuple[str, ...]:
    """Give all words of these pages, in order."""
    return tuple(word for page in company_pages() for word in page.split())


def texts(n: int, seed: int = 1) -> list[str]:
    """Make *n* texts of 80 words."""
    chance = random.Random(seed)
    words = company_words()
    made = []
    for _ in range(n):
        line: list[str] = []
        while len(line) < WORDS_PER_CHUNK:
            length = chance.randint(8, 20)
            start = chance.randrange(len(words) - length)
            line += words[start : start + length]
        line = line[:WORDS_PER_CHUNK]
        for at in range(WORDS_PER_CHUNK):
            if chance.random() < NEW_WORDS:
                line[at] = f"{chance.randrange(1000, 9999)}-{chance.randrange(10**6)}"
        made.append(" ".join(line))
    return made


def questions(texts: Sequence[str], n: int, seed: int = 2) -> list[tuple[int, str]]:
    """Make *n* questions of nine consecutive words of some text, with the text's place."""
    chance = random.Random(seed)
    made = []
    for _ in range(n):
        at = chance.randrange(len(texts))
        words = texts[at].split()
        start = chance.randrange(max(1, len(words) - 9))
        made.append((at, " ".join(words[start : start + 9])))
    return made


def clustered(n: int, seed: int = 1, dimensions: int = DIMENSIONS) -> Vectors:
    """Make *n* unit vectors in clusters of about fifty."""
    chance = np.random.default_rng(seed)
    centres = unit(chance.standard_normal((max(1, n // CLUSTER_SIZE), dimensions)))
    return near(centres[chance.integers(0, len(centres), n)], seed + 1, SPREAD)


def near(vectors: Vectors, seed: int, spread: float) -> Vectors:
    """Move unit vectors by noise of length *spread*."""
    noise = np.random.default_rng(seed).standard_normal(vectors.shape)
    return unit(vectors + spread * unit(noise))


def unit(vectors: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> Vectors:
    """Stretch rows to length 1."""
    stretched: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return stretched


def rows(texts: Sequence[str], first: int = 0) -> list[IndexRow]:
    """Make index rows, one document per text, numbered from *first* on."""
    chunker = digest("chunker", "bench")
    return [
        IndexRow(chunk_id=_id(first + at, chunker), document_no=first + at, text=text)
        for at, text in enumerate(texts)
    ]


def _id(number: int, chunker: str) -> ChunkId:
    return chunk_id(VersionId(f"{number:032x}"), digest("chunker", chunker), 0, 1)
