"""Take a release in from a neutral folder, to the same number and digest, or not at all.

All of it is checked before anything is stored: every id is computed anew, every passage must stand in its document's
text, and the digest over texts and vectors must be the one the folder names. Its documents belong to their sources:
the next sync brings them up to date, as it does with any other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from kbm.domain.archive import Export, ExportedDocument
from kbm.domain.documents import Chunk, lay_out, narrowed
from kbm.domain.identity import DocumentId, VersionId, chunk_id
from kbm.domain.releases import (
    IndexSpec,
    Release,
    ReleasedDocument,
    ReleaseState,
    release_digest,
)
from kbm.domain.retrieval import IndexRow
from kbm.errors import ArchiveRefused, KbmError, UsageError
from kbm.ports import Clock, Progress, Vectors, VectorStore
from kbm.services.archive_needs import ExportFolders, Imported
from kbm.services.needs import Documents, Erasures, Indexes, Releases, Texts

log = structlog.get_logger()

_SEGMENT_ROWS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRelease:
    """The use case with what it needs.

    ``gpts`` gives the sources of each configured GPT, ``readers`` the default readers of each source.
    """

    gpts: Mapping[str, tuple[str, ...]]
    readers: Mapping[str, frozenset[str]]
    documents: Documents
    texts: Texts
    releases: Releases
    erasures: Erasures
    imported: Imported
    indexes: Indexes
    folders: ExportFolders
    index_spec: Callable[[], IndexSpec]
    open_store: Callable[[IndexSpec], VectorStore]
    clock: Clock

    def run(self, folder: Path, progress: Progress) -> Release:
        """Take a release in as a candidate; one that is there already stays as it is.

        A document that is new here gets no more readers than its source has by default here: who reads wider is
        for the source to say, at the next sync, and for a person to approve.

        Raises:
            ArchiveRefused: the folder is damaged, contradicts itself, or holds what was erased here.
            UsageError: the GPT or one of its sources is not configured, or the number means another content here.
        """
        with progress.stage("check", 2) as stage:
            export, vectors = self.folders.read(folder)
            stage.advance()
            self._check(export, vectors)
            stage.advance()
        gpt, version = export.release.gpt, str(export.release.version)
        there = next((one for one in self.releases.all(gpt) if str(one.version) == version), None)
        if there is not None and there.digest != export.release.digest:
            raise UsageError(
                f"{gpt} {version} is here with another content, and a number means one only; nothing was changed",
                hint=f"here: {there.digest}, in the folder: {export.release.digest}",
            )
        numbers = self.imported.take_in(
            [
                replace(one, readers=narrowed(self.readers[one.source], one.readers))
                for one in export.documents
            ]
        )
        made = there or self._store(export, vectors, numbers, progress)
        self.imported.show(numbers.values())
        log.info("release_imported", gpt=gpt, release=version, digest=made.digest)
        return made

    def _check(self, export: Export, vectors: Vectors | None) -> None:
        release = export.release
        if release.gpt not in self.gpts:
            raise UsageError(
                f"kbm.toml has no GPT {release.gpt!r}; nothing was changed", hint=f"add [gpts.{release.gpt}]"
            )
        missing = {one.source for one in export.documents} - set(self.gpts[release.gpt])
        if missing:
            raise UsageError(
                f"{release.gpt} has no source {', '.join(sorted(missing))} here, to which documents belong",
                hint="configure it first; nothing was changed",
            )
        if release.index_spec.lexical_digest != self.index_spec().lexical_digest:
            raise ArchiveRefused(
                "it was indexed by other rules for words than this kbm has; nothing was changed"
            )
        for one in export.documents:
            if self.erasures.find(self.erasures.key(one.source, one.parent or one.item_id)):
                raise ArchiveRefused("it holds a document that was erased here; nothing was changed")
        _check_ids(export)
        rows = [IndexRow(chunk_id=one.id, document_no=0, text=one.indexed_text) for one in export.chunks]
        index_digest = self.indexes.digest_of(release.index_spec, rows, vectors)
        lines = [_line(one) for one in export.documents]
        digest = release_digest(index_digest, release.answer_spec, lines, release.calibration)
        if (index_digest, digest) != (release.index_digest, release.digest):
            raise ArchiveRefused(
                f"its content has digest {digest}, it says {release.digest}; nothing was changed"
            )

    def _store(
        self,
        export: Export,
        vectors: Vectors | None,
        numbers: Mapping[DocumentId, int],
        progress: Progress,
    ) -> Release:
        release, spec = export.release, export.release.index_spec
        by_version = {one.version_id: numbers[one.document_id] for one in export.documents}
        chunks: dict[VersionId, list[Chunk]] = {version: [] for version in by_version}
        for one in export.chunks:
            chunks[one.version_id].append(one)
        for version, of in chunks.items():
            self.texts.put_chunks(version, spec.chunker_digest, of)
        known = self.releases.all(release.gpt)
        seq = known[0].seq + 1 if known else 1
        with (
            progress.stage("index", len(export.chunks)) as stage,
            self.indexes.folder(
                release.gpt, spec, self.releases.segments(release.gpt, spec.digest)
            ) as folder,
        ):
            folder.sweep([one.seq for one in known])
            rows_there = folder.rows()
            new = [at for at, one in enumerate(export.chunks) if one.id not in rows_there]
            for start in range(0, len(new), _SEGMENT_ROWS):
                some = new[start : start + _SEGMENT_ROWS]
                rows = [
                    IndexRow(chunk_id=one.id, document_no=by_version[one.version_id], text=one.indexed_text)
                    for one in (export.chunks[at] for at in some)
                ]
                records = folder.append(rows, None if vectors is None else vectors[some])
                self.releases.add_segments(release.gpt, spec.digest, records)
                stage.advance(len(some))
            sealed = folder.seal(seq, [one.id for one in export.chunks])
        if sealed.digest != release.index_digest:
            raise KbmError("the index here came to another digest; the release was not taken in")
        self.indexes.probe(release.gpt, spec, seq)
        if vectors is not None:
            self._keep_vectors(export, vectors)
        made = Release(
            gpt=release.gpt,
            version=release.version,
            seq=seq,
            state=ReleaseState.CANDIDATE,
            digest=release.digest,
            index_digest=release.index_digest,
            index_spec=spec,
            answer_spec=release.answer_spec,
            sources=release.sources,
            epoch=self.documents.epoch(),
            n_documents=release.n_documents,
            n_chunks=release.n_chunks,
            created_at=release.created_at,
            calibration=release.calibration,
            tools=dict(release.tools),
        )
        self.releases.add(made, list(by_version))
        return made

    def _keep_vectors(self, export: Export, vectors: Vectors) -> None:
        """Put the vectors into the side index, so that a build here embeds none of these texts again."""
        spec = export.release.index_spec
        first = {one.vector_key(spec.embedder_digest): at for at, one in enumerate(export.chunks)}
        store = self.open_store(spec)
        try:
            store.add(list(first), vectors[list(first.values())])
        finally:
            store.close()


def _check_ids(export: Export) -> None:
    """Compute every id and every passage anew.

    Raises:
        ArchiveRefused: one of them is another.
    """
    texts = {one.version_id: lay_out(one.record.elements)[0] for one in export.documents}
    digest = export.release.index_spec.chunker_digest
    for one in export.chunks:
        text = texts.get(one.version_id)
        if (
            text is None
            or not 0 <= one.start < one.end <= len(text)
            or text[one.start : one.end] != one.text
            or one.id != chunk_id(one.version_id, digest, one.start, one.end)
        ):
            raise ArchiveRefused("a passage does not stand where it says; nothing was changed")
    if len({one.id for one in export.chunks}) < len(export.chunks) or len(texts) < len(export.documents):
        raise ArchiveRefused("it holds a passage or a document twice; nothing was changed")
    _check_family(export.documents)


def _check_family(documents: Collection[ExportedDocument]) -> None:
    items = {(one.source, one.item_id): one for one in documents}
    for one in documents:
        parent = items.get((one.source, one.parent)) if one.parent is not None else None
        if parent is not None and parent.parent is not None:
            raise ArchiveRefused("an attachment lies in an attachment; nothing was changed")


def _line(one: ExportedDocument) -> ReleasedDocument:
    return ReleasedDocument(
        document_id=one.document_id,
        version_id=one.version_id,
        source=one.source,
        item_id=one.item_id,
        title=one.title,
        url=one.url,
        content=one.content,
    )
