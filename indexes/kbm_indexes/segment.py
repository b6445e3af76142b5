"""Sealed segments: rows of an index in one file that never changes once it has its name.

A file holds vectors and the postings of every term *by term*, so it can be searched as it lies on disk. Files with
token lists by row would have to be turned round at every open, privately in every worker: .4 s for 100,000 rows
against 2 ms for mapping (``facts/release-index.md``, 3). Because nothing is ever appended, there is no torn tail:
a file is written aside, forced to disk, renamed, and the folder forced to disk, so under its final name it is whole.

Layout: a magic number, arrays on 64-byte borders, then a JSON table of them, the length of the table (8 bytes) and
the BLAKE2b-256 of everything before it. At most 65,536 rows, so that a posting names its row in two bytes.

======================  ==========  =====================================================================
``rows``                u32         row numbers, ascending; a row keeps its number, so a merge may leave gaps
``ids``                 16 bytes    chunk ids
``doc``                 u32         the catalogue's number of the row's document
``leaf``                32 bytes    hash of the row's content, see :func:`leaves`
``vec``                 f32 x d     vectors; absent without an embedder
``s.len``, ``g.len``    u16         terms in the row, counted with repetition
``s.term``, ``g.term``  u32         hashed terms, ascending
``s.ptr``, ``g.ptr``    u32         where the postings of a term begin, and the end of the last
``s.row``, ``g.row``    u16         rows of the segment holding the term, ascending for each
``s.tf``, ``g.tf``      u8          how often
======================  ==========  =====================================================================

Arrays are found by name: an 8-bit copy of the vectors can be added without a new format.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kbm.domain.identity import ID_BYTES, ChunkId
from kbm.domain.retrieval import IndexRow, SegmentRecord
from kbm.errors import IndexDamaged
from kbm.faults import fault_point
from kbm_indexes.lexical import Counts, tokenise

if TYPE_CHECKING:  # a probe starts for every release and needs no ports
    from kbm.ports import Vectors

MAX_ROWS = 65_536
LEAF_BYTES = 32

_MAGIC = b"kbm segment 1\n\0\0"
_BORDER = 64
_HASH_BYTES = 32
_TAIL_BYTES = 8 + _HASH_BYTES
_HINT = "run `kbm doctor --fix`: it builds the index anew from the catalogue; other releases stay as they are"

_VIEW_TYPES = {"len": "<u2", "term": "<u4", "ptr": "<u4", "row": "<u2", "tf": "u1"}
_TYPE_OF = {
    "rows": "<u4",
    "ids": "u1",
    "doc": "<u4",
    "leaf": "u1",
    "vec": "<f4",
    **{f"{view}.{name}": kind for view in "sg" for name, kind in _VIEW_TYPES.items()},
}


@dataclass(frozen=True, slots=True)
class Postings:
    """One view (stems or 4-grams) of a segment, by term."""

    length: NDArray[np.uint16]
    term: NDArray[np.uint32]
    ptr: NDArray[np.uint32]
    row: NDArray[np.uint16]
    tf: NDArray[np.uint8]

    def of(self, terms: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.uint8], NDArray[np.intp]]:
        """Collect the postings of *terms*, term after term: rows, counts, and how many there are of each term."""
        many = np.zeros(terms.size, dtype=np.intp)
        if not self.term.size or not terms.size:
            return np.zeros(0, dtype=np.intp), self.tf[:0], many
        at = np.minimum(np.searchsorted(self.term, terms), self.term.size - 1)
        found = np.flatnonzero(self.term[at] == terms)
        starts, ends = self.ptr[at[found]].tolist(), self.ptr[at[found] + 1].tolist()
        many[found] = np.subtract(ends, starts)
        slices = [slice(start, end) for start, end in zip(starts, ends, strict=True)]
        # Row numbers index four arrays later on: widened once here instead of at each of them.
        row = np.concatenate([self.row[:0], *(self.row[each] for each in slices)], dtype=np.intp)
        return row, np.concatenate([self.tf[:0], *(self.tf[each] for each in slices)]), many


class Segment:
    """A sealed file, mapped read-only. Arrays point into the map; keep the segment while using them."""

    def __init__(self, path: Path, n_rows: int, blake2b: str) -> None:
        """Map the file and check its structure, not its bytes: :meth:`verify` does that.

        Raises:
            IndexDamaged: missing, cut short, or another file than *blake2b* says.
        """
        self.path = path
        self.name = path.name
        self.n_rows = n_rows
        self.blake2b = blake2b
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise IndexDamaged(f"index file {path} cannot be read: {error}", hint=_HINT) from error
        try:
            arrays = self._arrays()
        except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise IndexDamaged(f"index file {path} is not what was sealed: {error}", hint=_HINT) from error
        self.rows: NDArray[np.uint32] = arrays["rows"]
        self.ids: NDArray[np.uint8] = arrays["ids"].reshape(-1, ID_BYTES)
        self.doc: NDArray[np.uint32] = arrays["doc"]
        self.leaf: NDArray[np.uint8] = arrays["leaf"].reshape(-1, LEAF_BYTES)
        self.vec: NDArray[np.float32] | None = arrays["vec"].reshape(n_rows, -1) if "vec" in arrays else None
        self.stems, self.grams = (
            Postings(*(arrays[f"{view}.{name}"] for name in ("len", "term", "ptr", "row", "tf")))
            for view in "sg"
        )

    def _arrays(self) -> dict[str, NDArray[Any]]:
        data, size = self._map, len(self._map)
        if size < len(_MAGIC) + _TAIL_BYTES or data[: len(_MAGIC)] != _MAGIC:
            raise ValueError("it does not begin like a segment")
        if data[-_HASH_BYTES:].hex() != self.blake2b:
            raise ValueError("it does not end with the hash it was sealed under")
        table_end = size - _TAIL_BYTES
        table_start = table_end - int.from_bytes(data[table_end : table_end + 8], "little")
        if table_start < len(_MAGIC):
            raise ValueError("its table is longer than the file")
        table: Mapping[str, list[int]] = json.loads(data[table_start:table_end])
        arrays = {}
        for name, (start, count) in table.items():
            kind = np.dtype(_TYPE_OF[name])
            if start % _BORDER or start < 0 or count < 0 or start + count * kind.itemsize > table_start:
                raise ValueError(f"array {name} lies outside of it")
            arrays[name] = np.frombuffer(data, kind, count, start)
        n = self.n_rows
        per_row = {"rows": n, "ids": n * ID_BYTES, "doc": n, "leaf": n * LEAF_BYTES, "s.len": n, "g.len": n}
        if any(arrays[name].size != count for name, count in per_row.items()):
            raise ValueError(f"it does not hold {n} rows")
        for view in "sg":
            ptr, row = arrays[f"{view}.ptr"], arrays[f"{view}.row"]
            if ptr.size != arrays[f"{view}.term"].size + 1 or not (
                int(ptr[-1]) == row.size == arrays[f"{view}.tf"].size
            ):
                raise ValueError(f"its postings ({view}) do not add up")
        return arrays

    def chunk_ids(self) -> list[ChunkId]:
        """Give the chunk of each row."""
        text, digits = self.ids.tobytes().hex(), 2 * ID_BYTES
        return [ChunkId(text[at : at + digits]) for at in range(0, len(text), digits)]

    def verify(self) -> None:
        """Hash the whole file.

        Raises:
            IndexDamaged: it is not what was sealed.
        """
        with memoryview(self._map) as view:
            found = hashlib.blake2b(view[:-_HASH_BYTES], digest_size=_HASH_BYTES).hexdigest()
        if found != self.blake2b:
            raise IndexDamaged(f"index file {self.path} has other bytes than were sealed", hint=_HINT)


class SharedSegments:
    """Segments mapped once per process, however many releases use them; unmapped with the last of these."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: weakref.WeakValueDictionary[tuple[Path, str], Segment] = weakref.WeakValueDictionary()

    def open(self, folder: Path, record: SegmentRecord) -> Segment:
        """Give a segment.

        Raises:
            IndexDamaged: as :class:`Segment` does.
        """
        path = folder.resolve() / record.name
        with self._lock:
            segment = self._open.get((path, record.blake2b))
            if segment is None:
                segment = Segment(path, record.n_rows, record.blake2b)
                self._open[path, record.blake2b] = segment
            return segment


def members(numbers: NDArray[np.uint32], wanted: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Tell which row *numbers* (ascending) are among the *wanted* ones (ascending)."""
    found = np.zeros(numbers.size, dtype=np.bool_)
    low, high = np.searchsorted(wanted, (numbers[0], numbers[-1] + 1)) if numbers.size else (0, 0)
    near = wanted[low:high]
    at = np.searchsorted(numbers, near)
    # After a merge another segment may hold numbers between this one's.
    found[at[numbers[at] == near]] = True
    return found


def write_segment(
    folder: Path, first_row: int, rows: Sequence[IndexRow], vectors: Vectors | None
) -> SegmentRecord:
    """Seal *rows* under the numbers from *first_row* on; vectors have shape ``(len(rows), d)``.

    When it returns, the file is on disk under its final name. Writing the same rows again gives the same file.
    """
    tokens = tokenise([row.text for row in rows])
    ids = [bytes.fromhex(row.chunk_id) for row in rows]
    arrays: dict[str, NDArray[Any]] = {
        "rows": np.arange(first_row, first_row + len(rows), dtype=np.uint32),
        "ids": np.frombuffer(b"".join(ids), dtype=np.uint8),
        "doc": np.array([row.document_no for row in rows], dtype=np.uint32),
        "leaf": np.frombuffer(b"".join(leaves(ids, vectors, tokens.stems, tokens.grams)), dtype=np.uint8),
        **_by_term("s", tokens.stems),
        **_by_term("g", tokens.grams),
    }
    if vectors is not None:
        arrays["vec"] = np.ascontiguousarray(vectors, dtype=np.float32)
    return write_arrays(folder, arrays)


def write_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> SegmentRecord:
    """Seal arrays named as above; at least one row. Equal arrays give the same file under the same name."""
    first_row, n_rows = int(arrays["rows"][0]), arrays["rows"].size
    pieces, blake2b = _packed(arrays)
    name = f"seg-{first_row:010d}-{blake2b[:8]}.kseg"
    write_sealed(folder / name, pieces)
    return SegmentRecord(name=name, first_row=first_row, n_rows=n_rows, blake2b=blake2b)


def leaves(ids: Sequence[bytes], vectors: Vectors | None, stems: Counts, grams: Counts) -> list[bytes]:
    """Hash each row: chunk id, vector bytes, and both views with counts.

    Neither the row number nor the document's number is in it: the digest of a release stays the same when rows
    move, and in another catalogue.
    """
    found = []
    for at, chunk_id in enumerate(ids):
        state = hashlib.blake2b(chunk_id, digest_size=LEAF_BYTES)
        if vectors is not None:
            state.update(vectors[at].tobytes())
        for view in (stems, grams):
            start, end = int(view.ptr[at]), int(view.ptr[at + 1])
            state.update((end - start).to_bytes(4, "little"))
            state.update(view.term[start:end].tobytes())
            state.update(view.tf[start:end].tobytes())
        found.append(state.digest())
    return found


def write_sealed(path: Path, pieces: Sequence[bytes]) -> None:
    """Write a file so that under its name it is either absent or whole, also after a crash."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with aside.open("wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        with fault_point("seal.name"):
            aside.rename(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _by_term(field: str, counts: Counts) -> dict[str, NDArray[Any]]:
    n_rows = counts.ptr.size - 1
    row = np.repeat(np.arange(n_rows, dtype=np.uint64), np.diff(counts.ptr))
    lengths = np.bincount(row.astype(np.int64), counts.tf, n_rows)
    return {
        f"{field}.len": np.minimum(lengths, np.iinfo(np.uint16).max).astype(np.uint16),
        **postings_of(field, posting_keys(counts.term, row, counts.tf)),
    }


def posting_keys(
    term: NDArray[np.uint32], row: NDArray[np.uint64], tf: NDArray[np.uint8]
) -> NDArray[np.uint64]:
    """Put term, row and count into one integer each: a plain sort turns rows into postings."""
    return (term.astype(np.uint64) << np.uint64(32)) | (row << np.uint64(16)) | tf


def postings_of(field: str, keys: NDArray[np.uint64]) -> dict[str, NDArray[Any]]:
    """Lay out the postings of one view (``s`` or ``g``); *keys* are sorted in place."""
    keys.sort()
    term, ptr = np.unique((keys >> np.uint64(32)).astype(np.uint32), return_index=True)
    return {
        f"{field}.term": term,
        f"{field}.ptr": np.append(ptr, keys.size).astype(np.uint32),
        f"{field}.row": (keys >> np.uint64(16)).astype(np.uint16),
        f"{field}.tf": keys.astype(np.uint8),
    }


def _packed(arrays: Mapping[str, NDArray[Any]]) -> tuple[list[bytes], str]:
    pieces: list[bytes] = [_MAGIC]
    table, at = {}, len(_MAGIC)
    for name, array in arrays.items():
        gap = -at % _BORDER
        data = np.ascontiguousarray(array, dtype=_TYPE_OF[name]).tobytes()
        table[name] = [at + gap, array.size]
        pieces += [bytes(gap), data]
        at += gap + len(data)
    described = json.dumps(table).encode()
    pieces += [described, len(described).to_bytes(8, "little")]
    state = hashlib.blake2b(digest_size=_HASH_BYTES)
    for piece in pieces:
        state.update(piece)
    pieces.append(state.digest())
    return pieces, state.hexdigest()
