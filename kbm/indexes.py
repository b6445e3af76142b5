"""Where release indexes lie, and which of them are open. The one place that names ``kbm_indexes`` to build on."""

from __future__ import annotations

import shutil
import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from kbm.domain.identity import Digest
from kbm.domain.releases import IndexSpec
from kbm.domain.retrieval import IndexRow, SealedIndex, SegmentRecord
from kbm.errors import IndexDamaged, ReleaseNotSealed
from kbm.ports import Vectors

if TYPE_CHECKING:
    from kbm_indexes.release_index import IndexFolder, ReleaseIndex

Stamp = tuple[int, int, int]

OPEN_RELEASES = 16
PROBE_TIMEOUT_S = 120.0


class Indexes:
    """Opens index folders below ``folder/<gpt>/<spec>``; open releases are shared by all threads."""

    def __init__(self, folder: Path) -> None:
        from kbm_indexes.release_index import SharedSegments

        self._folder = folder
        self._segments = SharedSegments()
        self._open: OrderedDict[tuple[Path, int], tuple[tuple[Stamp | None, Digest], ReleaseIndex]] = (
            OrderedDict()
        )
        self._lock = threading.Lock()

    def folder(
        self, gpt: str, spec: IndexSpec, segments: Sequence[SegmentRecord]
    ) -> AbstractContextManager[IndexFolder]:
        """Open a folder for building."""
        from kbm_indexes.release_index import IndexFolder

        return IndexFolder(self._path(gpt, spec), spec.digest, segments, spec.dimensions)

    def probe(self, gpt: str, spec: IndexSpec, seq: int) -> SealedIndex:
        """Verify a sealed release in a process of its own."""
        from kbm_indexes.probe import probe

        return probe(self._path(gpt, spec), seq, PROBE_TIMEOUT_S)

    def open(self, gpt: str, spec: IndexSpec, seq: int, digest: Digest) -> ReleaseIndex:
        """Open a sealed release, or give the open one if it is still what lies on disk and has this *digest*.

        A merge or an erasure describes a release anew. It is opened again then, and every other one that changed is
        let go with it: a mapped file that was unlinked holds its room, and its bytes, as long as somebody maps it.

        Raises:
            IndexDamaged: its files are gone, or are not what was sealed.
        """
        from kbm_indexes.release_index import ReleaseIndex

        key = self._path(gpt, spec), seq
        with self._lock:
            stamp = _stamp(*key)
            found = self._open.get(key)
            if found is None or found[0] != (stamp, digest):
                for each, ((stamped, _), _) in list(self._open.items()):
                    if stamped != _stamp(*each):
                        del self._open[each]
                # Stamped before it is read: what changes meanwhile is read again the next time.
                try:
                    opened = ReleaseIndex.open(*key, self._segments)
                except ReleaseNotSealed as error:
                    # The catalogue knows it as sealed: its files are gone, and building would find nothing to do.
                    raise IndexDamaged(
                        f"the index of release {seq} of {gpt} is gone", hint="run `kbm doctor --fix`"
                    ) from error
                self._open[key] = (stamp, digest), opened
                while len(self._open) > OPEN_RELEASES:
                    self._open.popitem(last=False)
            self._open.move_to_end(key)
            return self._open[key][1]

    def digest_of(self, spec: IndexSpec, rows: Sequence[IndexRow], vectors: Vectors | None) -> Digest:
        """Give the digest an index of just these rows would be sealed with; nothing is written."""
        from kbm_indexes.release_index import digest_of

        return digest_of(spec.digest, rows, vectors)

    def forget(self, gpt: str, spec: Digest) -> None:
        """Remove the whole folder of a spec that no release has."""
        folder = self._folder / gpt / spec[:16]
        with self._lock:
            for key in [each for each in self._open if each[0] == folder]:
                del self._open[key]
        if folder.exists():
            shutil.rmtree(folder)

    def _path(self, gpt: str, spec: IndexSpec) -> Path:
        return self._folder / gpt / spec.digest[:16]


def _stamp(folder: Path, seq: int) -> Stamp | None:
    """Tell one description of a release from another: it is replaced, never written to."""
    from kbm_indexes.release_index import release_files

    try:
        told = (folder / release_files(seq)[1]).stat()
    except FileNotFoundError:
        return None
    return told.st_ino, told.st_mtime_ns, told.st_size
