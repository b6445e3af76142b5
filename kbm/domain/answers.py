"""Answers: sentences with verbatim citations, or an honest no."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from kbm.domain.filters import NO_FILTERS, Filters
from kbm.domain.identity import ChunkId, Digest, DocumentId

_SPAN = re.compile(r"(?<=[?&])start=\d+&end=\d+")


class Outcome(StrEnum):
    """What became of a question."""

    ANSWERED = "answered"  # with quotes
    UNCERTAIN = "uncertain"  # shown with a warning, and sent to a person
    UNANSWERED = "unanswered"  # said plainly, with a cause

    @property
    def shown(self) -> bool:
        """Tell whether the caller gets sentences."""
        return self is not Outcome.UNANSWERED


class Cause(StrEnum):
    """Why a question was not answered, as its caller is told."""

    NO_SOURCE = "no_source"  # nothing on this in what the caller may read
    NO_FACT = "no_fact"  # the topic is there, the fact is not
    UNGROUNDED = "ungrounded"  # nothing could be said with a quote that holds
    ERROR = "error"  # kbm failed on it


BROKEN_OFF = "the answer was broken off"
"""Among ``degraded`` where the caller left, or something failed, before the answer was whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A passage that was found; ``score`` lies in [0, 1] and orders hits of one question only."""

    chunk_id: ChunkId
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherPlace:
    """Another document that says the same."""

    document_id: DocumentId
    source: str
    item_id: str
    title: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A hit with its text and where it is from. ``start`` and ``end`` span the document's text."""

    chunk_id: ChunkId
    document_id: DocumentId
    source: str
    item_id: str
    title: str
    url: str
    text: str
    start: int
    end: int
    section: tuple[str, ...]
    page: int | None
    modified: datetime | None
    score: float = 0.0
    stale: bool = False
    also_in: tuple[OtherPlace, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A verbatim quote: ``quote`` is ``passage.text[start:end]``."""

    n: int
    quote: str
    start: int
    end: int
    passage: Passage

    @property
    def url(self) -> str:
        """Give the address that shows this very quote, where the passage's one names a span."""
        at = self.passage.start
        span = f"start={at + self.start}&end={at + self.end}"
        return _SPAN.sub(span, self.passage.url, count=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSentence:
    """A sentence of the answer and the numbers of the citations it rests on."""

    text: str
    citations: tuple[int, ...]

    @property
    def marked(self) -> str:
        """Give its text followed by its citation numbers."""
        return f"{self.text} {''.join(f'[{n}]' for n in self.citations)}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the caller gets.

    ``confidence`` is the estimated probability that the knowledge holds the answer; ``degraded`` names what did
    not work and was done without. The answer is a function of release, visibility epoch, the caller's readers
    and the question; the receipt names all four.

    With a chat model its sentences are the model's, each checked; ``withheld`` counts those that failed a check.
    ``model`` and ``prompt_digest`` are empty where sentences are quoted; ``tokens`` is what was spent either way, and
    ``cost`` what that costs, None where no price is known.
    """

    id: str
    gpt: str
    release: str
    release_digest: Digest
    canary: bool
    epoch: int
    readers: frozenset[str]
    k: int
    outcome: Outcome
    cause: Cause | None
    confidence: float
    sentences: tuple[AnswerSentence, ...]
    citations: tuple[Citation, ...]
    notice: str
    degraded: tuple[str, ...]
    took_ms: int
    filters: Filters = NO_FILTERS
    withheld: int = 0
    model: str = ""
    prompt_digest: str = ""
    tokens: int = 0
    cost: float | None = None

    @property
    def text(self) -> str:
        """Give the answer as one text, each sentence followed by its citation numbers."""
        return " ".join(sentence.marked for sentence in self.sentences)


class Verdict(StrEnum):
    """What somebody thought of an answer."""

    HELPFUL = "helpful"
    UNHELPFUL = "unhelpful"
    PROBLEM = "problem"
