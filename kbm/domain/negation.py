"""Whether a sentence and its source say yes or no to the same thing, in German, French and English.

Clauses are compared, not sentences: "30 days, not counting holidays" denies something else than "30 days" says. Each
clause of the sentence is held against the clause of the source that shares most words with it, and both must deny
equally often: a flipped "not", a dropped "without" and "permitted" made of "prohibited" all change the count. Where
the two share no words, because they are in different languages, only whether there is any denial at all is compared.

The rule errs towards withholding: "not prohibited" is not taken for "allowed".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

STEM_CHARS = 5
_LEAST_CHARS = 4

_WORD = re.compile(r"[^\W\d_]+(?:['’](?=t\b)t)?")
_CLAUSE = re.compile(
    r"[;()\n–—]|:(?!\d)|(?<!\d),(?!\d)|,(?=\s)|\.(?=\s)|\s-\s|\b(?:but|aber|sondern|jedoch|mais|however)\b",
    re.IGNORECASE,
)
_NUMBER_SIGN = re.compile(r"\bno\.?\s*(?=\d)", re.IGNORECASE)


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_DENIES = _set(
    """
    not never none nobody nothing nowhere neither cannot no forbidden prohibited banned excluded exclude
    excludes unable nicht kein keine keinen keinem keiner keines nie niemals niemand niemanden niemandem
    nichts weder nirgends verboten untersagt ausgenommen ausgeschlossen interdit interdite interdits
    interdites défendu défendue exclu exclue exclus exclues
    """
)
_WITHOUT = _set("without ohne sans except außer ausser sauf hors")
_FRENCH_PARTNERS = _set("pas jamais plus aucun aucune rien personne ni guère point nul nulle")
_FRENCH_ALONE = _set("pas jamais aucun aucune")
_ANSWERS = _set("no nein non yes ja oui si")
_PREFIXES = ("un", "in", "im", "ir", "il", "non", "nicht", "dis", "miss")

_NO_CONTENT = _set(
    """
    aber alle allen alles als also auch beim bevor bitte dann dass dazu dein denn dessen deren dies diese
    diesem diesen dieser dieses doch durch eine einem einen einer eines etwa euch haben hat hatte hier ihre
    ihrem ihren ihrer immer jede jeder jedem jeden kann können könnte man mehr muss müssen nach nicht noch
    oder ohne schon sehr sein seine seit sich sie sind sobald soll sollen sollte über unter vom von vor wann
    warum weil welche welcher wenn werden wie wird wurde wurden zwischen about after also been before between
    both could does each else every from have here into more most must only other over shall should some such
    than that their them then there these they this those through under until upon very were what when where
    which while will with within without would your afin ainsi alors après aucun aussi autre avant avec avoir
    cela celle celles celui cette ceux chaque comme comment dans depuis donc dont elle elles entre être faut
    leur leurs lors lorsque mais même notre nous pendant peut peuvent plus pour quand quel quelle quelles
    quels sans selon sera seront sont sous toujours tous tout toute toutes très vers votre vous
    """
)


@dataclass(frozen=True, slots=True)
class _Clause:
    """A clause: the stems and words of its content, and how often it denies and excepts."""

    stems: frozenset[str]
    words: frozenset[str]
    n_denials: int
    n_without: int


def stems(text: str) -> frozenset[str]:
    """Give the beginnings of the words that carry content."""
    return frozenset(word[:STEM_CHARS] for word in _content(_words(text)))


def same_polarity(sentence: str, sources: Sequence[str]) -> bool:
    """Tell whether *sentence* denies what *sources* deny, and nothing else."""
    stated = [clause for source in sources for clause in _clauses(source)]
    for clause in _clauses(sentence):
        shared = [len(clause.stems & one.stems) for one in stated]
        most = max(shared, default=0)
        if most == 0:
            denied = bool(clause.n_denials or clause.n_without)
            if denied != any(one.n_denials or one.n_without for one in stated):
                return False
        elif not any(_agree(clause, one) for one, n in zip(stated, shared, strict=True) if n == most):
            return False
    return True


def _agree(one: _Clause, other: _Clause) -> bool:
    n, m = one.n_denials + _prefixed(one, other), other.n_denials + _prefixed(other, one)
    return n % 2 == m % 2 and bool(n) == bool(m) and bool(one.n_without) == bool(other.n_without)


def _prefixed(one: _Clause, other: _Clause) -> int:
    """Count the words of *one* that are a word of *other* with "un-" before it."""
    bare = other.words - one.words
    return sum(
        word.startswith(prefix) and word[len(prefix) :] in bare
        for word in one.words - other.words
        for prefix in _PREFIXES
    )


def _clauses(text: str) -> list[_Clause]:
    """Cut a text into clauses; what holds no content belongs to the clause before or after it."""
    found: list[list[str]] = []
    ahead: list[str] = []
    for part in _CLAUSE.split(_NUMBER_SIGN.sub("", text)):
        words = _words(part)
        if set(words) <= _ANSWERS:
            continue
        ahead += words
        if _content(ahead):
            found.append(ahead)
            ahead = []
    if ahead:
        found = [*found[:-1], [*found[-1], *ahead]] if found else [ahead]
    return [_clause(words) for words in found]


def _clause(words: Sequence[str]) -> _Clause:
    content = _content(words)
    return _Clause(
        stems=frozenset(word[:STEM_CHARS] for word in content),
        words=frozenset(content),
        n_denials=_denials(words),
        n_without=sum(word in _WITHOUT for word in words),
    )


def _denials(words: Sequence[str]) -> int:
    n = sum(word in _DENIES or word.endswith(("n't", "n’t")) for word in words)
    partners = sum(word in _FRENCH_PARTNERS for word in words)
    n_ne = sum(word in {"ne", "n"} for word in words)
    if n_ne:
        return n + min(n_ne, partners)  # "ne … que" denies nothing
    return n + sum(word in _FRENCH_ALONE for word in words)


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _content(words: Sequence[str]) -> list[str]:
    return [
        word
        for word in words
        if len(word) >= _LEAST_CHARS
        and word not in _NO_CONTENT
        and word not in _DENIES
        and word not in _FRENCH_PARTNERS
        and not word.endswith(("n't", "n’t"))
    ]
