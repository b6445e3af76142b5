"""Receipts: what an answer rested on, and how far that still holds.

A receipt is sealed with a keyed hash when its answer is made, and the seal is stored with it: one computed on demand
would fit whatever the row says by then. What a deadline or a law may take away later is sealed by a mark of its own:
the question by its keyed hash, each hit and each quote by another. Forgetting a question and erasing a document leave
those marks, so the seal still fits, and it fits nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from kbm.domain.answers import Answer, Cause, Outcome
from kbm.domain.filters import NO_FILTERS, Filters
from kbm.domain.identity import ChunkId, Digest

Mac = Callable[[str, str], str]
"""The keyed hash of a kind and a text, 64 hex digits; the key belongs to the data folder."""

CONFIDENCE_TOLERANCE = 1e-4 + 1e-9
"""Confidence is kept with four decimals, so a difference of 1e-6 in a score can turn the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteSpan:
    """Where a quote stands in the text of its chunk; ``hash`` is keyed, so that short quotes cannot be guessed."""

    chunk_id: ChunkId
    start: int
    end: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What an erasure leaves of a hit or a quote: enough for the seal, and nothing else."""

    mark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """All that an answer is a function of, and what it was. ``made_with`` is the version of kbm that answered.

    ``model`` wrote its sentences by the prompt of that digest; both are empty where sentences are quoted by rule.
    """

    answer_id: str
    gpt: str
    release: str
    release_digest: Digest
    canary: bool
    epoch: int
    readers: frozenset[str]
    k: int
    asked_at: datetime
    question_mac: str
    outcome: Outcome
    cause: Cause | None
    confidence: float
    hits: tuple[ChunkId | Erased, ...]
    quotes: tuple[QuoteSpan | Erased, ...]
    degraded: tuple[str, ...]
    made_with: str
    filters: Filters = NO_FILTERS
    model: str = ""
    prompt_digest: str = ""
    seal: str = ""

    def sealed(self, mac: Mac) -> Receipt:
        """Give the same with the seal that fits."""
        return replace(self, seal=mac("receipt", _said(self, mac)))

    def fits(self, mac: Mac) -> bool:
        """Tell whether nothing was changed since it was sealed."""
        return self.sealed(mac).seal == self.seal

    def without(self, chunks: Collection[ChunkId], mac: Mac) -> Receipt:
        """Give the same with only marks for hits and quotes of these chunks; the seal stays as it is."""
        return replace(
            self,
            hits=tuple(
                Erased(mark=_mark(self.answer_id, one, mac))
                if not isinstance(one, Erased) and one in chunks
                else one
                for one in self.hits
            ),
            quotes=tuple(
                Erased(mark=_mark(self.answer_id, one, mac))
                if isinstance(one, QuoteSpan) and one.chunk_id in chunks
                else one
                for one in self.quotes
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A receipt as the journal has it, with the question while that is kept.

    ``kept_mac`` is the hash of a question that is not kept as it was asked, since personal data was taken out.
    """

    receipt: Receipt
    question: str | None
    kept_mac: str | None = None


class Level(StrEnum):
    """How far a receipt could be verified."""

    EXACT = "exact"  # the answer was made again and is the same
    EVIDENCE = "evidence"  # its quotes stand in the release named, to the letter
    REDACTED = "redacted"  # the same for what an erasure left
    EXPIRED = "expired"  # the content of the release is no longer kept; the receipt itself is whole
    FAILED = "failed"  # something is not as recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What verifying a receipt found; ``differences`` are there if, and only if, the level is ``failed``."""

    level: Level
    n_quotes_checked: int = 0
    n_quotes_erased: int = 0
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def quote_hash(quote: str, mac: Mac) -> str:
    """Hash the text of a quote."""
    return mac("quote", quote)


def question_hash(question: str, mac: Mac) -> str:
    """Hash a question as it was asked, its spaces folded."""
    return mac("question", question)


def kept_hash(answer_id: str, question: str, mac: Mac) -> str:
    """Hash what is kept of a question once personal data was taken out of it."""
    return mac("question-kept", json.dumps([answer_id, question]))


def receipt_of(
    made: Answer, question: str, hits: Collection[ChunkId], *, asked_at: datetime, made_with: str, mac: Mac
) -> Receipt:
    """Write the sealed receipt of an answer; *hits* are all that were found, best first."""
    return Receipt(
        answer_id=made.id,
        gpt=made.gpt,
        release=made.release,
        release_digest=made.release_digest,
        canary=made.canary,
        epoch=made.epoch,
        readers=made.readers,
        k=made.k,
        asked_at=asked_at,
        question_mac=question_hash(question, mac),
        outcome=made.outcome,
        cause=made.cause,
        confidence=made.confidence,
        hits=tuple(hits),
        quotes=tuple(
            QuoteSpan(
                chunk_id=one.passage.chunk_id, start=one.start, end=one.end, hash=quote_hash(one.quote, mac)
            )
            for one in made.citations
        ),
        degraded=made.degraded,
        made_with=made_with,
        filters=made.filters,
        model=made.model,
        prompt_digest=made.prompt_digest,
    ).sealed(mac)


def differences(recorded: Receipt, again: Receipt) -> tuple[str, ...]:
    """Say in which way an answer made again is not the recorded one; empty means it is the same."""
    found = []
    if recorded.hits != again.hits:
        found.append(
            f"the answer made again has other hits ({len(recorded.hits)} then, {len(again.hits)} now)"
        )
    if recorded.quotes != again.quotes:
        found.append(
            f"the answer made again has other quotes ({len(recorded.quotes)} then, {len(again.quotes)} now)"
        )
    if (recorded.outcome, recorded.cause) != (again.outcome, again.cause):
        found.append(f"the outcome made again is {_outcome(again)}, recorded is {_outcome(recorded)}")
    if abs(recorded.confidence - again.confidence) > CONFIDENCE_TOLERANCE:
        found.append(f"the confidence made again is {again.confidence}, recorded is {recorded.confidence}")
    return tuple(found)


def _outcome(receipt: Receipt) -> str:
    return f"{receipt.outcome} ({receipt.cause})" if receipt.cause else str(receipt.outcome)


def _said(receipt: Receipt, mac: Mac) -> str:
    """Write what the seal covers: everything but the seal, with marks in place of hits and quotes."""
    return json.dumps(
        [
            receipt.answer_id,
            receipt.gpt,
            receipt.release,
            receipt.release_digest,
            receipt.canary,
            receipt.epoch,
            sorted(receipt.readers),
            receipt.k,
            receipt.asked_at.isoformat(),
            receipt.question_mac,
            receipt.outcome,
            receipt.cause,
            receipt.confidence,
            [_mark(receipt.answer_id, one, mac) for one in receipt.hits],
            [_mark(receipt.answer_id, one, mac) for one in receipt.quotes],
            receipt.degraded,
            receipt.made_with,
            receipt.filters.as_json(),
            receipt.model,
            receipt.prompt_digest,
        ]
    )


def _mark(answer_id: str, one: str | QuoteSpan | Erased, mac: Mac) -> str:
    """Hash a hit or a quote together with its answer: no two answers can be seen to share one."""
    if isinstance(one, Erased):
        return one.mark
    if isinstance(one, QuoteSpan):
        return mac("quote-mark", json.dumps([answer_id, one.chunk_id, one.start, one.end, one.hash]))
    return mac("hit-mark", json.dumps([answer_id, one]))
