"""Turn the lists of questions into a log of four weeks.

Who asked when is drawn from a hash of the question, not from ``random``: adding one line to a list moves that
line only, and every run gives the same file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

FIRST_DAY = datetime(2026, 10, 26, tzinfo=UTC)
_DAYS, _USERS = 28, 60
# Asked over the day in UTC: early shift, a peak before lunch, a second one in the afternoon.
_HOURS = (5, 6, 6, 7, 7, 7, 8, 8, 8, 8, 9, 9, 9, 9, 10, 10, 11, 12, 12, 13, 13, 13, 14, 14, 15, 15, 16, 18)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One line of a list; *item* is where the answer stands, if it does and someone may read it."""

    gpt: str
    language: str
    question: str
    reason: str | None = None
    gap: str | None = None
    item: str | None = None
    again: bool = False


def read_asked(folder: Path) -> Iterator[Asked]:
    """Read ``answered.tsv`` and ``failed.tsv``; a leading ``+`` rephrases the question before it."""
    for line in _lines(folder / "answered.tsv"):
        gpt, language, item, question = line.split("\t")
        yield Asked(
            gpt=gpt,
            language=language,
            item=item,
            question=question.lstrip("+ "),
            again=question.startswith("+"),
        )
    for line in _lines(folder / "failed.tsv"):
        gpt, language, reason, gap, question = line.split("\t")
        yield Asked(
            gpt=gpt,
            language=language,
            reason=reason,
            gap=None if gap == "-" else gap,
            question=question.lstrip("+ "),
            again=question.startswith("+"),
        )


def _lines(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def log_lines(folder: Path) -> Iterator[str]:
    rows: list[tuple[datetime, str]] = []
    user, moment = "", FIRST_DAY
    for asked in read_asked(folder):
        draw = _draws(asked)
        if asked.again:
            moment += timedelta(seconds=40 + next(draw) % 200)
        else:
            user, moment = f"u{_user(next(draw)):03d}", _moment(draw)
        rows.append((moment, _line(asked, user, moment, next(draw))))
    for _, line in sorted(rows):
        yield line


def _draws(asked: Asked) -> Iterator[int]:
    """Yield numbers below 2**16 that depend on the question alone."""
    block = f"{asked.gpt}:{asked.question}".encode()
    while True:
        block = hashlib.sha256(block).digest()
        yield from (int.from_bytes(block[at : at + 2]) for at in range(0, 32, 2))


def _user(draw: int) -> int:
    # A square makes some people ask much more than others.
    return 1 + int(_USERS * (draw / 65536) ** 1.6)


def _moment(draw: Iterator[int]) -> datetime:
    day = FIRST_DAY + timedelta(days=next(draw) % _DAYS)
    if day.weekday() >= 5 and next(draw) % 6:
        day -= timedelta(days=day.weekday() - next(draw) % 5)
    hour = _HOURS[next(draw) % len(_HOURS)]
    return day + timedelta(hours=hour, minutes=next(draw) % 60, seconds=next(draw) % 60)


def _line(asked: Asked, user: str, moment: datetime, draw: int) -> str:
    if asked.reason is None:
        feedback = "helpful" if draw % 5 == 0 else "unhelpful" if draw % 61 == 0 else None
    elif asked.reason in {"stale", "conflict"}:
        feedback = "problem" if draw % 2 == 0 else None
    else:
        feedback = "unhelpful" if draw % 4 == 0 else None
    entry = {
        "asked_at": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "gpt": asked.gpt,
        "user": user,
        "language": asked.language,
        "question": asked.question,
        "expected": "unanswered" if asked.reason else "answered",
        "reason": asked.reason,
        "gap": asked.gap,
        "feedback": feedback,
    }
    return json.dumps(entry, ensure_ascii=False) + "\n"
