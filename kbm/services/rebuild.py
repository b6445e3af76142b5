"""Make index files anew from the catalogue: damaged ones, and those of releases that were put away.

SQL is the truth, index files are derived: segments, bitmaps and manifests are written again, from stored passages and
stored vectors, and each release must come to the digest it was sealed with. Nothing is parsed; a vector is only made
again if the vector store lost it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from kbm.domain.catalogue import ChunkPlace
from kbm.domain.identity import VersionId
from kbm.domain.releases import IndexSpec, Release, ReleaseContent, ReleaseState
from kbm.domain.retention import purged
from kbm.errors import IndexDamaged, ReleaseNotSealed
from kbm.faults import fault_point
from kbm.ports import Progress
from kbm.services.needs import Indexes, IndexFolder, Releases, Retaining, Texts
from kbm.services.rows import Rows

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a look at one release's index found."""

    release: Release
    problem: str = ""
    fixed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """The use case with what it needs."""

    texts: Texts
    releases: Releases
    retaining: Retaining
    indexes: Indexes
    rows: Rows
    vectors_problem: Callable[[], str]
    discard_vectors: Callable[[], None]

    def check_vectors(self) -> str:
        """Say what is wrong with the vector store, or nothing; a damaged one cannot end this process.

        Raises:
            Busy: a build has it open.
        """
        return self.vectors_problem()

    def fix_vectors(self) -> None:
        """Begin the vector store anew. It is a cache: sealed releases keep their vectors, new texts are embedded."""
        with fault_point("rebuild.vectors"):
            self.discard_vectors()
        log.warning("vectors_discarded")

    def check(self, gpt: str) -> list[Finding]:
        """Verify every indexed release of a GPT in a process of its own, newest first; nothing is changed."""
        found = []
        for release in self._indexed(gpt):
            try:
                told = self.indexes.probe(gpt, release.index_spec, release.seq)
            except (IndexDamaged, ReleaseNotSealed) as error:
                found.append(Finding(release=release, problem=str(error)))
            else:
                other = told.digest != release.index_digest
                problem = "it is sealed under another digest than the catalogue has" if other else ""
                found.append(Finding(release=release, problem=problem))
        return found

    def fix(self, gpt: str, findings: Sequence[Finding], progress: Progress) -> list[Finding]:
        """Write the indexes of damaged releases anew; the others of the same spec are written with them.

        Raises:
            IndexDamaged: a release did not come to its digest again; its files are left for a look.
        """
        specs = {one.release.index_spec.digest: one.release.index_spec for one in findings if one.problem}
        for spec in specs.values():
            same = [one.release for one in findings if one.release.index_spec == spec]
            self._write(gpt, spec, same, progress)
        return [
            Finding(release=one.release, problem=one.problem, fixed=one.release.index_spec.digest in specs)
            for one in findings
        ]

    def mend_live(self, gpt: str, progress: Progress) -> None:
        """Look at the index of the live release, and write damaged ones of the GPT anew if it is damaged.

        Raises:
            IndexDamaged: it did not come to the digest it was sealed with.
        """
        live = self.releases.live(gpt)
        if live is None:
            return
        try:
            self.indexes.probe(gpt, live.index_spec, live.seq)
        except (IndexDamaged, ReleaseNotSealed) as error:
            log.warning("live_index_damaged", gpt=gpt, release=str(live.version), why=str(error))
            self.fix(gpt, self.check(gpt), progress)

    def bring_back(self, gpt: str, release: Release, progress: Progress) -> Release:
        """Write the index of a release that was put away again; one that is there stays as it is.

        Only rows that merging dropped are written. Needs the lease.

        Raises:
            ReleaseEvicted: its content was purged.
            IndexDamaged: it did not come to the digest it was sealed with; it stays put away.
            ReleaseNotSealed: it failed its probe when it was built.
        """
        if release.content is ReleaseContent.INDEXED:
            return release
        if release.content is ReleaseContent.PURGED:
            raise purged(gpt, str(release.version), release.content_at)
        if release.state is ReleaseState.FAILED:
            raise ReleaseNotSealed(f"{gpt} {release.version} did not pass its probe and cannot be asked")
        spec = release.index_spec
        members = sorted(self.releases.members(gpt, release.seq))
        places = self.texts.places(members, spec.chunker_digest)
        with self.indexes.folder(gpt, spec, self.releases.segments(gpt, spec.digest)) as folder:
            folder.sweep([one.seq for one in self._indexed(gpt)])
            known = folder.rows()
            if any(place.chunk_id not in known for place in places):
                self.rows.add(gpt, spec, folder, places, progress)
            self._seal(folder, release, places, set(members))
        self.indexes.probe(gpt, spec, release.seq)
        self.retaining.set_content(gpt, release.seq, ReleaseContent.INDEXED)
        log.info("release_brought_back", gpt=gpt, release=str(release.version))
        return self.releases.get(gpt, str(release.version))

    def _indexed(self, gpt: str) -> list[Release]:
        return [
            one
            for one in self.releases.all(gpt)
            if one.content is ReleaseContent.INDEXED and one.state is not ReleaseState.FAILED
        ]

    def _write(self, gpt: str, spec: IndexSpec, releases: Sequence[Release], progress: Progress) -> None:
        members = {one.seq: sorted(self.releases.members(gpt, one.seq)) for one in releases}
        places = self.texts.places(
            sorted({id for ids in members.values() for id in ids}), spec.chunker_digest
        )
        self.releases.forget_segments(gpt, spec.digest)
        with self.indexes.folder(gpt, spec, []) as folder:
            folder.sweep([])
            self.rows.add(gpt, spec, folder, places, progress)
            for release in releases:
                self._seal(folder, release, places, set(members[release.seq]))
                log.info("release_index_rebuilt", gpt=gpt, release=str(release.version))

    def _seal(
        self, folder: IndexFolder, release: Release, places: Sequence[ChunkPlace], members: set[VersionId]
    ) -> None:
        chunks = [place.chunk_id for place in places if place.version_id in members]
        with fault_point("rebuild.seal"):
            sealed = folder.seal(release.seq, chunks)
        if sealed.digest != release.index_digest:
            raise IndexDamaged(
                f"{release.gpt} {release.version} came to another digest than it was sealed with",
                hint="its vectors were lost and the embedder gives others now: build a new release",
            )
