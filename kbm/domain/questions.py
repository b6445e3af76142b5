"""What counts as a question."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from kbm.errors import BadQuestion

MAX_QUESTION_CHARS = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asked, for the log: a label that is stored as a keyed hash only, the id of their key, and the door."""

    label: str = ""
    key_id: str = ""
    door: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedQuestion:
    """A question as somebody asked it; ``readers`` are the names that held for them."""

    answer_id: str
    question: str
    readers: frozenset[str]


def clean_question(text: str) -> str:
    """Give the question with its spaces folded.

    Raises:
        BadQuestion: it is empty, too long, or holds control characters.
    """
    if len(text) > MAX_QUESTION_CHARS:
        raise BadQuestion(
            f"the question has {len(text):,} characters; at most {MAX_QUESTION_CHARS:,} are read",
            hint="ask for one thing at a time",
        )
    folded = " ".join(text.split())
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in folded):
        raise BadQuestion("the question holds control characters", hint="send plain text")
    if not any(char.isalnum() for char in folded):
        raise BadQuestion("the question is empty", hint="ask in words")
    return folded
