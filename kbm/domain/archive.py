"""What leaves a data folder: a backup as one file with the names it may hold, and one release as a neutral folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kbm.domain.calibration import Calibration
from kbm.domain.catalogue import ParsedRecord
from kbm.domain.documents import Chunk
from kbm.domain.identity import ContentHash, Digest, DocumentId, VersionId, document_id, version_id
from kbm.domain.internal import COMPANY
from kbm.domain.releases import AnswerSpec, IndexSpec, Version

MANIFEST = "manifest.json"
CONFIG = "kbm.toml"

_NAMES = re.compile(
    r"(catalogue\.db|journal\.db|secret\.key|kbm\.toml|manifest\.json"
    r"|raw/[0-9a-f]{2}/[0-9a-f]{64}"
    rf"|index/({COMPANY}|[A-Za-z0-9][A-Za-z0-9_-]*)/[0-9a-f]{{16}}/(seg-\d+-[0-9a-f]+\.kseg|rel-\d+\.(roar|json))"
    r"|reports/[A-Za-z0-9][A-Za-z0-9._-]*)"
)


def is_member(name: str) -> bool:
    """Tell whether a backup may hold a file of this name; anything else is no backup of kbm."""
    return _NAMES.fullmatch(name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveManifest:
    """What a backup says about itself. ``files`` gives size and BLAKE2b-256 of each, by name."""

    made_at: datetime
    made_with: str
    files: Mapping[str, tuple[int, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedItem:
    """A line of a ledger of erasures, as it outlives a backup."""

    item: str
    at: datetime
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedDocument:
    """A document version of an exported release, with all that a release needs of it; no readers means withdrawn."""

    source: str
    item_id: str
    parent: str | None  # the item an attachment came in
    content: ContentHash
    parser_digest: Digest
    title: str
    url: str
    author: str
    modified: datetime | None
    media_type: str
    readers: frozenset[str]
    record: ParsedRecord = field(repr=False)

    @property
    def document_id(self) -> DocumentId:
        """Name the document."""
        return document_id(self.source, self.item_id)

    @property
    def version_id(self) -> VersionId:
        """Name the version."""
        return version_id(self.document_id, self.content, self.parser_digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedRelease:
    """What an export says of its release; everything else in it can be checked against the two digests."""

    gpt: str
    version: Version
    digest: Digest
    index_digest: Digest
    index_spec: IndexSpec
    answer_spec: AnswerSpec
    sources: tuple[str, ...]
    n_documents: int
    n_chunks: int
    created_at: datetime
    tools: Mapping[str, str]
    made_with: str
    calibration: Calibration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """An exported release; its vectors lie beside, one row per chunk in this order."""

    release: ExportedRelease
    documents: tuple[ExportedDocument, ...]
    chunks: tuple[Chunk, ...]
