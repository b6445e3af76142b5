"""Every vector of the company once, in an embedded Chroma: the builder's side index.

It answers "is this text embedded already" and "what else is near this". Releases are never searched here; they have
sealed segments of their own. Decided by what was measured:

- **One process.** Two writers in one folder lose 15-23 % of the vectors without an error, so a lock of the operating
  system guards the folder; it goes with its process, however that ends.
- **Inner product, not cosine.** Under "cosine" Chroma stores the normalised vector: 835 of 3,000 came back with
  other bits. Under "ip" all came back as they were, and on vectors of unit length both rank alike.
- **No text, no metadata, no embedding function.** Deleting from a collection is no erasure (the bytes stay in its
  files), so nothing that a person can read goes in; only building the folder anew cleans it.
- **Nothing comes back that was not stored.** Flipped bits give another vector without an error, so checksums lie
  beside it; a vector that does not fit counts as missing and is made again.
- **A folder whose holder died is looked at first**, in another process: damaged files can end the one that opens
  them. If that finds damage, the folder is begun anew. It is a cache: losing it only costs embedding again.
- **Look up by id, never by query.** The graph finds a row itself in 98 % of cases only; ids always work.
"""

from __future__ import annotations

import ctypes
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog
from numpy.typing import NDArray

from kbm.domain.identity import VectorKey, digest
from kbm.errors import IndexDamaged, StorageFailed
from kbm.faults import fault_point
from kbm.ports import Vectors
from kbm_indexes.chroma_probe import probe_vectors
from kbm_indexes.lock import FolderLock
from kbm_indexes.vector_sums import VectorSums

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection as ChromaCollection


_M_PERTURB = -6
"""See mallopt(3)."""

log = structlog.get_logger()

_IN_USE = "IN_USE"
"""A file that is there while somebody has the folder open; left behind by one that died."""

_PROBE_TIMEOUT_S = 600.0


class ChromaVectors:
    """A :class:`kbm.ports.VectorStore` in a folder."""

    def __init__(self, folder: Path, embedder_digest: str, dimensions: int) -> None:
        """Open the folder, or make it.

        Raises:
            Busy: another process has it open; it is named.
        """
        self.folder = folder
        self.dimensions = dimensions
        self._name = collection_name(embedder_digest)
        _complete_swap(folder)
        self._lock = FolderLock(folder, "has the vectors open")
        try:
            if (folder / _IN_USE).exists() and (problem := probe_vectors(folder, _PROBE_TIMEOUT_S)):
                log.warning("vectors_begun_anew", why=problem)
                _empty(folder)
            (folder / _IN_USE).touch()
            self._client = open_client(folder)
            self._vectors: ChromaCollection | None = self._collection()
            self._sums = VectorSums(sums_of(folder, self._name))
            # Chroma binds one variable of SQLite per id; above this it refuses.
            self._batch = int(self._client.get_max_batch_size())
        except BaseException:
            self._lock.release()
            raise

    def add(self, keys: Sequence[VectorKey], vectors: Vectors) -> None:
        """Store vectors of unit length; a key that is there keeps its first vector.

        Each batch is on disk when the next begins; after a crash the same call completes it.

        Raises:
            ValueError: the vectors have another shape, or hold a number that is not finite. Nothing was stored.
            StorageFailed: the disk is full; the batches before are kept.
        """
        if vectors.shape != (len(keys), self.dimensions):
            raise ValueError(
                f"{len(keys)} keys need vectors of shape {(len(keys), self.dimensions)}, got {vectors.shape}; "
                "nothing was stored"
            )
        if not np.isfinite(vectors).all():
            raise ValueError("a vector holds a number that is not finite; nothing was stored")
        first = {key: at for at, key in reversed(list(enumerate(keys)))}
        collection = self._open()
        for batch in self._batches(list(dict.fromkeys(keys))):
            there = self.get([VectorKey(key) for key in batch])
            new = [key for key in batch if key not in there]
            if new:
                rows = np.ascontiguousarray(vectors[[first[VectorKey(key)] for key in new]], dtype=np.float32)
                try:
                    collection.upsert(ids=new, embeddings=rows)
                except Exception as error:  # Chroma calls all of its own faults internal
                    if "disk is full" not in str(error):
                        raise
                    raise StorageFailed(
                        f"the vectors in {self.folder} cannot be written: the disk is full",
                        hint="what was finished is kept; make room, then run the same command again",
                    ) from error
                self._sums.add(dict(zip(new, rows, strict=True)))

    def get(self, keys: Sequence[VectorKey]) -> dict[VectorKey, NDArray[np.float32]]:
        """Give the stored vectors, bit for bit; missing and damaged ones are left out.

        Raises:
            IndexDamaged: the files cannot be read at all.
        """
        collection = self._open()
        found: dict[VectorKey, NDArray[np.float32]] = {}
        for batch in self._batches(list(dict.fromkeys(keys))):
            try:
                answer = collection.get(ids=batch, include=["embeddings"])
            except Exception as error:  # whatever a damaged file makes it raise
                raise IndexDamaged(
                    f"the vectors in {self.folder} cannot be read: {error}",
                    hint="run `kbm doctor --fix`, then the same command again; releases are not affected",
                ) from error
            rows = np.asarray(answer["embeddings"], dtype=np.float32)
            found.update(
                (VectorKey(key), row)
                for key, row in zip(answer["ids"], rows, strict=True)
                if self._sums.holds(key, row)
            )
        return found

    def query(self, vector: NDArray[np.float32], k: int) -> list[tuple[VectorKey, float]]:
        """Give up to *k* near keys with their cosine, nearest first; approximate.

        Raises:
            ValueError: the vector has another shape, or holds a number that is not finite.
        """
        if vector.shape != (self.dimensions,) or not np.isfinite(vector).all():
            raise ValueError(f"a query needs {self.dimensions} finite numbers, got shape {vector.shape}")
        collection = self._open()
        k = min(k, collection.count())
        if k < 1:
            return []
        answer = collection.query(query_embeddings=[vector], n_results=k, include=["embeddings"])
        keys: list[str] = answer["ids"][0]
        rows = np.asarray(answer["embeddings"][0], dtype=np.float64).reshape(len(keys), self.dimensions)
        # Chroma's distances are rounded to float32 after a subtraction: the cosine is computed anew.
        length = np.linalg.norm(rows, axis=1) * float(np.linalg.norm(vector))
        cosine = np.divide(rows @ vector, length, out=np.zeros(len(keys)), where=length > 0)
        found = [(VectorKey(key), float(each)) for key, each in zip(keys, cosine, strict=True)]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))

    def count(self) -> int:
        """Count the stored vectors."""
        return int(self._open().count())

    def erase(self, keys: Collection[VectorKey]) -> None:
        """Write the folder anew without these vectors, in every collection, and put it in the old one's place."""
        gone = frozenset(keys)
        self._write_anew("erase.vectors", lambda _, key: key not in gone)

    def retain(self, kept: Mapping[str, Collection[VectorKey]], *, waste: float) -> int:
        """Write the folder anew with these vectors only, by embedder digest, once *waste* is exceeded."""
        wanted = {collection_name(embedder): frozenset(keys) for embedder, keys in kept.items()}
        self._open()
        n_others = total = 0
        for found in self._client.list_collections():
            ids = self._ids(found)
            total += len(ids)
            n_others += sum(key not in wanted.get(found.name, ()) for key in ids)
        if n_others <= waste * total:
            return 0
        self._write_anew("compact.vectors", lambda name, key: key in wanted.get(name, ()))
        return n_others

    def _write_anew(self, step: str, wanted: Callable[[str, str], bool]) -> None:
        """Copy the wanted vectors, by collection and key, to a new folder and put it in this one's place."""
        new, old = _beside(self.folder)
        shutil.rmtree(new, ignore_errors=True)
        self._open()
        _overwrite_new_memory()
        lock = FolderLock(new, "writes the vectors anew")
        try:
            copy = open_client(new)
            try:
                for found in self._client.list_collections():
                    self._copy(found, new, copy, [key for key in self._ids(found) if wanted(found.name, key)])
            finally:
                copy.close()
            self.close()
            with fault_point(step):
                self.folder.rename(old)
                new.rename(self.folder)
                shutil.rmtree(old)
        except BaseException:
            lock.release()
            raise
        (self.folder / _IN_USE).touch()
        self._lock, self._client = lock, open_client(self.folder)
        self._vectors = self._collection()
        self._sums = VectorSums(sums_of(self.folder, self._name))

    def _copy(self, found: ChromaCollection, folder: Path, copy: ClientAPI, keys: Sequence[str]) -> None:
        if not keys:
            return
        made = copy.create_collection(
            found.name, embedding_function=None, configuration={"hnsw": {"space": "ip"}}
        )
        source: Any = found  # as in _open
        sums, copied = (VectorSums(sums_of(each, found.name)) for each in (self.folder, folder))
        for batch in self._batches(keys):
            answer = source.get(ids=batch, include=["embeddings"])
            rows = np.asarray(answer["embeddings"], dtype=np.float32)
            sound = {key: row for key, row in zip(answer["ids"], rows, strict=True) if sums.holds(key, row)}
            if sound:
                made.add(ids=list(sound), embeddings=np.stack(list(sound.values())))
                copied.add(sound)

    def _ids(self, found: ChromaCollection) -> list[str]:
        ids: list[str] = found.get(include=[])["ids"]
        return ids

    def drop(self) -> None:
        """Delete this embedder's collection; others in the folder stay, and adding begins a new one."""
        self._open()
        self._client.delete_collection(self._name)
        sums_of(self.folder, self._name).unlink(missing_ok=True)
        self._vectors, self._sums = self._collection(), VectorSums(sums_of(self.folder, self._name))

    @classmethod
    def check(cls, folder: Path) -> str:
        """Read all vectors in a folder in another process; says what is wrong, or nothing.

        Raises:
            Busy: it is in use.
        """
        _complete_swap(folder)
        if not folder.exists():
            return ""
        lock = FolderLock(folder, "checks the vectors")
        try:
            return probe_vectors(folder, _PROBE_TIMEOUT_S)
        finally:
            lock.release()

    @classmethod
    def discard(cls, folder: Path) -> None:
        """Begin the folder anew; what is asked for next is embedded again.

        Raises:
            Busy: it is in use.
        """
        lock = FolderLock(folder, "begins the vectors anew")
        try:
            _empty(folder)
        finally:
            lock.release()

    def close(self) -> None:
        """Give the folder free for another process; closing again does nothing."""
        if self._vectors is not None:
            self._vectors = None
            self._client.close()
            (self.folder / _IN_USE).unlink(missing_ok=True)
            self._lock.release()

    def _collection(self) -> ChromaCollection:
        return self._client.get_or_create_collection(
            self._name, embedding_function=None, configuration={"hnsw": {"space": "ip"}}
        )

    def _open(self) -> Any:
        # Any: Chroma's types name unions that its embedded client never gives.
        if self._vectors is None:
            raise RuntimeError(
                f"the vectors in {self.folder} were closed; all that was added is kept: open them again"
            )
        return self._vectors

    def _batches(self, keys: Sequence[str]) -> Iterator[list[str]]:
        for start in range(0, len(keys), self._batch):
            yield list(keys[start : start + self._batch])


def collection_name(embedder_digest: str) -> str:
    """Name the collection of an embedder; Chroma allows 3 to 512 characters of ``[a-zA-Z0-9._-]``."""
    return f"vectors-{digest('vectors', embedder_digest)[:32]}"


def _beside(folder: Path) -> tuple[Path, Path]:
    """Name the folders that are there while one takes the place of the other."""
    return folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")


def _complete_swap(folder: Path) -> None:
    """Make good what a writing anew was killed in: there is one folder again."""
    new, old = _beside(folder)
    if not folder.exists() and old.exists():
        old.rename(folder)
    for left in (new, old):
        if left.exists():
            shutil.rmtree(left)


def _overwrite_new_memory() -> None:
    """Let the C library overwrite memory as it hands it out, from now on in this process.

    A graph is saved with the room for elements it does not have yet, and that room is whatever lay in memory before:
    in a folder written anew, vectors that had just been left out were found on disk again. Costs Chroma a third of
    its writing speed, so only a process that erased something pays it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # glibc has it
        mallopt(_M_PERTURB, 0x5A)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "LOCK":
            path.unlink()


def sums_of(folder: Path, collection: str) -> Path:
    """Name the file with the checksums of a collection."""
    return folder / f"{collection}.sums"


def open_client(folder: Path) -> ClientAPI:
    """Open the files of a folder; the caller has its lock."""
    import chromadb
    from chromadb.config import Settings

    return chromadb.PersistentClient(str(folder), Settings(anonymized_telemetry=False))
