"""Releases, their members and segments, and the pointers that say which one answers."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, or_, select, update

from kbm.domain.evaluation import GateReport
from kbm.domain.identity import ContentHash, Digest, DocumentId, VersionId
from kbm.domain.people import Entry
from kbm.domain.releases import (
    AnswerSpec,
    IndexSpec,
    Release,
    ReleaseContent,
    ReleasedDocument,
    ReleaseState,
    Version,
)
from kbm.domain.retrieval import SegmentRecord
from kbm.errors import NotFound, ReleaseNotSealed
from kbm.faults import fault_point
from kbm.ports import Clock
from kbm.store.audit import append
from kbm.store.engine import iso, moment, to_json, writing
from kbm.store.schema import document, document_version, membership, pointer, pointer_move, release, segment

LIVE, PREVIOUS = "live", "previous"


class Releases:
    """The catalogue's part about releases."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reads, self._writes, self._clock = engine, writing(engine), clock

    def all(self, gpt: str) -> list[Release]:
        """List a GPT's releases, newest first."""
        query = select(release).where(release.c.gpt == gpt).order_by(release.c.seq.desc())
        with self._reads.connect() as connection:
            return [_release(row) for row in connection.execute(query)]

    def newest(self, gpt: str) -> Release | None:
        """Give the release built last, whatever became of it."""
        query = select(release).where(release.c.gpt == gpt).order_by(release.c.seq.desc()).limit(1)
        with self._reads.connect() as connection:
            row = connection.execute(query).first()
        return _release(row) if row else None

    def get(self, gpt: str, version: str) -> Release:
        """Give a release by its number.

        Raises:
            NotFound: the GPT has no such release.
        """
        query = select(release).where(release.c.gpt == gpt, release.c.version == version)
        with self._reads.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            known = [str(one.version) for one in self.all(gpt)]
            raise NotFound(f"release of {gpt}", version, known)
        return _release(row)

    def live(self, gpt: str) -> Release | None:
        """Give the release that answers now."""
        return self._pointed(gpt, LIVE)

    def _pointed(self, gpt: str, name: str) -> Release | None:
        query = (
            select(release)
            .join(pointer, (pointer.c.gpt == release.c.gpt) & (pointer.c.seq == release.c.seq))
            .where(pointer.c.gpt == gpt, pointer.c.name == name)
        )
        with self._reads.connect() as connection:
            row = connection.execute(query).first()
        return _release(row) if row else None

    def previous(self, gpt: str) -> Release | None:
        """Give the release that answered before the live one."""
        return self._pointed(gpt, PREVIOUS)

    def as_of(self, gpt: str, moment: datetime) -> Release | None:
        """Give the release that answered at a moment, by the log of pointer moves; None before the first."""
        query = (
            select(release)
            .join(
                pointer_move,
                (pointer_move.c.gpt == release.c.gpt) & (pointer_move.c.to_version == release.c.version),
            )
            .where(pointer_move.c.gpt == gpt, pointer_move.c.name == LIVE, pointer_move.c.at <= iso(moment))
            .order_by(pointer_move.c.id.desc())
            .limit(1)
        )
        with self._reads.connect() as connection:
            row = connection.execute(query).first()
        return _release(row) if row else None

    def members(self, gpt: str, seq: int) -> set[VersionId]:
        """Give the document versions of a release."""
        query = select(membership.c.version_id).where(_in_release(gpt, seq))
        with self._reads.connect() as connection:
            return {VersionId(id) for id in connection.scalars(query)}

    def manifest(self, gpt: str, seq: int) -> list[ReleasedDocument]:
        """List the documents of a release, by source and item."""
        query = (
            select(
                document_version, document.c.source, document.c.item_id, document.c.id.label("document_id")
            )
            .join(membership, membership.c.version_id == document_version.c.id)
            .join(document, document.c.no == document_version.c.document_no)
            .where(_in_release(gpt, seq))
            .order_by(document.c.source, document.c.item_id)
        )
        with self._reads.connect() as connection:
            return [
                ReleasedDocument(
                    document_id=DocumentId(row.document_id),
                    version_id=VersionId(row.id),
                    source=row.source,
                    item_id=row.item_id,
                    title=row.title,
                    url=row.url,
                    content=ContentHash(row.content),
                )
                for row in connection.execute(query)
            ]

    def segments(self, gpt: str, spec: Digest) -> list[SegmentRecord]:
        """List the sealed segments of a GPT and index spec, by first row."""
        query = (
            select(segment)
            .where(segment.c.gpt == gpt, segment.c.spec_digest == spec)
            .order_by(segment.c.first_row)
        )
        with self._reads.connect() as connection:
            return [
                SegmentRecord(name=row.name, first_row=row.first_row, n_rows=row.n_rows, blake2b=row.blake2b)
                for row in connection.execute(query)
            ]

    def add_segments(self, gpt: str, spec: Digest, records: Collection[SegmentRecord]) -> None:
        """Make sealed files known: from now on they are no litter."""
        with self._writes.begin() as connection:
            for record in records:
                connection.execute(insert(segment).values(gpt=gpt, spec_digest=spec, **asdict(record)))

    def replace_segments(
        self, gpt: str, spec: Digest, gone: Collection[SegmentRecord], made: Collection[SegmentRecord]
    ) -> None:
        """Let *made* take the place of *gone*, in one transaction: the moment a merge or an erasure counts."""
        names = [record.name for record in gone]
        with fault_point("merge.commit"), self._writes.begin() as connection:
            connection.execute(
                delete(segment).where(
                    segment.c.gpt == gpt, segment.c.spec_digest == spec, segment.c.name.in_(names)
                )
            )
            for record in made:
                connection.execute(insert(segment).values(gpt=gpt, spec_digest=spec, **asdict(record)))

    def set_gate(self, gpt: str, seq: int, report: GateReport) -> None:
        """Keep a gate's verdict and figures with the release."""
        with self._writes.begin() as connection:
            connection.execute(
                update(release)
                .where(release.c.gpt == gpt, release.c.seq == seq)
                .values(gate=report.verdict, gate_report=to_json(asdict(report)))
            )

    def forget_segments(self, gpt: str, spec: Digest) -> None:
        """Make the segments of a spec unknown, before they are all written anew."""
        with self._writes.begin() as connection:
            connection.execute(delete(segment).where(segment.c.gpt == gpt, segment.c.spec_digest == spec))

    def add(self, made: Release, members: Collection[VersionId]) -> None:
        """Store a sealed release with its members in one transaction; rows only for what changed."""
        with self._writes.begin() as connection:
            before = set(
                connection.scalars(
                    select(membership.c.version_id).where(
                        membership.c.gpt == made.gpt, membership.c.to_seq.is_(None)
                    )
                )
            )
            after = set(members)
            for version in sorted(before - after):
                connection.execute(
                    update(membership)
                    .where(
                        membership.c.gpt == made.gpt,
                        membership.c.version_id == version,
                        membership.c.to_seq.is_(None),
                    )
                    .values(to_seq=made.seq - 1)
                )
            fresh = [
                {"gpt": made.gpt, "version_id": version, "from_seq": made.seq}
                for version in sorted(after - before)
            ]
            if fresh:
                connection.execute(insert(membership), fresh)
            connection.execute(insert(release).values(**_columns(made)))

    def publish(self, gpt: str, version: str, *, who: str, why: str) -> Release:
        """Let a release answer, in one transaction; the one before becomes ``previous``.

        Raises:
            NotFound: the GPT has no such release.
            ReleaseNotSealed: it did not pass its probe.
        """
        made = self.get(gpt, version)
        if made.state is ReleaseState.FAILED:
            raise ReleaseNotSealed(
                f"{gpt} {version} did not pass its probe and cannot be published",
                hint=f"build it again: kbm build {gpt}",
            )
        now = self._clock.now()
        with self._writes.begin() as connection:
            before = connection.execute(
                select(release.c.seq, release.c.version)
                .join(pointer, (pointer.c.gpt == release.c.gpt) & (pointer.c.seq == release.c.seq))
                .where(pointer.c.gpt == gpt, pointer.c.name == LIVE)
            ).first()
            if before is not None and before.seq == made.seq:
                return made
            if before is not None:
                _point(connection, gpt, PREVIOUS, before.seq)
                _set_state(connection, gpt, before.seq, ReleaseState.RETIRED)
            _point(connection, gpt, LIVE, made.seq)
            connection.execute(
                update(release)
                .where(release.c.gpt == gpt, release.c.seq == made.seq)
                .values(state=ReleaseState.LIVE, published_at=iso(now))
            )
            connection.execute(
                insert(pointer_move).values(
                    gpt=gpt,
                    name=LIVE,
                    from_version=before.version if before else None,
                    to_version=version,
                    at=iso(now),
                    who=who,
                    why=why,
                )
            )
            detail = {"from": before.version if before else None, "to": version, "digest": made.digest}
            append(
                connection, Entry(who=who, action="publish", subject=gpt, detail=detail, reason=why), at=now
            )
        return self.get(gpt, version)


def _in_release(gpt: str, seq: int) -> Any:
    """Select the membership rows of a release; SQLAlchemy's own type is too long to help."""
    return (
        (membership.c.gpt == gpt)
        & (membership.c.from_seq <= seq)
        & or_(membership.c.to_seq.is_(None), membership.c.to_seq >= seq)
    )


def _point(connection: Connection, gpt: str, name: str, seq: int) -> None:
    connection.execute(delete(pointer).where(pointer.c.gpt == gpt, pointer.c.name == name))
    connection.execute(insert(pointer).values(gpt=gpt, name=name, seq=seq))


def _set_state(connection: Connection, gpt: str, seq: int, state: ReleaseState) -> None:
    connection.execute(update(release).where(release.c.gpt == gpt, release.c.seq == seq).values(state=state))


def _columns(made: Release) -> Mapping[str, Any]:
    """Give a release as columns."""
    return {
        "gpt": made.gpt,
        "seq": made.seq,
        "version": str(made.version),
        "state": made.state,
        "digest": made.digest,
        "index_digest": made.index_digest,
        "index_spec": to_json(asdict(made.index_spec)),
        "answer_spec": to_json(asdict(made.answer_spec)),
        "sources": to_json(made.sources),
        "epoch": made.epoch,
        "n_documents": made.n_documents,
        "n_chunks": made.n_chunks,
        "gate": made.gate,
        "tools": to_json(dict(made.tools)),
        "created_at": iso(made.created_at),
        "published_at": iso(made.published_at),
    }


def _release(row: Row[Any]) -> Release:
    """Make a release of a row of the table."""
    answer_spec = json.loads(row.answer_spec)
    return Release(
        gpt=row.gpt,
        version=Version.parse(row.version),
        seq=row.seq,
        state=ReleaseState(row.state),
        digest=Digest(row.digest),
        index_digest=Digest(row.index_digest),
        index_spec=IndexSpec(**json.loads(row.index_spec)),
        answer_spec=AnswerSpec(**{**answer_spec, "languages": tuple(answer_spec["languages"])}),
        sources=tuple(json.loads(row.sources)),
        epoch=row.epoch,
        n_documents=row.n_documents,
        n_chunks=row.n_chunks,
        gate=row.gate,
        label=row.label or "",
        content=ReleaseContent(row.content),
        content_at=moment(row.content_at),
        redacted_at=moment(row.redacted_at),
        first_digest=Digest(row.first_digest) if row.first_digest else None,
        tools=json.loads(row.tools),
        created_at=datetime.fromisoformat(row.created_at),
        published_at=moment(row.published_at),
    )
