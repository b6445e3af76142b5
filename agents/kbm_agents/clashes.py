"""Two passages that say nearly the same and differ in a number, a date, one word or name, or a negation.

Nearly the same: more than half of their words are common. Both must say something that the other does not: a number
that only one of them mentions is more detail, no contradiction. Two passages that are worded otherwise contradict
each other only by numbers of one unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from kbm.domain.gaps import Window
from kbm.domain.language import guess_language
from kbm.domain.negation import same_polarity
from kbm.domain.quantities import Kind, Mention, mentions, needs_proof, same_value
from kbm.domain.sentences import split_sentences
from kbm_agents.words import STOP_WORDS, words

SAME_WORDS = 0.55
"""Share of common words from which two passages are worded alike."""
SAME_SUBJECT = 0.5
"""Share of common content words from which differing numbers of one unit contradict each other."""

ABOUT_AS_GOOD = 0.1
"""How far below the best a window's score may be."""


def first_clash(windows: Sequence[Window]) -> tuple[Window, Window] | None:
    """Give the first two windows, best first, of different documents that contradict each other.

    One of them must be about as good as the best: what two other passages disagree on is nobody's question.
    """
    for at, other in enumerate(windows):
        for one in windows[:at]:
            if one.score < windows[0].score - ABOUT_AS_GOOD:
                break
            if one.document_id != other.document_id and contradict(one.text, other.text):
                return one, other
    return None


def contradict(one: str, other: str) -> bool:
    """Tell whether two passages on the same thing cannot both hold: some sentence of each against the other's."""
    first, second = (_sentences(text) for text in (one, other))
    common = {tuple(words(text)) for text in first} & {tuple(words(text)) for text in second}
    return any(
        _contradict(own, others)
        for own in first
        for others in second
        if not {tuple(words(own)), tuple(words(others))} & common
    )


def _sentences(text: str) -> list[str]:
    return [text[span.start : span.end] for span in split_sentences(text)]


def _contradict(one: str, other: str) -> bool:
    own, others = set(words(one)), set(words(other))
    if not own or not others:
        return False
    alike = len(own & others) / len(own | others)
    if alike >= SAME_WORDS:
        return (
            _numbers_differ(one, other, any_unit=True)
            or not same_polarity(one, [other])
            or _one_place_differs(words(one), words(other))
        )
    subject, others_subject = own - STOP_WORDS, others - STOP_WORDS
    smaller = min(len(subject), len(others_subject))
    on_one_thing = smaller >= 3 and len(subject & others_subject) >= SAME_SUBJECT * smaller
    return on_one_thing and _numbers_differ(one, other, any_unit=False)


def _numbers_differ(one: str, other: str, *, any_unit: bool) -> bool:
    """Tell whether each has a number that the other lacks; without *any_unit* both of one unit, none in common."""
    first, second = _mentions(one), _mentions(other)
    only_first = [mention for mention in first if not any(same_value(mention, each) for each in second)]
    only_second = [mention for mention in second if not any(same_value(mention, each) for each in first)]
    if any_unit:
        return any(
            _kind(mention) is _kind(each) and mention.unit == each.unit
            for mention in only_first
            for each in only_second
        )
    units = {mention.unit for mention in only_first} & {mention.unit for mention in only_second} - {""}
    shared = {mention.unit for mention in first if mention not in only_first}
    return bool(units - shared)


def _kind(mention: Mention) -> Kind:
    return Kind.NUMBER if mention.kind is Kind.WORD else mention.kind


def _mentions(text: str) -> list[Mention]:
    return [one for one in mentions(text, guess_language(text)) if needs_proof(one)]


def _one_place_differs(one: Sequence[str], other: Sequence[str]) -> bool:
    """Tell whether the sentences are the same but for one place, where both say something."""
    edits = [
        edit for edit in SequenceMatcher(None, one, other, autojunk=False).get_opcodes() if edit[0] != "equal"
    ]
    if len(edits) != 1 or edits[0][0] != "replace":
        return False
    _, start, end, others_start, others_end = edits[0]
    own, others = one[start:end], other[others_start:others_end]
    if _mentions(" ".join(own)) or _mentions(" ".join(others)):
        return False  # "30" and "thirty" are compared as numbers
    return not set(own) <= STOP_WORDS and not set(others) <= STOP_WORDS
