"""The weeks before today at the sample company: 300 questions, asked again as if they had just been."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from kbm.bootstrap import Kbm
from kbm.config import Settings
from kbm.domain.answers import Verdict
from kbm.ports import Clock, Progress
from kbm.services.retrieve import Caller

LOG = Path("questions", "log.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class PastQuestion:
    """A line of the log; ``feedback`` is what its asker thought of the answer."""

    gpt: str
    question: str
    user: str
    asked_at: datetime
    feedback: Verdict | None


class PastClock:
    """A clock that stands where it is put; seconds pass as they do."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.at = clock.now()

    def now(self) -> datetime:
        """Give the moment it was put to."""
        return self.at

    def monotonic(self) -> float:
        """Give the seconds of the clock it stands for."""
        return self._clock.monotonic()


def ask_past_questions(folder: Path, settings: Settings, clock: Clock, progress: Progress) -> int:
    """Ask the questions of the log of the GPTs that are live, the newest of them now; gives how many.

    They are asked as everybody would, with the label of who asked and what they thought of the answer.
    """
    past = list(_read(folder / LOG))
    newest = max(one.asked_at for one in past)
    standing = PastClock(clock)
    with (
        Kbm(settings, clock=standing) as kbm,
        progress.stage("questions of the last weeks", len(past)) as stage,
    ):
        for one in past:
            standing.at = clock.now() - (newest - one.asked_at) - timedelta(seconds=1)
            answer = kbm.ask.run(one.gpt, one.question, Caller(door="demo"), user=one.user)
            if one.feedback is not None:
                kbm.ask.feedback(answer.id, one.feedback, None)
            stage.advance()
    return len(past)


def _read(path: Path) -> Iterator[PastQuestion]:
    for line in path.read_text().splitlines():
        row = json.loads(line)
        yield PastQuestion(
            gpt=row["gpt"],
            question=row["question"],
            user=row["user"],
            asked_at=datetime.fromisoformat(row["asked_at"]),
            feedback=Verdict(row["feedback"]) if row["feedback"] else None,
        )
