"""Questions made of a GPT's own documents, to learn from which confidence on it may answer.

Nobody has to write them: a few telling words of one sentence, as people type them, some of them exchanged for words
of other documents, since people seldom use the writer's own. Asked of the whole knowledge such a question has an
answer; with its document held out it has none, and yet is about the same things. Which passages, sentences and words
are taken follows from the ids of the passages, so the same content gives the same questions, and a night that changes
little asks nearly the same ones as the night before.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kbm.domain.documents import Chunk
from kbm.domain.identity import ChunkId
from kbm.domain.sentences import split_sentences

LENGTHS = (4, 5, 6)
"""Telling words in a question: people's questions in the three languages have about as many."""

FOREIGN, FOREIGN_WORDS_ONLY = 0.3, 0.4
"""Share of them that come from somewhere else, where vectors are searched and where words alone are: there people's
own words cost more. Chosen on public English and German questions; French ones and the sample company's agree."""

TELLING = 2 / 3
"""Of a sentence's words, the rarer share that questions are made of."""

RARE = 2
"""A word in so many of the passages read is one that a question may borrow."""

_ROUNDS = 2
"""Questions made of one passage at most, where there are few passages."""

_WORD = re.compile(r"[^\W\d_][^\W_]{2,}|\d[\w.,-]*\w")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnQuestion:
    """A question, the document that answers it, and the sentence it was made of, with the passage's heading."""

    document_no: int
    text: str
    sentence: str


def own_questions(
    chunks: Sequence[Chunk], document_of: Mapping[ChunkId, int], wanted: int, *, foreign: float
) -> tuple[OwnQuestion, ...]:
    """Make up to *wanted* questions of *chunks*; *document_of* gives a document's number by chunk id.

    The order of the chunks makes no difference. Sentences with too few words give none.
    """
    ordered = sorted(chunks, key=lambda one: one.id)
    held = Counter(word for one in ordered for word in set(_folded(one.indexed_text)))
    rare = sorted(word for word, n in held.items() if n <= RARE)
    found: dict[str, OwnQuestion] = {}
    for turn in range(_ROUNDS):
        for one in ordered:
            if len(found) == wanted:
                return tuple(found.values())
            made = _question(one, document_of[one.id], f"{one.id}:{turn}", foreign, held, rare)
            if made is not None:
                found.setdefault(made.text, made)
    return tuple(found.values())


def _question(
    chunk: Chunk, document_no: int, seed: str, foreign: float, held: Mapping[str, int], rare: Sequence[str]
) -> OwnQuestion | None:
    draw = _drawing(seed)
    quotes = [chunk.text[span.start : span.end] for span in split_sentences(chunk.text)]
    n_words = draw.choice(LENGTHS)
    long_enough = [quote for quote in quotes if len(set(_WORD.findall(quote))) >= n_words]
    if not long_enough:
        return None
    quote = draw.choice(long_enough)
    words = list(dict.fromkeys(_WORD.findall(quote)))
    by_rarity = sorted(words, key=lambda word: (held[word.casefold()], word))
    telling = by_rarity[: max(n_words, int(TELLING * len(words)))]
    chosen = set(draw.sample(telling, n_words))
    asked = [
        draw.choice(rare) if rare and draw.random() < foreign else word for word in words if word in chosen
    ]
    return OwnQuestion(document_no=document_no, text=" ".join(asked), sentence=quote)


def _drawing(seed: str) -> random.Random:
    """Draw by content: the same everywhere. Nothing here is secret."""
    number = hashlib.blake2b(seed.encode(), digest_size=8).digest()
    return random.Random(int.from_bytes(number))  # noqa: S311


def _folded(text: str) -> Iterable[str]:
    return (word.casefold() for word in _WORD.findall(text))
