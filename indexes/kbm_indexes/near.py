"""Which passages are near each other: all vectors of some rows against all, block by block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kbm.domain.identity import ChunkId
from kbm_indexes.segment import Segment

_BLOCK = 2_048


def near_pairs(
    segments: Sequence[Segment], masks: Sequence[NDArray[np.bool_]], *, cosine: float, limit: int
) -> list[tuple[ChunkId, ChunkId, float]]:
    """Give up to *limit* pairs of rows of different documents with at least this cosine, nearest first.

    *masks* choose rows of each segment. Equal passages are left out: they say the same. Ties go by chunk id.
    """
    parts = [(one, np.flatnonzero(mask)) for one, mask in zip(segments, masks, strict=True)]
    chosen = [(one, at) for one, at in parts if one.vec is not None and at.size]
    if not chosen:
        return []
    vectors = np.concatenate([_vectors(one)[at] for one, at in chosen])
    documents = np.concatenate([one.doc[at] for one, at in chosen])
    ids: list[ChunkId] = []
    for one, at in chosen:
        names = one.chunk_ids()
        ids += [names[row] for row in at.tolist()]
    found: list[tuple[float, ChunkId, ChunkId]] = []
    for start in range(0, len(ids), _BLOCK):
        block = vectors[start : start + _BLOCK]
        near = block @ vectors[start:].T
        rows, columns = np.nonzero(near >= cosine)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            first, second = start + row, start + column
            if first < second and documents[first] != documents[second]:
                pair = sorted((ids[first], ids[second]))
                found.append((-float(near[row, column]), pair[0], pair[1]))
        if len(found) > 4 * limit:
            found = sorted(found)[:limit]
    return [(first, second, -minus) for minus, first, second in sorted(found)[:limit]]


def vectors_of(segments: Sequence[Segment], chunk_ids: Sequence[ChunkId]) -> NDArray[np.float32]:
    """Give the vectors of chunks, in order; no columns without vectors, zeros for a chunk that is not there."""
    with_vectors = [one for one in segments if one.vec is not None]
    if not with_vectors:
        return np.zeros((len(chunk_ids), 0), dtype=np.float32)
    found = np.zeros((len(chunk_ids), _vectors(with_vectors[0]).shape[1]), dtype=np.float32)
    wanted = {id: at for at, id in enumerate(chunk_ids)}
    for one in with_vectors:
        for row, id in enumerate(one.chunk_ids()):
            if id in wanted:
                found[wanted[id]] = _vectors(one)[row]
    return found


def _vectors(segment: Segment) -> NDArray[np.float32]:
    if segment.vec is None:  # rows without vectors were left out
        raise ValueError("the segment has no vectors")
    return segment.vec
