"""How well a document could be read: measured for every parse and stored beside its text.

A parser that finds something has not necessarily found what is written there: fonts without a table of characters
give letters that form no words, scans give pages without text, a broken file gives its first half. None of this
is a reason to refuse the document, but an owner who wonders why it is never cited must be able to see it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice, pairwise

GARBLED = "garbled"
ODD_CHARACTERS = "odd_characters"
PAGES_WITHOUT_TEXT = "pages_without_text"
TRUNCATED = "truncated"
PARTS_LEFT_OUT = "parts_left_out"
OTHER_STRATEGY = "other_strategy"
UNCERTAIN_RECOGNITION = "uncertain_recognition"

_JUDGED_WORDS = 30
"""Fewer words say nothing about a text."""
_SAMPLE_CHARS = 200_000
_WORDLIKE = 0.6
_ODD = 0.01
_EMPTY_PAGES = 0.2
_SURE = 0.7
_WORD = re.compile(r"[^\W\d_]{4,}")
_GLYPH_NAME = re.compile(r"\(cid:\d+\)|/g\d+\b")
_SAME_LETTER = re.compile(r"(.)\1{3}")
_VOWELS = frozenset("aeiouy")
_CAPITALS = 5
"""A word in capitals of this length may be an abbreviation, which needs no vowel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How a document was read and what came of it. Parsers tell the first part, the rest is measured."""

    strategy: str = ""
    """How it was read; empty for the parser's usual way."""
    n_pages: int = 0
    """Pages, slides or sheets; 0 where a format has none."""
    n_empty_pages: int = 0
    """Pages that show something, but no text that can be read."""
    recognised_pages: tuple[int, ...] = ()
    """Pages whose text was read from a picture, and may hold reading errors."""
    certainty: float = 1.0
    """Of text recognition, as the tool itself gives it, in [0, 1]."""
    n_pictures: int = 0
    """Pictures that are no decoration, named in the text or not."""
    truncated: bool = False
    """Something at the end is missing."""
    n_left_out: int = 0
    """Parts of the file that could not be read."""
    n_chars: int = 0
    n_tables: int = 0
    wordlike: float = 1.0
    """Share of the longer words that look like words of a language."""
    odd_chars: float = 0.0
    """Share of characters that stand for others: replacement marks, private ones, names of glyphs."""

    @property
    def poor(self) -> tuple[str, ...]:
        """Name what is wrong with the text; empty for a document that was read well."""
        found = {
            GARBLED: self.wordlike < _WORDLIKE,
            ODD_CHARACTERS: self.odd_chars > _ODD,
            PAGES_WITHOUT_TEXT: self.n_empty_pages > 0 and self.n_empty_pages >= _EMPTY_PAGES * self.n_pages,
            TRUNCATED: self.truncated,
            PARTS_LEFT_OUT: self.n_left_out > 0,
            OTHER_STRATEGY: self.strategy.startswith("second:"),
            UNCERTAIN_RECOGNITION: self.certainty < _SURE,
        }
        return tuple(name for name, holds in found.items() if holds)


NOT_MEASURED = Quality()


def measured(quality: Quality, texts: Iterable[str], *, n_tables: int) -> Quality:
    """Complete *quality* from the texts of a document's elements."""
    listed = list(texts)
    sample = _sample(listed)
    glyphs = sum(len(found) for found in _GLYPH_NAME.findall(sample))
    odd = glyphs + sum(map(_is_odd, sample))
    words = list(islice(_WORD.finditer(sample), 20_000))
    good = sum(_looks_like_word(word[0]) for word in words)
    return replace(
        quality,
        n_chars=sum(map(len, listed)),
        n_tables=n_tables,
        wordlike=round(good / len(words), 3) if len(words) >= _JUDGED_WORDS else 1.0,
        odd_chars=round(odd / len(sample), 4) if sample else 0.0,
    )


def _sample(texts: list[str]) -> str:
    """Give texts from all over the document, of a bounded length."""
    step = max(1, sum(map(len, texts)) // _SAMPLE_CHARS)
    return "\n".join(texts[::step])[: 2 * _SAMPLE_CHARS]


def _is_odd(character: str) -> bool:
    return character == "\ufffd" or (
        character > "\u0377" and unicodedata.category(character) in ("Co", "Cn", "Cs")
    )


def _looks_like_word(word: str) -> bool:
    """Judge by what holds in all languages of Latin letters; other letters cannot be judged."""
    if len(word) > 60 or _SAME_LETTER.search(word.lower()):
        return False
    plain = unicodedata.normalize("NFD", word)
    letters = [c for c in plain if c.isalpha()]
    if not all(c < "\u0250" for c in letters):
        return True
    changes = sum(a.islower() and b.isupper() for a, b in pairwise(letters))
    return changes <= 1 and (
        bool(_VOWELS & set(plain.lower())) or (word.isupper() and len(word) <= _CAPITALS)
    )
