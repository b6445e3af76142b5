"""Writes a version of a document and the content it has; writing it again changes nothing."""

from __future__ import annotations

from sqlalchemy import Connection
from sqlalchemy.dialects.sqlite import insert

from kbm.domain.archive import ExportedDocument
from kbm.domain.catalogue import StoredItem
from kbm.domain.identity import VersionId
from kbm.store.engine import iso
from kbm.store.schema import document_content, document_version


def put_contents(connection: Connection, no: int, of: StoredItem | ExportedDocument) -> None:
    """Note that the contents of *of*, attachments included, belong to document *no*: an erasure must find them."""
    enclosed = of.enclosed if isinstance(of, StoredItem) else ()
    for content in {of.content, *enclosed} - {None}:
        connection.execute(
            insert(document_content).values(document_no=no, content=content).on_conflict_do_nothing()
        )


def put_version(
    connection: Connection, id: VersionId, no: int, of: StoredItem | ExportedDocument, at: str | None
) -> None:
    """Write the version that *of* describes."""
    connection.execute(
        insert(document_version)
        .values(
            id=id,
            document_no=no,
            content=of.content,
            parser_digest=of.parser_digest,
            title=of.title,
            url=of.url,
            author=of.author,
            modified=iso(of.modified),
            created_at=at,
        )
        .on_conflict_do_nothing()
    )
