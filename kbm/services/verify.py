"""Tell by evidence whether an applied fix does what it was for: the live release answers, or does so no longer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from kbm.domain.answers import Outcome
from kbm.domain.documents import EVERYONE
from kbm.domain.evaluation import GAP_ORIGIN, GoldenQuestion, GoldenState
from kbm.domain.known_gaps import GapState
from kbm.domain.question_log import Logged
from kbm.domain.releases import Release
from kbm.domain.suggestions import Suggestion, SuggestionState
from kbm.ports import Progress
from kbm.services.ask import Ask
from kbm.services.evaluate import Evaluate
from kbm.services.needs import Golden, Releases
from kbm.services.retrieve import Caller, Retrieve
from kbm.services.review_needs import Gaps, Suggestions

log = structlog.get_logger()

KEPT_PROMISE = 0.8
"""Share of what the preview promised that must be answered for a gap without confirmed questions to be closed."""

REPLAYED = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """The use case with what it needs."""

    suggestions: Suggestions
    gaps: Gaps
    golden: Golden
    releases: Releases
    evaluate: Evaluate
    retrieve: Retrieve
    ask: Ask

    def run(self, gpt: str, asked: Sequence[Logged], progress: Progress) -> list[str]:
        """Close gaps that live answers now and open those it no longer does; gives the ids of those closed."""
        live = self.releases.live(gpt)
        if live is None:
            return []
        closed = []
        states = [SuggestionState.APPLIED, SuggestionState.VERIFIED, SuggestionState.REOPENED]
        for one in self.suggestions.all(gpt, states):
            if not one.proposal.gap or one.id not in live.approved.suggestions:
                continue
            answers = self._answers(live, one, asked, progress)
            if answers and one.state is not SuggestionState.VERIFIED:
                # The suggestion last: a run that is cut short between the two does both again.
                self.gaps.set_state(one.proposal.gap, GapState.CLOSED, closed_in=str(live.version))
                self.suggestions.set_state([one.id], SuggestionState.VERIFIED)
                closed.append(one.proposal.gap)
                log.info("gap_closed", gpt=gpt, gap=one.proposal.gap, release=str(live.version))
            elif not answers and one.state is SuggestionState.VERIFIED:
                self.gaps.set_state(one.proposal.gap, GapState.REOPENED)
                self.suggestions.set_state([one.id], SuggestionState.REOPENED)
                log.info("gap_reopened", gpt=gpt, gap=one.proposal.gap, release=str(live.version))
        return closed

    def _answers(self, live: Release, one: Suggestion, asked: Sequence[Logged], progress: Progress) -> bool:
        tests = self._tests(live.gpt, one.proposal.gap)
        if tests:
            results = self.evaluate.answers(live.gpt, live, tests, progress)
            return all(each.result.passed for each in results.values())
        by_id = {each.id: each for each in asked}
        mine = [by_id[id] for id in one.proposal.questions if id in by_id][:REPLAYED]
        if not mine or one.preview is None:
            return False
        n = sum(self._outcome(live, each) is Outcome.ANSWERED for each in mine)
        before, after = one.preview.n_answered
        return n > before and n >= KEPT_PROMISE * after

    def _tests(self, gpt: str, gap: str) -> list[GoldenQuestion]:
        return [
            each
            for each in self.golden.all(gpt)
            if each.origin == f"{GAP_ORIGIN}{gap}" and each.state is GoldenState.CONFIRMED
        ]

    def _outcome(self, live: Release, one: Logged) -> Outcome:
        caller = Caller(readers=one.readers or frozenset({EVERYONE}))
        found = self.retrieve.run(live.gpt, one.question, caller, release=str(live.version))
        return self.ask.answer(found).outcome
