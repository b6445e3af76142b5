"""Erase a document from everywhere, and prove it.

It is withdrawn first: from that transaction on nobody is shown it, on any release. Then what there is of it is
written down, with strings that only a copy of it shows, and a search over the whole data folder must find them: the
same search that has to find nothing at the end. In between each step takes it out of one place, and can be repeated.
Releases that held it keep their number and their place; they are *redacted*, under a new digest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import structlog

from kbm.domain.archive import ErasedItem
from kbm.domain.erasure import STEPS, Certificate, Erasure, Mark, Redacted, Residue, Step, Traces
from kbm.domain.identity import Digest, VectorKey, document_id, vector_key
from kbm.domain.releases import IndexSpec, Release, ReleaseContent, release_digest
from kbm.domain.retrieval import SegmentRecord
from kbm.errors import KbmError, NotFound, UsageError
from kbm.faults import fault_point
from kbm.ports import Clock, Progress, VectorStore
from kbm.services.needs import (
    Documents,
    Erasures,
    Indexes,
    IndexFolder,
    Journal,
    RawStore,
    Releases,
    Texts,
    TraceFiles,
    Tracing,
)

log = structlog.get_logger()

Replacement = tuple[tuple[SegmentRecord, ...], tuple[SegmentRecord, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToErase:
    """What an erasure would take, for the person who has to agree. ``key`` is the ledger's name of the item."""

    key: str
    source: str
    item_id: str
    title: str
    numbers: tuple[int, ...]
    n_versions: int
    releases: tuple[tuple[str, str], ...]  # GPT and version


@dataclass(frozen=True, slots=True, kw_only=True)
class Erase:
    """The use case with what it needs. ``open_vectors`` gives None where no vectors were ever stored."""

    erasures: Erasures
    tracing: Tracing
    trace_files: TraceFiles
    documents: Documents
    texts: Texts
    releases: Releases
    indexes: Indexes
    journal: Journal
    raw: RawStore
    open_vectors: Callable[[], VectorStore | None]
    bring_back: Callable[[str, Release, Progress], Release]
    clock: Clock

    def look(self, item: str) -> ToErase | Erasure:
        """Find an item, ``source:item`` or a document's id; one that was erased gives its line of the ledger.

        Raises:
            NotFound: nothing is stored under that name, and nothing was erased under it.
            UsageError: it is an attachment; it goes with the item it came in.
        """
        source, colon, item_id = item.partition(":")
        if colon and (known := self.erasures.find(self.erasures.key(source, item_id))):
            return known
        record = self.documents.document(document_id(source, item_id) if colon else item)
        if record is None:
            raise NotFound("stored item", item, hint="name it as source:item, as `kbm diff` shows it")
        parent = self.erasures.parent(record.no)
        if parent is not None:
            raise UsageError(
                f"{item} came in {record.source}:{parent}, whose bytes hold it too; nothing was changed",
                hint=f"erase that: kbm erase '{record.source}:{parent}'",
            )
        key = self.erasures.key(record.source, record.item_id)
        if known := self.erasures.find(key):
            return known
        numbers = self.tracing.family(record.no)
        versions = self.tracing.versions(numbers)
        return ToErase(
            key=key,
            source=record.source,
            item_id=record.item_id,
            title=record.title,
            numbers=numbers,
            n_versions=len(versions),
            releases=tuple((one.gpt, one.version) for one in self.tracing.held_by(versions)),
        )

    def run(self, item: str, *, who: str, reason: str, progress: Progress) -> Certificate:
        """Erase an item with all versions and attachments; one that was begun is finished, one that is done is told.

        The item is withdrawn at once; erasures that were begun earlier and are not done are finished first.

        Raises:
            NotFound: there is no such item.
            UsageError: no reason is given, or it is an attachment.
            KbmError: something of it is still there; run it again.
        """
        found = self.look(item)
        if isinstance(found, ToErase):
            if not reason.strip():
                raise UsageError("an erasure needs its reason", hint='say it with --reason "…"')
            found = self.erasures.begin(found.key, found.numbers, who=who, reason=reason)
            log.info("document_withdrawn_for_erasure", erasure=found.id)
        for earlier in self.erasures.unfinished():
            # Its rows may be out of the index while SQL still names them: only its own next steps make that good.
            if earlier.id != found.id:
                self._go_on(earlier, progress)
        return self._go_on(found, progress)

    def resume(self, progress: Progress) -> list[Certificate]:
        """Finish every erasure that was begun and is not done."""
        return [self._go_on(one, progress) for one in self.erasures.unfinished()]

    def replay(self, entries: Sequence[ErasedItem], progress: Progress) -> int:
        """Erase what a later ledger names, and remember what is not stored here; gives how many were erased."""
        known = {one.item for one in self.erasures.all()}
        new = {one.item: one for one in entries if one.item not in known}
        n = 0
        for key, source, item_id in self.erasures.items_of(new):
            entry = new.pop(key)
            why = f"erased on {entry.at:%Y-%m-%d}, and again in a backup that was older"
            self.run(f"{source}:{item_id}", who=entry.who, reason=why, progress=progress)
            n += 1
        for entry in new.values():
            self.erasures.remember(entry)
        return n + len(self.resume(progress))

    def _go_on(self, erasure: Erasure, progress: Progress) -> Certificate:
        if erasure.step is not Step.DONE:
            if erasure.certificate is None:
                self._take_out(erasure, progress)
            self.trace_files.drop(erasure.id)
            self.erasures.finish(erasure.id)
            log.info("document_erased", erasure=erasure.id)
        done = self.erasures.find(erasure.item)
        if done is None or done.certificate is None:
            raise UsageError(
                "it was erased before the backup was restored; its certificate is not here",
                hint="nothing of it is stored, and it does not come back",
            )
        return done.certificate

    def _take_out(self, erasure: Erasure, progress: Progress) -> None:
        traces = self.trace_files.get(erasure.id)
        reached = erasure.step if traces else Step.WITHDRAWN
        if traces is None:
            self._bring_back(erasure, progress)
            traces = self._list(erasure)
            self.trace_files.put(erasure.id, traces)
            self.erasures.reached(erasure.id, Step.LISTED)
        steps: dict[Step, Callable[[Traces], object]] = {
            Step.JOURNAL: self._redact_journal,
            Step.VECTORS: self._erase_vectors,
            Step.RELEASES: self._redact_releases,
            Step.ROWS: self.erasures.forget_rows,
            Step.RAW: self._erase_files,
            Step.CLEANED: lambda _: self._empty_free_pages(),
        }
        with progress.stage("erase", len(steps) + 1) as stage:
            for step, act in steps.items():
                if STEPS.index(step) > STEPS.index(reached):
                    act(traces)
                    self.erasures.reached(erasure.id, step)
                stage.advance(1, step)
            left = self.tracing.look_for(traces.marks)
            stage.advance(1, "search")
        if any(left.found.values()):
            self.erasures.reached(erasure.id, Step.LISTED)
            raise KbmError(
                f"something of the document is still there, in {', '.join(left.places[:5])}",
                hint="it stays withdrawn; run the same command again: every step is repeated",
            )
        self.erasures.certify(erasure.id, self._certificate(erasure, traces, left))

    def _bring_back(self, erasure: Erasure, progress: Progress) -> None:
        """Write the indexes of releases that were put away, while what they hold is still there: they get a digest.

        One that cannot be brought back is given up: it could never come to a digest that it was not sealed with.
        """
        held = self.tracing.held_by(self.tracing.versions(self.tracing.family(erasure.document_no or 0)))
        for one in held:
            release = self.releases.get(one.gpt, one.version)
            if release.content is ReleaseContent.EVICTED:
                try:
                    self.bring_back(one.gpt, release, progress)
                except KbmError as error:
                    log.warning("release_given_up", gpt=one.gpt, release=one.version, why=error.code)

    # -- the steps -------------------------------------------------------------------------------------------

    def _list(self, erasure: Erasure) -> Traces:
        """Write down what there is, and check that the search finds it."""
        if erasure.document_no is None:
            raise KbmError(f"erasure {erasure.id} names no document any more")
        numbers = self.tracing.family(erasure.document_no)
        versions = self.tracing.versions(numbers)
        chunks = self.tracing.chunks(versions)
        contents = self.tracing.own_contents(numbers)
        names = self.tracing.names(numbers)
        own_texts = self.tracing.own_texts(versions)
        releases = self.tracing.held_by(versions)
        embedders = {
            spec.embedder_digest
            for gpt in self.erasures.gpts()
            for spec in self._specs(gpt)
            if spec.dimensions
        }
        vectors = self.open_vectors()
        marks = self.tracing.marks(
            numbers=numbers,
            versions=versions,
            chunks=chunks,
            contents=contents,
            names=names,
            vectors=self._own_vectors(list(own_texts)),
            raw=self.raw.get,
        )
        keys = sorted({vector_key(text, digest) for text in own_texts.values() for digest in embedders})
        found = self.tracing.look_for(marks)
        return Traces(
            numbers=numbers,
            versions=versions,
            chunks=chunks,
            contents=contents,
            vector_keys=tuple(keys) if vectors else (),
            items=self.tracing.items(numbers),
            names=names,
            releases=releases,
            counts={
                "documents": len(numbers),
                "versions": len(versions),
                "passages": len(chunks),
                "contents": len(contents),
                "texts_embedded": len(own_texts) if vectors else 0,
                "releases": len(releases),
            },
            marks=marks,
            found=found.found,
        )

    def _own_vectors(self, chunks: Sequence[str]) -> list[bytes]:
        """Give the bytes of the vectors in segments that only these passages have."""
        found: set[bytes] = set()
        wanted = frozenset(chunks)
        for gpt in self.erasures.gpts():
            for spec in self._specs(gpt):
                if spec.dimensions:
                    segments = self.releases.segments(gpt, spec.digest)
                    with self.indexes.folder(gpt, spec, segments) as folder:
                        found.update(folder.own_vectors([id for id in folder.rows() if id in wanted]))
        return sorted(found)

    def _redact_journal(self, traces: Traces) -> None:
        with fault_point("erase.journal"):
            self.journal.redact(traces.chunks)

    def _erase_vectors(self, traces: Traces) -> None:
        vectors = self.open_vectors()
        if vectors is not None:
            vectors.erase([VectorKey(key) for key in traces.vector_keys])

    def _erase_files(self, traces: Traces) -> None:
        self.raw.sweep(self.erasures.contents())
        self.tracing.drop_reports(traces.marks)

    def _empty_free_pages(self) -> None:
        self.erasures.empty_free_pages()
        self.journal.empty_free_pages()

    def _redact_releases(self, traces: Traces) -> None:
        held = defaultdict(set)
        for one in traces.releases:
            held[one.gpt].add(one.seq)
        for gpt in self.erasures.gpts():
            self._redact_gpt(gpt, held[gpt], traces)

    def _redact_gpt(self, gpt: str, held: set[int], traces: Traces) -> None:
        """Write segments without the passages, seal the releases that held them anew, and let both count at once.

        Killed before the commit, SQL goes on naming the old segments, and the next builder describes the releases
        by these again; killed after it, the old files are litter, which the next builder sweeps.
        """
        releases = self.releases.all(gpt)
        specs = {spec.digest: spec for spec in self._specs(gpt)}
        replaced: dict[Digest, Replacement] = {}
        with ExitStack() as open_folders:
            folders: dict[Digest, IndexFolder] = {}
            for digest, spec in specs.items():
                segments = self.releases.segments(gpt, digest)
                if not segments and not held:
                    continue
                folder = open_folders.enter_context(self.indexes.folder(gpt, spec, segments))
                replaced[digest] = folder.without(traces.chunks)
                folder.adopt(*replaced[digest])
                folders[digest] = folder
            redacted = [self._seal_again(gpt, one, folders, traces) for one in releases if one.seq in held]
            for folder in folders.values():
                folder.refit()
            self._probe_what_answers(gpt, held)
            self.erasures.redact(gpt, traces.versions, redacted, replaced)
            for folder in folders.values():
                folder.sweep([one.seq for one in releases])
        for digest in set(self.erasures.index_specs(gpt)) - set(specs):
            # Written by a build that was never finished: no release has it, the next build writes it anew.
            self.releases.forget_segments(gpt, digest)
            self.indexes.forget(gpt, digest)

    def _seal_again(
        self, gpt: str, release: Release, folders: dict[Digest, IndexFolder], traces: Traces
    ) -> Redacted:
        gone = set(traces.versions)
        lines = [one for one in self.releases.manifest(gpt, release.seq) if one.version_id not in gone]
        places = self.texts.places([one.version_id for one in lines], release.index_spec.chunker_digest)
        names = {f"{source}:{item_id}" for source, item_id in traces.items}
        rules = release.answer_spec
        rules = replace(rules, prefer=tuple(one for one in rules.prefer if one not in names))
        index_digest = release.index_digest
        if release.content is ReleaseContent.INDEXED:
            sealed = folders[release.index_spec.digest].seal(release.seq, [one.chunk_id for one in places])
            index_digest = sealed.digest
        return Redacted(
            gpt=gpt,
            seq=release.seq,
            digest=release_digest(index_digest, rules, lines, release.calibration),
            index_digest=index_digest,
            answer_spec=rules,
            n_documents=len(lines),
            n_chunks=len(places),
            is_askable=release.content is ReleaseContent.INDEXED,
        )

    def _probe_what_answers(self, gpt: str, held: set[int]) -> None:
        live = self.releases.live(gpt)
        if live is not None and live.seq in held:
            self.indexes.probe(gpt, live.index_spec, live.seq)

    def _specs(self, gpt: str) -> list[IndexSpec]:
        """Give the index specs of a GPT's releases, each once."""
        return list({one.index_spec.digest: one.index_spec for one in self.releases.all(gpt)}.values())

    def _certificate(self, erasure: Erasure, traces: Traces, left: Residue) -> Certificate:
        now = {(gpt, one.seq): one for gpt in self.erasures.gpts() for one in self.releases.all(gpt)}
        searched = {str(kind): len(traces.marks.get(kind, ())) for kind in Mark if kind is not Mark.UNPACKED}
        given_up = [
            f"{one.gpt} {one.version}"
            for one in traces.releases
            if now[one.gpt, one.seq].content is ReleaseContent.PURGED
        ]
        remarks = ["copies outside the data folder, such as in the source and in backups, are not touched"]
        if not searched[Mark.TEXT]:
            remarks.append("every sentence of it stands in another document too, so none could be looked for")
        if given_up:
            remarks.append(f"given up, since their indexes could not be brought back: {', '.join(given_up)}")
        return Certificate(
            item=erasure.item,
            document_no=traces.numbers[0],
            who=erasure.who,
            began_at=erasure.started_at,
            erased_at=self.clock.now(),
            removed=traces.counts,
            searched=searched,
            before={str(kind): n for kind, n in traces.found.items()},
            after={str(kind): n for kind, n in left.found.items()},
            n_files=left.n_files,
            n_bytes=left.n_bytes,
            releases=tuple(
                (one.gpt, one.version, one.digest, now[one.gpt, one.seq].digest)
                for one in traces.releases
                if (one.gpt, one.seq) in now
            ),
            remarks=tuple(remarks),
        )
