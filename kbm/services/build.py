"""Build a candidate release beside the live one.

It is compared with the release that answers: what sets them apart gives the number. Versions → chunks → vectors →
rows of sealed segments → a bitmap over rows → a probe in another process → one transaction that makes the release
known. Each step keeps what it finished: a build that dies is continued by the next one, and what did not change since
an earlier build costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from kbm.domain.calibration import Calibration
from kbm.domain.catalogue import ChunkPlace, CurrentVersion
from kbm.domain.identity import Digest, VersionId
from kbm.domain.internal import is_internal, overlays_of
from kbm.domain.releases import (
    FIRST_RELEASE,
    NOTHING_APPROVED,
    AnswerSpec,
    Approved,
    IndexSpec,
    Release,
    ReleaseContent,
    ReleasedDocument,
    ReleaseState,
    Version,
    release_digest,
)
from kbm.domain.versioning import Bump, Difference, between, number, propose, widened
from kbm.errors import IndexDamaged, KbmError
from kbm.faults import fault_point
from kbm.ports import Chunker, Clock, Progress
from kbm.services.calibrate import Calibrate
from kbm.services.needs import Documents, Indexes, Releases, Room, Texts
from kbm.services.rows import Rows

log = structlog.get_logger()

SAME_CONTENT = 0.9
"""Share of a release's documents that a threshold was measured on, from which on it is not measured again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GptToBuild:
    """A GPT as configured, and what people approved beyond that."""

    name: str
    sources: tuple[str, ...]
    index_spec: IndexSpec
    answer_spec: AnswerSpec
    tools: dict[str, str]
    approved: Approved = NOTHING_APPROVED

    @property
    def rules(self) -> AnswerSpec:
        """Give the rules of answering with what was approved."""
        return self.approved.rules(self.answer_spec)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """A release with the present content, and what building it took; not ``built`` means it was there already.

    ``because`` says why it is more than a PATCH.
    """

    release: Release
    built: bool
    because: tuple[str, ...] = ()
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
    room: Room
    chunker: Chunker
    calibrate: Calibrate
    clock: Clock

    def run(
        self,
        gpt: GptToBuild,
        progress: Progress,
        *,
        at_least: Bump = Bump.PATCH,
        rc: tuple[Version, int] | None = None,
        measured: bool = True,
    ) -> BuildResult:
        """Build a candidate if no release since the live one has this content.

        *at_least* is what a person raises the number to. *rc* makes it the n-th form of a canary that is to
        become the version named. What is not *measured* gets no threshold: it is not for answering.

        Raises:
            KbmError: no document of the GPT's sources could be read, so there is nothing to release.
            DiskFull: the new rows do not fit on the disk; there is no candidate.
            IndexDamaged: the probe found the written index wrong; the release is stored as failed.
        """
        epoch = self.documents.epoch()
        current = self.current(gpt)
        if not current:
            raise KbmError(
                f"there is nothing to release for {gpt.name}: no document of {', '.join(gpt.sources)} is stored",
                hint="run `kbm sync`, and `kbm sources` to see what became of each source",
            )
        versions = [one.version_id for one in current]
        known = self.releases.all(gpt.name)
        base = self.releases.live(gpt.name) or (known[0] if known else None)
        bump, because = self._propose(gpt, base, current)
        there = self._there(gpt, known, base, versions, (bump, max(bump, at_least)))
        if there is not None:
            return BuildResult(release=there, built=False, because=because)

        n_chunked = self._chunk(current, progress)
        places = self.texts.places(versions, self.chunker.digest)
        seq = known[0].seq + 1 if known else 1
        spec = gpt.index_spec
        segments = self.releases.segments(gpt.name, spec.digest)
        with self.indexes.folder(gpt.name, spec, segments) as folder:
            with fault_point("build.sweep"):
                folder.sweep([one.seq for one in known])
            self.room.need(self.rows.bytes_to_add(folder, places), f"build {gpt.name}")
            n_rows_added, n_embedded = self.rows.add(gpt.name, spec, folder, places, progress)
            sealed = folder.seal(seq, [place.chunk_id for place in places])
        with progress.stage(f"probe {gpt.name}", 1) as stage:
            failed = self._probe(gpt.name, spec, seq)
            stage.advance()
        if not measured:
            calibration = None
        elif base is not None and max(bump, at_least) is Bump.PATCH and self._goes_on(base, known, versions):
            calibration = base.calibration
        else:
            calibration = None if failed else self._calibration(gpt, seq, sealed.digest, places, progress)
        made = Release(
            gpt=gpt.name,
            version=_number(base, max(bump, at_least), known, rc),
            seq=seq,
            state=ReleaseState.FAILED if failed else ReleaseState.CANDIDATE,
            digest=release_digest(sealed.digest, gpt.rules, [_line(one) for one in current], calibration),
            index_digest=sealed.digest,
            index_spec=spec,
            answer_spec=gpt.rules,
            approved=gpt.approved,
            sources=tuple(sorted(_sources(current))),
            epoch=epoch,
            n_documents=len(current),
            n_chunks=len(places),
            created_at=self.clock.now(),
            calibration=calibration,
            tools=gpt.tools,
        )
        with fault_point("build.record"):
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
            release=made,
            built=True,
            because=because,
            n_chunked=n_chunked,
            n_embedded=n_embedded,
            n_rows_added=n_rows_added,
        )

    def current(self, gpt: GptToBuild) -> list[CurrentVersion]:
        """List what the next release of a GPT would take."""
        taken = self.documents.current_versions((*gpt.sources, *gpt.approved.sources, overlays_of(gpt.name)))
        left_out = frozenset(gpt.approved.without)
        return [one for one in taken if f"{one.source}:{one.item_id}" not in left_out]

    def reissue(self, gpt: str, made: Release, version: Version, progress: Progress) -> Release:
        """Give the content of a sealed release another number: the digest stays, nothing is embedded.

        Raises:
            IndexDamaged: the probe found the written index wrong; the release is stored as failed.
        """
        members = sorted(self.releases.members(gpt, made.seq))
        places = self.texts.places(members, made.index_spec.chunker_digest)
        known = self.releases.all(gpt)
        with self.indexes.folder(
            gpt, made.index_spec, self.releases.segments(gpt, made.index_spec.digest)
        ) as folder:
            folder.sweep([one.seq for one in known])
            sealed = folder.seal(known[0].seq + 1, [place.chunk_id for place in places])
        with progress.stage(f"probe {gpt}", 1) as stage:
            failed = self._probe(gpt, made.index_spec, sealed.seq)
            stage.advance()
        again = replace(
            made,
            version=version,
            seq=sealed.seq,
            state=ReleaseState.FAILED if failed else ReleaseState.CANDIDATE,
            published_at=None,
            created_at=self.clock.now(),
        )
        self.releases.add(again, members)
        if failed:
            raise failed
        return again

    def _propose(
        self, gpt: GptToBuild, base: Release | None, current: Sequence[CurrentVersion]
    ) -> tuple[Bump, tuple[str, ...]]:
        """Say how far the number moves from *base*, and why."""
        if base is None:
            return Bump.PATCH, ()
        before = {one.document_id for one in self.releases.manifest(gpt.name, base.seq)}
        sources = _sources(current)
        then, now = self.documents.visibility_at(base.epoch).readers, self.documents.visibility().readers
        return propose(
            Difference(
                n_before=len(before),
                n_added=sum(one.document_id not in before for one in current),
                same_index_spec=base.index_spec == gpt.index_spec,
                # What an owner approved corrects the knowledge; other rules come from kbm.toml alone.
                same_answer_spec=base.approved.configured(base.answer_spec) == gpt.answer_spec,
                sources_added=tuple(sorted(sources - set(base.sources))),
                sources_removed=tuple(sorted(set(base.sources) - sources)),
                n_widened=widened(
                    then, {one.document_no: now[one.document_no] for one in current if one.document_no in now}
                ),
            )
        )

    def _there(
        self,
        gpt: GptToBuild,
        known: Sequence[Release],
        base: Release | None,
        versions: Sequence[VersionId],
        bumps: tuple[Bump, Bump],
    ) -> Release | None:
        """Give the release since *base* that holds this content under a number that says enough, if there is one.

        *bumps* are the one proposed, which *base* itself must not need, and the one asked for.
        """
        for one in known:
            if base is None or one.seq < base.seq:
                return None
            proposed, asked = bumps
            enough = (
                proposed is Bump.PATCH if one.seq == base.seq else between(base.version, one.version) >= asked
            )
            if (
                enough
                and one.state is not ReleaseState.FAILED
                and one.content is ReleaseContent.INDEXED
                and one.index_spec == gpt.index_spec
                and one.answer_spec == gpt.rules
                and one.approved == gpt.approved
                and self.releases.members(gpt.name, one.seq) == set(versions)
            ):
                return one
        return None

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

    def _goes_on(self, base: Release, known: Sequence[Release], versions: Sequence[VersionId]) -> bool:
        """Tell whether a PATCH answers by the threshold of its line: most of what it was measured on is still there.

        Measuring at every build would cost a night of little news more than all the rest of it.
        """
        if not self.calibrate.holds(base):
            return False
        measured = min(
            one.seq
            for one in known
            if one.calibration == base.calibration and one.content is not ReleaseContent.PURGED
        )
        same = self.releases.members(base.gpt, measured).intersection(versions)
        return len(same) >= SAME_CONTENT * len(versions)

    def _calibration(
        self, gpt: GptToBuild, seq: int, index: Digest, places: Sequence[ChunkPlace], progress: Progress
    ) -> Calibration | None:
        opened = self.indexes.open(gpt.name, gpt.index_spec, seq, index)
        return self.calibrate.run(gpt.name, opened, gpt.index_spec, gpt.rules, places, progress)

    def _probe(self, gpt: str, spec: IndexSpec, seq: int) -> IndexDamaged | None:
        try:
            self.indexes.probe(gpt, spec, seq)
        except IndexDamaged as error:
            return error
        return None


def _number(
    base: Release | None, bump: Bump, known: Sequence[Release], rc: tuple[Version, int] | None
) -> Version:
    if rc is not None:
        target, n = rc
        return replace(target, rc=n)
    return number(base.version, bump, {one.version for one in known}) if base else FIRST_RELEASE


def _sources(current: Sequence[CurrentVersion]) -> set[str]:
    """Name the sources of kbm.toml that documents are from; what was written here is from none of them."""
    return {one.source for one in current if not is_internal(one.source)}


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
