"""A release as a set of rows over sealed segments: the builder's folder and the reader.

::

    <folder>/LOCK                         flock, held by the one builder; readers take none
             seg-<first row>-<hash8>.kseg   shared by all releases of one GPT and index spec
             rel-<seq>.roar               bitmap of row numbers
             rel-<seq>.json               digest, spec, counts, segments with hashes, known answers

**SQL decides what exists.** Files are written first and recorded afterwards; a file nobody recorded is litter,
and the next builder sweeps it under the lock. ``rel-<seq>.json`` comes last: without it nothing is sealed.

**The digest is logical.** It hashes the spec and the sorted leaves of the rows, never files, positions or order, so
it is the same after any split into segments, after merging, and on another machine that appended otherwise. A
pass over 100,000 leaves takes 22 ms: no tree of hashes is needed. Readers, titles and addresses are not in it,
because they change at once on every release.

**Known answers** are stored without text or terms (an erasure must not have to clean them): a row number and what
came back when the row's own rarest terms and vector were asked. The probe asks again, in its own process.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from kbm.domain.identity import ChunkId, Digest, digest
from kbm.domain.retrieval import IndexRow, Merged, SealedIndex, SegmentRecord
from kbm.errors import IndexDamaged, ReleaseNotSealed
from kbm.faults import fault_point
from kbm.ports import Vectors
from kbm_indexes import manifest as files
from kbm_indexes.lexical import tokenise
from kbm_indexes.lock import FolderLock
from kbm_indexes.manifest import Manifest, release_files
from kbm_indexes.merge import merge_rows, merge_segments
from kbm_indexes.reader import ReleaseIndex
from kbm_indexes.segment import MAX_ROWS, SharedSegments, leaves, members, write_segment
from kbm_indexes.tiers import Load, choose

__all__ = ["IndexFolder", "ReleaseIndex", "SharedSegments", "release_files"]


class IndexFolder:
    """The builder's side of one folder; one process at a time. Use it as a context manager."""

    def __init__(
        self, folder: Path, spec_digest: Digest, segments: Sequence[SegmentRecord], dimensions: int
    ) -> None:
        """Take the lock; *segments* are those SQL knows, *dimensions* is 0 without an embedder.

        Raises:
            Busy: another builder holds the folder; its process id is named.
            IndexDamaged: a segment is missing or cut short.
        """
        self.folder = folder
        self.spec_digest = spec_digest
        self.dimensions = dimensions
        self._lock = FolderLock(folder, "is building")
        try:
            self._shared = SharedSegments()
            self._records = sorted(segments, key=lambda record: record.first_row)
            self._segments = [self._shared.open(folder, record) for record in self._records]
        except BaseException:
            self.close()
            raise
        self._rows: dict[ChunkId, int] | None = None

    def rows(self) -> dict[ChunkId, int]:
        """Give the row number of every chunk that has one."""
        if self._rows is None:
            self._rows = {}
            for segment in self._segments:
                self._rows.update(zip(segment.chunk_ids(), segment.rows.tolist(), strict=True))
        return self._rows

    def append(self, rows: Sequence[IndexRow], vectors: Vectors | None) -> tuple[SegmentRecord, ...]:
        """Seal *rows* in new segments and give what SQL must record; *vectors* are rows of unit length, in order.

        Row numbers go on after the highest known one. Nothing counts until it is recorded: after a crash the same
        call writes the same files.

        Raises:
            ValueError: vectors do not fit, or a chunk has a row already.
        """
        expected = (len(rows), self.dimensions)
        if (vectors is None) != (self.dimensions == 0) or (vectors is not None and vectors.shape != expected):
            got = "none" if vectors is None else vectors.shape
            raise ValueError(f"this index takes vectors of shape {expected}, got {got}")
        if vectors is not None and not np.isfinite(vectors).all():
            raise ValueError("a vector holds a number that is not finite; nothing was written")
        known = self.rows()
        new = {row.chunk_id for row in rows}
        if len(new) < len(rows) or not new.isdisjoint(known):
            raise ValueError("a chunk would get a second row; append only what rows() does not name")
        records = []
        for start in range(0, len(rows), MAX_ROWS):
            part = rows[start : start + MAX_ROWS]
            first = self._next_row()
            record = write_segment(
                self.folder, first, part, None if vectors is None else vectors[start : start + MAX_ROWS]
            )
            self._records.append(record)
            self._segments.append(self._shared.open(self.folder, record))
            known.update((row.chunk_id, first + at) for at, row in enumerate(part))
            records.append(record)
        return tuple(records)

    def seal(self, seq: int, chunk_ids: Collection[ChunkId]) -> SealedIndex:
        """Write release *seq* as the set of these chunks. Sealing it again with other chunks replaces it.

        Raises:
            ValueError: some chunks have no row; append them first.
        """
        known = self.rows()
        wanted = set(chunk_ids)
        missing = wanted.difference(known)
        if missing:
            raise ValueError(
                f"{len(missing)} of {len(wanted)} chunks have no row in {self.folder}, {min(missing)} first; "
                "append them before sealing"
            )
        rows = np.sort(np.fromiter((known[each] for each in wanted), dtype=np.uint32, count=len(wanted)))
        used = [at for at, segment in enumerate(self._segments) if members(segment.rows, rows).any()]
        records = tuple(self._records[at] for at in used)
        segments = [self._segments[at] for at in used]
        index = ReleaseIndex(seq, self.spec_digest, segments, rows)
        sealed = SealedIndex(seq=seq, digest=index.logical_digest(), n_rows=index.n_rows)
        stem_tokens, gram_tokens = index.n_tokens()
        files.write(
            self.folder,
            Manifest(
                seq=seq,
                digest=sealed.digest,
                spec_digest=self.spec_digest,
                n_rows=index.n_rows,
                dimensions=self.dimensions,
                stem_tokens=stem_tokens,
                gram_tokens=gram_tokens,
                segments=records,
                known=index.ask_known(),
            ),
            BitMap(rows),
        )
        return sealed

    def compact(self, hot: Collection[int], kept: Collection[int], *, everything: bool = False) -> Merged:
        """Write segments anew where it pays: rows of *hot* releases apart, those of no *kept* one left out.

        Both are numbers of sealed releases; a hot one is kept too. *everything* does not ask whether it pays. What
        comes back is to be made known in SQL and then to be told to :meth:`replace`; until then nothing counts.

        Raises:
            ReleaseNotSealed, IndexDamaged: a release cannot be read, or a segment is not what was sealed.
        """
        hot_rows, kept_rows = self._rows_of(hot), self._rows_of({*hot, *kept})
        held = [
            (segment, members(segment.rows, hot_rows), members(segment.rows, kept_rows))
            for segment in self._segments
        ]
        if sum(int(np.count_nonzero(keep)) for _, _, keep in held) != kept_rows.size:
            raise IndexDamaged(
                f"releases in {self.folder} name rows that no segment holds; nothing was changed",
                hint="run `kbm doctor --fix`, then the same command again",
            )
        loads = [
            Load(segment.n_rows, int(np.count_nonzero(warm)), int(np.count_nonzero(keep)))
            for segment, warm, keep in held
        ]
        chosen = sorted(choose(loads, everything=everything))
        gone = [self._records[at] for at in chosen]
        parts = [held[at] for at in chosen]
        made = [
            *merge_rows(self.folder, [(segment, warm) for segment, warm, _ in parts]),
            *merge_rows(self.folder, [(segment, keep & ~warm) for segment, warm, keep in parts]),
        ]
        return Merged(
            gone=tuple(record for record in gone if record not in made),
            made=tuple(record for record in made if record not in gone),
        )

    def _rows_of(self, seqs: Collection[int]) -> NDArray[np.uint32]:
        bitmaps = [files.read(self.folder, seq)[1] for seq in sorted(seqs)]
        return np.array(BitMap.union(BitMap(), *bitmaps).to_array(), dtype=np.uint32)

    def replace(self, old: Sequence[SegmentRecord], new: Sequence[SegmentRecord]) -> None:
        """Go over from *old* segments to *new* ones, after SQL did: releases are refitted, old files unlinked.

        Call it once the files of *new* are written and ``replace_segments`` has committed. A crash before its end is
        made good by the next opening of the folder. Readers that have an old segment mapped go on reading it.
        """
        self.adopt(old, new)
        self.refit()
        with fault_point("merge.sweep"):
            for record in old:
                if record not in new:
                    (self.folder / record.name).unlink(missing_ok=True)

    def adopt(self, old: Sequence[SegmentRecord], new: Sequence[SegmentRecord]) -> None:
        """Look at *new* segments instead of *old* ones from now on; no file is touched.

        For who takes rows away and seals the releases again; who only moves rows calls :meth:`replace`.
        """
        kept = [record for record in self._records if record not in old and record not in new]
        self._records = sorted([*kept, *new], key=lambda record: record.first_row)
        self._segments = [self._shared.open(self.folder, record) for record in self._records]
        self._rows = None

    def without(
        self, chunk_ids: Collection[ChunkId]
    ) -> tuple[tuple[SegmentRecord, ...], tuple[SegmentRecord, ...]]:
        """Write the segments that hold these chunks anew without them; gives the old ones and the new ones.

        A segment of nothing else has no new one. Nothing counts until :meth:`adopt`; the same call writes the same
        files.
        """
        gone = frozenset(chunk_ids)
        old, new = [], []
        for record, segment in zip(self._records, self._segments, strict=True):
            keep = np.array([each not in gone for each in segment.chunk_ids()], dtype=np.bool_)
            if not keep.all():
                made = merge_segments(self.folder, [(segment, keep)])
                old.append(record)
                new += [made] if made else []
        return tuple(old), tuple(new)

    def vectors(self) -> Iterator[tuple[list[ChunkId], Vectors]]:
        """Give the chunks and vectors of each segment, shape ``(rows, d)``; nothing without an embedder.

        Raises:
            IndexDamaged: a segment has other bytes than were sealed.
        """
        for segment in self._segments:
            if segment.vec is not None:
                segment.verify()
                yield segment.chunk_ids(), segment.vec

    def own_vectors(self, chunk_ids: Collection[ChunkId]) -> list[bytes]:
        """Give the bytes of the vectors that only rows of these chunks have."""
        wanted = frozenset(chunk_ids)
        own: set[bytes] = set()
        others: set[bytes] = set()
        for segment in self._segments:
            if segment.vec is not None:
                for chunk_id, vector in zip(segment.chunk_ids(), segment.vec, strict=True):
                    (own if chunk_id in wanted else others).add(vector.tobytes())
        return sorted(own - others)

    def refit(self) -> list[int]:
        """Let every sealed release name the segments that hold its rows now; returns which were described anew.

        Only releases that name a segment SQL no longer knows are touched. Their rows, counts and digests are what
        they were. One that is damaged, or has rows that no known segment holds, is left for ``kbm doctor``.
        """
        files.finish_all(self.folder)
        known = set(self._records)
        refitted = []
        for seq in files.sealed(self.folder):
            try:
                manifest, bitmap = files.read(self.folder, seq)
            except (IndexDamaged, ReleaseNotSealed):
                continue
            if known.issuperset(manifest.segments):
                continue
            rows = np.array(bitmap.to_array(), dtype=np.uint32)
            held = [int(np.count_nonzero(members(segment.rows, rows))) for segment in self._segments]
            if sum(held) != manifest.n_rows:
                continue
            used = tuple(record for record, n in zip(self._records, held, strict=True) if n)
            with fault_point("merge.refit"):
                files.refit(self.folder, replace(manifest, segments=used), bitmap)
            refitted.append(seq)
        return refitted

    def sweep(self, seqs: Collection[int]) -> list[str]:
        """Remove files of segments SQL does not know and of releases not in *seqs*, and what crashed writers left.

        Returns the names. Files of other names are left alone; readers that have a removed segment mapped go on
        reading it. What a merge was killed in front of is done first.
        """
        self.refit()
        keep = {record.name for record in self._records}
        keep.update(name for seq in seqs for name in release_files(seq))
        gone = []
        for path in sorted(self.folder.iterdir()):
            ours = path.name.startswith(("seg-", "rel-")) and path.suffix in (".kseg", ".roar", ".json")
            if (ours and path.name not in keep) or (path.name.startswith(".") and path.suffix == ".tmp"):
                # A folder of that name is none of ours, but it stands where a file of ours has to be.
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
                gone.append(path.name)
        return gone

    def drop(self, seq: int) -> None:
        """Remove a release; its segments stay for the others. Dropping what is not there does nothing."""
        files.remove(self.folder, seq)

    def close(self) -> None:
        """Give the folder free."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _next_row(self) -> int:
        return max((int(segment.rows[-1]) + 1 for segment in self._segments), default=0)


def digest_of(spec_digest: Digest, rows: Sequence[IndexRow], vectors: Vectors | None) -> Digest:
    """Give the logical digest of an index of just these rows, without writing one."""
    tokens = tokenise([row.text for row in rows])
    ids = [bytes.fromhex(row.chunk_id) for row in rows]
    return digest("index", spec_digest, b"".join(sorted(leaves(ids, vectors, tokens.stems, tokens.grams))))
