"""Rows and vectors for tests of the index, small and the same ones each time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from kbm_indexes.release_index import IndexFolder, ReleaseIndex, SharedSegments
from numpy.typing import NDArray

from kbm.domain.identity import ChunkId, Digest
from kbm.domain.retrieval import IndexRow
from kbm.ports import Vectors

SPEC = Digest("spec")
DIMENSIONS = 8

_ENGLISH = (
    "pump pumps sealing valve pressure leave holiday request travel expenses invoice offer price the of"
)
_GERMAN = (
    "Pumpe Dichtung Ventil Druck Urlaub Antrag Reisekosten Rechnung Angebot Preis Lieferung die der nicht mit"
)
_FRENCH = (
    "pompe joint soupape pression congés demande frais facture offre prix livraison le la les est avec pour"
)
_CODES = "M12 4711-0815 4711-0816 1.234,50 E-Mail IP65 2024-05-01"
_WORDS = f"{_ENGLISH} {_GERMAN} {_FRENCH} {_CODES}".split()


def text(seed: int, n_words: int = 30) -> str:
    """Make a text of company words, common ones more often."""
    chance = np.random.default_rng(seed)
    picks = (chance.random(n_words) ** 2 * len(_WORDS)).astype(int)
    return " ".join(_WORDS[at] for at in picks)


def chunk(at: int) -> ChunkId:
    """Name a chunk; ids do not ascend with *at*, as real ones do not."""
    return ChunkId(f"{(at * 2_654_435_761) % 2**64:032x}")


def index_row(at: int, *, words: str | None = None, document_no: int | None = None) -> IndexRow:
    """Make row *at*, three to a document."""
    return IndexRow(
        chunk_id=chunk(at),
        document_no=at // 3 if document_no is None else document_no,
        text=text(at) if words is None else words,
    )


def vectors(n: int, dimensions: int = DIMENSIONS) -> Vectors:
    """Make *n* unit vectors; the first ones stay the same for a larger *n*."""
    found = np.zeros((n, dimensions), dtype=np.float32)
    for at in range(n):
        row = np.random.default_rng(at).normal(size=dimensions)
        found[at] = row / np.linalg.norm(row)
    return found


def built(
    folder: Path, rows: Sequence[IndexRow], vecs: Vectors | None, *, parts: int = 1, seq: int = 1
) -> ReleaseIndex:
    """Append *rows* in some parts, seal all of them and open the release."""
    with IndexFolder(folder, SPEC, [], 0 if vecs is None else vecs.shape[1]) as index:
        for part in np.array_split(np.arange(len(rows)), parts):
            index.append([rows[at] for at in part], None if vecs is None else vecs[part])
        index.seal(seq, [row.chunk_id for row in rows])
    return ReleaseIndex.open(folder, seq, SharedSegments())


def readable(n_documents: int, seed: int, share: float = 0.5) -> NDArray[np.bool_]:
    """Let a caller read some documents."""
    return np.random.default_rng(seed).random(n_documents) < share
