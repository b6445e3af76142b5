"""Documents that leave with a release, and those that come with one.

What comes in is invisible until its release is known: its rows are there, but not present. Texts go first, in short
transactions; the one that makes the release known makes its documents present as well.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from sqlalchemy import Engine, select, update
from sqlalchemy.dialects.sqlite import insert

from kbm.domain.archive import ExportedDocument
from kbm.domain.identity import ContentHash, Digest, DocumentId, VersionId
from kbm.faults import fault_point
from kbm.ports import Clock
from kbm.store.engine import iso, moment, to_json, writing
from kbm.store.schema import document, document_version, parsed, visibility_change
from kbm.store.texts import decode_body, encode_body
from kbm.store.versions import put_contents, put_version

_MANY = 200
_PENDING = "imported"
"""``ref_version`` of what came with a release: no source says so, hence the next sync fetches the item."""


class Imported:
    """The catalogue's part about documents of exported releases."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reads, self._writes, self._clock = engine, writing(engine), clock

    def documents(self, versions: Sequence[VersionId]) -> list[ExportedDocument]:
        """Give the documents of versions, in order; those that are withdrawn have no readers."""
        parent = document.alias()
        query = (
            select(document_version, parsed.c.body, document.c.source, document.c.item_id)
            .add_columns(document.c.media_type, document.c.readers, document.c.present)
            .add_columns(parent.c.item_id.label("parent"))
            .join(document, document.c.no == document_version.c.document_no)
            .outerjoin(parent, parent.c.no == document.c.parent_no)
            .join(
                parsed,
                (parsed.c.content == document_version.c.content)
                & (parsed.c.parser_digest == document_version.c.parser_digest),
            )
        )
        found: dict[str, ExportedDocument] = {}
        with self._reads.connect() as connection:
            for start in range(0, len(versions), _MANY):
                some = versions[start : start + _MANY]
                for row in connection.execute(query.where(document_version.c.id.in_(some))):
                    found[row.id] = ExportedDocument(
                        source=row.source,
                        item_id=row.item_id,
                        parent=row.parent,
                        content=ContentHash(row.content),
                        parser_digest=Digest(row.parser_digest),
                        title=row.title,
                        url=row.url,
                        author=row.author,
                        modified=moment(row.modified),
                        media_type=row.media_type,
                        readers=frozenset(json.loads(row.readers)) if row.present else frozenset(),
                        record=decode_body(row.body),
                    )
        return [found[version] for version in versions]

    def take_in(self, documents: Sequence[ExportedDocument]) -> dict[DocumentId, int]:
        """Store versions and texts, hidden where the document is new; gives the documents' numbers.

        What is known already stays as it is. Repeating it changes nothing. Mails come before what lay in them.
        """
        numbers: dict[DocumentId, int] = {}
        ordered = sorted(documents, key=lambda one: one.parent is not None)
        by_item = {(one.source, one.item_id): one.document_id for one in documents}
        now = iso(self._clock.now())
        for start in range(0, len(ordered), 20):
            with fault_point("import.store"), self._writes.begin() as connection:
                for one in ordered[start : start + 20]:
                    above = by_item.get((one.source, one.parent)) if one.parent is not None else None
                    connection.execute(
                        insert(document)
                        .values(
                            id=one.document_id,
                            source=one.source,
                            item_id=one.item_id,
                            parent_no=numbers.get(above) if above else None,
                            title=one.title,
                            url=one.url,
                            author=one.author,
                            modified=iso(one.modified),
                            media_type=one.media_type,
                            ref_version=_PENDING,
                            readers=to_json(sorted(one.readers)),
                            present=0,
                            version_id=one.version_id,
                            first_seen=now,
                            changed_at=now,
                        )
                        .on_conflict_do_nothing()
                    )
                    no = connection.execute(
                        select(document.c.no).where(document.c.id == one.document_id)
                    ).scalar_one()
                    numbers[one.document_id] = int(no)
                    connection.execute(
                        insert(parsed)
                        .values(
                            content=one.content,
                            parser_digest=one.parser_digest,
                            body=encode_body(one.record),
                            poor=" ".join(one.record.quality.poor) or None,
                            created_at=now,
                        )
                        .on_conflict_do_nothing()
                    )
                    put_contents(connection, no, one)
                    put_version(connection, one.version_id, no, one, now)
        return numbers

    def show(self, numbers: Collection[int]) -> None:
        """Let documents that came with a release be seen by their readers; one that was withdrawn stays so."""
        waiting = (
            (document.c.ref_version == _PENDING) & (document.c.present == 0) & document.c.removed_at.is_(None)
        )
        with fault_point("import.show"), self._writes.begin() as connection:
            rows = connection.execute(select(document.c.no, document.c.readers).where(waiting)).all()
            for row in rows:
                if row.no in numbers and row.readers != "[]":
                    connection.execute(update(document).where(document.c.no == row.no).values(present=1))
                    connection.execute(
                        insert(visibility_change).values(
                            document_no=row.no,
                            change="readers",
                            readers=row.readers,
                            at=iso(self._clock.now()),
                        )
                    )
