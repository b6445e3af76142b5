"""Hold a sentence that a chat model wrote against the passages it was given.

A model is believed in nothing. Its quotes are looked for in the passages, and what is shown is the slice found there,
never the model's copy. Then the sentence must say no more than its quotes where that can be decided: numbers, dates,
units, codes, links, and what is denied. Whether it also means the same is not decided here; that is why the quotes
stand beside it.

A quote can lie by what it leaves out: "permitted to enter" of "It is not permitted to enter", "5 mm" of "15 mm". So
no quote may cut a word or a number, units are read where the number stands, and denial in the whole sentence quoted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from kbm.domain.documents import Span
from kbm.domain.language import guess_language
from kbm.domain.negation import same_polarity, stems
from kbm.domain.quantities import Kind, Mention, mentions, needs_proof, same_value
from kbm.domain.sentences import split_sentences
from kbm.domain.written import Claim

LEAST_QUOTE_CHARS = 3
LEAST_SHARED = 0.34
"""Share of a sentence's content words that its passages, their headings or the question must hold."""
MIN_WORDS_TO_SHARE = 3

_SPACE = re.compile(r"\s+")
_LINK = re.compile(
    r"(?:https?://|www\.|mailto:)[^\s)\]>\"']+|[^\s@]+@[^\s@]+\.\w+|\]\(|<[a-zA-Z!/]", re.IGNORECASE
)


class Fault(StrEnum):
    """Why a sentence is withheld."""

    NO_QUOTE = "it rests on no quote"
    NO_PASSAGE = "it cites a passage that was not given"
    NOT_VERBATIM = "a quote does not stand in its passage"
    NUMBER = "a number does not stand in its quotes"
    DATE = "a date or time does not stand in its quotes"
    UNIT = "a number has another unit in its quotes"
    CODE = "a code does not stand in its quotes"
    LINK = "a link does not stand in its quotes"
    NEGATION = "it denies what its quotes say, or says what they deny"
    SUPPORT = "its words are not those of its passages"


@dataclass(frozen=True, slots=True)
class Located:
    """A quote where it stands: the passage's number in the prompt, from 1, and the slice of its text."""

    passage: int
    span: Span


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a sentence: its quotes where it may be shown, else the fault."""

    sentence: str
    quotes: tuple[Located, ...]
    fault: Fault | None = None


class Source:
    """A passage as evidence; what is read out of it is read once."""

    def __init__(self, text: str, headings: str = "") -> None:
        self.text, self.headings = text, headings

    @cached_property
    def language(self) -> str:
        """Give the language it is written in, or nothing."""
        return guess_language(self.text)

    @cached_property
    def mentions(self) -> list[Mention]:
        """Give its quantities."""
        return mentions(self.text, self.language)

    @cached_property
    def sentences(self) -> list[Span]:
        """Give its sentences."""
        return split_sentences(self.text)

    def within(self, span: Span) -> list[Mention]:
        """Give the quantities that lie whole in a slice."""
        return [one for one in self.mentions if span.start <= one.start and one.end <= span.end]

    def around(self, span: Span) -> str:
        """Give the sentences that a slice touches."""
        touched = [one for one in self.sentences if one.start < span.end and span.start < one.end]
        if not touched:
            return self.text[span.start : span.end]
        return self.text[touched[0].start : touched[-1].end]

    @cached_property
    def _folded(self) -> tuple[str, list[int]]:
        """The text with white space folded, and where each character stands in the text."""
        signs: list[str] = []
        places: list[int] = []
        for at, sign in enumerate(self.text):
            if not sign.isspace():
                signs.append(sign)
                places.append(at)
            elif signs and signs[-1] != " ":
                signs.append(" ")
                places.append(at)
        return "".join(signs), places

    def locate(self, quote: str) -> Span | None:
        """Find a quote, white space folded; None when it is not there, or only by cutting a word or a number."""
        wanted = _SPACE.sub(" ", quote).strip()
        if sum(sign.isalnum() for sign in wanted) < LEAST_QUOTE_CHARS:
            return None
        folded, places = self._folded
        at = folded.find(wanted)
        while at >= 0:
            span = Span(places[at], places[at + len(wanted) - 1] + 1)
            if not self._cuts(span):
                return span
            at = folded.find(wanted, at + 1)
        return None

    def _cuts(self, span: Span) -> bool:
        for at in (span.start, span.end):
            if 0 < at < len(self.text) and self.text[at - 1].isalnum() and self.text[at].isalnum():
                return True
        return any(
            one.start < at < one.end and one.kind is not Kind.DATE
            for one in self.mentions
            for at in (span.start, span.end)
        )


def judge(claim: Claim, sources: Sequence[Source], question: str = "") -> Judged:
    """Check a sentence against the passages given to the model, in the order of their numbers from 1."""
    located: list[Located] = []
    for one in claim.quotes:
        if not 1 <= one.passage <= len(sources):
            return Judged(claim.sentence, (), Fault.NO_PASSAGE)
        span = sources[one.passage - 1].locate(one.quote)
        if span is None:
            return Judged(claim.sentence, (), Fault.NOT_VERBATIM)
        found = Located(one.passage, span)
        if found not in located:
            located.append(found)
    if not located:
        return Judged(claim.sentence, (), Fault.NO_QUOTE)
    fault = _fault(claim.sentence, located, sources, question)
    return Judged(claim.sentence, () if fault else tuple(located), fault)


def _fault(
    sentence: str, located: Sequence[Located], sources: Sequence[Source], question: str
) -> Fault | None:
    cited = [(sources[one.passage - 1], one.span) for one in located]
    quoted = [source.text[span.start : span.end] for source, span in cited]
    if any(not any(link in quote for quote in quoted) for link in _links(sentence)):
        return Fault.LINK
    language = guess_language(sentence)
    proofs = [one for source, span in cited for one in source.within(span)]
    for one in mentions(sentence, language):
        fault = _unproved(one, proofs)
        if fault:
            return fault
    around = [source.around(span) for source, span in cited]
    if not same_polarity(sentence, around):
        return Fault.NEGATION
    languages = {language, *(source.language for source, _ in cited)} - {""}
    if len(languages) < 2 and not _supported(
        sentence, [*around, *(source.headings for source, _ in cited), question]
    ):
        return Fault.SUPPORT
    return None


def _unproved(one: Mention, proofs: Sequence[Mention]) -> Fault | None:
    """Say what of a quantity is not proved; None when all is."""
    if not needs_proof(one):
        return None
    same = [proof for proof in proofs if same_value(one, proof)]
    if not same:
        if one.kind in {Kind.DATE, Kind.TIME, Kind.WEEKDAY}:
            return Fault.DATE
        return Fault.CODE if one.kind is Kind.CODE else Fault.NUMBER
    if one.kind not in {Kind.NUMBER, Kind.WORD}:
        return None
    units = {proof.unit for proof in same}
    if one.unit not in units and not (one.unit and "" in units and any(p.unit == one.unit for p in proofs)):
        # A year is proved by a date, which has no unit either.
        return Fault.UNIT
    bounds = {proof.bound for proof in same}
    if one.bound and one.bound not in bounds and bounds == {"max" if one.bound == "min" else "min"}:
        return Fault.NUMBER
    return None


def _links(sentence: str) -> list[str]:
    return [hit.rstrip(".,;:!?") or hit for hit in _LINK.findall(sentence)]


def _supported(sentence: str, sources: Sequence[str]) -> bool:
    said = stems(sentence)
    if len(said) < MIN_WORDS_TO_SHARE:
        return True
    return len(said & stems("\n".join(sources))) >= LEAST_SHARED * len(said)
