"""Text as counts of hashed terms, and what a term is worth.

**Two views of each word.** Its *stem*, made by the stemmer of the passage's language, matches inflected forms;
the *4-grams* of its letters, ends marked, match compounds ("Urlaubsantrag" and "Antrag"), typing errors and
languages no stemmer is here for, and beat stems alone at hit@1 in most sets (``facts/retrieval.md``, 3).
Marking where a word begins and ends is worth .01 to .04 at hit@1 of the 4-grams in all three languages. Both
views ignore accents, which people leave out (.02 in French).

**No vocabulary.** A term is the CRC-32 of its UTF-8 bytes: nothing grows, nothing is locked, ids are equal in any
order, and no list of names is left behind that an erasure would have to clean. CRC rather than a cryptographic
hash because two terms of one length that differ within four neighbouring bytes, as article numbers do, can
never collide; over 300,000 real stems about ten pairs do, which shifts a document frequency by one.

**Codes.** "4711-0815", "M12" and "1.234,50" are indexed by their parts and as a whole without separators, so that
"47110815", "4711 0815", "M 12" and "1234,50" find them. "E-Mail" is found as "email" in the same way.

**Questions need no language.** A question is too short to guess from, so each of its words stands for its stems by
all three stemmers and the bare word; a stem of a wrong language normally occurs nowhere. The word weighs what its
best-known stem weighs. A passage in no recognisable language (a parts list) is indexed by the shortest of
those, once, so it is neither lost nor counted threefold.

BM25 is the form Lucene uses, "lucene" in bm25s (Kamphuis et al., "Which BM25 Do You Mean?", ECIR 2020, table 1)::

    ln(1 + (N - df + 0.5) / (df + 0.5)) * tf / (tf + k1 * (1 - b + b * length / mean length))

N, df and the mean length are those of the rows that the caller may see, at the moment of the question.
"""

from __future__ import annotations

import json
import re
import threading
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

import numpy as np
import Stemmer
from numpy.typing import NDArray

from kbm.domain.identity import Digest, digest
from kbm.domain.language import LANGUAGE_DIGEST, LANGUAGES, guess_language

K1 = 1.5
B = 0.75
GRAM = 4
MAX_COUNT = 255
"""A term counts up to this often in a row: one byte. BM25 is flat long before."""

_LONGEST_WORD = 128
_LONGEST_WHOLE = 40
_MOST_PIECES = 4
_BLOCK = 2_000  # texts counted at once: their terms fit the processor's cache
_CACHED_RUNS = 200_000

# Words joined by one separator each; the apostrophe only as in 1'234.
RUN = re.compile(r"[^\W_]+(?:[-\u2010./,:_][^\W_]+|(?<=\d)['’]\d+)*")
_PART = re.compile(r"[^\W_]+")
_LETTERS_OR_DIGITS = re.compile(r"\d+|[^\W\d]+")
_DIGIT = re.compile(r"\d")
_HYPHENS_ONLY = re.compile(r"[^\W_]+(?:[-\u2010][^\W_]+)+")

_ALGORITHMS = {"de": "german", "en": "english", "fr": "french"}
_STEMMERS = {language: Stemmer.Stemmer(_ALGORITHMS[language]) for language in LANGUAGES}
_STEMMING = threading.Lock()  # a stemmer keeps a buffer: one thread at a time

LEXICAL_DIGEST: Digest = digest(
    "lexical",
    json.dumps(
        {
            "rules": 1,
            "runs": [RUN.pattern, _LETTERS_OR_DIGITS.pattern, _HYPHENS_ONLY.pattern],
            "limits": [_LONGEST_WORD, _LONGEST_WHOLE, MAX_COUNT],
            "gram": GRAM,
            "stemmers": [_ALGORITHMS, Stemmer.version()],
            "language": LANGUAGE_DIGEST,
            "bm25": [K1, B],
        },
        sort_keys=True,
    ),
)
"""Changes whenever the same text would give other terms or scores; part of a GPT's index spec."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Terms of some texts, text after text: text *i* has ``term[ptr[i]:ptr[i + 1]]``, ascending, none twice."""

    ptr: NDArray[np.int64]
    term: NDArray[np.uint32]
    tf: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Tokens:
    """The two views of some texts."""

    stems: Counts
    grams: Counts


def tokenise(texts: Sequence[str]) -> Tokens:
    """Count the terms of each text, in order; a text without words has none."""
    blocks = [_tokenise(texts[at : at + _BLOCK]) for at in range(0, len(texts), _BLOCK)] or [_tokenise(())]
    return Tokens(_joined([block.stems for block in blocks]), _joined([block.grams for block in blocks]))


def _tokenise(texts: Sequence[str]) -> Tokens:
    stems: list[bytes] = []
    grams: list[bytes] = []
    for text in texts:
        runs = RUN.findall(normal(text))
        known = _RUNS[guess_language(text)]
        found = [known[run] for run in runs]
        stems.append(b"".join([entry[0] for entry in found]))
        grams.append(b"".join([entry[1] for entry in found]))
    return Tokens(_count(stems), _count(grams))


def idf(n_rows: int, df: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weigh terms by the rows they are in, of *n_rows*."""
    held = df.astype(np.float64)
    weight: NDArray[np.float64] = np.log1p((n_rows - held + 0.5) / (held + 0.5), dtype=np.float64)
    return weight


def length_norms(longest: int, mean: float) -> NDArray[np.float64]:
    """Give ``k1 * (1 - b + b * length / mean)`` for each length from 0 to *longest*."""
    lengths = np.arange(longest + 1, dtype=np.float64)
    norms: NDArray[np.float64] = K1 * (1 - B + B * lengths / (mean or 1.0))
    return norms


def normal(text: str) -> str:
    if not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)  # ligatures and split accents, as PDFs have them
    return text.replace("\u00ad", "").casefold()


def without_accents(word: str) -> str:
    if word.isascii():
        return word
    return "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))


def term_id(term: str) -> int:
    return crc32(term.encode("utf-8", "surrogatepass"))


class _Read(NamedTuple):
    """A run taken apart: "4711-0815b" has two parts, a whole "47110815b", and pieces "0815" and "b"."""

    parts: list[str]
    whole: str
    pieces: list[str]
    is_code: bool


def read_run(run: str) -> _Read:
    parts = [part[:_LONGEST_WORD] for part in _PART.findall(run)]
    is_code = _DIGIT.search(run) is not None
    joined = len(parts) > 1 and len(run) <= _LONGEST_WHOLE and (is_code or _HYPHENS_ONLY.fullmatch(run))
    pieces: list[str] = []
    if is_code:
        for part in parts:
            found = _LETTERS_OR_DIGITS.findall(part)
            if 1 < len(found) <= _MOST_PIECES:
                pieces += found
    return _Read(parts, "".join(parts) if joined else "", pieces, is_code)


def stem_of(word: str, language: str) -> str:
    # A code has no ending to lose, and a parts list is full of codes that no cache knows yet.
    if _DIGIT.search(word):
        return word
    with _STEMMING:
        return without_accents(_STEMMERS[language].stemWord(word))


def _stem_in(word: str, language: str) -> str:
    """Give the one stem of a word in a passage; in no known language, the shortest of those a question tries."""
    if language or _DIGIT.search(word):
        return stem_of(word, language)
    return min((stem_of(word, each) for each in LANGUAGES), key=len)


def grams_of(run: str) -> list[str]:
    found: list[str] = []
    for part in _PART.findall(run):
        marked = f"_{without_accents(part[:_LONGEST_WORD])}_"
        found += [marked[at : at + GRAM] for at in range(max(1, len(marked) - GRAM + 1))]
    return found


class _Runs(dict[str, tuple[bytes, bytes]]):
    """Terms of the runs of one language, made once each: text repeats its words."""

    def __init__(self, language: str) -> None:
        super().__init__()
        self._language = language

    def __missing__(self, run: str) -> tuple[bytes, bytes]:
        parts, whole, pieces, _ = read_run(run)
        words = [*parts, whole, *pieces] if whole else [*parts, *pieces]
        stems = [term_id(_stem_in(word, self._language)) for word in words]
        grams = [term_id(gram) for gram in grams_of(run)]
        entry = np.array(stems, dtype=np.uint32).tobytes(), np.array(grams, dtype=np.uint32).tobytes()
        if len(self) >= _CACHED_RUNS:
            self.clear()
        self[run] = entry
        return entry


_RUNS = {language: _Runs(language) for language in ("", *LANGUAGES)}


def _count(texts: list[bytes]) -> Counts:
    """Count the terms of each text; terms come as the bytes of u32 arrays."""
    lengths = np.array([len(text) // 4 for text in texts], dtype=np.int64)
    term = np.frombuffer(b"".join(texts), dtype=np.uint32).astype(np.uint64)
    row = np.repeat(np.arange(len(texts), dtype=np.uint64), lengths)
    # Text and term in one integer: one sort of plain numbers instead of a sort by two keys.
    keys, counts = np.unique((row << np.uint64(32)) | term, return_counts=True)
    ptr = np.searchsorted(keys, np.arange(len(texts) + 1, dtype=np.uint64) << np.uint64(32))
    return Counts(
        ptr.astype(np.int64),
        (keys & np.uint64(0xFFFFFFFF)).astype(np.uint32),
        np.minimum(counts, MAX_COUNT).astype(np.uint8),
    )


def _joined(blocks: Sequence[Counts]) -> Counts:
    starts = np.cumsum([0, *(block.term.size for block in blocks)])
    ptrs = [block.ptr[1:] + start for block, start in zip(blocks, starts, strict=False)]
    return Counts(
        np.concatenate([np.zeros(1, dtype=np.int64), *ptrs]),
        np.concatenate([block.term for block in blocks]),
        np.concatenate([block.tf for block in blocks]),
    )
