"""A question as terms: each of its words in every form that a passage may hold it in, its synonyms included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kbm.domain.language import LANGUAGES
from kbm.domain.retrieval import Synonyms
from kbm_indexes.lexical import RUN, grams_of, normal, read_run, stem_of, term_id, without_accents

MOST_ADDED = 12
"""Synonyms that a question takes in at most."""


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


def tokenise_question(text: str, synonyms: Synonyms = ()) -> Question:
    """Read a question in whichever of the languages it is; a word of a group of *synonyms* stands for all of it.

    A word for a word is one word that may be met in several forms. Phrases are other spellings: what they hold and
    no row does says nothing. At most ``MOST_ADDED`` runs are added, so that a question stays what was asked.
    """
    runs = RUN.findall(normal(text))
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
        for run in RUN.findall(normal(text)):
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
        members = dict.fromkeys(tuple(RUN.findall(normal(word))) for word in group)
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


@lru_cache(maxsize=20_000)
def _question_run(run: str) -> tuple[tuple[tuple[tuple[int, ...], bool], ...], tuple[int, ...]]:
    parts, whole, pieces, is_code = read_run(run)
    joined = _stems_of(whole) if whole else []
    words = [(_once([*_stems_of(part), *joined]), False) for part in parts]
    if is_code and whole:
        words.append((_once(joined), False))
    words += [(_once(_stems_of(piece)), True) for piece in pieces]
    return tuple(words), tuple(term_id(gram) for gram in grams_of(run))


@lru_cache(maxsize=20_000)
def _run_stems(run: str) -> frozenset[int]:
    return frozenset(stem for stems, _ in _question_run(run)[0] for stem in stems)


def _once(stems: list[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(stems))


def _stems_of(word: str) -> list[int]:
    """Give all stems that a word of a question stands for."""
    return [term_id(stem) for stem in (*(stem_of(word, each) for each in LANGUAGES), without_accents(word))]
