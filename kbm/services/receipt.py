"""Show the receipt of an answer, and verify it: was this said, and does it still stand where it is said to stand?

What is compared may be hidden or withdrawn by now; a receipt names spans and keyed hashes only, so nothing of it is
shown. It is shown to callers who may read whatever its answer's caller could.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kbm import __version__
from kbm.domain.answers import BROKEN_OFF, Cause
from kbm.domain.chat import WITHOUT_MODEL
from kbm.domain.documents import Chunk
from kbm.domain.identity import ChunkId, VersionId
from kbm.domain.questions import clean_question
from kbm.domain.receipts import (
    Erased,
    Level,
    QuoteSpan,
    Receipt,
    Recorded,
    Verification,
    differences,
    kept_hash,
    question_hash,
    quote_hash,
    receipt_of,
)
from kbm.domain.releases import Release, ReleaseContent, release_digest
from kbm.errors import KbmError, NotFound, UsageError
from kbm.services.ask import HITS_ASKED, Ask
from kbm.services.needs import Documents, Journal, Keyed, Releases, Texts
from kbm.services.rerank import NOT_RERANKED
from kbm.services.retrieve import Caller, Retrieve, Then

BringBack = Callable[[str, Release], object]
"""Writes the evicted index of a GPT's release anew."""


@dataclass(slots=True)
class _Findings:
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    n_checked: int = 0
    n_erased: int = 0

    def at(self, level: Level) -> Verification:
        """Conclude; a difference outweighs the level."""
        return Verification(
            level=Level.FAILED if self.differences else level,
            n_quotes_checked=self.n_checked,
            n_quotes_erased=self.n_erased,
            differences=tuple(self.differences),
            notes=tuple(self.notes),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowReceipt:
    """The use case with what it needs."""

    journal: Journal
    secret: Keyed
    documents: Documents
    texts: Texts
    releases: Releases
    retrieve: Retrieve
    ask: Ask

    def run(self, answer_id: str, caller: Caller | None = None) -> Receipt:
        """Give the receipt of an answer; a *caller* must have all readers of the one who was answered.

        Raises:
            NotFound: there is none that this caller may see; whether it exists is not told.
            JournalDamaged: the journal's row was changed and is no receipt any more.
        """
        return self._recorded(answer_id, caller).receipt

    def verify(
        self,
        answer_id: str,
        caller: Caller | None = None,
        *,
        question: str | None = None,
        bring_back: BringBack | None = None,
    ) -> tuple[Receipt, Verification]:
        """Verify a receipt as far as what is kept allows.

        *question* takes the place of one that was forgotten. With *bring_back* an evicted index is written anew.

        Raises:
            NotFound: there is none that this caller may see.
            UsageError: the question given is not the one that was asked.
            JournalDamaged: the journal's row was changed and is no receipt any more.
        """
        recorded = self._recorded(answer_id, caller)
        receipt, found = recorded.receipt, _Findings()
        asked = self._question(recorded, question, found)
        if not receipt.fits(self.secret.mac):
            found.differences.append("the seal does not fit: the journal's row or the key was changed")
        release = self._release(receipt, found)
        if release is None or found.differences:
            return receipt, found.at(Level.FAILED)
        if release.content is ReleaseContent.PURGED:
            found.notes.append("the content of the release was purged; only the receipt itself is checked")
            return receipt, found.at(Level.EXPIRED)
        self._evidence(receipt, release, found)
        if found.differences or found.n_erased:
            return receipt, found.at(Level.REDACTED)
        return receipt, found.at(self._again(receipt, release, asked, found, bring_back))

    def _recorded(self, answer_id: str, caller: Caller | None) -> Recorded:
        recorded = self.journal.recorded(answer_id)
        if recorded is None:
            raise NotFound("answer", answer_id)
        receipt = recorded.receipt
        if caller is not None and not (receipt.readers <= caller.readers and caller.may_ask(receipt.gpt)):
            raise NotFound("answer", answer_id)
        return recorded

    def _question(self, recorded: Recorded, given: str | None, found: _Findings) -> str | None:
        """Give the question if it is known to be the one that was asked."""
        expected = recorded.receipt.question_mac
        if given is not None:
            asked = clean_question(given)
            if question_hash(asked, self.secret.mac) != expected:
                raise UsageError(
                    f"this is not the question that answer {recorded.receipt.answer_id} was given to",
                    hint="only the same words fit; leave --question away to check the quotes alone",
                )
            return asked
        if recorded.kept_mac is not None and recorded.question is not None:
            kept = kept_hash(recorded.receipt.answer_id, recorded.question, self.secret.mac)
            if kept != recorded.kept_mac:
                found.differences.append(
                    "the question kept in the journal is not what was kept of the one asked"
                )
            found.notes.append("personal data was taken out of the question before it was kept")
            return None
        if recorded.question is not None and question_hash(recorded.question, self.secret.mac) != expected:
            found.differences.append("the question kept in the journal is not the one that was asked")
        return recorded.question

    def _release(self, receipt: Receipt, found: _Findings) -> Release | None:
        """Find the release, and hold its digest against the recorded one and against its manifest."""
        name = f"{receipt.gpt} {receipt.release}"
        try:
            release = self.releases.get(receipt.gpt, receipt.release)
        except NotFound:
            found.differences.append(f"the catalogue has no release {name}")
            return None
        redacted = release.redacted_at is not None and release.redacted_at >= receipt.asked_at
        if receipt.release_digest not in {release.digest, release.first_digest if redacted else None}:
            if redacted:
                found.notes.append(f"{name} was redacted more than once; its digest of that time is not kept")
            else:
                found.differences.append(f"the digest of {name} is not the recorded one")
        elif redacted:
            found.notes.append(f"an erasure took documents out of {name} since")
        if release.content is not ReleaseContent.PURGED and release.digest != release_digest(
            release.index_digest,
            release.answer_spec,
            self.releases.manifest(release.gpt, release.seq),
            release.calibration,
        ):
            found.differences.append(f"the documents of {name} do not give its digest")
        return release

    def _evidence(self, receipt: Receipt, release: Release, found: _Findings) -> None:
        """Look for every quote in the stored text, and for every hit in the release."""
        ids = [
            one.chunk_id if isinstance(one, QuoteSpan) else one
            for one in (*receipt.quotes, *receipt.hits)
            if not isinstance(one, Erased)
        ]
        chunks = self.texts.chunks(sorted(set(ids)))
        members = self.releases.members(release.gpt, release.seq)
        for n, quote in enumerate(receipt.quotes, start=1):
            if isinstance(quote, Erased) or _is_erased(quote.chunk_id, chunks, release):
                found.n_erased += 1
                continue
            problem = self._problem(quote.chunk_id, chunks, members)
            if not problem and not self._stands(quote, chunks[quote.chunk_id]):
                problem = "is not the stored text of its passage"
            if problem:
                found.differences.append(f"quote {n} {problem}")
            else:
                found.n_checked += 1
        n_erased = 0
        for n, hit in enumerate(receipt.hits, start=1):
            if isinstance(hit, Erased) or _is_erased(hit, chunks, release):
                n_erased += 1
            elif problem := self._problem(hit, chunks, members):
                found.differences.append(f"hit {n} {problem}")
        if n_erased and not found.n_erased:
            found.notes.append(f"an erasure took {n_erased} of {len(receipt.hits)} hits, none of them quoted")

    @staticmethod
    def _problem(id: ChunkId, chunks: dict[ChunkId, Chunk], members: set[VersionId]) -> str:
        if id not in chunks:
            return "stands in a passage that is not stored any more"
        return "" if chunks[id].version_id in members else "stands in a passage that is not of this release"

    def _stands(self, quote: QuoteSpan, chunk: Chunk) -> bool:
        return quote_hash(chunk.text[quote.start : quote.end], self.secret.mac) == quote.hash

    def _again(
        self,
        receipt: Receipt,
        release: Release,
        asked: str | None,
        found: _Findings,
        bring_back: BringBack | None,
    ) -> Level:
        """Make the answer again and compare; where that cannot be done, say why and leave it at the evidence."""
        if asked is None:
            return _left_at_evidence(found, "the question is not kept as it was asked")
        if receipt.model:
            return _left_at_evidence(
                found, f"{receipt.model} worded the answer, and may word it otherwise now"
            )
        if receipt.cause is Cause.ERROR or BROKEN_OFF in receipt.degraded:
            return _left_at_evidence(found, "the answer was not finished")
        if any(isinstance(one, Erased) for one in receipt.hits):
            return Level.EVIDENCE
        try:
            if release.content is ReleaseContent.EVICTED:
                if bring_back is None:
                    return _left_at_evidence(found, "the index of the release was put away")
                bring_back(receipt.gpt, release)
            again, degraded = self._made_again(receipt, asked)
        except KbmError as error:
            return _left_at_evidence(found, str(error))
        if degraded and not _words_only(receipt):
            return _left_at_evidence(found, "; ".join(degraded))
        differ = differences(receipt, again)
        if not differ:
            return Level.EXACT
        if receipt.made_with != __version__:
            return _left_at_evidence(
                found, f"kbm {receipt.made_with} made the answer, {__version__} makes another"
            )
        if release.redacted_at is not None and release.redacted_at >= receipt.asked_at:
            return _left_at_evidence(found, "what was erased moves the answer")
        found.differences += differ
        if receipt.epoch > self.documents.epoch():
            found.differences.append(
                f"the catalogue is older than the answer: it never saw epoch {receipt.epoch}"
            )
        return Level.FAILED

    def _made_again(self, receipt: Receipt, asked: str) -> tuple[Receipt, Sequence[str]]:
        """Answer as the caller of then was answered; gives the receipt, and what could not be used now."""
        passages = self.retrieve.again(
            receipt.gpt,
            asked,
            Caller(readers=receipt.readers),
            release=receipt.release,
            then=Then(
                epoch=receipt.epoch,
                words_only=_words_only(receipt),
                not_reranked=any(line.startswith(NOT_RERANKED) for line in receipt.degraded),
                filters=receipt.filters,
            ),
            k=max(HITS_ASKED, receipt.k),
        )
        made = self.ask.answer(passages, k=receipt.k)
        hits = [one.chunk_id for one in passages.passages]
        again = receipt_of(
            made, asked, hits, asked_at=receipt.asked_at, made_with=__version__, mac=self.secret.mac
        )
        return again, passages.degraded


def _is_erased(id: ChunkId, chunks: dict[ChunkId, Chunk], release: Release) -> bool:
    return id not in chunks and release.redacted_at is not None


def _words_only(receipt: Receipt) -> bool:
    """Tell whether the question was not embedded; a chat model or a reranker that was missing changes no search."""
    return any(not line.startswith((WITHOUT_MODEL, NOT_RERANKED)) for line in receipt.degraded)


def _left_at_evidence(found: _Findings, why: str) -> Level:
    found.notes.append(f"not made again: {why}")
    return Level.EVIDENCE
