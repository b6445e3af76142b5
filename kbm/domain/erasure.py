"""Erasing a document: what was stored of it, how far it is gone, and the proof that nothing is left.

An erasure runs through :class:`Step` s. Each may be repeated, so a run that died is simply run again. What must be
found is listed once, before anything is taken away: afterwards nobody could say any more what to look for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from kbm.domain.identity import ChunkId, ContentHash, Digest, VectorKey, VersionId
from kbm.domain.releases import AnswerSpec


class Step(StrEnum):
    """The last step of an erasure that is finished."""

    WITHDRAWN = "withdrawn"  # hidden on every release; the ledger has its keyed hash
    LISTED = "listed"  # what there is of it was written down, and found
    JOURNAL = "journal"  # receipts keep only marks of its passages
    VECTORS = "vectors"  # the vector store was written anew without it
    RELEASES = "releases"  # segments without its rows, releases with new digests
    ROWS = "rows"  # gone from the catalogue
    RAW = "raw"  # its bytes are gone
    CLEANED = "cleaned"  # free pages and logs of both databases are gone
    PROVED = "proved"  # the search found nothing; the certificate is written
    DONE = "done"


STEPS = tuple(Step)


class Mark(StrEnum):
    """What a copy of a document can be recognised by."""

    TEXT = "text"  # windows of its text, UTF-8
    TEXT_UTF16 = "text_utf16"
    PARSED = "parsed"  # bytes of its parsed bodies as they are stored: compressed
    UNPACKED = "unpacked"  # windows of its text in parsed bodies that were unpacked for the search
    RAW = "raw"  # windows of its file
    VECTORS = "vectors"  # bytes of its vectors
    IDS = "ids"  # of document, versions, passages and contents
    NAMES = "names"  # item, title, address


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """A line of the ledger. ``item`` is a keyed hash: the ledger must not be a copy of the name."""

    id: int
    item: str
    step: Step
    started_at: datetime
    who: str
    document_no: int | None = None
    finished_at: datetime | None = None
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBy:
    """A release that holds the document, with its digest before the erasure."""

    gpt: str
    seq: int
    version: str
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """What there is of a document and its attachments; what another document has too is left out.

    ``marks`` are byte strings by kind, ``found`` says how many of them the search met before anything was erased.
    """

    numbers: tuple[int, ...]
    versions: tuple[VersionId, ...]
    chunks: tuple[ChunkId, ...]
    contents: tuple[ContentHash, ...]
    vector_keys: tuple[VectorKey, ...]
    items: tuple[tuple[str, str], ...]  # source and item id
    names: tuple[str, ...]
    releases: tuple[HeldBy, ...]
    counts: Mapping[str, int]
    marks: Mapping[Mark, tuple[bytes, ...]] = field(repr=False)
    found: Mapping[Mark, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """A release after an erasure; its rules name what was erased no longer."""

    gpt: str
    seq: int
    digest: Digest
    index_digest: Digest
    answer_spec: AnswerSpec
    n_documents: int
    n_chunks: int
    is_askable: bool = (
        True  # false: its index was put away before, so it cannot come back to a digest it never had
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Residue:
    """What a search met: marks found by kind, where (paths below the data folder), and how much was read."""

    found: Mapping[Mark, int]
    places: tuple[str, ...] = ()
    n_files: int = 0
    n_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What an erasure did, without a word of what was erased.

    ``searched``, ``before`` and ``after`` count marks by kind: how many were looked for, how many were met before
    anything was erased (the search can find them), and how many afterwards. ``releases`` name GPT, version, digest
    before and after. ``remarks`` say what the search cannot prove.
    """

    item: str
    document_no: int
    who: str
    began_at: datetime
    erased_at: datetime
    removed: Mapping[str, int]
    searched: Mapping[str, int]
    before: Mapping[str, int]
    after: Mapping[str, int]
    n_files: int
    n_bytes: int
    releases: tuple[tuple[str, str, Digest, Digest], ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def proved(self) -> bool:
        """Tell whether the search could find it before, and does not any more."""
        return sum(self.before.values()) > 0 and not any(self.after.values())
