"""Read one item of a source: fetch it, keep its bytes, parse it unless its content is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from kbm.domain.catalogue import ParsedRecord, StoredItem
from kbm.domain.documents import Blob, Reason
from kbm.domain.identity import ContentHash, Digest
from kbm.domain.sync import Ref
from kbm.errors import ConnectorError, ConnectorUnavailable, KbmError, ParseFailed
from kbm.ports import Connector
from kbm.services.needs import Parsing, RawStore, Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemReader:
    """Makes stored items of what a source lists. Nothing is stored of them but their bytes and parsed texts."""

    texts: Texts
    raw: RawStore
    parsing: Parsing

    def read(
        self, source: str, connector: Connector, ref: Ref, readers: frozenset[str], max_bytes: int
    ) -> StoredItem:
        """Fetch and parse an item.

        Raises:
            ConnectorUnavailable: it cannot be had now.
        """
        item = StoredItem(
            source=source,
            item_id=ref.id,
            ref_version=ref.version,
            readers=readers,
            scope=ref.scope,
            title=ref.title or title_of(ref.id),
            url=ref.url,
            author=ref.author,
            modified=ref.modified,
        )
        if ref.size is not None and ref.size > max_bytes:
            return _too_large(item, ref.size, max_bytes)
        try:
            blob = connector.fetch(ref)
        except ConnectorUnavailable:
            raise
        except ConnectorError as error:
            return replace(item, reason=Reason.UNREADABLE, reason_text=str(error))
        if len(blob.data) > max_bytes:
            return _too_large(item, len(blob.data), max_bytes)
        item = replace(item, media_type=blob.media_type, modified=blob.modified or item.modified)
        return self.parse_into(item, blob, title_given=bool(ref.title))

    def parse_into(self, item: StoredItem, blob: Blob, *, title_given: bool = False) -> StoredItem:
        """Add content, version and attachments to an item, from the store where the content is known."""
        content = self.raw.put(blob.data)
        try:
            parser_digest = self.parsing.digest_for(blob)
        except ParseFailed as error:
            return replace(item, content=content, reason=error.reason, reason_text=str(error))
        record = self._record(content, parser_digest, blob)
        if record.reason == Reason.NO_TEXT or record.quality.n_empty_pages:
            parser_digest, record = self._recognised(content, blob, parser_digest, record)
        enclosed = tuple(content for _, _, content in record.attachments)
        item = replace(item, content=content, enclosed=enclosed, parser_digest=parser_digest)
        if record.reason is not None:
            return replace(item, reason=record.reason, reason_text=record.reason_text)
        item = replace(
            item,
            title=item.title if title_given else record.title or item.title,
            author=item.author or record.author,
            modified=item.modified or record.modified,
        )
        return replace(item, attachments=tuple(self._attachments(item, record)))

    def _recognised(
        self, content: ContentHash, blob: Blob, parser_digest: Digest, usual: ParsedRecord
    ) -> tuple[Digest, ParsedRecord]:
        """Read pages without text by text recognition; what the usual parser gave stays where that fails.

        A step of its own with a digest of its own: another version of the recogniser, or its first installation,
        makes new versions of scans, not of every document of their kind.
        """
        try:
            digest = self.parsing.digest_for(blob, recognise=True)
        except ParseFailed:
            return parser_digest, usual
        return digest, self._record(content, digest, blob, recognised_after=usual)

    def _record(
        self,
        content: ContentHash,
        parser_digest: Digest,
        blob: Blob,
        *,
        recognised_after: ParsedRecord | None = None,
    ) -> ParsedRecord:
        record = self.texts.parsed(content, parser_digest)
        if record is None or any(self.raw.get(one) is None for _, _, one in record.attachments):
            # A release that was imported brings texts, but no bytes of attachments.
            record = self._parse(blob, recognise=recognised_after is not None)
            if record.reason is not None and recognised_after is not None and recognised_after.reason is None:
                record = recognised_after
            self.texts.put_parsed(content, parser_digest, record)
        return record

    def _parse(self, blob: Blob, *, recognise: bool) -> ParsedRecord:
        try:
            made = self.parsing.parse(blob, recognise=recognise)
        except ParseFailed as error:
            return ParsedRecord(reason=error.reason, reason_text=str(error))
        return ParsedRecord(
            elements=made.elements,
            title=made.title,
            author=made.author,
            modified=made.modified,
            warnings=made.warnings,
            quality=made.quality,
            attachments=tuple((one.name, one.media_type, self.raw.put(one.data)) for one in made.attachments),
        )

    def _attachments(self, item: StoredItem, record: ParsedRecord) -> Iterator[StoredItem]:
        """Make documents of a mail's attachments; attachments of attachments are not followed."""
        if "/attachments/" in item.item_id:
            return
        for n, (name, media_type, content) in enumerate(record.attachments):
            data = self.raw.get(content)
            if data is None:
                raise KbmError(f"the raw store lost an attachment of {item.item_id}")
            child = replace(
                item,
                item_id=f"{item.item_id}/attachments/{n}-{name}",
                title=name,
                media_type=media_type,
                parser_digest=None,
                content=None,
                enclosed=(),
                attachments=(),
            )
            yield self.parse_into(child, Blob(data=data, name=name, media_type=media_type))


def name_of(item_id: str) -> str:
    """Give the last part of an item's id, which is the name of a file where there are files."""
    return item_id.rstrip("/").rsplit("/", 1)[-1]


def title_of(item_id: str) -> str:
    """Make a title of an item's name, for documents that have none: ``Urlaub_2026.txt`` is "Urlaub 2026"."""
    name = name_of(item_id)
    stem, dot, ending = name.rpartition(".")
    return " ".join((stem if dot and stem and len(ending) <= 5 else name).replace("_", " ").split()) or name


def _too_large(item: StoredItem, size: int, limit: int) -> StoredItem:
    return replace(
        item,
        reason=Reason.TOO_LARGE,
        reason_text=f"{size / 1e6:.0f} MB; the limit is {limit / 1e6:.0f} MB (kbm.max_document_mb)",
    )
