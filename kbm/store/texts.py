"""Parsed documents and the passages cut from them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row, and_, bindparam, func, or_, select
from sqlalchemy.dialects.sqlite import insert

from kbm.domain.answers import Passage
from kbm.domain.catalogue import ChunkPlace, ParsedRecord, PoorlyRead
from kbm.domain.documents import Chunk, DocumentVersion, Element, ElementKind
from kbm.domain.identity import ChunkId, ContentHash, Digest, DocumentId, VersionId
from kbm.domain.parse_quality import Quality
from kbm.faults import fault_point
from kbm.ports import Clock
from kbm.store.engine import iso, moment, to_json, writing
from kbm.store.schema import chunk, chunked, document, document_version, membership, parsed

_MANY = 500
"""Ids per statement; SQLite takes no more than some thousand parameters."""


_ALL_PASSAGES = (
    select(chunk, document_version, document.c.no, document.c.source, document.c.item_id)
    .add_columns(document.c.id.label("document_id"), document_version.c.title.label("version_title"))
    .join(document_version, document_version.c.id == chunk.c.version_id)
    .join(document, document.c.no == document_version.c.document_no)
    .where(chunk.c.id.in_(bindparam("ids", expanding=True)))
)
_PASSAGES = _ALL_PASSAGES.where(document.c.present == 1)
"""Made once: it is part of every answer, and making it costs more than running it."""
_NEAR = chunk.alias("near")
_BESIDE = (
    select(chunk.c.id.label("of"), _NEAR.c.id)
    .join(
        _NEAR,
        and_(
            _NEAR.c.version_id == chunk.c.version_id,
            _NEAR.c.chunker_digest == chunk.c.chunker_digest,
            _NEAR.c.ordinal.in_((chunk.c.ordinal - 1, chunk.c.ordinal + 1)),
            _NEAR.c.section == chunk.c.section,
        ),
    )
    .where(chunk.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(_NEAR.c.ordinal)
)


_READ_AS = and_(
    parsed.c.content == document_version.c.content,
    parsed.c.parser_digest == document_version.c.parser_digest,
)


class Texts:
    """The catalogue's part about what documents say."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reads, self._writes, self._clock = engine, writing(engine), clock

    def parsed(self, content: ContentHash, parser_digest: Digest) -> ParsedRecord | None:
        """Give what a parser made of a content, or why it could not; None if it was never tried."""
        query = select(parsed).where(parsed.c.content == content, parsed.c.parser_digest == parser_digest)
        with self._reads.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        if row.body is None:
            return ParsedRecord(reason=row.reason, reason_text=row.reason_text)
        return decode_body(row.body)

    def put_parsed(self, content: ContentHash, parser_digest: Digest, record: ParsedRecord) -> None:
        """Store a parse result; one that is there already is kept."""
        body = None if record.reason else encode_body(record)
        with fault_point("parse.record"), self._writes.begin() as connection:
            connection.execute(
                insert(parsed)
                .values(
                    content=content,
                    parser_digest=parser_digest,
                    body=body,
                    poor=" ".join(record.quality.poor) or None,
                    reason=record.reason,
                    reason_text=record.reason_text,
                    created_at=iso(self._clock.now()),
                )
                .on_conflict_do_nothing()
            )

    def poorly_read(self) -> list[PoorlyRead]:
        """List present documents that could be read in part, or whose text looks wrong, by source and item."""
        query = (
            select(document.c.source, document.c.item_id, document.c.title, parsed.c.body)
            .join(document_version, document_version.c.id == document.c.version_id)
            .join(parsed, _READ_AS)
            .where(document.c.present == 1, parsed.c.poor.is_not(None))
            .order_by(document.c.source, document.c.item_id)
        )
        with self._reads.connect() as connection:
            found = []
            for row in connection.execute(query):
                record = decode_body(row.body)
                found.append(
                    PoorlyRead(
                        source=row.source,
                        item_id=row.item_id,
                        title=row.title,
                        quality=record.quality,
                        warnings=record.warnings,
                    )
                )
            return found

    def forget_failures(self) -> int:
        """Drop the stored reasons of contents that could not be parsed, so that they are tried again."""
        with self._writes.begin() as connection:
            return connection.execute(parsed.delete().where(parsed.c.reason.is_not(None))).rowcount

    def unchunked(self, versions: Sequence[VersionId], chunker_digest: Digest) -> list[VersionId]:
        """Tell which versions a chunker has not cut yet, in the given order."""
        done: set[str] = set()
        with self._reads.connect() as connection:
            for some in _slices(versions):
                done |= set(
                    connection.scalars(
                        select(chunked.c.version_id).where(
                            chunked.c.version_id.in_(some), chunked.c.chunker_digest == chunker_digest
                        )
                    )
                )
        return [version for version in versions if version not in done]

    def put_chunks(self, version: VersionId, chunker_digest: Digest, chunks: Sequence[Chunk]) -> None:
        """Store the passages of a version; an empty list is a result too."""
        with fault_point("build.chunks"), self._writes.begin() as connection:
            if chunks:
                connection.execute(
                    insert(chunk).on_conflict_do_nothing(),
                    [
                        {
                            "id": one.id,
                            "version_id": one.version_id,
                            "chunker_digest": chunker_digest,
                            "ordinal": one.ordinal,
                            "start": one.start,
                            "end": one.end,
                            "text": one.text,
                            "prefix": one.prefix,
                            "section": to_json(list(one.section)),
                            "page": one.page,
                        }
                        for one in chunks
                    ],
                )
            connection.execute(
                insert(chunked)
                .values(version_id=version, chunker_digest=chunker_digest, n_chunks=len(chunks))
                .on_conflict_do_nothing()
            )

    def places(self, versions: Sequence[VersionId], chunker_digest: Digest) -> list[ChunkPlace]:
        """List the chunks of versions, version by version in the given order, as the text runs."""
        found: list[ChunkPlace] = []
        with self._reads.connect() as connection:
            for some in _slices(versions):
                query = (
                    select(chunk.c.id, chunk.c.version_id, document_version.c.document_no)
                    .join(document_version, document_version.c.id == chunk.c.version_id)
                    .where(chunk.c.version_id.in_(some), chunk.c.chunker_digest == chunker_digest)
                    .order_by(chunk.c.version_id, chunk.c.ordinal)
                )
                found += [
                    ChunkPlace(
                        chunk_id=ChunkId(row.id),
                        version_id=VersionId(row.version_id),
                        document_no=row.document_no,
                    )
                    for row in connection.execute(query)
                ]
        return found

    def chunks(self, ids: Sequence[ChunkId]) -> dict[ChunkId, Chunk]:
        """Give chunks by id; unknown ids are left out."""
        found: dict[ChunkId, Chunk] = {}
        with self._reads.connect() as connection:
            for some in _slices(ids):
                for row in connection.execute(select(chunk).where(chunk.c.id.in_(some))):
                    found[ChunkId(row.id)] = Chunk(
                        id=ChunkId(row.id),
                        version_id=VersionId(row.version_id),
                        ordinal=row.ordinal,
                        start=row.start,
                        end=row.end,
                        text=row.text,
                        prefix=row.prefix,
                        section=tuple(json.loads(row.section)),
                        page=row.page,
                    )
        return found

    def passages(
        self, ids: Sequence[ChunkId], *, withdrawn: bool = False
    ) -> dict[ChunkId, tuple[int, Passage]]:
        """Give chunks of present documents, each as (document number, passage); *withdrawn* gives all."""
        query = _ALL_PASSAGES if withdrawn else _PASSAGES
        found: dict[ChunkId, tuple[int, Passage]] = {}
        with self._reads.connect() as connection:
            for some in _slices(ids):
                for row in connection.execute(query, {"ids": some}):
                    found[ChunkId(row.id)] = (
                        row.no,
                        Passage(
                            chunk_id=ChunkId(row.id),
                            document_id=DocumentId(row.document_id),
                            source=row.source,
                            item_id=row.item_id,
                            title=row.version_title,
                            url=row.url,
                            text=row.text,
                            start=row.start,
                            end=row.end,
                            section=tuple(json.loads(row.section)),
                            page=row.page,
                            modified=moment(row.modified),
                        ),
                    )
        return found

    def beside(self, ids: Sequence[ChunkId]) -> dict[ChunkId, list[ChunkId]]:
        """Name the chunks right before and right after each, where they stand under the same heading."""
        found: dict[ChunkId, list[ChunkId]] = {}
        with self._reads.connect() as connection:
            for some in _slices(ids):
                for row in connection.execute(_BESIDE, {"ids": some}):
                    found.setdefault(ChunkId(row.of), []).append(ChunkId(row.id))
        return found

    def text_of(self, gpt: str, seq: int, document_no: int) -> tuple[VersionId, ParsedRecord] | None:
        """Give a document's content in one release; None if the release does not hold it."""
        row = self._held(gpt, seq, document_no)
        return (VersionId(row.id), decode_body(row.body)) if row else None

    def version_in(self, gpt: str, seq: int, document_no: int) -> DocumentVersion | None:
        """Give a document as one release holds it, with what was said of it then; None if it does not."""
        row = self._held(gpt, seq, document_no)
        if row is None:
            return None
        return DocumentVersion(
            id=VersionId(row.id),
            document_id=DocumentId(row.document_id),
            source=row.source,
            item_id=row.item_id,
            content=ContentHash(row.content),
            parser_digest=Digest(row.parser_digest),
            title=row.title,
            url=row.url,
            author=row.author,
            modified=moment(row.modified),
            elements=decode_body(row.body).elements,
        )

    def _held(self, gpt: str, seq: int, document_no: int) -> Row[Any] | None:
        query = (
            select(document_version, parsed.c.body, document.c.source, document.c.item_id)
            .add_columns(document.c.id.label("document_id"))
            .join(document, document.c.no == document_version.c.document_no)
            .join(membership, membership.c.version_id == document_version.c.id)
            .join(parsed, _READ_AS)
            .where(
                document_version.c.document_no == document_no,
                membership.c.gpt == gpt,
                membership.c.from_seq <= seq,
                or_(membership.c.to_seq.is_(None), membership.c.to_seq >= seq),
            )
        )
        with self._reads.connect() as connection:
            return connection.execute(query).first()

    def n_chunks(self) -> int:
        """Count all stored chunks."""
        with self._reads.connect() as connection:
            return connection.scalar(select(func.count()).select_from(chunk)) or 0


def _slices(ids: Collection[str]) -> Iterator[list[str]]:
    listed = list(ids)
    for start in range(0, len(listed), _MANY):
        yield listed[start : start + _MANY]


def encode_body(record: ParsedRecord) -> bytes:
    """Write a parse result as it is stored."""
    text = json.dumps(encode(record), ensure_ascii=False)
    return zlib.compress(text.encode("utf-8", "surrogatepass"), 6)


def decode_body(body: bytes) -> ParsedRecord:
    """Read what :func:`encode_body` wrote."""
    return decode(json.loads(zlib.decompress(body).decode("utf-8", "surrogatepass")))


def encode(record: ParsedRecord) -> dict[str, Any]:
    """Give a parse result as JSON; Any because its parts differ."""
    return {
        "title": record.title,
        "author": record.author,
        "modified": iso(record.modified),
        "warnings": record.warnings,
        "attachments": record.attachments,
        "quality": asdict(record.quality),
        "elements": [[one.kind, one.text, one.headings, one.page, one.cells] for one in record.elements],
    }


def decode(stored: dict[str, Any]) -> ParsedRecord:
    """Read what :func:`encode` gave.

    Raises:
        ValueError, KeyError, TypeError: it is something else.
    """
    modified: datetime | None = moment(stored["modified"])
    return ParsedRecord(
        title=stored["title"],
        author=stored["author"],
        modified=modified,
        warnings=tuple(stored["warnings"]),
        quality=_quality(stored.get("quality", {})),
        attachments=tuple(
            (name, kind, ContentHash(content)) for name, kind, content in stored["attachments"]
        ),
        elements=tuple(
            Element(
                kind=ElementKind(kind),
                text=text,
                headings=tuple(headings),
                page=page,
                cells=tuple(tuple(row) for row in cells),
            )
            for kind, text, headings, page, cells in stored["elements"]
        ),
    )


def _quality(stored: dict[str, Any]) -> Quality:
    known = {one.name: stored[one.name] for one in fields(Quality) if one.name in stored}
    return Quality(**{**known, "recognised_pages": tuple(stored.get("recognised_pages", ()))})


def attachments_of(body: bytes) -> list[ContentHash]:
    """Name the contents that lie in a stored parsed body."""
    stored = json.loads(zlib.decompress(body).decode("utf-8", "surrogatepass"))
    return [ContentHash(content) for _, _, content in stored["attachments"]]
