"""The log of questions as agents and owners read it: what was asked, what became of it, and what was asked again.

A session is what one label asked, each question within half an hour of the one before. A question is a re-ask of an
earlier one of its session if that one failed and both are about the same in other words: the person tried again.
Without a label there are no sessions, and nothing is a re-ask.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby

from kbm.domain.answers import Cause, Outcome, Verdict
from kbm.domain.identity import ChunkId

SESSION_GAP = timedelta(minutes=30)
SIMILAR_FROM = 0.3
"""Share of the shorter question's letter 4-grams that both must have."""

_WORD = re.compile(r"\w+")
_SAYS_NOTHING = """
a about am an and any are as at be been but by can could did do does doing for from get give had has have how i if in
is it its kind know let me mean means my need no not of on or our out please question quick should so some tell that
the their them there these they this to up us want was we were what whats when where which who whom whose why will
with would you your

aber alle allem allen als also am an auch auf aus bei bekomme beim bin bitte da damit das dass daten dem den denn der
des die dies diese diesem diesen dieser dir doch du ein eine einem einen einer eines er es für gibt hab habe haben hat
ich ihr ihre im in ist ja kann kannst können man mein meine meinem meinen mich mir mit muss müssen nach nicht noch nun
nur ob oder ohne sein sich sie sind so soll sollen sollte über um und uns unser unsere vom von vor wann warum was weiß
welche welchem welchen welcher welches wenn wer werden wie wieso wieviel will wir wird wo woher wohin wozu wurde zu
zum zur

ai alors au aucun aussi aux avec avez avoir avons bonjour c ce cela ces cet cette ceux comment d dans de des dois doit
donc du elle elles en es est et être eu faire fait faut il ils j je l la le les leur leurs lui m ma mais me merci mes
moi mon n ne nos notre nous on ont ou où par pas peut peux plus pour pourquoi qu quand que quel quelle quelles quels
qui quoi s sa sans se ses si son sont suis sur t ta te tes toi ton tu un une va vais veut veux vos votre vous y à ça
"""
_STOP = frozenset(_SAYS_NOTHING.split())


class Source(StrEnum):
    """Where a question in the log is from."""

    ASKED = "asked"  # here
    IMPORTED = "imported"  # of a help desk; it has no answer here


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What an answer found and quoted, as chunk ids, and how many of its sentences were withheld."""

    hits: tuple[ChunkId, ...]
    cited: tuple[ChunkId, ...]
    withheld: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PastQuestion:
    """A question asked elsewhere, as a file tells it; ``n_asked`` is how often. ``user`` is stored as a hash only."""

    question: str
    asked_at: datetime | None = None
    user: str = field(default="", repr=False)
    outcome: Outcome | None = None
    n_asked: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """A question of the log; personal data in ``question`` is redacted, ``label`` is a keyed hash.

    ``readers`` are the names that held for who asked; of an imported question they are unknown, and empty. So are
    ``confidence`` and ``release``. ``n_asked`` is above 1 only where an import said so. ``vouched`` says that who
    imported it stands for its being kept and read here. ``reask_of`` is the id of the question it asks again.
    """

    id: str
    question: str
    asked_at: datetime | None
    outcome: Outcome | None
    source: Source = Source.ASKED
    cause: Cause | None = None
    confidence: float | None = None
    verdict: Verdict | None = None
    release: str = ""
    door: str = ""
    readers: frozenset[str] = frozenset()
    label: str | None = field(default=None, repr=False)
    n_asked: int = 1
    vouched: bool = False
    reask_of: str | None = None

    @property
    def failed(self) -> bool:
        """Tell whether it got no sure answer, or one that did not help."""
        unsure = self.outcome in (Outcome.UNANSWERED, Outcome.UNCERTAIN)
        return unsure or self.verdict in (Verdict.UNHELPFUL, Verdict.PROBLEM)


def sessions(asked: Iterable[Logged]) -> list[tuple[Logged, ...]]:
    """Group questions with a label and a time into sessions, each in the order in which they were asked."""
    placed = [(one.label, one.asked_at, one.id, one) for one in asked if one.label and one.asked_at]
    placed.sort(key=lambda row: row[:3])
    found: list[tuple[Logged, ...]] = []
    for _, rows in groupby(placed, key=lambda row: row[0]):
        current: list[Logged] = []
        last = None
        for _, moment, _, one in rows:
            if last is not None and moment - last > SESSION_GAP:
                found.append(tuple(current))
                current = []
            current.append(one)
            last = moment
        found.append(tuple(current))
    return found


def with_reasks(asked: Sequence[Logged]) -> list[Logged]:
    """Give the same questions in the same order, those that ask a failed one again marked with its id."""
    again: dict[str, str] = {}
    for session in sessions(asked):
        for n, one in enumerate(session):
            for before in reversed(session[:n]):
                if before.failed and is_same_in_other_words(before.question, one.question):
                    again[one.id] = before.id
                    break
    return [replace(one, reask_of=again[one.id]) if one.id in again else one for one in asked]


def asked_again(asked: Sequence[Logged]) -> frozenset[str]:
    """Give the ids of questions that the same person asked again in other words, whatever they were told."""
    again: set[str] = set()
    for session in sessions(asked):
        for n, one in enumerate(session[:-1]):
            if any(is_same_in_other_words(one.question, later.question) for later in session[n + 1 :]):
                again.add(one.id)
    return frozenset(again)


def is_same_in_other_words(first: str, second: str) -> bool:
    """Tell whether two questions of one session are about the same, but are not the same words."""
    words, others = _words(first), _words(second)
    if not words or not others or words == others:
        return False
    grams, more = _grams(words), _grams(others)
    return len(grams & more) >= SIMILAR_FROM * min(len(grams), len(more))


def _words(question: str) -> frozenset[str]:
    """Give the words that carry a question's meaning; all of them where none does."""
    words = frozenset(_WORD.findall(question.casefold()))
    return words - _STOP or words


def _grams(words: Iterable[str]) -> frozenset[str]:
    """Give the letter 4-grams of words: endings and compounds share most of theirs."""
    return frozenset(f" {word} "[at : at + 4] for word in words for at in range(max(1, len(word) - 1)))
