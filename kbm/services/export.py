"""Write one release as a neutral folder: another machine gets the same digest and the same answers from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog

from kbm import __version__
from kbm.domain.archive import Export, ExportedRelease
from kbm.domain.identity import ChunkId
from kbm.domain.releases import Release, ReleaseContent, ReleaseState
from kbm.errors import ReleaseEvicted, ReleaseNotSealed
from kbm.ports import Progress, Vectors
from kbm.services.archive_needs import ExportFolders, Imported
from kbm.services.needs import Indexes, Releases, Texts

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRelease:
    """The use case with what it needs."""

    releases: Releases
    texts: Texts
    imported: Imported
    indexes: Indexes
    folders: ExportFolders

    def run(self, gpt: str, version: str, folder: Path, progress: Progress) -> Export:
        """Write a release; the folder must not be there yet, or be empty. Withdrawn documents go without readers.

        Raises:
            NotFound: no such release.
            ReleaseNotSealed: it did not pass its probe.
            ReleaseEvicted: its index was put away, or its content purged.
            UsageError: the folder is not empty.
        """
        release = self.releases.get(gpt, version)
        if release.state is ReleaseState.FAILED:
            raise ReleaseNotSealed(f"{gpt} {version} did not pass its probe and cannot be exported")
        if release.content is not ReleaseContent.INDEXED:
            raise ReleaseEvicted(
                f"the index of {gpt} {version} was put away", hint="ask it once: kbm ask --release"
            )
        members = sorted(self.releases.members(gpt, release.seq))
        places = self.texts.places(members, release.index_spec.chunker_digest)
        ids = [place.chunk_id for place in places]
        with progress.stage(f"export {gpt} {version}", 3) as stage:
            chunks = self.texts.chunks(ids)
            stage.advance(1, "vectors")
            vectors = self._vectors(gpt, release, ids)
            stage.advance(1, "files")
            made = Export(
                release=ExportedRelease(
                    gpt=gpt,
                    version=release.version,
                    digest=release.digest,
                    index_digest=release.index_digest,
                    index_spec=release.index_spec,
                    answer_spec=release.answer_spec,
                    sources=release.sources,
                    n_documents=len(members),
                    n_chunks=len(ids),
                    created_at=release.created_at,
                    calibration=release.calibration,
                    tools=release.tools,
                    made_with=__version__,
                ),
                documents=tuple(self.imported.documents(members)),
                chunks=tuple(chunks[id] for id in ids),
            )
            self.folders.write(folder, made, vectors)
            stage.advance()
        log.info("release_exported", gpt=gpt, release=version, digest=release.digest)
        return made

    def _vectors(self, gpt: str, release: Release, ids: list[ChunkId]) -> Vectors | None:
        """Give the vectors of passages in order, from the segments."""
        spec = release.index_spec
        if not spec.dimensions:
            return None
        place = {id: at for at, id in enumerate(ids)}
        made = np.zeros((len(ids), spec.dimensions), dtype=np.float32)
        with self.indexes.folder(gpt, spec, self.releases.segments(gpt, spec.digest)) as folder:
            for held, vectors in folder.vectors():
                known = [(at, place[id]) for at, id in enumerate(held) if id in place]
                if known:
                    made[[to for _, to in known]] = vectors[[at for at, _ in known]]
        return made
