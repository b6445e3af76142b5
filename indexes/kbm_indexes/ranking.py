"""What the visible rows of some segments score: exactly as an index of just these rows would.

A release and the caller's readers are a mask over shared rows. Number of rows, document frequencies and the mean
length are counted under the mask when the question is asked, so a hidden row moves no score by a bit, and
nothing has to be prepared per release or per reader.

Two rules keep that fast. *Compress before the top-k*: scores of hidden or unmatched rows are dropped before anything
is sorted (`np.where(mask, score, -inf)` costs 9.7 ms where this costs .2). *All terms at once*: the postings of a
question are laid end to end in each segment, so a segment costs some twenty calls of numpy, not some per term.

Cosines are found by BLAS, whose last bits depend on where a row lies, and those that can reach the top are
computed again in double precision row by row. Hence the same bits after any move of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kbm_indexes.fusion import DEPTH, Ranking, candidates, rank
from kbm_indexes.lexical import idf, length_norms
from kbm_indexes.segment import Postings, Segment

View = Callable[[Segment], Postings]
"""Picks stems or 4-grams."""

_SCORE_MARGIN = 2e-6  # twice the rounding of scores
_COSINE_MARGIN = 1e-4  # far above the error of a float32 product of unit vectors
_FEW = 8  # below one visible row in eight, gathering vectors is cheaper than multiplying all


@dataclass(frozen=True, slots=True)
class Mask:
    """The visible rows of each segment; ``None`` stands for a segment of which all rows are visible."""

    visible: tuple[NDArray[np.bool_] | None, ...]
    n_visible: tuple[int, ...]
    n_rows: int
    stem_tokens: int
    gram_tokens: int
    stem_norms: NDArray[np.float64]
    gram_norms: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Matches:
    """Postings of a question's terms in visible rows, segment by segment, and what each term weighs.

    In a segment they lie term after term; ``many`` says how many each term has.
    """

    n_rows: int
    row: list[NDArray[np.intp]]
    tf: list[NDArray[np.uint8]]
    many: list[NDArray[np.intp]]
    df: NDArray[np.int64]
    weight: NDArray[np.float64]


def view_stems(segment: Segment) -> Postings:
    """Pick the stems."""
    return segment.stems


def view_grams(segment: Segment) -> Postings:
    """Pick the 4-grams."""
    return segment.grams


def make_mask(segments: Sequence[Segment], visible: Sequence[NDArray[np.bool_]]) -> Mask:
    """Count once what is the same for every question under these rows."""
    n_visible = tuple(int(np.count_nonzero(each)) for each in visible)
    n_rows = sum(n_visible)
    stem_lengths = [segment.stems.length for segment in segments]
    gram_lengths = [segment.grams.length for segment in segments]
    stem_tokens, gram_tokens = _tokens(stem_lengths, visible), _tokens(gram_lengths, visible)
    return Mask(
        tuple(
            None if n == segment.n_rows else each
            for each, n, segment in zip(visible, n_visible, segments, strict=True)
        ),
        n_visible,
        n_rows,
        stem_tokens,
        gram_tokens,
        _norms(stem_lengths, stem_tokens, n_rows),
        _norms(gram_lengths, gram_tokens, n_rows),
    )


def match(segments: Sequence[Segment], mask: Mask, view: View, terms: NDArray[np.uint32]) -> Matches:
    """Find the *terms* in the visible rows."""
    df = np.zeros(terms.size, dtype=np.int64)
    found = Matches(mask.n_rows, [], [], [], df, np.zeros(terms.size))
    for segment, visible, n_visible in zip(segments, mask.visible, mask.n_visible, strict=True):
        row, tf, many = view(segment).of(terms if n_visible else terms[:0])
        if visible is not None and row.size:
            seen = visible[row]
            held = np.flatnonzero(many)
            starts = np.cumsum(many[held]) - many[held]
            many[held] = np.add.reduceat(seen, starts, dtype=np.intp)
            row, tf = row[seen], tf[seen]
        if many.size:
            df += many
        found.row.append(row)
        found.tf.append(tf)
        found.many.append(many)
    found.weight[:] = idf(mask.n_rows, df)
    return found


def rank_terms(
    segments: Sequence[Segment], view: View, norms: NDArray[np.float64], matches: Matches
) -> Ranking:
    """Rank rows by BM25. A row's terms are added in the order of the question, wherever the row lies."""
    places: list[NDArray[np.intp]] = []
    scores: list[NDArray[np.float64]] = []
    for segment, row, tf, many in zip(segments, matches.row, matches.tf, matches.many, strict=True):
        if not row.size:
            places.append(np.zeros(0, dtype=np.intp))
            scores.append(np.zeros(0))
            continue
        count = tf.astype(np.float64)
        part = count / (count + norms[view(segment).length[row]])
        part *= np.repeat(matches.weight, many)
        score = np.asarray(np.bincount(row, part, segment.n_rows), dtype=np.float64)
        hit = np.flatnonzero(score)
        places.append(hit)
        scores.append(score[hit])
    return _best(segments, places, scores, _SCORE_MARGIN)


def rank_vectors(segments: Sequence[Segment], mask: Mask, vector: NDArray[np.float32]) -> Ranking:
    """Rank all visible rows by cosine; *vector* has unit length, as the stored ones have."""
    places: list[NDArray[np.intp]] = []
    scores: list[NDArray[np.float64]] = []
    for segment, visible, n_visible in zip(segments, mask.visible, mask.n_visible, strict=True):
        vectors = _vectors(segment)
        row = np.arange(segment.n_rows) if visible is None else np.flatnonzero(visible)
        few = n_visible * _FEW < segment.n_rows
        score = vectors[row] @ vector if few else (vectors @ vector)[row]
        near = candidates(score, DEPTH, _COSINE_MARGIN)
        places.append(row[near])
        # Not BLAS: each row is summed in an order of its own length only.
        scores.append((vectors[row[near]].astype(np.float64) * vector).sum(axis=1))
    return _best(segments, places, scores, _SCORE_MARGIN)


def terms_in(row: int, at: int, matches: Matches) -> NDArray[np.bool_]:
    """Tell which terms of the question row *row* of segment *at* holds."""
    held = np.zeros(matches.df.size, dtype=np.bool_)
    places = np.flatnonzero(matches.row[at] == row)
    held[np.searchsorted(np.cumsum(matches.many[at]), places, side="right")] = True
    return held


def place_of(segments: Sequence[Segment], row: int) -> tuple[int, int]:
    """Split the *row* of a ranking into the segment's place and the row in it."""
    for at, segment in enumerate(segments):
        if row < segment.n_rows:
            return at, row
        row -= segment.n_rows
    raise IndexError(row)


def _best(
    segments: Sequence[Segment],
    places: list[NDArray[np.intp]],
    scores: list[NDArray[np.float64]],
    margin: float,
) -> Ranking:
    if not places:
        return Ranking(np.zeros(0, np.int64), np.zeros((0, 16), np.uint8), np.zeros(0))
    score = np.concatenate(scores)
    keep = candidates(score, DEPTH, margin)
    kept_row, kept_ids = [], []
    start, first = 0, 0
    for segment, place in zip(segments, places, strict=True):
        low, high = np.searchsorted(keep, (start, start + place.size))
        row = place[keep[low:high] - start]
        kept_row.append(row + first)
        kept_ids.append(segment.ids[row])
        start += place.size
        first += segment.n_rows
    return rank(np.concatenate(kept_row), np.concatenate(kept_ids), score[keep], DEPTH)


def _vectors(segment: Segment) -> NDArray[np.float32]:
    if segment.vec is None:
        raise ValueError("this index was built without an embedder: search it without a vector")
    return segment.vec


def _tokens(lengths: Sequence[NDArray[np.uint16]], visible: Sequence[NDArray[np.bool_]]) -> int:
    return sum(int(length[seen].sum(dtype=np.int64)) for length, seen in zip(lengths, visible, strict=True))


def _norms(lengths: Sequence[NDArray[np.uint16]], tokens: int, n_rows: int) -> NDArray[np.float64]:
    longest = max((int(length.max(initial=0)) for length in lengths), default=0)
    return length_norms(longest, tokens / n_rows if n_rows else 0.0)
