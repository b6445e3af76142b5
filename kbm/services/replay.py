"""Ask the questions of the last weeks of two releases, and compare what each answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from kbm.domain.canary import REPLAY_DAYS, Replayed, ReplayReport, compare
from kbm.domain.questions import LoggedQuestion
from kbm.domain.releases import Release
from kbm.ports import Clock, Progress
from kbm.services.ask import Ask
from kbm.services.needs import Questions
from kbm.services.retrieve import Caller, Retrieve


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The use case with what it needs. What is replayed is not logged as asked."""

    questions: Questions
    retrieve: Retrieve
    ask: Ask
    clock: Clock

    def run(self, gpt: str, live: Release, candidate: Release, progress: Progress) -> ReplayReport:
        """Replay every question that is still readable, each with the readers of who asked it."""
        asked = self.questions.since(gpt, self.clock.now() - timedelta(days=REPLAY_DAYS))
        found = []
        with progress.stage(f"replay {gpt} {candidate.version}", len(asked)) as stage:
            for one in asked:
                found.append(self._one(gpt, live, candidate, one))
                stage.advance()
        return compare(found)

    def _one(self, gpt: str, live: Release, candidate: Release, one: LoggedQuestion) -> Replayed:
        caller = Caller(readers=one.readers)
        before, after = (
            self.ask.answer(self.retrieve.run(gpt, one.question, caller, release=str(release.version)))
            for release in (live, candidate)
        )
        return Replayed(
            answer_id=one.answer_id,
            live=before.outcome,
            candidate=after.outcome,
            live_quotes=tuple(each.quote for each in before.citations),
            candidate_quotes=tuple(each.quote for each in after.citations),
        )
