"""Why the questions of a gap got no good answer.

A gap speaks with the mean of its better half: single questions are too short to tell, and the one that only says
"and in France?" must not decide. The rules, in order:

1. nothing is anywhere near: ``off_topic``;
2. the best passage is one that who asked may not read: ``blocked``;
3. the passage is in a document that this GPT has: it contradicts another (``conflict``), is past its date
   (``stale``), is not among the first hits for half of the questions (``retrieval_miss``), or was found and says too
   little (``thin``), or enough (``thin``, covered);
4. the passage is in a document that this GPT has not: ``wrong_scope``;
5. otherwise ``missing``.

Numbers near a limit name the cause on its other side as second, and the question whose answer decides. Without an
embedder the words alone are looked at, with limits of their own: rarely used words then decide what is near.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from kbm.domain.gaps import Cause, Diagnosis, OwnerQuestion, QuestionEvidence, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the rules compare with; all are shares or cosines.

    ``near`` is the cosine (the coverage without an embedder) below which nothing is near; ``there`` the score from
    which a passage is there, ``hints`` from which a very short document means to be it; ``covers`` the share of the
    question's words that a passage must hold to be enough; ``unsure`` how near a limit two causes are as likely.
    """

    near: float
    there: float
    hints: float
    covers: float
    unsure: float


EMBEDDED = Limits(near=0.27, there=0.52, hints=0.36, covers=0.5, unsure=0.06)
WORDS = Limits(near=0.25, there=0.6, hints=0.4, covers=0.75, unsure=0.08)
FIRST_HITS = 8
LEAST_WORDS = 60
"""Words of a document below which it says little."""
CLASHING = 0.25
"""Share of the questions whose passages must contradict each other: one may lie beside a contradiction by chance."""
_N_EVIDENCE = 5

_ASK = {
    frozenset({Cause.MISSING, Cause.OFF_TOPIC}): OwnerQuestion.IN_SCOPE,
    frozenset({Cause.MISSING, Cause.THIN}): OwnerQuestion.ANSWERS_IT,
    frozenset({Cause.MISSING, Cause.RETRIEVAL_MISS}): OwnerQuestion.ANSWERS_IT,
    frozenset({Cause.MISSING, Cause.WRONG_SCOPE}): OwnerQuestion.BELONGS_HERE,
    frozenset({Cause.THIN, Cause.WRONG_SCOPE}): OwnerQuestion.BELONGS_HERE,
    frozenset({Cause.RETRIEVAL_MISS, Cause.WRONG_SCOPE}): OwnerQuestion.BELONGS_HERE,
    frozenset({Cause.MISSING, Cause.STALE}): OwnerQuestion.ANSWERS_IT,
    frozenset({Cause.MISSING, Cause.CONFLICT}): OwnerQuestion.ANSWERS_IT,
    frozenset({Cause.CONFLICT, Cause.STALE}): OwnerQuestion.STILL_HOLDS,
    frozenset({Cause.CONFLICT, Cause.THIN}): OwnerQuestion.CONTRADICTS,
    frozenset({Cause.STALE, Cause.THIN}): OwnerQuestion.STILL_HOLDS,
}


def diagnose(evidence: Sequence[QuestionEvidence], *, embedded: bool = True) -> Diagnosis:
    """Find the cause of a gap from the *evidence* on each of its questions, at least one."""
    limits = EMBEDDED if embedded else WORDS
    readable = _best(evidence, lambda one: one.attached and not one.blocked)
    blocked = _best(evidence, lambda one: one.attached and one.blocked)
    elsewhere = _best(evidence, lambda one: not one.attached)
    here, hidden, there = (_score(found) for found in (readable, blocked, elsewhere))
    nearest = _upper([_nearest(each, embedded) for each in evidence])
    scores = {"here": here, "blocked": hidden, "elsewhere": there, "nearest": nearest}
    best = max(here, hidden, there)
    says_no, says_yes = _says(evidence, no=True), _says(evidence, no=False)
    # A model that read the passage knows better than a score near the limit, unless that is far away.
    answered = says_yes and here == best and limits.hints <= here < limits.there
    cause: Cause
    second: Cause | None
    found: list[Window]
    if nearest < limits.near:
        cause, second, found = Cause.OFF_TOPIC, Cause.MISSING, []
    elif best < limits.there and here >= limits.hints and here == best and _is_short(readable):
        cause, second, found = Cause.THIN, Cause.MISSING, readable
    elif (best < limits.there and not answered) or says_no:
        cause, second = Cause.MISSING, _beside_missing(there, hidden, nearest, best, limits)
        found = readable + elsewhere
        if says_no and best >= limits.there:
            second = None
    elif hidden == best and hidden > here:
        cause, second, found = Cause.BLOCKED, None, blocked
        if hidden - here < limits.unsure and here >= limits.there:
            second = Cause.THIN
    elif there == best and there > here:
        cause, second, found = Cause.WRONG_SCOPE, None, elsewhere
        if there - here < limits.unsure and here >= limits.there:
            second = Cause.THIN
        elif there - limits.there < limits.unsure:
            second = Cause.MISSING
    else:
        return _of_found(evidence, readable, scores, limits)
    return Diagnosis(
        cause=cause,
        second=second,
        ask=_question(cause, second),
        evidence=_shown(found),
        scores=scores,
    )


def _of_found(
    evidence: Sequence[QuestionEvidence], readable: list[Window], scores: dict[str, float], limits: Limits
) -> Diagnosis:
    """Find what is wrong with passages that are there and may be read."""
    clashes = [each.clash for each in evidence if each.clash is not None]
    if len(clashes) < CLASHING * len(evidence):
        clashes = []
    old = fmean([one.outdated for one in readable])
    missed = fmean([not _is_hit(each) for each in evidence if each.windows])
    covered = _upper([one.coverage for one in readable])
    scores = scores | {"outdated": old, "missed": missed, "coverage": covered}
    enough = covered >= limits.covers and not _is_short(readable)
    found, second = readable, None
    if clashes and any(one.outdated != other.outdated for one, other in clashes):
        cause, second = Cause.STALE, Cause.CONFLICT
        found = [*clashes[0], *readable]
    elif clashes:
        cause = Cause.CONFLICT
        found = [*clashes[0], *readable]
    elif old >= 0.5:
        cause = Cause.STALE
    elif missed >= 0.5:
        cause = Cause.RETRIEVAL_MISS
    else:
        cause = Cause.THIN
    if second is None and abs(scores["here"] - limits.there) < limits.unsure:
        second = Cause.MISSING
    return Diagnosis(
        cause=cause,
        covered=cause is Cause.THIN and enough,
        second=second,
        ask=_question(cause, second),
        evidence=_shown(found),
        scores=scores,
    )


def _beside_missing(there: float, hidden: float, nearest: float, best: float, limits: Limits) -> Cause | None:
    if nearest - limits.near < limits.unsure:
        return Cause.OFF_TOPIC
    if limits.there - best >= limits.unsure:
        return None
    if there == best:
        return Cause.WRONG_SCOPE
    return Cause.BLOCKED if hidden == best else Cause.THIN


def _question(cause: Cause, second: Cause | None) -> OwnerQuestion | None:
    if second is None:
        return None
    if Cause.BLOCKED in (cause, second):
        return OwnerQuestion.MAY_READ
    return _ASK[frozenset({cause, second})]


def _best(evidence: Sequence[QuestionEvidence], side: Callable[[Window], bool]) -> list[Window]:
    """Give the best window of one side for each question that has one, best first."""
    firsts = [next((one for one in each.windows if side(one)), None) for each in evidence]
    return sorted((one for one in firsts if one is not None), key=_order)


def _score(windows: Sequence[Window]) -> float:
    return _upper([one.score for one in windows])


def _nearest(evidence: QuestionEvidence, embedded: bool) -> float:
    return max((one.cosine if embedded else one.coverage for one in evidence.windows), default=0.0)


def _upper(values: Sequence[float]) -> float:
    """Give the mean of the upper half."""
    best = sorted(values, reverse=True)[: (len(values) + 1) // 2]
    return fmean(best) if best else 0.0


def _is_hit(evidence: QuestionEvidence) -> bool:
    """Tell whether the search brought up the document of the best passage; true where nobody searched."""
    found = next((one for one in evidence.windows if one.attached and not one.blocked), None)
    return not evidence.ranked or found is None or found.document_id in evidence.ranked[:FIRST_HITS]


def _says(evidence: Sequence[QuestionEvidence], *, no: bool) -> bool:
    """Tell whether a chat model found that the best windows do (not) answer most of the questions it was asked of."""
    said = [each.answers for each in evidence if each.answers is not None]
    return bool(said) and sum(one is not no for one in said) > len(said) / 2


def _is_short(windows: Sequence[Window]) -> bool:
    """Tell whether most of the windows are of documents that say little."""
    return bool(windows) and fmean([0 < one.n_words < LEAST_WORDS for one in windows]) > 0.5


def _shown(windows: Sequence[Window]) -> tuple[Window, ...]:
    """Give the first windows, each place once."""
    places = {(one.chunk_id, one.span): one for one in reversed(windows)}
    return tuple(one for one in dict.fromkeys(windows) if places.get((one.chunk_id, one.span)) is one)[
        :_N_EVIDENCE
    ]


def _order(window: Window) -> tuple[float, str, int]:
    return -window.score, window.chunk_id, window.span.start
