"""A receipt in the words of the contract."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from kbm.domain.receipts import Erased, Level, Receipt, Verification


class QuoteOut(BaseModel):
    """Where a quote stands in the text of its chunk; all but ``n`` is null once its document was erased."""

    n: int
    chunk_id: str | None
    start: int | None
    end: int | None
    hash: str | None = Field(description="Keyed hash of the quote's text.")


class VerificationOut(BaseModel):
    """How far a receipt could be verified."""

    level: Level = Field(
        description="exact: made again and the same. evidence: all quotes stand in that release. redacted: the same "
        "for what an erasure left. expired: that release's content is no longer kept. failed: see differences."
    )
    quotes_checked: int
    quotes_erased: int
    differences: list[str]
    notes: list[str]


class ReceiptOut(BaseModel):
    """What an answer rested on: ids, places and keyed hashes, never a text."""

    answer_id: str
    gpt: str
    release: str
    release_digest: str
    canary: bool
    epoch: int = Field(description="Number of the last change of visibility before the answer.")
    readers: list[str] = Field(description="Reader names that held for the caller.")
    k: int
    asked_at: datetime
    question_mac: str = Field(description="Keyed hash of the question.")
    outcome: str
    cause: str | None
    confidence: float
    hits: list[str | None] = Field(description="Chunk ids, best first; null once its document was erased.")
    quotes: list[QuoteOut]
    degraded: list[str]
    made_with: str = Field(description="The version of kbm that answered.")
    model: str = Field(default="", description="The chat model that worded the answer, if one did.")
    prompt_digest: str = Field(default="", description="Names the rules that it was given.")
    seal: str = Field(description="Keyed hash of all of the above.")
    verification: VerificationOut | None = Field(description="Null unless it was asked for.")

    @classmethod
    def of(cls, receipt: Receipt, found: Verification | None = None) -> Self:
        """Say a receipt in the words of the contract."""
        return cls(
            answer_id=receipt.answer_id,
            gpt=receipt.gpt,
            release=receipt.release,
            release_digest=receipt.release_digest,
            canary=receipt.canary,
            epoch=receipt.epoch,
            readers=sorted(receipt.readers),
            k=receipt.k,
            asked_at=receipt.asked_at,
            question_mac=receipt.question_mac,
            outcome=receipt.outcome,
            cause=receipt.cause,
            confidence=receipt.confidence,
            hits=[None if isinstance(one, Erased) else one for one in receipt.hits],
            quotes=[
                QuoteOut(n=n, chunk_id=None, start=None, end=None, hash=None)
                if isinstance(one, Erased)
                else QuoteOut(n=n, chunk_id=one.chunk_id, start=one.start, end=one.end, hash=one.hash)
                for n, one in enumerate(receipt.quotes, start=1)
            ],
            degraded=list(receipt.degraded),
            made_with=receipt.made_with,
            model=receipt.model,
            prompt_digest=receipt.prompt_digest,
            seal=receipt.seal,
            verification=VerificationOut(
                level=found.level,
                quotes_checked=found.n_quotes_checked,
                quotes_erased=found.n_quotes_erased,
                differences=list(found.differences),
                notes=list(found.notes),
            )
            if found
            else None,
        )
