"""A sealed release, open for reading: a mask over shared segments, searched exactly.

Opening gathers nothing: segments are mapped once per process and the release is a row mask over them, so a release
of 50,000 rows opens in a few milliseconds and a second one beside it costs a megabyte. What the caller may read is
one more mask on top. Masks are kept by their content for the readers asked last, so a repeated question counts
only its own terms.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from kbm.domain.answers import Hit
from kbm.domain.identity import ChunkId, Digest, digest
from kbm.domain.retrieval import Retrieval, Synonyms
from kbm.errors import IndexDamaged
from kbm_indexes import manifest as files
from kbm_indexes.fusion import Ranking, fuse, share, signals
from kbm_indexes.lexical import idf
from kbm_indexes.manifest import KnownAnswer, Manifest
from kbm_indexes.near import near_pairs, vectors_of
from kbm_indexes.question import Question, QuestionWord, tokenise_question, words_held
from kbm_indexes.ranking import (
    Mask,
    Matches,
    View,
    make_mask,
    match,
    place_of,
    rank_terms,
    rank_vectors,
    terms_in,
    view_grams,
    view_stems,
)
from kbm_indexes.segment import Segment, SharedSegments, members

_COVERED_HITS = 5
_KNOWN_ANSWERS = 2
_KNOWN_STEMS, _KNOWN_GRAMS = 8, 16
_KNOWN_TOLERANCE = 1e-4  # other processors add in another order
_CACHED_MASKS = 32


class ReleaseIndex:
    """A sealed release, open for reading. Many threads may search it at once."""

    def __init__(
        self, seq: int, spec_digest: Digest, segments: Sequence[Segment], rows: NDArray[np.uint32]
    ) -> None:
        """Look at *rows* (ascending) of these segments; :meth:`open` reads both from a folder."""
        self.seq = seq
        self.spec_digest = spec_digest
        self.manifest: Manifest | None = None
        self._segments = tuple(segments)
        self._members = tuple(members(segment.rows, rows) for segment in segments)
        self.n_rows = sum(int(np.count_nonzero(each)) for each in self._members)
        self._masks: OrderedDict[bytes | None, Mask] = OrderedDict()
        self._masks_lock = Lock()

    @classmethod
    def open(cls, folder: Path, seq: int, shared: SharedSegments) -> ReleaseIndex:
        """Open release *seq*; the structure of its files is checked, their bytes by :meth:`verify`.

        Raises:
            ReleaseNotSealed: there is no such release, or its sealing was cut short.
            IndexDamaged: a file is missing, cut short, or another one than was sealed.
        """
        manifest, bitmap = files.read(folder, seq)
        try:
            segments = [shared.open(folder, record) for record in manifest.segments]
        except IndexDamaged as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            # A merge may have moved the rows since the description was read; it names the new files first.
            manifest, bitmap = files.read(folder, seq)
            segments = [shared.open(folder, record) for record in manifest.segments]
        index = cls(seq, manifest.spec_digest, segments, np.array(bitmap.to_array(), dtype=np.uint32))
        if index.n_rows != manifest.n_rows or len(bitmap) != manifest.n_rows:
            raise IndexDamaged(f"release {seq} in {folder} names rows that its segments do not hold")
        index.manifest = manifest
        return index

    def search(
        self,
        question: str,
        vector: NDArray[np.float32] | None,
        *,
        readable: NDArray[np.bool_] | None,
        k: int = 10,
        synonyms: Synonyms = (),
    ) -> Retrieval:
        """Find the best *k* rows that the release holds and the caller may read.

        *vector* is the question's, of unit length, shape ``(d,)``; without it the two lexical rankings decide.
        *readable* is indexed by document number; a document beyond its end is not readable; ``None`` is
        everything. A word of a group of *synonyms* stands for all of it. No hit is empty with all signals 0.

        Raises:
            ValueError: the vector has another length than the index, or is not finite.
        """
        return self._retrieve(tokenise_question(question, synonyms), vector, self._mask(readable), k)

    def overlap(
        self,
        question: str,
        texts: Sequence[str],
        *,
        readable: NDArray[np.bool_] | None,
        synonyms: Synonyms = (),
    ) -> list[float]:
        """Give for each text the share, in [0, 1], of the question's idf weight that it contains.

        Weights are those of the visible rows, so a hidden row tells nothing here either.
        """
        asked = tokenise_question(question, synonyms)
        matches = match(self._segments, self._mask(readable), view_stems, asked.stems)
        weight, known, counts = _words(asked.words, matches)
        total = float(weight[known | counts].sum())
        held = words_held(asked, texts)
        return [float(each) for each in share(held, weight * (known | counts), total)]

    def weights(self, words: Sequence[str], *, readable: NDArray[np.bool_] | None) -> list[float]:
        """Give how much each word tells: the idf of its stem over the visible rows, 0 where none holds it."""
        mask = self._mask(readable)
        found = []
        for word in words:
            asked = tokenise_question(word, ())
            weight, known, _ = _words(asked.words, match(self._segments, mask, view_stems, asked.stems))
            found.append(float((weight * known).max(initial=0.0)))
        return found

    def vectors_of(self, chunk_ids: Sequence[ChunkId]) -> NDArray[np.float32]:
        """Give the vectors of passages, in order, shape ``(len(chunk_ids), d)``; zeros for one that is not here."""
        return vectors_of(self._segments, chunk_ids)

    def near_pairs(
        self, readable: NDArray[np.bool_] | None, *, cosine: float, limit: int
    ) -> list[tuple[ChunkId, ChunkId, float]]:
        """Give pairs of visible passages of different documents that are at least as near, nearest first.

        Nothing without vectors. Compares all with all: 20,000 passages take some 15 s on one core.
        """
        masks = [self._visible(at, readable) for at in range(len(self._segments))]
        return near_pairs(self._segments, masks, cosine=cosine, limit=limit)

    def n_tokens(self) -> tuple[int, int]:
        """Count the stems and the 4-grams of all rows, with repetition."""
        mask = self._mask(None)
        return mask.stem_tokens, mask.gram_tokens

    def logical_digest(self) -> Digest:
        """Hash what the release holds: equal however and in which order its rows came about."""
        leaves = np.concatenate(
            [
                np.zeros((0, 32), np.uint8),
                *(segment.leaf[seen] for segment, seen in zip(self._segments, self._members, strict=True)),
            ]
        )
        key = leaves.view(">u8").reshape(-1, 4)
        order = np.lexsort((key[:, 3], key[:, 2], key[:, 1], key[:, 0]))
        return digest("index", self.spec_digest, leaves[order].tobytes())

    def verify(self) -> Digest:
        """Hash all files, compute the digest from the rows and ask the known answers.

        Raises:
            IndexDamaged: anything differs from what was sealed.
        """
        for segment in self._segments:
            segment.verify()
        found = self.logical_digest()
        if self.manifest is not None:
            if found != self.manifest.digest:
                raise IndexDamaged(
                    f"release {self.seq} has digest {found}, sealed was {self.manifest.digest}"
                )
            if self.n_tokens() != (self.manifest.stem_tokens, self.manifest.gram_tokens):
                raise IndexDamaged(f"release {self.seq} counts other terms than when it was sealed")
            for known, now in zip(self.manifest.known, self._ask(self._named()), strict=True):
                if not known.agrees(now, _KNOWN_TOLERANCE):
                    raise IndexDamaged(
                        f"release {self.seq} no longer finds row {known.row} as it did when sealed"
                    )
        return found

    def ask_known(self) -> tuple[KnownAnswer, ...]:
        """Ask for some rows of the release by their own rarest terms and vector."""
        every = [(at, row) for at, seen in enumerate(self._members) for row in _ends(seen)]
        return self._ask(every[:: max(1, -(-len(every) // _KNOWN_ANSWERS))])

    def _named(self) -> list[tuple[int, int]]:
        """Find the rows of the sealed answers, wherever a merge has put them since: segment and place in it."""
        places = []
        for known in self.manifest.known if self.manifest else ():
            at = [
                bool(members(segment.rows, np.array([known.row], np.uint32)).any())
                for segment in self._segments
            ]
            if not any(at):
                raise IndexDamaged(
                    f"release {self.seq} no longer holds row {known.row}, which was asked when sealed"
                )
            places.append(
                (at.index(True), int(np.searchsorted(self._segments[at.index(True)].rows, known.row)))
            )
        return places

    def _ask(self, places: Sequence[tuple[int, int]]) -> tuple[KnownAnswer, ...]:
        mask = self._mask(None)
        answers = []
        for at, row in places:
            segment = self._segments[at]
            stems = self._rarest(view_stems, at, row, mask)[:_KNOWN_STEMS]
            question = Question(
                stems,
                self._rarest(view_grams, at, row, mask)[:_KNOWN_GRAMS],
                tuple(QuestionWord((place,), False) for place in range(stems.size)),
            )
            vector = None if segment.vec is None else segment.vec[row]
            hits = self._retrieve(question, vector, mask, 3).hits
            answers.append(
                KnownAnswer(int(segment.rows[row]), tuple((hit.chunk_id, hit.score) for hit in hits))
            )
        return tuple(answers)

    def _rarest(self, view: View, at: int, row: int, mask: Mask) -> NDArray[np.uint32]:
        """Give the terms of a row, the rarest first: in the release, for in its segment a merge would change them."""
        postings = view(self._segments[at])
        places = np.flatnonzero(postings.row == row)
        terms = postings.term[np.searchsorted(postings.ptr, places, side="right") - 1]
        df = match(self._segments, mask, view, terms).df
        return terms[np.argsort(df, kind="stable")]

    def _retrieve(
        self, question: Question, vector: NDArray[np.float32] | None, mask: Mask, k: int
    ) -> Retrieval:
        segments = self._segments
        matches = match(segments, mask, view_stems, question.stems)
        gram_matches = match(segments, mask, view_grams, question.grams)
        stems = rank_terms(segments, view_stems, mask.stem_norms, matches)
        grams = rank_terms(segments, view_grams, mask.gram_norms, gram_matches)
        dense = None if vector is None else rank_vectors(segments, mask, self._checked(vector))
        fused = fuse([stems, grams], dense)
        weight, known, counts = _words(question.words, matches)
        return Retrieval(
            hits=_hits(fused, k),
            signals=signals(
                fused=fused,
                stems=stems,
                grams=grams,
                dense=dense,
                word_weight=weight,
                word_known=known,
                word_counts=counts,
                word_in_hit=self._held(question.words, fused, matches),
                gram_weight=float(gram_matches.weight.sum()),
            ),
        )

    def _held(self, words: Sequence[QuestionWord], fused: Ranking, matches: Matches) -> NDArray[np.bool_]:
        first = fused.row[:_COVERED_HITS].tolist()
        held = np.zeros((len(first), len(words)), dtype=np.bool_)
        for hit, row in enumerate(first):
            at, local = place_of(self._segments, row)
            stems = terms_in(local, at, matches)
            held[hit] = [bool(stems[list(word.stems)].any()) for word in words]
        return held

    def _checked(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        expected = next(
            (segment.vec.shape[1:] for segment in self._segments if segment.vec is not None), None
        )
        if expected is not None and vector.shape != expected:
            raise ValueError(f"the index holds vectors of shape {expected}, the question's is {vector.shape}")
        if not np.isfinite(vector).all():
            raise ValueError("the question's vector holds a number that is not finite")
        return np.ascontiguousarray(vector, dtype=np.float32)

    def _mask(self, readable: NDArray[np.bool_] | None) -> Mask:
        # By content, not by object: callers may build the array anew for each question, or change it.
        key = None if readable is None else readable.tobytes()
        with self._masks_lock:
            mask = self._masks.get(key)
            if mask is not None:
                self._masks.move_to_end(key)
                return mask
        mask = make_mask(self._segments, [self._visible(at, readable) for at in range(len(self._segments))])
        with self._masks_lock:
            self._masks[key] = mask
            while len(self._masks) > _CACHED_MASKS:
                self._masks.popitem(last=False)
        return mask

    def _visible(self, at: int, readable: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        if readable is None:
            return self._members[at]
        beyond_is_hidden = np.append(readable, False)
        allowed: NDArray[np.bool_] = beyond_is_hidden[np.minimum(self._segments[at].doc, readable.size)]
        return self._members[at] & allowed


def _hits(fused: Ranking, k: int) -> tuple[Hit, ...]:
    scores = fused.score[:k].tolist()
    return tuple(
        Hit(chunk_id=ChunkId(chunk_id.tobytes().hex()), score=score)
        for chunk_id, score in zip(fused.ids[:k], scores, strict=True)
    )


def _words(
    words: Sequence[QuestionWord], matches: Matches
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Give for each word its idf, whether a visible row holds it, and whether its absence counts."""
    df = matches.df.tolist()
    best = np.array([max(df[place] for place in word.stems) for word in words], dtype=np.int64)
    counts = np.array([not word.optional for word in words], dtype=np.bool_)
    return idf(matches.n_rows, best), best > 0, counts


def _ends(seen: NDArray[np.bool_]) -> list[int]:
    """Give the first and the last place that is true."""
    places = np.flatnonzero(seen)
    return [int(each) for each in dict.fromkeys((places[0], places[-1]))] if places.size else []
