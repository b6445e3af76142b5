"""Where release indexes lie, and which of them are open. The one place that names ``kbm_indexes`` to build on."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from kbm.domain.releases import IndexSpec
from kbm.domain.retrieval import SealedIndex, SegmentRecord

if TYPE_CHECKING:
    from kbm_indexes.release_index import IndexFolder, ReleaseIndex

OPEN_RELEASES = 16
PROBE_TIMEOUT_S = 120.0


class Indexes:
    """Opens index folders below ``folder/<gpt>/<spec>``; open releases are shared by all threads."""

    def __init__(self, folder: Path) -> None:
        from kbm_indexes.release_index import SharedSegments

        self._folder = folder
        self._segments = SharedSegments()
        self._open: OrderedDict[tuple[Path, int], ReleaseIndex] = OrderedDict()
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

    def open(self, gpt: str, spec: IndexSpec, seq: int) -> ReleaseIndex:
        """Open a sealed release, or give the open one."""
        from kbm_indexes.release_index import ReleaseIndex

        key = self._path(gpt, spec), seq
        with self._lock:
            if key not in self._open:
                self._open[key] = ReleaseIndex.open(*key, self._segments)
                while len(self._open) > OPEN_RELEASES:
                    self._open.popitem(last=False)
            self._open.move_to_end(key)
            return self._open[key]

    def _path(self, gpt: str, spec: IndexSpec) -> Path:
        return self._folder / gpt / spec.digest[:16]
