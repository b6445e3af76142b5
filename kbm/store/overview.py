"""What there is of each document, in one look: for agents, who go through all of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from sqlalchemy import Engine, func, select

from kbm.domain.catalogue import DocumentOverview
from kbm.domain.identity import ChunkId, Digest, DocumentId
from kbm.store.engine import moment
from kbm.store.schema import chunk, document, document_version, parsed

_MANY = 500
_WORD_CHARS = 7
"""Characters that make about a word, the space after it included."""


class Overview:
    """The catalogue's part about all documents at once."""

    def __init__(self, engine: Engine) -> None:
        self._reads = engine

    def documents(self, sources: Collection[str], chunker_digest: Digest) -> list[DocumentOverview]:
        """List the present documents of some sources, by source and item."""
        lengths = (
            select(chunk.c.version_id, func.sum(func.length(chunk.c.text)).label("n_chars"))
            .where(chunk.c.chunker_digest == chunker_digest)
            .group_by(chunk.c.version_id)
            .subquery()
        )
        query = (
            select(document, lengths.c.n_chars, parsed.c.poor)
            .outerjoin(lengths, lengths.c.version_id == document.c.version_id)
            .outerjoin(document_version, document_version.c.id == document.c.version_id)
            .outerjoin(
                parsed,
                (parsed.c.content == document_version.c.content)
                & (parsed.c.parser_digest == document_version.c.parser_digest),
            )
            .where(document.c.source.in_(sources), document.c.present == 1)
            .order_by(document.c.source, document.c.item_id)
        )
        with self._reads.connect() as connection:
            return [
                DocumentOverview(
                    no=row.no,
                    id=DocumentId(row.id),
                    source=row.source,
                    item_id=row.item_id,
                    title=row.title,
                    url=row.url,
                    modified=moment(row.modified),
                    readers=frozenset(json.loads(row.readers)),
                    reason=row.reason or "",
                    n_words=(row.n_chars or 0) // _WORD_CHARS,
                    poorly_read=row.poor is not None,
                )
                for row in connection.execute(query)
            ]

    def documents_of(self, chunks: Sequence[ChunkId]) -> dict[ChunkId, DocumentId]:
        """Name the documents that chunks are of; those that are gone are left out."""
        found: dict[ChunkId, DocumentId] = {}
        base = (
            select(chunk.c.id, document.c.id.label("document_id"))
            .join(document_version, document_version.c.id == chunk.c.version_id)
            .join(document, document.c.no == document_version.c.document_no)
        )
        with self._reads.connect() as connection:
            for start in range(0, len(chunks), _MANY):
                rows = connection.execute(base.where(chunk.c.id.in_(chunks[start : start + _MANY])))
                found.update((ChunkId(row.id), DocumentId(row.document_id)) for row in rows)
        return found
