"""Build a candidate release beside the live one.

Versions → chunks → vectors → rows of sealed segments → a bitmap over rows → a probe in another process → one
transaction that makes the release known. Each step keeps what it finished: a build that dies is continued by the next
one, and what did not change since an earlier build costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from kbm.domain.catalogue import CurrentVersion
from kbm.domain.identity import VersionId
from kbm.domain.releases import (
    FIRST_RELEASE,
    AnswerSpec,
    IndexSpec,
    Release,
    ReleasedDocument,
    ReleaseState,
    Version,
    release_digest,
)
from kbm.errors import IndexDamaged, KbmError
from kbm.ports import Chunker, Clock, Progress
from kbm.services.needs import Documents, Indexes, Releases, Texts
from kbm.services.rows import Rows

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class GptToBuild:
    """A GPT as configured."""

    name: str
    sources: tuple[str, ...]
    index_spec: IndexSpec
    answer_spec: AnswerSpec
    tools: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """The newest release of the GPT, and what building it took. Not ``built`` means nothing had changed."""

    release: Release
    built: bool
    n_chunked: int = 0
    n_embedded: int = 0
    n_rows_added: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """The use case with what it needs."""

    documents: Documents
    texts: Texts
    releases: Releases
    indexes: Indexes
    rows: Rows
    chunker: Chunker
    clock: Clock

    def run(self, gpt: GptToBuild, progress: Progress) -> BuildResult:
        """Build a candidate if anything differs from the newest release.

        Raises:
            KbmError: no document of the GPT's sources could be read, so there is nothing to release.
            IndexDamaged: the probe found the written index wrong; the release is stored as failed.
        """
        epoch = self.documents.epoch()
        current = self.documents.current_versions(gpt.sources)
        if not current:
            raise KbmError(
                f"there is nothing to release for {gpt.name}: no document of {', '.join(gpt.sources)} is stored",
                hint="run `kbm sync`, and `kbm sources` to see what became of each source",
            )
        versions = [one.version_id for one in current]
        newest = self.releases.newest(gpt.name)
        if (
            newest is not None
            and newest.state is not ReleaseState.FAILED
            and self._equal(gpt, newest, versions)
        ):
            return BuildResult(release=newest, built=False)

        n_chunked = self._chunk(current, progress)
        places = self.texts.places(versions, self.chunker.digest)
        seq = newest.seq + 1 if newest else 1
        spec = gpt.index_spec
        segments = self.releases.segments(gpt.name, spec.digest)
        with self.indexes.folder(gpt.name, spec, segments) as folder:
            folder.sweep([one.seq for one in self.releases.all(gpt.name)])
            n_rows_added, n_embedded = self.rows.add(gpt.name, spec, folder, places, progress)
            sealed = folder.seal(seq, [place.chunk_id for place in places])
        with progress.stage(f"probe {gpt.name}", 1) as stage:
            failed = self._probe(gpt, seq)
            stage.advance()
        made = Release(
            gpt=gpt.name,
            version=self._next_version(gpt, newest, current),
            seq=seq,
            state=ReleaseState.FAILED if failed else ReleaseState.CANDIDATE,
            digest=release_digest(sealed.digest, gpt.answer_spec, [_line(one) for one in current]),
            index_digest=sealed.digest,
            index_spec=spec,
            answer_spec=gpt.answer_spec,
            sources=gpt.sources,
            epoch=epoch,
            n_documents=len(current),
            n_chunks=len(places),
            created_at=self.clock.now(),
            tools=gpt.tools,
        )
        self.releases.add(made, versions)
        log.info(
            "release_built",
            gpt=gpt.name,
            release=str(made.version),
            documents=made.n_documents,
            chunks=made.n_chunks,
            embedded=n_embedded,
            state=made.state,
        )
        if failed:
            raise failed
        return BuildResult(
            release=made, built=True, n_chunked=n_chunked, n_embedded=n_embedded, n_rows_added=n_rows_added
        )

    def _equal(self, gpt: GptToBuild, newest: Release, versions: Sequence[VersionId]) -> bool:
        return (
            newest.index_spec == gpt.index_spec
            and newest.answer_spec == gpt.answer_spec
            and self.releases.members(gpt.name, newest.seq) == set(versions)
        )

    def _chunk(self, current: Sequence[CurrentVersion], progress: Progress) -> int:
        by_id = {one.version_id: one for one in current}
        todo = self.texts.unchunked(list(by_id), self.chunker.digest)
        if not todo:
            return 0
        with progress.stage("cut into passages", len(todo)) as stage:
            for version in todo:
                one = by_id[version]
                record = self.texts.parsed(one.content, one.parser_digest)
                if record is None:
                    raise KbmError(
                        f"the parsed text of {one.source}:{one.item_id} is missing from the catalogue"
                    )
                chunks = self.chunker.chunk(version, one.title, record.elements)
                self.texts.put_chunks(version, self.chunker.digest, chunks)
                stage.advance()
        return len(todo)

    def _probe(self, gpt: GptToBuild, seq: int) -> IndexDamaged | None:
        try:
            self.indexes.probe(gpt.name, gpt.index_spec, seq)
        except IndexDamaged as error:
            return error
        return None

    def _next_version(
        self, gpt: GptToBuild, newest: Release | None, current: Sequence[CurrentVersion]
    ) -> Version:
        """Number a candidate by what changed since the newest release.

        Other rules of indexing or answering, or a source gone: MAJOR. A source more: MINOR. Anything else: PATCH.
        Numbers only go up, so that a number never means two contents.
        """
        if newest is None:
            return FIRST_RELEASE
        highest = max(one.version for one in self.releases.all(gpt.name))
        before = {one.source for one in self.releases.manifest(gpt.name, newest.seq)}
        after = {one.source for one in current}
        if newest.index_spec != gpt.index_spec or newest.answer_spec != gpt.answer_spec or before - after:
            return highest.next_major()
        return highest.next_minor() if after - before else highest.next_patch()


def _line(one: CurrentVersion) -> ReleasedDocument:
    return ReleasedDocument(
        document_id=one.document_id,
        version_id=one.version_id,
        source=one.source,
        item_id=one.item_id,
        title=one.title,
        url=one.url,
        content=one.content,
    )
