"""Releases, their members and segments, and the pointers that say which one answers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, delete, insert, or_, select, update

from kbm.domain.evaluation import GateReport, Override
from kbm.domain.identity import ContentHash, DocumentId, VersionId
from kbm.domain.people import Entry
from kbm.domain.releases import (
    ExpectedLive,
    Release,
    ReleaseContent,
    ReleasedDocument,
    ReleaseState,
)
from kbm.domain.retention import purged
from kbm.errors import Busy, NotFound, ReleaseNotSealed
from kbm.ports import Clock
from kbm.store.audit import append
from kbm.store.engine import iso, moment, to_json, writing
from kbm.store.release_rows import columns_of, gate_report_of, override_json, release_of
from kbm.store.schema import document, document_version, membership, pointer, pointer_move, release
from kbm.store.segments import Segments

LIVE, PREVIOUS = "live", "previous"


_POINTED = (
    select(release)
    .join(pointer, (pointer.c.gpt == release.c.gpt) & (pointer.c.seq == release.c.seq))
    .where(pointer.c.gpt == bindparam("gpt"), pointer.c.name == bindparam("name"))
)
"""Made once, as every answer asks for it."""


class Releases(Segments):
    """The catalogue's part about releases."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reads, self._writes, self._clock = engine, writing(engine), clock

    def all(self, gpt: str) -> list[Release]:
        """List a GPT's releases, newest first."""
        query = select(release).where(release.c.gpt == gpt).order_by(release.c.seq.desc())
        with self._reads.connect() as connection:
            return [release_of(row) for row in connection.execute(query)]

    def newest(self, gpt: str) -> Release | None:
        """Give the release built last, whatever became of it."""
        query = select(release).where(release.c.gpt == gpt).order_by(release.c.seq.desc()).limit(1)
        with self._reads.connect() as connection:
            row = connection.execute(query).first()
        return release_of(row) if row else None

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
        return release_of(row)

    def at(self, gpt: str, seq: int) -> Release:
        """Give a release by its place in the order of builds.

        Raises:
            NotFound: the GPT has no such release.
        """
        query = select(release).where(release.c.gpt == gpt, release.c.seq == seq)
        with self._reads.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFound(f"release of {gpt}", f"number {seq} in the order of builds")
        return release_of(row)

    def rolled_back(self, gpt: str) -> str:
        """Say from what the live release was rolled back, or nothing if it was published as usual."""
        to, before = release.alias(), release.alias()
        query = (
            select(pointer_move, to.c.seq.label("to_seq"), before.c.seq.label("from_seq"))
            .join(to, (to.c.gpt == gpt) & (to.c.version == pointer_move.c.to_version))
            .join(before, (before.c.gpt == gpt) & (before.c.version == pointer_move.c.from_version))
            .where(pointer_move.c.gpt == gpt, pointer_move.c.name == LIVE)
            .order_by(pointer_move.c.id.desc())
            .limit(1)
        )
        with self._reads.connect() as connection:
            row = connection.execute(query).first()
        if row is None or row.to_seq > row.from_seq:
            return ""
        return f"{row.who} rolled back from {row.from_version} to {row.to_version}"

    def live(self, gpt: str) -> Release | None:
        """Give the release that answers now."""
        return self._pointed(gpt, LIVE)

    def _pointed(self, gpt: str, name: str) -> Release | None:
        with self._reads.connect() as connection:
            row = connection.execute(_POINTED, {"gpt": gpt, "name": name}).first()
        return release_of(row) if row else None

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
        return release_of(row) if row else None

    def members(self, gpt: str, seq: int) -> set[VersionId]:
        """Give the document versions of a release.

        Raises:
            ReleaseEvicted: its content was purged.
        """
        query = select(membership.c.version_id).where(_in_release(gpt, seq))
        with self._reads.connect() as connection:
            _ensure_known(connection, gpt, seq)
            return {VersionId(id) for id in connection.scalars(query)}

    def manifest(self, gpt: str, seq: int) -> list[ReleasedDocument]:
        """List the documents of a release, by source and item.

        Raises:
            ReleaseEvicted: its content was purged.
        """
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
            _ensure_known(connection, gpt, seq)
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

    def dated(self, gpt: str, seq: int) -> list[tuple[int, str, datetime | None]]:
        """List number, source and date of a release's documents; empty once its content was purged."""
        query = (
            select(document.c.no, document.c.source, document_version.c.modified)
            .join(document_version, document_version.c.document_no == document.c.no)
            .join(membership, membership.c.version_id == document_version.c.id)
            .where(_in_release(gpt, seq))
        )
        with self._reads.connect() as connection:
            return [(row.no, row.source, moment(row.modified)) for row in connection.execute(query)]

    def set_label(self, gpt: str, version: str, label: str, *, who: str) -> Release:
        """Label a release, which keeps it for good; an empty label takes it away.

        Raises:
            NotFound: the GPT has no such release.
            ReleaseEvicted: its content was purged; there is nothing to keep.
        """
        made = self.get(gpt, version)
        if label and made.content is ReleaseContent.PURGED:
            raise purged(gpt, version, made.content_at)
        entry = Entry(who=who, action="label", subject=gpt, detail={"release": version}, reason=label)
        with self._writes.begin() as connection:
            connection.execute(
                update(release)
                .where(release.c.gpt == gpt, release.c.seq == made.seq)
                .values(label=label or None)
            )
            append(connection, entry, at=self._clock.now())
        return self.get(gpt, version)

    def set_gate(self, gpt: str, seq: int, report: GateReport) -> None:
        """Keep a gate's verdict and figures with the release."""
        with self._writes.begin() as connection:
            connection.execute(
                update(release)
                .where(release.c.gpt == gpt, release.c.seq == seq)
                .values(gate=report.verdict, gate_report=to_json(asdict(report)))
            )

    def gate_report(self, gpt: str, seq: int) -> GateReport | None:
        """Give what the last gate said of a release; None if there was none."""
        query = select(release.c.gate_report).where(release.c.gpt == gpt, release.c.seq == seq)
        with self._reads.connect() as connection:
            stored = connection.scalar(query)
        return gate_report_of(stored) if stored else None

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
            connection.execute(insert(release).values(**columns_of(made)))

    def publish(
        self,
        gpt: str,
        version: str,
        *,
        who: str,
        why: str,
        expected_live: ExpectedLive = "any",
        action: str = "publish",
        override: Override | None = None,
    ) -> Release:
        """Let a release answer, in one transaction; the one before becomes ``previous``.

        *action* is the word for it in the audit log. An *override* is kept with the release and logged by itself.

        Raises:
            NotFound: the GPT has no such release.
            ReleaseNotSealed: it did not pass its probe.
            Busy: something else than *expected_live* is live; nothing was changed.
        """
        self.get(gpt, version)
        now = self._clock.now()
        with self._writes.begin() as connection:
            # Read again under the lock: an erasure may have given it another digest.
            made = release_of(
                connection.execute(
                    select(release).where(release.c.gpt == gpt, release.c.version == version)
                ).one()
            )
            if made.state is ReleaseState.FAILED:
                raise ReleaseNotSealed(
                    f"{gpt} {version} did not pass its probe and cannot be published",
                    hint=f"build it again: kbm build {gpt}",
                )
            before = connection.execute(
                select(release.c.seq, release.c.version, release.c.digest)
                .join(pointer, (pointer.c.gpt == release.c.gpt) & (pointer.c.seq == release.c.seq))
                .where(pointer.c.gpt == gpt, pointer.c.name == LIVE)
            ).first()
            if before is not None and before.seq == made.seq:
                return made
            if expected_live != "any" and (before.digest if before else None) != expected_live:
                raise Busy(
                    f"live of {gpt} moved meanwhile, to {before.version if before else 'nothing'}: {version} was "
                    "compared with another release, so the pointer was left where it is",
                    hint="run the same command again; it compares with what is live now",
                )
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
            if override is not None:
                _keep_override(connection, made, override)
            detail = {
                "from": before.version if before else None,
                "to": version,
                "digest": made.digest,
                "gate": made.gate,
            }
            append(connection, Entry(who=who, action=action, subject=gpt, detail=detail, reason=why), at=now)
        return self.get(gpt, version)


def _ensure_known(connection: Connection, gpt: str, seq: int) -> None:
    """Refuse a release whose members are not known any more."""
    query = select(release.c.version, release.c.content_at).where(
        release.c.gpt == gpt, release.c.seq == seq, release.c.content == ReleaseContent.PURGED
    )
    row = connection.execute(query).first()
    if row is not None:
        raise purged(gpt, row.version, moment(row.content_at))


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


def _keep_override(connection: Connection, made: Release, override: Override) -> None:
    """Keep who published against the gate with the release, and log it."""
    connection.execute(
        update(release)
        .where(release.c.gpt == made.gpt, release.c.seq == made.seq)
        .values(override=override_json(override))
    )
    entry = Entry(
        who=override.who,
        action="override",
        subject=made.gpt,
        detail={
            "release": str(made.version),
            "digest": made.digest,
            "as": override.sponsor,
            "verdict": override.verdict,
        },
        reason=override.reason,
    )
    append(connection, entry, at=override.at)


def _set_state(connection: Connection, gpt: str, seq: int, state: ReleaseState) -> None:
    connection.execute(update(release).where(release.c.gpt == gpt, release.c.seq == seq).values(state=state))
