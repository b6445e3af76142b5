"""The same question as other people would type it, made by rule: what is found for one must be found for all.

Few people type whole sentences and none without errors. Each variant is the same on every machine and night, so that
a share of variants that still find their document can be compared over time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

LEAST_LETTERS = 5
"""Letters of a word from which on a typing error leaves it recognisable."""

MOST_CHARS = 300

_WORD = re.compile(r"[^\W_]+(?:[-./][^\W_]+)*")
_WORDS_OF_NO_SUBJECT = """
a an and any are at be by can could did do does for from get has have how i if in into is it its many me much my of on
or our should that the their there they this to was we what when where which who why will with would you your
aber als am an auch auf aus bei bekomme bekommt das dass dem den der des die dürfen ein eine einem einen einer eines
er es für gibt haben hat ich ihr im in ist kann man mein mit muss nach oder pro sich sie sind so soll um und uns unser
viel viele vom von wann warum was welche welchem welchen welcher welches wem wen wenn wer werden wie wir wird wo wohin
zu zum zur über
à au aux avec ce ces cette combien comment dans de des doit du elle en est et faut il ils je la le les leur mon notre
nous on où ou par peut pour pourquoi quand que quel quelle quelles quels qui quoi sa se ses son sont sur un une vous
"""
_FUNCTION_WORDS = frozenset(_WORDS_OF_NO_SUBJECT.split())


def variants_of(question: str) -> tuple[str, ...]:
    """Give up to three: keywords alone, keywords in another order, and the question with a typing error."""
    keywords = [word for word in _WORD.findall(question) if word.casefold() not in _FUNCTION_WORDS]
    made = []
    if len(keywords) >= 2:
        made.append(" ".join(keywords))
        middle = (len(keywords) + 1) // 2
        made.append(" ".join([*keywords[middle:], *keywords[:middle]]))
    made.append(_mistyped(question, keywords))
    asked = _folded(question)
    return tuple(one for one in dict.fromkeys(made) if one and _folded(one) != asked)


def usable(written: str, question: str) -> tuple[str, ...]:
    """Give what a model wrote as up to two other questions: a line each, short, and not the question itself."""
    lines = [" ".join(line.lstrip("-*0123456789. ").split()) for line in written.splitlines()]
    asked = _folded(question)
    return tuple(
        dict.fromkeys(one for one in lines if one and len(one) <= MOST_CHARS and _folded(one) != asked)
    )[:2]


def _mistyped(question: str, keywords: Sequence[str]) -> str:
    """Exchange two neighbouring letters inside the longest word; nothing where no word is long enough."""
    long = [word for word in keywords if word.isalpha() and len(word) >= LEAST_LETTERS]
    if not long:
        return ""
    word = max(long, key=len)
    places = [at for at in range(1, len(word) - 2) if word[at] != word[at + 1]]
    if not places:
        return ""
    at = places[len(places) // 2]
    return question.replace(word, word[:at] + word[at + 1] + word[at] + word[at + 2 :], 1)


def _folded(text: str) -> str:
    return " ".join(word.casefold() for word in _WORD.findall(text))
