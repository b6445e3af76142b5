"""What the builder hands to a release index, and what a search in it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kbm.domain.answers import Hit
from kbm.domain.identity import ChunkId, Digest

Synonyms = Sequence[tuple[str, ...]]
"""Groups of words or phrases that stand for each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRow:
    """A chunk on its way into a segment; ``document_no`` is the catalogue's number of its document."""

    chunk_id: ChunkId
    document_no: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRecord:
    """A sealed segment file as SQL knows it: *n_rows* rows from ``first_row`` on, with gaps after a merge."""

    name: str
    first_row: int
    n_rows: int
    blake2b: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """Segments written (*made*) to take the place of others (*gone*); nothing counts until SQL knows it."""

    gone: tuple[SegmentRecord, ...] = ()
    made: tuple[SegmentRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedIndex:
    """A release index that was written and read back; ``digest`` is equal whatever its history."""

    seq: int
    digest: Digest
    n_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What a search tells about how well the question is covered, over visible rows only.

    All values are finite; without a vector the cosine signals are 0 and ``dense`` is false. With no hit at all
    everything is 0.
    """

    dense: bool = False
    bm25_share: float = 0.0  # best stem score / sum of the idf of the question's words
    coverage: float = 0.0  # share of the question's idf weight that the first hit contains
    coverage_best: float = 0.0  # the same for the best of the first five hits
    bm25_gap: float = 0.0  # (first - second) / first stem score
    grams_share: float = 0.0  # best 4-gram score / sum of the idf of the question's 4-grams
    grams_gap: float = 0.0
    cosine: float = 0.0  # best cosine
    cosine_gap: float = 0.0  # first - second cosine
    agreement: float = 0.0  # share of the three rankings that put the first hit first
    unknown: float = 0.0  # share of the question's words that occur in no visible row


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """Hits, best first, and the signals of the search."""

    hits: tuple[Hit, ...]
    signals: Signals
