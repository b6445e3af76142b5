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
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

import numpy as np
import Stemmer
from numpy.typing import NDArray

from kbm.domain.identity import Digest, digest
from kbm.domain.language import LANGUAGE_DIGEST, LANGUAGES, guess_language
from kbm.domain.retrieval import Synonyms

K1 = 1.5
B = 0.75
GRAM = 4
MOST_ADDED = 12
"""Synonyms that a question takes in at most."""
MAX_COUNT = 255
"""A term counts up to this often in a row: one byte. BM25 is flat long before."""

_LONGEST_WORD = 128
_LONGEST_WHOLE = 40
_MOST_PIECES = 4
_BLOCK = 2_000  # texts counted at once: their terms fit the processor's cache
_CACHED_RUNS = 200_000

# Words joined by one separator each; the apostrophe only as in 1'234.
_RUN = re.compile(r"[^\W_]+(?:[-\u2010./,:_][^\W_]+|(?<=\d)['’]\d+)*")
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
            "runs": [_RUN.pattern, _LETTERS_OR_DIGITS.pattern, _HYPHENS_ONLY.pattern],
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


@dataclass(frozen=True, slots=True)
class QuestionWord:
    """A word of a question: the places of its stems in ``Question.stems``.

    A part of "e-mail" also stands for "email". A code counts by its parts and once more as a whole, so that knowing
    4711 and 0815 apart is less than knowing 4711-0815. An *optional* word (the letters of "M12") is another
    spelling: if it occurs nowhere, that says nothing about what is known.
    """

    stems: tuple[int, ...]
    optional: bool


@dataclass(frozen=True, slots=True)
class Question:
    """A question as terms, each once, and its words as groups of stems."""

    stems: NDArray[np.uint32]
    grams: NDArray[np.uint32]
    words: tuple[QuestionWord, ...]


def tokenise(texts: Sequence[str]) -> Tokens:
    """Count the terms of each text, in order; a text without words has none."""
    blocks = [_tokenise(texts[at : at + _BLOCK]) for at in range(0, len(texts), _BLOCK)] or [_tokenise(())]
    return Tokens(_joined([block.stems for block in blocks]), _joined([block.grams for block in blocks]))


def _tokenise(texts: Sequence[str]) -> Tokens:
    stems: list[bytes] = []
    grams: list[bytes] = []
    for text in texts:
        runs = _RUN.findall(_normal(text))
        known = _RUNS[guess_language(text)]
        found = [known[run] for run in runs]
        stems.append(b"".join([entry[0] for entry in found]))
        grams.append(b"".join([entry[1] for entry in found]))
    return Tokens(_count(stems), _count(grams))


def tokenise_question(text: str, synonyms: Synonyms = ()) -> Question:
    """Read a question in whichever of the languages it is; a word of a group of *synonyms* stands for all of it.

    A word for a word is one word that may be met in several forms. Phrases are other spellings: what they hold and
    no row does says nothing. At most ``MOST_ADDED`` runs are added, so that a question stays what was asked.
    """
    runs = _RUN.findall(_normal(text))
    added = _added(runs, synonyms) if synonyms else _Added({}, [], [])
    places: dict[int, int] = {}
    words: dict[tuple[int, ...], bool] = {}
    grams: dict[int, None] = {}
    for at, run in enumerate(runs):
        of_words, of_grams = _question_run(run)
        for stems, optional in of_words:
            forms = (*stems, *added.forms.get(at, ()))
            group = tuple(sorted({places.setdefault(stem, len(places)) for stem in forms}))
            words[group] = words.get(group, True) and optional
        grams.update(dict.fromkeys(of_grams))
    for stems in added.words:
        group = tuple(sorted({places.setdefault(stem, len(places)) for stem in stems}))
        words.setdefault(group, True)
    grams.update(dict.fromkeys(added.grams))
    return Question(
        np.array(list(places), dtype=np.uint32),
        np.array(list(grams), dtype=np.uint32),
        tuple(QuestionWord(group, optional) for group, optional in words.items()),
    )


def words_held(question: Question, texts: Sequence[str]) -> NDArray[np.bool_]:
    """Tell for each of *texts* which words of the question it holds, under any of the languages; texts x words."""
    wanted: dict[int, int] = {}
    for at, word in enumerate(question.words):
        for stem in question.stems[list(word.stems)].tolist():
            wanted[stem] = wanted.get(stem, 0) | 1 << at
    of_run: dict[str, int] = {}
    held = np.zeros((len(texts), len(question.words)), dtype=np.bool_)
    for row, text in enumerate(texts):
        bits = 0
        for run in _RUN.findall(_normal(text)):
            found = of_run.get(run)
            if found is None:
                found = 0
                for stem in _run_stems(run) & wanted.keys():
                    found |= wanted[stem]
                of_run[run] = found
            bits |= found
        if bits:
            held[row] = [bool(bits >> at & 1) for at in range(len(question.words))]
    return held


class _Added(NamedTuple):
    """What synonyms add: by place of a run the stems its word is met in as well, words of phrases, and 4-grams."""

    forms: dict[int, tuple[int, ...]]
    words: list[tuple[int, ...]]
    grams: list[int]


def _added(runs: Sequence[str], synonyms: Synonyms) -> _Added:
    found = _Added({}, [], [])
    by_stem = _synonyms_by_stem(tuple(synonyms))
    taken: set[tuple[int, tuple[str, ...]]] = set()
    for at, run in enumerate(runs):
        near = {key for stem in _question_run(run)[0][0][0] for key in by_stem.get(stem, ())}
        for member, others in sorted(near):
            if not _stands(member, runs[at : at + len(member)]):
                continue
            for other in others:
                if len(taken) == MOST_ADDED:
                    return found
                if (at, other) in taken:
                    continue
                taken.add((at, other))
                read = [_question_run(each) for each in other]
                words = [stems for of_words, _ in read for stems, _ in of_words]
                found.grams.extend(gram for _, of_grams in read for gram in of_grams)
                if len(words) == len(member) == len(_question_run(run)[0]) == 1:
                    found.forms[at] = (*found.forms.get(at, ()), *words[0])
                else:
                    found.words.extend(words)
    return found


@lru_cache(maxsize=64)
def _synonyms_by_stem(
    synonyms: tuple[tuple[str, ...], ...],
) -> dict[int, list[tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]]]:
    """Give by stem of its first word each member of a group as runs, with the others of its group."""
    found: dict[int, list[tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]]] = {}
    for group in synonyms:
        members = dict.fromkeys(tuple(_RUN.findall(_normal(word))) for word in group)
        read = [member for member in members if member]
        for member in read:
            others = tuple(other for other in read if other != member)
            for stem in _question_run(member[0])[0][0][0]:
                found.setdefault(stem, []).append((member, others))
    return found


def _stands(member: Sequence[str], runs: Sequence[str]) -> bool:
    """Tell whether a member of a group stands in these runs, inflected or not."""
    return len(member) == len(runs) and all(
        not set(_question_run(one)[0][0][0]).isdisjoint(_question_run(other)[0][0][0])
        and len(_question_run(one)[0]) == len(_question_run(other)[0])
        for one, other in zip(member, runs, strict=True)
    )


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


def _normal(text: str) -> str:
    if not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)  # ligatures and split accents, as PDFs have them
    return text.replace("\u00ad", "").casefold()


def _without_accents(word: str) -> str:
    if word.isascii():
        return word
    return "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))


def _hash(term: str) -> int:
    return crc32(term.encode("utf-8", "surrogatepass"))


class _Read(NamedTuple):
    """A run taken apart: "4711-0815b" has two parts, a whole "47110815b", and pieces "0815" and "b"."""

    parts: list[str]
    whole: str
    pieces: list[str]
    is_code: bool


def _read(run: str) -> _Read:
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


def _stem(word: str, language: str) -> str:
    # A code has no ending to lose, and a parts list is full of codes that no cache knows yet.
    if _DIGIT.search(word):
        return word
    with _STEMMING:
        return _without_accents(_STEMMERS[language].stemWord(word))


def _stem_in(word: str, language: str) -> str:
    """Give the one stem of a word in a passage; in no known language, the shortest of those a question tries."""
    if language or _DIGIT.search(word):
        return _stem(word, language)
    return min((_stem(word, each) for each in LANGUAGES), key=len)


def _stems_of(word: str) -> list[int]:
    """Give all stems that a word of a question stands for."""
    return [_hash(stem) for stem in (*(_stem(word, each) for each in LANGUAGES), _without_accents(word))]


def _grams(run: str) -> list[str]:
    found: list[str] = []
    for part in _PART.findall(run):
        marked = f"_{_without_accents(part[:_LONGEST_WORD])}_"
        found += [marked[at : at + GRAM] for at in range(max(1, len(marked) - GRAM + 1))]
    return found


class _Runs(dict[str, tuple[bytes, bytes]]):
    """Terms of the runs of one language, made once each: text repeats its words."""

    def __init__(self, language: str) -> None:
        super().__init__()
        self._language = language

    def __missing__(self, run: str) -> tuple[bytes, bytes]:
        parts, whole, pieces, _ = _read(run)
        words = [*parts, whole, *pieces] if whole else [*parts, *pieces]
        stems = [_hash(_stem_in(word, self._language)) for word in words]
        grams = [_hash(gram) for gram in _grams(run)]
        entry = np.array(stems, dtype=np.uint32).tobytes(), np.array(grams, dtype=np.uint32).tobytes()
        if len(self) >= _CACHED_RUNS:
            self.clear()
        self[run] = entry
        return entry


_RUNS = {language: _Runs(language) for language in ("", *LANGUAGES)}


@lru_cache(maxsize=20_000)
def _question_run(run: str) -> tuple[tuple[tuple[tuple[int, ...], bool], ...], tuple[int, ...]]:
    parts, whole, pieces, is_code = _read(run)
    joined = _stems_of(whole) if whole else []
    words = [(_once([*_stems_of(part), *joined]), False) for part in parts]
    if is_code and whole:
        words.append((_once(joined), False))
    words += [(_once(_stems_of(piece)), True) for piece in pieces]
    return tuple(words), tuple(_hash(gram) for gram in _grams(run))


@lru_cache(maxsize=20_000)
def _run_stems(run: str) -> frozenset[int]:
    return frozenset(stem for stems, _ in _question_run(run)[0] for stem in stems)


def _once(stems: list[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(stems))


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
