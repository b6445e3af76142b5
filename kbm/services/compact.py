"""Keep what is kept small: indexes put away and merged, content purged, vectors and databases written anew.

It follows each publishing, and ``kbm compact`` runs it. Nothing here changes what a release is: what goes is what no
release needs any more, by the GPT's rules. Each step is decided from what is there, so a run that was killed is
continued by the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from kbm.domain.releases import IndexSpec, Release, ReleaseContent, ReleaseState
from kbm.domain.retention import Retention, hot, to_evict, to_purge
from kbm.errors import Busy, IndexDamaged, KbmError, ReleaseNotSealed
from kbm.faults import fault_point
from kbm.ports import Clock, Embedder, Progress, VectorStore
from kbm.services.needs import Indexes, RawStore, Releases, Retaining

log = structlog.get_logger()

VECTOR_WASTE = 0.5
"""Share of vectors of no stored passage from which on the vector store is written anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """What was put away, merged and deleted. *problems* say what could not be done now, and why."""

    evicted: tuple[Release, ...] = ()
    purged: tuple[Release, ...] = ()
    n_segments_before: int = 0
    n_segments: int = 0
    n_versions: int = 0  # document versions deleted
    n_vectors: int = 0  # vectors deleted
    problems: tuple[KbmError, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Compact:
    """The use case with what it needs. Only the holder of the lease runs it."""

    retention: Mapping[str, Retention]
    releases: Releases
    retaining: Retaining
    indexes: Indexes
    raw: RawStore
    embedder: Embedder | None
    open_vectors: Callable[[], VectorStore | None]
    clock: Clock

    def after_publish(self, gpt: str, progress: Progress) -> Compacted:
        """Do what is due for one GPT; little on most nights, because large files wait until it pays."""
        return self._run([gpt], progress, everything=False)

    def run(self, gpts: Iterable[str], progress: Progress) -> Compacted:
        """Do all that can be done for these GPTs, whether it pays or not."""
        return self._run(list(gpts), progress, everything=True)

    def _run(self, gpts: Sequence[str], progress: Progress, *, everything: bool) -> Compacted:
        evicted: list[Release] = []
        purged: list[Release] = []
        problems: list[KbmError] = []
        before = after = 0
        with progress.stage("compact", len(gpts) + 1) as stage:
            for gpt in gpts:
                evicted += self._evict(gpt)
                for spec in self._specs(gpt):
                    try:
                        had, has = self._merge(gpt, spec, everything=everything)
                    except (IndexDamaged, ReleaseNotSealed, Busy) as error:
                        # What is damaged is not copied: the other indexes are compacted all the same.
                        log.warning("index_not_compacted", gpt=gpt, why=error.code)
                        problems.append(error)
                    else:
                        before, after = before + had, after + has
                purged += self._purge(gpt)
                stage.advance(1, gpt)
            n_versions = self.retaining.purge()
            if n_versions or everything:
                self.raw.sweep(self.retaining.purge_contents())
            n_vectors = self._retain_vectors(everything=everything) if n_versions or everything else 0
            if self.retaining.has_free_pages():
                try:
                    self.retaining.give_back_pages()
                except Busy as error:
                    problems.append(error)
            stage.advance()
        done = Compacted(
            evicted=tuple(evicted),
            purged=tuple(purged),
            n_segments_before=before,
            n_segments=after,
            n_versions=n_versions,
            n_vectors=n_vectors,
            problems=tuple(problems),
        )
        log.info(
            "compacted",
            gpts=len(gpts),
            evicted=len(evicted),
            purged=len(purged),
            segments=after,
            versions=n_versions,
            vectors=n_vectors,
        )
        return done

    def _evict(self, gpt: str) -> list[Release]:
        """Put away the indexes of releases beyond those that are kept; files go when their folder is swept."""
        due = to_evict(
            self.releases.all(gpt), set(self.retaining.pointed(gpt).values()), self.retention[gpt].keep
        )
        for one in due:
            with fault_point("compact.evict"):
                self.retaining.set_content(gpt, one.seq, ReleaseContent.EVICTED)
        return due

    def _specs(self, gpt: str) -> list[IndexSpec]:
        return list({one.index_spec.digest: one.index_spec for one in self.releases.all(gpt)}.values())

    def _merge(self, gpt: str, spec: IndexSpec, *, everything: bool) -> tuple[int, int]:
        """Merge the segments of one index folder; gives how many there were and are."""
        known = self.releases.all(gpt)
        segments = self.releases.segments(gpt, spec.digest)
        pointed = self.retaining.pointed(gpt)
        asked = hot(known, [seq for name, seq in pointed.items() if name != "previous"])
        kept = {one.seq for one in known if one.index_spec == spec and _is_sealed(one)}
        with self.indexes.folder(gpt, spec, segments) as folder:
            folder.sweep(kept)
            merged = folder.compact(asked & kept, kept, everything=everything)
            if merged.gone or merged.made:
                self.releases.replace_segments(gpt, spec.digest, merged.gone, merged.made)
                folder.replace(merged.gone, merged.made)
        return len(segments), len(segments) - len(merged.gone) + len(merged.made)

    def _purge(self, gpt: str) -> list[Release]:
        """Give up releases that were put away long ago; :meth:`Retaining.purge` deletes what only they held."""
        due = to_purge(self.releases.all(gpt), self.clock.now(), self.retention[gpt].purge_after)
        for one in due:
            with fault_point("compact.purge"):
                self.retaining.set_content(gpt, one.seq, ReleaseContent.PURGED)
        return due

    def _retain_vectors(self, *, everything: bool) -> int:
        """Keep the vectors of all stored passages, those of releases that may come back included."""
        vectors = self.open_vectors()
        if vectors is None:
            return 0
        embedders = {self.embedder.digest} if self.embedder else set()
        for gpt in self.retention:
            for one in self.releases.all(gpt):
                if one.content is not ReleaseContent.PURGED and one.index_spec.dimensions:
                    embedders.add(one.index_spec.embedder_digest)
        kept = self.retaining.vector_keys(embedders)
        by_name = {str(digest): keys for digest, keys in kept.items()}
        return vectors.retain(by_name, waste=0.0 if everything else VECTOR_WASTE)


def _is_sealed(release: Release) -> bool:
    return release.content is ReleaseContent.INDEXED and release.state is not ReleaseState.FAILED
