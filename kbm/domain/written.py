"""Read what a chat model writes: one JSON object per sentence, believed in nothing.

Models wrap their lines in code fences, number them, break objects over lines, put them in a list or stop in the
middle. So objects are looked for anywhere in the text, each is taken as soon as its last brace is there, and what
cannot be read is counted and passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MAX_OBJECT_CHARS = 20_000
MAX_SENTENCE_CHARS = 1_000
MAX_QUOTE_CHARS = 4_000
MAX_QUOTES = 8

_MARKS = re.compile(r"\s*\[\d{1,3}(?:\s*,\s*\d{1,3})*\]")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]+")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Quoted:
    """A passage number and words that are claimed to stand in it."""

    passage: int
    quote: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence as the model wrote it, with what it rests on by its own account."""

    sentence: str
    quotes: tuple[Quoted, ...]


class Written:
    """A reply as it comes in. ``none`` is set once the model says that the passages do not answer."""

    def __init__(self) -> None:
        self.none = False
        self.n_unreadable = 0
        self._object: list[str] = []
        self._depth, self._in_text, self._escaped = 0, False, False

    def feed(self, text: str) -> Iterator[Claim]:
        """Take the next characters; gives every sentence that is complete now."""
        for sign in text:
            if self._depth == 0 and sign != "{":
                continue
            self._object.append(sign)
            self._look_at(sign)
            if self._depth == 0:
                yield from self._claims("".join(self._object))
                self._object.clear()
            elif len(self._object) > MAX_OBJECT_CHARS:
                self.end()

    def end(self) -> None:
        """Give up what is not whole."""
        self.n_unreadable += bool(self._object)
        self._object.clear()
        self._depth, self._in_text, self._escaped = 0, False, False

    def _look_at(self, sign: str) -> None:
        """Follow braces outside of texts."""
        if self._escaped:
            self._escaped = False
        elif self._in_text:
            self._escaped = sign == "\\"
            self._in_text = sign != '"'
        elif sign == '"':
            self._in_text = True
        elif sign in "{}":
            self._depth += 1 if sign == "{" else -1

    def _claims(self, text: str) -> Iterator[Claim]:
        try:
            found = json.loads(text, strict=False)
        except (ValueError, RecursionError):
            self.n_unreadable += 1
            return
        listed = found.get("sentences")
        for one in listed if isinstance(listed, list) else [found]:
            claim = self._claim(one)
            if claim is not None:
                yield claim

    def _claim(self, found: Any) -> Claim | None:
        """Read one sentence; Any is JSON."""
        if isinstance(found, dict) and found.get("none") is True:
            self.none = True
            return None
        sentence = _text(found, "sentence", "text", "answer") if isinstance(found, dict) else ""
        if not sentence or len(sentence) > MAX_SENTENCE_CHARS:
            self.n_unreadable += 1
            return None
        given: Any = next((found[key] for key in ("cites", "citations", "quotes") if key in found), [])
        listed = given if isinstance(given, list) else [given]
        quotes = (_quoted(one) for one in listed[:MAX_QUOTES])
        return Claim(sentence, tuple(one for one in quotes if one is not None))


def _text(found: Any, *keys: str) -> str:
    """Give the first of the keys that holds text, on one line, without marks; Any is JSON."""
    for key in keys:
        value = found.get(key)
        if isinstance(value, str):
            return _SPACES.sub(" ", _MARKS.sub("", _UNSEEN.sub(" ", value))).strip()
    return ""


def _quoted(found: Any) -> Quoted | None:
    """Read one citation; Any is JSON."""
    if not isinstance(found, dict):
        return None
    number = next((found[key] for key in ("passage", "n", "source", "id") if key in found), None)
    if isinstance(number, str):
        digits = re.fullmatch(r"\s*\[?\s*(\d{1,3})\s*\]?\s*", number)
        number = int(digits[1]) if digits else None
    quote = found.get("quote", found.get("text"))
    if isinstance(number, bool) or not isinstance(number, int):
        return None
    if not isinstance(quote, str) or len(quote) > MAX_QUOTE_CHARS:
        return None
    return Quoted(number, quote)
