"""The ledger of erasures, and everything an erasure changes in the catalogue.

The ledger names items by a keyed hash. It stays for ever, outlives backups, and keeps what was erased from coming
back. Of the document itself only its number is left, because the log of visibility counts on it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Engine, Row, Table, delete, func, insert, select, update

from kbm.domain.archive import ErasedItem
from kbm.domain.erasure import Certificate, Erasure, Redacted, Step, Traces
from kbm.domain.identity import ContentHash, Digest, VersionId
from kbm.domain.people import Entry
from kbm.domain.releases import ReleaseContent
from kbm.domain.retrieval import SegmentRecord
from kbm.faults import fault_point
from kbm.ports import Clock
from kbm.store.audit import append
from kbm.store.engine import empty_free_pages, iso, moment, to_json, writing
from kbm.store.mentions import forget_mentions
from kbm.store.schema import (
    chunk,
    chunked,
    document,
    document_content,
    document_version,
    erasure,
    membership,
    parsed,
    release,
    segment,
    visibility_change,
)
from kbm.store.secret import Secret

_SLICE = 200
"""Rows deleted in one transaction, so that none takes long."""


class Erasures:
    """The catalogue's part about erasures."""

    def __init__(self, engine: Engine, secret: Secret, clock: Clock) -> None:
        self._reads, self._writes, self._secret, self._clock = engine, writing(engine), secret, clock

    # -- the ledger ------------------------------------------------------------------------------------------

    def key(self, source_name: str, item_id: str) -> str:
        """Give the keyed hash under which the ledger knows an item."""
        return self._secret.mac("item", f"{source_name}:{item_id}")

    def erased_in(self, source_name: str) -> Callable[[str], bool]:
        """Give what tells whether an item of a source was erased, by its id."""
        with self._reads.connect() as connection:
            keys = frozenset(connection.scalars(select(erasure.c.item)))
        return lambda item_id: bool(keys) and self.key(source_name, item_id) in keys

    def find(self, key: str) -> Erasure | None:
        """Give the erasure of an item, finished or not."""
        with self._reads.connect() as connection:
            row = connection.execute(select(erasure).where(erasure.c.item == key)).first()
        return _erasure(row) if row else None

    def all(self) -> list[Erasure]:
        """List the ledger, oldest first."""
        with self._reads.connect() as connection:
            return [_erasure(row) for row in connection.execute(select(erasure).order_by(erasure.c.id))]

    def remember(self, entry: ErasedItem) -> None:
        """Enter an erasure of which nothing is stored here: what was erased elsewhere must not come in later."""
        values = {"item": entry.item, "step": Step.DONE, "who": entry.who}
        with self._writes.begin() as connection:
            connection.execute(
                insert(erasure).values(
                    started_at=iso(entry.at), finished_at=iso(entry.at), document_no=None, **values
                )
            )

    def unfinished(self) -> list[Erasure]:
        """List the erasures that were begun and are not done."""
        return [one for one in self.all() if one.step is not Step.DONE]

    def begin(self, key: str, numbers: Sequence[int], *, who: str, reason: str) -> Erasure:
        """Withdraw a document, its attachments with it, and enter it in the ledger: hidden from now on."""
        now = self._clock.now()
        with fault_point("erase.withdraw"), self._writes.begin() as connection:
            connection.execute(
                insert(erasure).values(
                    item=key, document_no=numbers[0], step=Step.WITHDRAWN, started_at=iso(now), who=who
                )
            )
            connection.execute(
                update(document)
                .where(document.c.no.in_(numbers))
                .values(present=0, removed_at=func.coalesce(document.c.removed_at, iso(now)))
            )
            for no in numbers:
                # Its readers may be people, too: the log keeps the number alone.
                connection.execute(
                    insert(visibility_change).values(
                        document_no=no, change="withdrawn", readers="[]", at=iso(now)
                    )
                )
            entry = Entry(
                who=who, action="erase", subject=f"document {numbers[0]}", detail={"item": key}, reason=reason
            )
            append(connection, entry, at=now)
        found = self.find(key)
        if found is None:  # written above
            raise LookupError(key)
        return found

    def reached(self, id: int, step: Step) -> None:
        """Note that a step is finished."""
        with self._writes.begin() as connection:
            connection.execute(update(erasure).where(erasure.c.id == id).values(step=step))

    def certify(self, id: int, made: Certificate) -> None:
        """Keep the certificate: the erasure is proved."""
        body = {
            **asdict(made),
            "began_at": made.began_at.isoformat(),
            "erased_at": made.erased_at.isoformat(),
        }
        with fault_point("erase.certificate"), self._writes.begin() as connection:
            connection.execute(
                update(erasure).where(erasure.c.id == id).values(step=Step.PROVED, certificate=to_json(body))
            )

    def finish(self, id: int) -> None:
        """Close an erasure."""
        with self._writes.begin() as connection:
            connection.execute(
                update(erasure)
                .where(erasure.c.id == id)
                .values(step=Step.DONE, document_no=None, finished_at=iso(self._clock.now()))
            )

    # -- what goes -------------------------------------------------------------------------------------------

    def index_specs(self, gpt: str) -> list[Digest]:
        """List the index specs a GPT has segments of."""
        query = select(segment.c.spec_digest).distinct().where(segment.c.gpt == gpt)
        with self._reads.connect() as connection:
            return [Digest(one) for one in connection.scalars(query.order_by(segment.c.spec_digest))]

    def gpts(self) -> list[str]:
        """List every GPT that has segments or releases."""
        query = select(segment.c.gpt).union(select(release.c.gpt))
        with self._reads.connect() as connection:
            return sorted(connection.scalars(query))

    def redact(
        self,
        gpt: str,
        versions: Collection[VersionId],
        releases: Sequence[Redacted],
        segments: Mapping[Digest, tuple[Collection[SegmentRecord], Collection[SegmentRecord]]],
    ) -> None:
        """Take versions out of all releases of a GPT, in one transaction with their digests and segments.

        *segments* gives for an index spec the ones that go and the ones that come.
        """
        now = iso(self._clock.now())
        with fault_point("erase.releases"), self._writes.begin() as connection:
            for spec, (gone, made) in segments.items():
                mine = (segment.c.gpt == gpt) & (segment.c.spec_digest == spec)
                names = [record.name for record in gone]
                connection.execute(delete(segment).where(mine, segment.c.name.in_(names)))
                for record in made:
                    connection.execute(insert(segment).values(gpt=gpt, spec_digest=spec, **asdict(record)))
            for one in releases:
                connection.execute(
                    update(release)
                    .where(release.c.gpt == gpt, release.c.seq == one.seq, release.c.digest != one.digest)
                    .values(
                        first_digest=func.coalesce(release.c.first_digest, release.c.digest),
                        digest=one.digest,
                        index_digest=one.index_digest,
                        answer_spec=to_json(asdict(one.answer_spec)),
                        n_documents=one.n_documents,
                        n_chunks=one.n_chunks,
                        redacted_at=now,
                        **({} if one.is_askable else {"content": ReleaseContent.PURGED, "content_at": now}),
                    )
                )
            connection.execute(
                delete(membership).where(membership.c.gpt == gpt, membership.c.version_id.in_(versions))
            )

    def forget_rows(self, traces: Traces) -> None:
        """Take texts, versions, descriptions and mentions out of the catalogue."""
        with fault_point("erase.text"):
            self._delete_slices(chunk, "id", traces.chunks)
            self._delete_slices(parsed, "content", traces.contents)
        with fault_point("erase.rows"), self._writes.begin() as connection:
            connection.execute(delete(chunked).where(chunked.c.version_id.in_(traces.versions)))
            connection.execute(delete(membership).where(membership.c.version_id.in_(traces.versions)))
            connection.execute(
                delete(document_version).where(document_version.c.document_no.in_(traces.numbers))
            )
            connection.execute(
                delete(document_content).where(document_content.c.document_no.in_(traces.numbers))
            )
            connection.execute(
                update(visibility_change)
                .where(visibility_change.c.document_no.in_(traces.numbers))
                .values(readers="[]")
            )
            forget_mentions(connection, traces.items)
            for no in traces.numbers:
                name = f"erased-{no}-{self._secret.mac('erased', str(no))[:16]}"
                connection.execute(update(document).where(document.c.no == no).values(**_tombstone(name)))

    def contents(self) -> frozenset[ContentHash]:
        """Give all contents that documents have."""
        with self._reads.connect() as connection:
            return frozenset(
                ContentHash(one) for one in connection.scalars(select(document_content.c.content).distinct())
            )

    def parent(self, no: int) -> str | None:
        """Name the item an attachment came in; None if the document is no attachment."""
        parent = document.alias()
        query = select(parent.c.item_id).join(document, document.c.parent_no == parent.c.no)
        with self._reads.connect() as connection:
            return connection.scalar(query.where(document.c.no == no))

    def items_of(self, keys: Collection[str]) -> list[tuple[str, str, str]]:
        """Find stored items by their keyed hash: (key, source, item id). Attachments go with their item."""
        wanted = frozenset(keys)
        query = select(document.c.source, document.c.item_id).where(document.c.parent_no.is_(None))
        with self._reads.connect() as connection:
            return [
                (key, row.source, row.item_id)
                for row in connection.execute(query.order_by(document.c.no))
                if (key := self.key(row.source, row.item_id)) in wanted
            ]

    def empty_free_pages(self) -> None:
        """Write the catalogue anew without what was deleted, and cut its log off.

        Raises:
            Busy: somebody kept reading it for seconds.
        """
        with fault_point("erase.vacuum"):
            empty_free_pages(self._reads)

    def _delete_slices(self, table: Table, column: str, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), _SLICE):
            with self._writes.begin() as connection:
                connection.execute(delete(table).where(table.c[column].in_(ids[start : start + _SLICE])))


def _tombstone(name: str) -> dict[str, Any]:
    """Give what is left of a document: its number and its source, under a name no item can have by chance."""
    return {
        "id": name,
        "item_id": name,
        "parent_no": None,
        "title": "",
        "url": "",
        "author": "",
        "modified": None,
        "media_type": "",
        "ref_version": "",
        "scope": "",
        "readers": "[]",
        "version_id": None,
        "reason": None,
        "reason_text": None,
    }


def _erasure(row: Row[Any]) -> Erasure:
    """Make an erasure of a row of the table."""
    started_at = moment(row.started_at)
    if started_at is None:  # the column is not nullable
        raise ValueError(f"erasure {row.id} has no date")
    return Erasure(
        id=row.id,
        item=row.item,
        step=Step(row.step),
        started_at=started_at,
        who=row.who,
        document_no=row.document_no,
        finished_at=moment(row.finished_at),
        certificate=_certificate(json.loads(row.certificate)) if row.certificate else None,
    )


def _certificate(stored: dict[str, Any]) -> Certificate:
    """Read what :meth:`Erasures.certify` wrote."""
    began_at, erased_at = moment(stored["began_at"]), moment(stored["erased_at"])
    if began_at is None or erased_at is None:  # both were written
        raise ValueError("a certificate has no date")
    releases = tuple(
        (gpt, version, Digest(before), Digest(after)) for gpt, version, before, after in stored["releases"]
    )
    return Certificate(
        **{
            **stored,
            "began_at": began_at,
            "erased_at": erased_at,
            "releases": releases,
            "remarks": tuple(stored["remarks"]),
        }
    )
