"""Answer a question with cited sentences, or say that the knowledge does not hold it.

Extractive: the sentences of the best passages that carry most of the question's weight; each is a slice of the
stored text of its passage, and so its own quote. Where the release names a chat model, it writes the sentences, and
those are shown that its passages prove (:mod:`kbm.services.generate`). Whether there is an answer at all is decided
before, by the same confidence either way; what keeps the model from answering is named, and sentences are quoted.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from kbm.domain.answers import Answer, AnswerSentence, Cause, Verdict
from kbm.domain.chat import EXTRACTIVE
from kbm.domain.confidence import confidence, outcome_of
from kbm.domain.filters import NO_FILTERS, Filters
from kbm.domain.language import guess_language
from kbm.errors import NotFound
from kbm.ports import Clock
from kbm.services.answer_log import NOT_WRITTEN, AnswerLog
from kbm.services.canary_watch import CanaryWatch
from kbm.services.draft import Draft
from kbm.services.extract import extract
from kbm.services.generate import Generate
from kbm.services.needs import Journal
from kbm.services.notices import notice
from kbm.services.retrieve import Caller, Retrieve, Retrieved

PASSAGES_READ = 3
HITS_ASKED = 10
TOPIC_COVERAGE = 0.5
"""Share of the question's weight that some hit must contain for its topic to count as present."""


class Ask:
    """The use case with what it needs."""

    def __init__(
        self,
        *,
        retrieve: Retrieve,
        journal: Journal,
        canaries: CanaryWatch,
        clock: Clock,
        generate: Generate | None = None,
    ) -> None:
        self._canaries, self._generate = canaries, generate
        self._retrieve, self._journal, self._clock = retrieve, journal, clock
        self.log = AnswerLog(journal)

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
        filters: Filters = NO_FILTERS,
    ) -> Answer:
        """Answer from the live release, the one named or the one of a moment, reading at most *k* passages.

        Raises:
            BadQuestion: there is nothing to answer.
            NotFound: no such GPT or release, or nothing is published yet.
        """
        parts = self.stream(
            gpt, question, caller, release=release, as_of=as_of, user=user, k=k, filters=filters
        )
        return next(part for part in parts if isinstance(part, Answer))

    def stream(
        self,
        gpt: str,
        question: str,
        caller: Caller,
        *,
        release: str | None = None,
        as_of: datetime | None = None,
        user: str | None = None,
        k: int = PASSAGES_READ,
        filters: Filters = NO_FILTERS,
    ) -> Iterator[AnswerSentence | Answer]:
        """Do the same in parts: each sentence as soon as it is checked, and the whole answer last.

        It is searched before this returns, so what ``run`` raises is raised here and not in the middle. Closing the
        iterator ends the answer; what was shown until then is logged.
        """
        started = self._clock.monotonic()
        found = self._retrieve.run(
            gpt,
            question,
            caller,
            release=release,
            as_of=as_of,
            sticky=user or "",
            k=max(HITS_ASKED, k),
            filters=filters,
        )
        return self._parts(self._draft(found, k), caller, user, started)

    def answer(self, found: Retrieved, *, k: int = PASSAGES_READ) -> Answer:
        """Answer by rule from passages that were found: without a chat model, and without logging it.

        ``took_ms`` is left at 0. Gates, replays and receipts use this: it costs nothing and can be made again.
        """
        draft = self._draft(found, k)
        for _ in self._quoted(draft):
            pass
        return self._made(draft)

    def _parts(
        self, draft: Draft, caller: Caller, user: str | None, started: float
    ) -> Iterator[AnswerSentence | Answer]:
        try:
            yield from self._sentences(draft)
        except BaseException:
            draft.break_off()
            self._log(self._made(draft, started), draft, caller, user)
            raise
        made = self._made(draft, started)
        written = self._log(made, draft, caller, user)
        yield made if written else replace(made, degraded=(*made.degraded, NOT_WRITTEN))

    def _draft(self, found: Retrieved, k: int) -> Draft:
        """Decide by confidence whether there is anything to say, before anything is said."""
        probability = confidence(found.signals) if found.passages else 0.0
        threshold, uncertain_below = found.release.thresholds(dense=found.signals.dense)
        outcome = outcome_of(probability, threshold=threshold, uncertain_below=uncertain_below)
        return Draft(found=found, k=k, confidence=probability, outcome=outcome)

    def _sentences(self, draft: Draft) -> Iterator[AnswerSentence]:
        if draft.outcome.shown and self._generate and draft.found.release.answer_spec.chat != EXTRACTIVE:
            draft.writing = self._generate.begin(
                draft.found, draft.passages, self._retrieve.served(draft.found.gpt).title
            )
            for judged in draft.writing.sentences():
                yield draft.write(judged)
            if draft.ends_written():
                return
        yield from self._quoted(draft)

    def _quoted(self, draft: Draft) -> Iterator[AnswerSentence]:
        """Answer with sentences of the passages."""
        found = draft.found
        if draft.outcome.shown:
            synonyms = found.release.answer_spec.synonyms
            for one in extract(found.question, draft.passages, found.index, found.readable, synonyms):
                yield draft.quote(one.passage, one.span)
        if not draft.sentences:
            draft.unanswered(_cause(found))

    def _made(self, draft: Draft, started: float | None = None) -> Answer:
        found, writing = draft.found, draft.writing
        return Answer(
            id=secrets.token_hex(12),
            gpt=found.gpt,
            release=str(found.release.version),
            release_digest=found.release.digest,
            canary=found.canary,
            readers=found.readers,
            k=draft.k,
            epoch=found.epoch,
            filters=found.filters,
            outcome=draft.outcome,
            cause=draft.cause,
            confidence=round(draft.confidence, 4),
            sentences=tuple(draft.sentences),
            citations=tuple(draft.citations),
            notice=notice(
                draft.outcome,
                draft.cause,
                guess_language(found.question),
                self._retrieve.served(found.gpt).title,
                written=bool(draft.model),
            ),
            degraded=(*found.degraded, *draft.degraded),
            took_ms=0 if started is None else round(1000 * (self._clock.monotonic() - started)),
            withheld=writing.n_withheld if writing else 0,
            model=draft.model,
            prompt_digest=writing.prompt_digest if writing and draft.model else "",
            tokens=writing.n_tokens if writing else 0,
            cost=writing.cost if writing else None,
        )

    def note_search(self, found: Retrieved, caller: Caller) -> None:
        """Log a search of a program that words its answers itself, as the question that it is.

        What kbm would have answered by rule is written down with it, so that what was asked in vain is seen.
        """
        draft = self._draft(found, PASSAGES_READ)
        for _ in self._quoted(draft):
            pass
        self._log(self._made(draft), draft, caller, None)

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
        self.log.settle()

    def close(self) -> None:
        """Wait until every answer is in the journal."""
        self.log.close()

    def _log(self, made: Answer, draft: Draft, caller: Caller, user: str | None) -> bool:
        def spent() -> None:
            if draft.writing and self._generate:
                self._generate.end(made.gpt, draft.writing)

        hits = tuple(passage.chunk_id for passage in draft.found.passages)
        return self.log.put(made, draft.found.question, hits, caller, user, then=spent)


def _cause(found: Retrieved) -> Cause:
    """Say whether the topic is missing or just the fact."""
    if not found.passages or found.signals.coverage_best < TOPIC_COVERAGE:
        return Cause.NO_SOURCE
    return Cause.NO_FACT
