"""Records that services and the store pass to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median

from kbm.domain.documents import Element
from kbm.domain.identity import ChunkId, ContentHash, Digest, DocumentId, VersionId
from kbm.domain.parse_quality import NOT_MEASURED, Quality
from kbm.domain.sync import PlanState, SyncPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredItem:
    """What a sync writes of one item: its description and either a version or a reason for quarantine.

    With a reason, a version stored earlier stays the one that releases take.
    """

    source: str
    item_id: str
    ref_version: str
    readers: frozenset[str]
    scope: str = ""
    title: str = ""
    url: str = ""
    author: str = ""
    modified: datetime | None = None
    media_type: str = ""
    content: ContentHash | None = None
    enclosed: tuple[ContentHash, ...] = ()  # contents that lie in it: raw bytes stored on their own
    parser_digest: Digest | None = None
    reason: str | None = None
    reason_text: str | None = None
    attachments: tuple[StoredItem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedRecord:
    """A parse result as stored: elements and metadata, or the reason why there are none."""

    elements: tuple[Element, ...] = ()
    title: str = ""
    author: str = ""
    modified: datetime | None = None
    attachments: tuple[tuple[str, str, ContentHash], ...] = ()  # name, media type, content
    warnings: tuple[str, ...] = ()
    quality: Quality = NOT_MEASURED
    reason: str | None = None
    reason_text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoorlyRead:
    """A present document of which something could not be read; ``quality`` says what."""

    source: str
    item_id: str
    title: str
    quality: Quality
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentVersion:
    """The version of a present document that the next release takes."""

    version_id: VersionId
    document_no: int
    document_id: DocumentId
    source: str
    item_id: str
    title: str
    url: str
    content: ContentHash
    parser_digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRecord:
    """A document as a reader of it is shown."""

    no: int
    id: DocumentId
    source: str
    item_id: str
    title: str
    url: str
    author: str
    modified: datetime | None
    readers: frozenset[str]
    present: bool
    version_id: VersionId | None
    content: ContentHash | None
    parser_digest: Digest | None
    reason: str | None
    reason_text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentOverview:
    """A present document at a glance; ``reason`` is why its newest content is in quarantine, empty if it is not."""

    no: int
    id: DocumentId
    source: str
    item_id: str
    title: str
    url: str
    modified: datetime | None
    readers: frozenset[str]
    reason: str = ""
    n_words: int = 0
    poorly_read: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """How long a kind of change took to arrive, in seconds; the last *n* of them."""

    n: int
    median_s: float
    worst_s: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Delay:
        """Sum up measurements, of which there is at least one."""
        return cls(n=len(seconds), median_s=median(seconds), worst_s=max(seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecord:
    """How a source stands."""

    name: str
    kind: str
    synced_at: datetime | None
    last_error: str | None
    n_documents: int = 0
    n_quarantined: int = 0
    n_poorly_read: int = 0
    n_held_plans: int = 0
    tried_at: datetime | None = None
    failed_scopes: tuple[str, ...] = ()
    delays: Mapping[str, Delay] = field(default_factory=dict)
    """From the moment the source was touched to stored, for what was ``new``, ``changed`` and ``removed``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRecord:
    """A stored plan."""

    id: int
    state: PlanState
    plan: SyncPlan
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkPlace:
    """Where a chunk belongs: enough to index it."""

    chunk_id: ChunkId
    version_id: VersionId
    document_no: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VisibilityState:
    """Who may read what, at one epoch. Withdrawn documents are left out."""

    epoch: int
    readers: Mapping[int, frozenset[str]] = field(default_factory=dict, repr=False)
