"""An answer while it comes about: what was shown so far is what it will be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kbm.domain.answers import BROKEN_OFF, AnswerSentence, Cause, Citation, Outcome, Passage
from kbm.domain.documents import Span
from kbm.services.generate import Writing
from kbm.services.retrieve import Retrieved

if TYPE_CHECKING:
    from kbm.domain.grounding import Judged


@dataclass(slots=True, kw_only=True)
class Draft:
    """What is known of an answer; ``model`` is set once its sentences are a chat model's."""

    found: Retrieved
    k: int
    confidence: float
    outcome: Outcome
    cause: Cause | None = None
    model: str = ""
    sentences: list[AnswerSentence] = field(default_factory=list)
    citations: list[Citation] = field(default_factory=list)
    degraded: list[str] = field(default_factory=list)
    writing: Writing | None = None
    _read: Sequence[Passage] | None = None

    @property
    def passages(self) -> Sequence[Passage]:
        """Give the passages that are read, the same ones every time."""
        if self._read is None:
            self._read = self.found.reading(self.k)
        return self._read

    def quote(self, passage: Passage, span: Span) -> AnswerSentence:
        """Show a slice of a passage as a sentence."""
        n = self._cite(passage, span)
        return self._show(AnswerSentence(text=passage.text[span.start : span.end], citations=(n,)))

    def write(self, judged: Judged) -> AnswerSentence:
        """Show a sentence of the chat model that holds, with its quotes as they stand in the passages."""
        if self.writing:
            self.model = self.writing.model
        numbers = [self._cite(self.passages[one.passage - 1], one.span) for one in judged.quotes]
        return self._show(AnswerSentence(text=judged.sentence, citations=tuple(numbers)))

    def ends_written(self) -> bool:
        """Conclude what the chat model wrote; False when the sentences have to be quoted instead."""
        writing = self.writing
        if writing is None:
            return False
        if writing.problem:
            self.degraded.append(writing.problem)
        if self.sentences:
            return True
        if writing.problem:
            return False
        self.model = writing.model
        said_none = writing.says_none and not writing.n_withheld
        self.unanswered(Cause.NO_FACT if said_none else Cause.UNGROUNDED)
        return True

    def break_off(self) -> None:
        """Conclude an answer that its caller did not wait for, or that failed."""
        self.degraded.append(BROKEN_OFF)
        if not self.sentences and self.outcome.shown:
            self.unanswered(Cause.ERROR)

    def unanswered(self, cause: Cause) -> None:
        """Say that there is no answer."""
        self.outcome, self.cause = Outcome.UNANSWERED, cause

    def _show(self, sentence: AnswerSentence) -> AnswerSentence:
        self.sentences.append(sentence)
        return sentence

    def _cite(self, passage: Passage, span: Span) -> int:
        """Give the number of a slice, the same one for the same slice."""
        for one in self.citations:
            if (one.passage.chunk_id, one.start, one.end) == (passage.chunk_id, span.start, span.end):
                return one.n
        self.citations.append(
            Citation(
                n=len(self.citations) + 1,
                quote=passage.text[span.start : span.end],
                start=span.start,
                end=span.end,
                passage=passage,
            )
        )
        return len(self.citations)
