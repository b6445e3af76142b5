"""Answer a question with verbatim, cited sentences, or say that the knowledge does not hold it.

Extractive: the sentences of the best passages that carry most of the question's weight. No sentence is written here:
each one is a slice of the stored text of its passage, and so its own quote.
"""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import replace
from datetime import datetime

import structlog

from kbm.domain.answers import Answer, AnswerSentence, Cause, Citation, Outcome, Verdict
from kbm.domain.confidence import confidence, outcome_of
from kbm.domain.identity import ChunkId
from kbm.domain.language import guess_language
from kbm.errors import NotFound
from kbm.ports import Clock
from kbm.services.canary_watch import CanaryWatch
from kbm.services.extract import extract
from kbm.services.needs import Journal
from kbm.services.notices import notice
from kbm.services.retrieve import Caller, Retrieve, Retrieved

log = structlog.get_logger()

PASSAGES_READ = 3
HITS_ASKED = 10
TOPIC_COVERAGE = 0.5
"""Share of the question's weight that some hit must contain for its topic to count as present."""
LOG_WAIT_S = 0.1
"""An answer never waits longer than this for its line in the journal."""


class Ask:
    """The use case with what it needs."""

    def __init__(self, *, retrieve: Retrieve, journal: Journal, canaries: CanaryWatch, clock: Clock) -> None:
        self._canaries = canaries
        self._retrieve, self._journal, self._clock = retrieve, journal, clock
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")

    def run(
        self,
        gpt: str,
        question: str,
        caller: Caller,
        *,
        release: str | None = None,
        as_of: datetime | None = None,
        user: str | None = None,
        k: int = PASSAGES_READ,
    ) -> Answer:
        """Answer from the live release, the one named or the one of a moment, reading at most *k* passages.

        Raises:
            BadQuestion: there is nothing to answer.
            NotFound: no such GPT or release, or nothing is published yet.
        """
        started = self._clock.monotonic()
        found = self._retrieve.run(
            gpt, question, caller, release=release, as_of=as_of, sticky=user or "", k=max(HITS_ASKED, k)
        )
        made = self.answer(found, k=k)
        made = replace(made, took_ms=round(1000 * (self._clock.monotonic() - started)))
        self._log(made, found, user)
        return made

    def answer(self, found: Retrieved, *, k: int = PASSAGES_READ) -> Answer:
        """Answer from passages that were found, without logging it; ``took_ms`` is left at 0."""
        spec = found.release.answer_spec
        probability = confidence(found.signals) if found.passages else 0.0
        threshold, uncertain_below = found.release.thresholds(dense=found.signals.dense)
        outcome = outcome_of(probability, threshold=threshold, uncertain_below=uncertain_below)
        chosen = (
            []
            if outcome is Outcome.UNANSWERED
            else extract(found.question, found.passages[:k], found.index, found.readable)
        )
        cause = None
        if not chosen:
            outcome = Outcome.UNANSWERED
            cause = _cause(found)
        citations = [
            Citation(n=n, quote=one.quote, start=one.span.start, end=one.span.end, passage=one.passage)
            for n, one in enumerate(chosen, start=1)
        ]
        return Answer(
            id=secrets.token_hex(12),
            gpt=found.gpt,
            release=str(found.release.version),
            release_digest=found.release.digest,
            canary=found.canary,
            readers=found.readers,
            k=k,
            epoch=found.epoch,
            outcome=outcome,
            cause=cause,
            confidence=round(probability, 4),
            sentences=tuple(AnswerSentence(text=one.quote, citations=(one.n,)) for one in citations),
            citations=tuple(citations),
            notice=notice(
                outcome, cause, guess_language(found.question), self._retrieve.served(found.gpt).title
            ),
            degraded=found.degraded,
            took_ms=0,
        )

    def feedback(
        self, answer_id: str, verdict: Verdict, comment: str | None, caller: Caller | None = None
    ) -> None:
        """Note what somebody thought of an answer; a *caller* must be one who may ask its GPT.

        Raises:
            NotFound: there is no such answer for this caller.
        """
        self.settle()  # somebody may be faster than the line of the answer they mean
        if caller is not None:
            recorded = self._journal.recorded(answer_id)
            if recorded is None or not caller.may_ask(recorded.receipt.gpt):
                raise NotFound("answer", answer_id)
        self._journal.add_feedback(answer_id, verdict, comment)
        if verdict is Verdict.PROBLEM:
            self._canaries.complaint(answer_id)

    def settle(self) -> None:
        """Wait until every answer given so far is in the journal."""
        self._writer.submit(lambda: None).result()

    def close(self) -> None:
        """Wait until every answer is in the journal."""
        self._writer.shutdown(wait=True)

    def _log(self, made: Answer, found: Retrieved, user: str | None) -> None:
        hits = tuple(passage.chunk_id for passage in found.passages)
        writing = self._writer.submit(self._record, made, found.question, hits, user)
        wait_for([writing], timeout=LOG_WAIT_S)

    def _record(self, made: Answer, question: str, hits: tuple[ChunkId, ...], user: str | None) -> None:
        try:
            self._journal.record(made, question, hits, user)
        except Exception:
            # The answer is out already; losing its line must be seen, but cannot be told to the caller.
            log.exception("answer_not_logged", answer_id=made.id, gpt=made.gpt)


def _cause(found: Retrieved) -> Cause:
    """Say whether the topic is missing or just the fact."""
    if not found.passages or found.signals.coverage_best < TOPIC_COVERAGE:
        return Cause.NO_SOURCE
    return Cause.NO_FACT
