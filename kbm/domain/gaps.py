"""Failed questions as groups with a cause: what the manager agents find, and what they find it from.

A **group** is what one night's clustering makes of the failed questions; a **gap** is a group that was matched to the
gaps known before and keeps their id. A cause belongs to a gap, not to a question: questions alone are too short to
tell (``agents/kbm_agents/diagnosis.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kbm.domain.documents import Span
from kbm.domain.identity import ChunkId, DocumentId


class Cause(StrEnum):
    """Why the questions of a gap got no good answer."""

    MISSING = "missing"  # nothing in the company's documents answers them
    RETRIEVAL_MISS = "retrieval_miss"  # the passage is there, the search does not bring it up
    STALE = "stale"  # the passage is past its date, or superseded
    CONFLICT = "conflict"  # two passages contradict each other
    WRONG_SCOPE = "wrong_scope"  # the passage is in a document that this GPT does not have
    THIN = "thin"  # the passage is there and found, but says too little
    BLOCKED = "blocked"  # the passage is there, who asked may not read it
    OFF_TOPIC = "off_topic"  # far from everything the company has


class OwnerQuestion(StrEnum):
    """What to ask the owner where two causes are about as likely; one question, answered with yes or no."""

    IN_SCOPE = "in_scope"  # should this GPT answer such questions at all?
    ANSWERS_IT = "answers_it"  # does the passage shown answer them?
    STILL_HOLDS = "still_holds"  # is the passage shown still right?
    BELONGS_HERE = "belongs_here"  # should this GPT have the document shown?
    CONTRADICTS = "contradicts"  # do the two passages shown contradict each other?
    MAY_READ = "may_read"  # should who asks be able to read the document?


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedQuestion:
    """A question to be grouped. Of ``n_asked`` above 1 it was imported or asked so often in the same words."""

    id: str
    text: str
    n_asked: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Questions about the same thing, as one night's clustering found them.

    ``id`` hashes the members. ``members`` are question ids in order; ``central`` the up to ten nearest the middle,
    nearest first. ``centroid`` is of unit length, or empty where there was no embedder. ``theme`` is the id of the
    heading it stands under.
    """

    id: str
    members: tuple[str, ...]
    n_asked: int
    central: tuple[str, ...]
    theme: str
    centroid: tuple[float, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """Groups near each other: a heading. Most hold one group."""

    id: str
    groups: tuple[str, ...]
    n_asked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """What one night's questions fall into.

    ``groups`` and ``themes`` stand largest first; ``rare`` are the ids of questions in no group, "seen once or
    twice". ``cut`` is the cosine from which questions count as about the same, ``min_size`` the least questions.
    """

    groups: tuple[Group, ...]
    themes: tuple[Theme, ...]
    rare: tuple[str, ...]
    cut: float
    min_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownGap:
    """A gap as it was kept. ``dismissed_at`` is its count when it was dismissed, ``None`` if it never was."""

    id: str
    members: frozenset[str]
    n_asked: int
    centroid: tuple[float, ...] = field(default=(), repr=False)
    dismissed_at: int | None = None


class Lineage(StrEnum):
    """How a group of tonight came to its gap."""

    NEW = "new"
    SAME = "same"  # shares members with the gap it continues
    CHILD = "child"  # no gap of its own before, but came out of a known one or is about the same


@dataclass(frozen=True, slots=True, kw_only=True)
class GapMatch:
    """A group of tonight and the gap it is.

    ``gap`` is the id of the gap: a known one for ``SAME``, otherwise the group's own id. ``parents`` are known gaps
    that it came out of: one for a split, several for a merge, none for a new one. ``dismissed_at`` is what holds
    from now on: a dismissal is inherited until the count has doubled.
    """

    group: str
    gap: str
    lineage: Lineage
    parents: tuple[str, ...] = ()
    dismissed_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GapName:
    """The shortest of the central questions as typed, and up to three words."""

    title: str
    keywords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceChunk:
    """A passage of any document of the company, to look for evidence in.

    ``text`` starts at character ``start`` of its document; ``heading`` is what stands above it, its title included.
    ``attached`` says that this GPT has the document, ``outdated`` that it is past its date or superseded; ``n_words``
    counts the words of the whole document, 0 if that is not known.
    """

    chunk_id: ChunkId
    document_id: DocumentId
    text: str = field(repr=False)
    start: int = 0
    heading: str = ""
    attached: bool = True
    outdated: bool = False
    n_words: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Two neighbouring sentences that may answer a question.

    ``span`` is the place in the document's text. ``cosine`` is 0 where there was no embedder; ``coverage`` is the
    share of the question's terms in it, weighted by how rare they are; ``score`` is what both give, in [0, 1].
    ``attached`` says that this GPT has the document, ``blocked`` that who asked may not read it, ``outdated`` that
    it is past its date or superseded. ``n_words`` counts the words of the whole document.
    """

    chunk_id: ChunkId
    document_id: DocumentId
    span: Span
    text: str = field(repr=False)
    cosine: float
    coverage: float
    score: float
    attached: bool
    blocked: bool = False
    outdated: bool = False
    n_words: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionEvidence:
    """What there is on one question of a gap, over all documents of the company.

    ``windows`` stand best first. ``ranked`` are the documents that this GPT's search gave for it, best first.
    ``clash`` are two windows that say nearly the same and differ in a number, a date, a name or a negation.
    ``answers`` is what a chat model said of the best window: does it answer the question?
    """

    question: str
    windows: tuple[Window, ...]
    ranked: tuple[DocumentId, ...] = ()
    clash: tuple[Window, Window] | None = None
    answers: bool | None = None
    n_asked: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The cause of a gap. ``second`` and ``ask`` are there where it is unsure.

    ``covered`` says that the passage is there, is found and holds what is asked for: then ``thin`` means that it is
    the GPT's caution, not its knowledge, that kept the answer back. ``scores`` are the numbers the rules were applied
    to, by name; ``evidence`` the windows it rests on, best first.
    """

    cause: Cause
    covered: bool = False
    second: Cause | None = None
    ask: OwnerQuestion | None = None
    evidence: tuple[Window, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
