"""What a chat model is asked about gaps, and what of its replies is taken.

It says yes or no, and words titles. What it reads are questions and documents, which may tell it anything; so a reply
counts only in the form that was asked for, and a title only in words that people used. At worst a group that was
looked at by a model fooled in this way has another cause or name: what becomes of it people decide, over a preview
that no model writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from kbm.ports import Lookup
from kbm_agents.words import content_words

TITLE_CHARS = 80
_WORD_CHARS = 5
"""Letters that a word of a title shares with one of the questions, from its start."""
_MARKUP = re.compile(r"[<>\[\]{}|`*_#\\^~=\"“”„«»]|https?:|www\.")
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters, new lines among them, and those that turn the direction of writing."""
_LANGUAGES = {"de": "German", "en": "English", "fr": "French"}
_PASSAGE_CHARS = 2_000


def answers_it(lookup: Lookup, question: str, passage: str) -> bool | None:
    """Ask whether a passage answers a question; None where nobody says yes or no."""
    data = [{"passage": passage[:_PASSAGE_CHARS]}, {"question": question}]
    said = lookup.complete(_prompt("answers-it-1", data), max_tokens=20)
    return {"yes": True, "no": False}.get((said or "").strip().rstrip(".!").casefold())


def title(lookup: Lookup, questions: Sequence[str], others: Sequence[str], language: str) -> str | None:
    """Ask for a title of a group; None where what comes back cannot be used."""
    data = [*({"question": one} for one in questions), *({"other": one} for one in others)]
    named = _LANGUAGES.get(language, "the language of the questions")
    said = lookup.complete(_prompt("title-1", data, language=named), max_tokens=60)
    return usable_title(said or "", questions)


def usable_title(said: str, questions: Sequence[str]) -> str | None:
    """Give a title as it may be shown: one short line of words, most of which stand in the questions."""
    line = said.strip().rstrip(".").strip()
    if not line or len(line) > TITLE_CHARS or _MARKUP.search(line) or _UNSEEN.search(line):
        return None
    told = content_words(line)
    asked = {word[:_WORD_CHARS] for one in questions for word in content_words(one)}
    known = sum(word[:_WORD_CHARS] in asked for word in told)
    return " ".join(line.split()) if len(told) >= 2 and 2 * known > len(told) else None


def _prompt(name: str, data: Sequence[dict[str, str]], **values: str) -> str:
    """Put data under a prompt, a line of JSON each: no text can end its own string."""
    rules = _read(name)
    for key, value in values.items():
        rules = rules.replace("{{" + key + "}}", value)
    return "\n".join([rules, *(json.dumps(one, ensure_ascii=False) for one in data)])


@cache
def _read(name: str) -> str:
    return files("kbm_agents").joinpath("prompts", f"{name}.md").read_text(encoding="utf-8")
