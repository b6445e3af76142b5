"""What agents look at and what they give back: data alone, so that it can go to a process of its own.

A :class:`ReviewWindow` is all that a detector is given of one GPT. It holds questions and names of documents, and no
way to anything that changes something; for passages and vectors it asks its :class:`~kbm.ports.Lookup`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kbm.domain.answers import Cause as AnswerCause
from kbm.domain.answers import Outcome, Verdict
from kbm.domain.documents import Span
from kbm.domain.gaps import Diagnosis, GapName, KnownGap, Theme
from kbm.domain.identity import ChunkId, DocumentId
from kbm.domain.suggestions import Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedQuestion:
    """A question of the log. ``person`` is a keyed hash, empty without a label; ``imported`` from elsewhere.

    ``cited`` and ``hits`` are the documents that its answer quoted and that were found for it, best first.
    ``failed`` takes all signals together: no sure answer, withheld sentences, a verdict, asked again in other words.
    """

    id: str
    text: str = field(repr=False)
    asked_at: datetime | None
    failed: bool
    outcome: Outcome | None = None
    cause: AnswerCause | None = None
    confidence: float | None = None
    verdict: Verdict | None = None
    person: str = ""
    readers: frozenset[str] = frozenset()
    n_asked: int = 1
    withheld: int = 0
    imported: bool = False
    reask_of: str = ""
    cited: tuple[DocumentId, ...] = ()
    hits: tuple[DocumentId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedDocument:
    """A document of the company. ``attached`` says that this GPT answers from it.

    ``max_age_h`` is the limit of its source in hours. ``n_retrieved`` and ``n_cited`` count the answers of the window
    that found and quoted it. ``poorly_read``: its text has holes or garbage; ``reason`` is why its newest content is
    in quarantine.
    """

    id: DocumentId
    source: str
    item_id: str
    title: str
    attached: bool
    url: str = ""
    modified: datetime | None = None
    max_age_h: int | None = None
    n_words: int = 0
    n_retrieved: int = 0
    n_cited: int = 0
    n_golden: int = 0
    poorly_read: bool = False
    reason: str = ""

    @property
    def item(self) -> str:
        """Name it as settings and fixes do."""
        return f"{self.source}:{self.item_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedSource:
    """How a source stands. ``quiet_h`` is how long nothing in it has changed, ``usual_h`` how long that takes."""

    name: str
    kind: str
    attached: bool
    synced_at: datetime | None = None
    last_error: str = ""
    n_documents: int = 0
    n_quarantined: int = 0
    n_held_plans: int = 0
    failed_scopes: tuple[str, ...] = ()
    quiet_h: float | None = None
    usual_h: float | None = None
    dead_links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedGolden:
    """A golden question and whether the live release passes it; ``passed`` is None where it was not asked."""

    id: str
    question: str = field(repr=False)
    expected: tuple[str, ...] = ()
    language: str = ""
    passed: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewWindow:
    """One GPT as its agents see it.

    ``questions`` are those of ``days`` days up to ``now``, newest first. ``known_gaps`` are those of earlier nights.
    ``readers`` are the names that hold for the owner. ``trend`` is the share of golden questions passed, by release,
    oldest first.
    """

    gpt: str
    title: str
    now: datetime
    days: int
    languages: tuple[str, ...]
    readers: frozenset[str]
    release: str
    questions: tuple[ReviewedQuestion, ...] = ()
    documents: tuple[ReviewedDocument, ...] = ()
    sources: tuple[ReviewedSource, ...] = ()
    golden: tuple[ReviewedGolden, ...] = ()
    known_gaps: tuple[KnownGap, ...] = ()
    synonyms: tuple[tuple[str, ...], ...] = ()
    prefer: tuple[str, ...] = ()
    trend: tuple[tuple[str, float], ...] = ()
    dense: bool = True  # whether texts can be embedded

    @property
    def failed(self) -> tuple[ReviewedQuestion, ...]:
        """Give the questions that got no good answer."""
        return tuple(one for one in self.questions if one.failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """A passage near a question, over all documents of the company; ``span`` is its place in the document's text.

    ``score`` orders the passages of one question. ``attached``: this GPT answers from it; ``readers`` may read it.
    ``section`` are the headings it stands under.
    """

    chunk_id: ChunkId
    document_id: DocumentId
    item: str
    title: str
    span: Span
    text: str = field(repr=False)
    score: float
    attached: bool
    readers: frozenset[str]
    modified: datetime | None = None
    section: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two passages that say nearly the same; ``cosine`` of their vectors. The first is of the newer document."""

    newer: Near
    older: Near
    cosine: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundGap:
    """A gap of tonight. ``id`` is a known one's, or new; ``members`` are ids of questions, ``central`` the nearest.

    ``dismissed_at`` is the count at which it was dismissed, while that holds.
    """

    id: str
    name: GapName
    theme: str
    diagnosis: Diagnosis
    members: tuple[str, ...]
    central: tuple[str, ...]
    n_asked: int
    language: str = ""
    parents: tuple[str, ...] = ()
    dismissed_at: int | None = None
    centroid: tuple[float, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a detector gives back. Only the one that groups questions gives gaps, themes and the rare ones."""

    proposals: tuple[Proposal, ...] = ()
    gaps: tuple[FoundGap, ...] = ()
    themes: tuple[Theme, ...] = ()
    rare: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
