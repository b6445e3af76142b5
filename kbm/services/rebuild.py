"""Make damaged index files anew from the catalogue.

SQL is the truth, index files are derived: segments, bitmaps and manifests of every release of one index spec are
written again, from stored passages and stored vectors, and each release must come to the digest it was sealed with.
Nothing is parsed; a vector is only made again if the vector store lost it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from kbm.domain.releases import IndexSpec, Release, ReleaseState
from kbm.errors import IndexDamaged
from kbm.ports import Progress
from kbm.services.needs import Indexes, Releases, Texts
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
    indexes: Indexes
    rows: Rows

    def check(self, gpt: str) -> list[Finding]:
        """Verify every release of a GPT in a process of its own, newest first; nothing is changed."""
        found = []
        for release in self.releases.all(gpt):
            if release.state is ReleaseState.FAILED:
                continue
            try:
                self.indexes.probe(gpt, release.index_spec, release.seq)
            except IndexDamaged as error:
                found.append(Finding(release=release, problem=str(error)))
            else:
                found.append(Finding(release=release))
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
                held = set(members[release.seq])
                chunks = [place.chunk_id for place in places if place.version_id in held]
                sealed = folder.seal(release.seq, chunks)
                if sealed.digest != release.index_digest:
                    raise IndexDamaged(
                        f"{gpt} {release.version} came to another digest than it was sealed with",
                        hint="its vectors were lost and the embedder gives others now: build a new release",
                    )
                log.info("release_index_rebuilt", gpt=gpt, release=str(release.version))
