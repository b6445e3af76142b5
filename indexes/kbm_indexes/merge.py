"""Joins sealed segments: rows are copied as they are, so nothing is embedded, tokenised or hashed again.

A row keeps its number, its leaf and the bits of its vector wherever it lies. So the bitmaps of releases stay true,
their digests cannot change, and a merge needs no remap and no epoch. The postings of the parts are laid together by
one sort of (term, row, count).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kbm.domain.retrieval import SegmentRecord
from kbm.faults import fault_point
from kbm_indexes.ranking import View, view_grams, view_stems
from kbm_indexes.segment import MAX_ROWS, Segment, posting_keys, postings_of, write_arrays


def merge_segments(folder: Path, parts: Sequence[tuple[Segment, NDArray[np.bool_]]]) -> SegmentRecord | None:
    """Seal the chosen rows of some segments as one; the parts stay as they are.

    Each mask has one entry per row of its segment. Rows lie in the new file by number; ids, documents, leaves and
    vectors are those of the parts, bit for bit. Returns None when no row is chosen, and writes nothing. The same
    rows always give the same file: where a part is taken whole and alone, that is the part itself.

    Raises:
        IndexDamaged: a part has other bytes than were sealed.
        ValueError: more rows are chosen than a segment holds, a row is chosen twice, or only some parts have vectors.
    """
    chosen = [(segment, mask) for segment, mask in parts if mask.any()]
    if not chosen:
        return None
    for segment, _ in chosen:
        segment.verify()  # a damaged part would come out under a hash that fits
    rows = _joined([segment.rows[mask] for segment, mask in chosen])
    if rows.size > MAX_ROWS:
        raise ValueError(f"{rows.size} rows are chosen, a segment holds {MAX_ROWS}")
    order = np.argsort(rows, kind="stable")
    rows = rows[order]
    if (rows[1:] == rows[:-1]).any():
        raise ValueError("a row is chosen from two segments; nothing was written")
    arrays: dict[str, NDArray[Any]] = {
        "rows": rows,
        "ids": _joined([segment.ids[mask] for segment, mask in chosen])[order],
        "doc": _joined([segment.doc[mask] for segment, mask in chosen])[order],
        "leaf": _joined([segment.leaf[mask] for segment, mask in chosen])[order],
    }
    for field, view in (("s", view_stems), ("g", view_grams)):
        arrays[f"{field}.len"] = _joined([view(segment).length[mask] for segment, mask in chosen])[order]
        arrays |= postings_of(field, _keys(view, chosen, order))
    vectors = [segment.vec[mask] for segment, mask in chosen if segment.vec is not None]
    if vectors and len(vectors) < len(chosen):
        raise ValueError("only some of the segments have vectors; nothing was written")
    if vectors:
        arrays["vec"] = _joined(vectors)[order]
    with fault_point("merge.write"):
        return write_arrays(folder, arrays)


def merge_rows(folder: Path, parts: Sequence[tuple[Segment, NDArray[np.bool_]]]) -> tuple[SegmentRecord, ...]:
    """Seal the chosen rows in as few segments as hold them, of equal size, by row number."""
    every = [segment.rows[mask] for segment, mask in parts if mask.any()]
    if not every:
        return ()
    rows = np.sort(_joined(every))
    made = []
    for some in np.array_split(rows, -(-rows.size // MAX_ROWS)):
        low, high = some[0], some[-1]
        within = [(segment, mask & (segment.rows >= low) & (segment.rows <= high)) for segment, mask in parts]
        record = merge_segments(folder, within)
        made += [record] if record else []
    return tuple(made)


def _keys(
    view: View, chosen: Sequence[tuple[Segment, NDArray[np.bool_]]], order: NDArray[np.intp]
) -> NDArray[np.uint64]:
    """Give the postings of all chosen rows, each as one integer, with places of the new segment as rows."""
    place = np.empty(order.size, dtype=np.uint64)
    place[order] = np.arange(order.size, dtype=np.uint64)
    keys, start = [], 0
    for segment, mask in chosen:
        n = int(np.count_nonzero(mask))
        places = np.zeros(mask.size, dtype=np.uint64)
        places[mask] = place[start : start + n]
        start += n
        postings = view(segment)
        keep = mask[postings.row]
        term = np.repeat(postings.term, np.diff(postings.ptr))[keep]
        keys.append(posting_keys(term, places[postings.row[keep]], postings.tf[keep]))
    return _joined(keys)


def _joined(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
