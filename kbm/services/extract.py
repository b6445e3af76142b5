"""Choose the sentences that answer a question, without a chat model.

A sentence is weighed by the share of the question's idf weight that it carries together with its heading path: a row
of a price table says little by itself and a lot under its title. The rank of its passage counts as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kbm.domain.answers import Passage
from kbm.domain.documents import Span
from kbm.domain.retrieval import Synonyms
from kbm.domain.sentences import split_sentences
from kbm.services.needs import ReleaseIndex

SENTENCES_SHOWN = 3

PASSAGE_WEIGHT = 0.5
"""What the score of its passage, in [0, 1], counts beside a sentence's own overlap, also in [0, 1]."""

HEADING_WEIGHT = 0.5
"""What words count that only the heading path above the sentence holds."""

WORTH_SHOWING = 0.6
"""Further sentences are shown when they reach this share of the best one's score."""


@dataclass(frozen=True, slots=True)
class Extract:
    """A sentence of a passage: ``passage.text[span.start:span.end]``."""

    passage: Passage
    span: Span
    score: float

    @property
    def quote(self) -> str:
        """Give the sentence, verbatim."""
        return self.passage.text[self.span.start : self.span.end]


def extract(
    question: str,
    passages: Sequence[Passage],
    index: ReleaseIndex,
    readable: NDArray[np.bool_] | None,
    synonyms: Synonyms = (),
) -> list[Extract]:
    """Give the best sentences of *passages*, best first; none when no sentence shares a word with the question."""
    spans = [(passage, span) for passage in passages for span in split_sentences(passage.text)]
    quotes = [passage.text[span.start : span.end] for passage, span in spans]
    headed = [
        f"{passage.title} {' '.join(passage.section)} {quote}"
        for (passage, _), quote in zip(spans, quotes, strict=True)
    ]
    overlaps = index.overlap(question, [*quotes, *headed], readable=readable, synonyms=synonyms)
    alone, together = overlaps[: len(quotes)], overlaps[len(quotes) :]
    ranked = sorted(
        (
            Extract(
                passage, span, own + HEADING_WEIGHT * (with_headings - own) + PASSAGE_WEIGHT * passage.score
            )
            for (passage, span), own, with_headings in zip(spans, alone, together, strict=True)
            if own > 0
        ),
        key=lambda one: -one.score,
    )
    chosen: list[Extract] = []
    for one in ranked:
        if len(chosen) == SENTENCES_SHOWN or (chosen and one.score < WORTH_SHOWING * chosen[0].score):
            break
        if all(one.quote != other.quote for other in chosen):
            chosen.append(one)
    return chosen
