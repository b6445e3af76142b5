"""Words of people that no document has: the search cannot find what is written in other words.

A word that several failed questions use and no document of the company holds is set beside the words of the passages
that these questions mean, as far as meaning alone finds them; the nearest in meaning is proposed as its synonym. Only
the preview tells whether that helps.
"""

from __future__ import annotations

from collections import defaultdict
from typing import ClassVar

from kbm.domain.fixes import AddSynonyms
from kbm.domain.gaps import Cause
from kbm.domain.review import Findings, Near, ReviewedQuestion, ReviewWindow
from kbm.domain.suggestions import Proposal
from kbm.ports import Lookup
from kbm_agents.passages import evidence_of
from kbm_agents.words import STOP_WORDS, words

ASKED_BY = 2
"""Failed questions that must use a word before it is looked at."""

LEAST_CHARS = 4
LOOKED_AT = 40
PASSAGES = 4
NEAR_IN_MEANING = 0.55
"""Cosine of two words from which they may stand for each other."""

SAME_WORD = 0.8
"""Share of the letters, from the first on, from which one word is but a form of the other."""


class VocabularyDetector:
    """Proposes synonyms."""

    name: ClassVar[str] = "vocabulary"

    def review(self, window: ReviewWindow, lookup: Lookup) -> Findings:
        """Look at the words of failed questions."""
        if not window.dense:
            return Findings()
        using: dict[str, list[ReviewedQuestion]] = defaultdict(list)
        for one in window.failed:
            for word in set(words(one.text)):
                if len(word) >= LEAST_CHARS and word.isalpha() and word not in STOP_WORDS:
                    using[word].append(one)
        often = sorted(word for word, some in using.items() if len(some) >= ASKED_BY)
        weights = lookup.weights(often) if often else []
        unknown = [word for word, weight in zip(often, weights, strict=True) if weight == 0.0]
        known = {word.casefold() for group in window.synonyms for word in group}
        unknown = sorted((w for w in unknown if w not in known), key=lambda w: (-len(using[w]), w))[
            :LOOKED_AT
        ]
        proposals = []
        for word in unknown:
            made = self._proposed(word, using[word], lookup)
            if made is not None:
                proposals.append(made)
        share = len(unknown) / len(using) if using else 0.0
        return Findings(proposals=tuple(proposals), figures={"unknown_words": round(share, 4)})

    def _proposed(self, word: str, asked: list[ReviewedQuestion], lookup: Lookup) -> Proposal | None:
        found = lookup.nearest([one.text for one in asked[:8]], PASSAGES)
        near = [one for some in found for one in some if one.attached]
        candidates = _candidates(near, word)
        if not candidates:
            return None
        vectors = lookup.embed([word, *candidates], "question")
        cosines = vectors[1:] @ vectors[0]
        best = max(range(len(candidates)), key=lambda at: (float(cosines[at]), candidates[at]))
        if float(cosines[best]) < NEAR_IN_MEANING:
            return None
        chosen = candidates[best]
        evidence = [one for one in near if chosen in set(words(one.text))][:2]
        return Proposal(
            fix=AddSynonyms(words=(word, chosen)),
            why="word_unknown_to_documents",
            about=(word,),
            cause=Cause.RETRIEVAL_MISS,
            questions=tuple(one.id for one in asked),
            evidence=tuple(evidence_of(one) for one in evidence),
            n_questions=sum(one.n_asked for one in asked),
        )


def _candidates(near: list[Near], word: str) -> list[str]:
    """Give the words of passages that might mean the same, and are not the same word in another form."""
    found = {
        one
        for passage in near
        for one in words(f"{passage.title} {passage.text}")
        if len(one) >= LEAST_CHARS and one.isalpha() and one not in STOP_WORDS
    }
    return sorted(one for one in found if not _same_word(one, word))


def _same_word(one: str, other: str) -> bool:
    common = 0
    for first, second in zip(one, other, strict=False):
        if first != second:
            break
        common += 1
    return common >= SAME_WORD * min(len(one), len(other))
