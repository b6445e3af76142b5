"""The plain way to search words: bm25s with the right stemmer, with and without its stop words."""

from __future__ import annotations

from collections.abc import Sequence

import bm25s
import Stemmer

_ALGORITHMS = {"en": "english", "de": "german", "fr": "french"}


def rankings(
    texts: Sequence[str], names: Sequence[str], questions: Sequence[str], language: str, *, stop_words: bool
) -> list[list[str]]:
    """Rank *names* by their *texts* for each question, best ten first."""
    stemmer = Stemmer.Stemmer(_ALGORITHMS[language])
    stop = language if stop_words else None
    model = bm25s.BM25()
    model.index(
        bm25s.tokenize(list(texts), stopwords=stop, stemmer=stemmer, show_progress=False), show_progress=False
    )
    asked = bm25s.tokenize(list(questions), stopwords=stop, stemmer=stemmer, show_progress=False)
    found, _ = model.retrieve(asked, corpus=list(names), k=min(10, len(names)), show_progress=False)
    return [[str(name) for name in line] for line in found]


class PlainTokens:
    """Stems of texts as numbers, by the one English stemmer: no 4-grams, no codes, no guess at the language."""

    def __init__(self) -> None:
        self._stemmer = Stemmer.Stemmer(_ALGORITHMS["en"])

    def tokenise(self, texts: Sequence[str]) -> None:
        """Tokenise *texts*; only the time counts."""
        bm25s.tokenize(list(texts), stopwords=None, stemmer=self._stemmer, show_progress=False)
