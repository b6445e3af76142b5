"""Patterns such as ``**/*.docx``, matched name by name while a folder tree is walked.

Written here rather than taken from ``pathlib``: its ``glob`` walks by itself and passes over folders it cannot
read, which is how documents get lost. Fed one name at a time, the same patterns also tell early that nothing below
a folder can match, so an unreadable folder nobody asked for is never opened.

The rules are a shell's: ``*`` and ``?`` stay inside a name, ``**`` is any number of folders, none included, and a
wildcard never matches a leading dot. Two differ: case does not matter, since legacy shares come from systems where
it does not, and names are compared composed (NFC), since a Mac writes "ü" in two characters.
"""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from collections.abc import Iterable

State = frozenset[tuple[int, int]]
"""Where in which pattern the names so far have led."""

ANY_DEPTH = None
_Segment = tuple[re.Pattern[str], bool] | None


class Globs:
    """A set of patterns; a path matches when one of them does."""

    def __init__(self, patterns: Iterable[str], *, wildcards_match_hidden: bool) -> None:
        """Compile *patterns*.

        Raises:
            ValueError: a pattern leads outside or uses a form that is not known; the text says which.
        """
        self._hidden = wildcards_match_hidden
        self._patterns = [_compiled(pattern) for pattern in patterns]
        self.start: State = self._closed((at, 0) for at in range(len(self._patterns)))

    def step(self, state: State, name: str) -> State:
        """Go one *name* deeper; an empty state means that nothing at or below it matches."""
        name = unicodedata.normalize("NFC", name)
        visible = self._hidden or not name.startswith(".")
        reached: list[tuple[int, int]] = []
        for pattern, at in state:
            if at == len(self._patterns[pattern]):
                continue
            segment = self._patterns[pattern][at]
            if segment is ANY_DEPTH:
                if visible:
                    reached.append((pattern, at))
            elif (visible or segment[1]) and segment[0].fullmatch(name):
                reached.append((pattern, at + 1))
        return self._closed(reached)

    def accepts(self, state: State) -> bool:
        """Tell whether the names that led to *state* are a match."""
        return any(at == len(self._patterns[pattern]) for pattern, at in state)

    def matches(self, path: str) -> bool:
        """Tell whether *path*, with ``/`` between its names, is a match."""
        state = self.start
        for name in path.split("/"):
            state = self.step(state, name)
        return self.accepts(state)

    def _closed(self, positions: Iterable[tuple[int, int]]) -> State:
        closed = set()
        for pattern, at in positions:
            closed.add((pattern, at))
            while at < len(self._patterns[pattern]) and self._patterns[pattern][at] is ANY_DEPTH:
                at += 1
                closed.add((pattern, at))
        return frozenset(closed)


def _compiled(pattern: str) -> list[_Segment]:
    if "{" in pattern and "}" in pattern:
        raise ValueError(f"{pattern!r}: braces are not known; list the patterns one by one")
    if pattern.startswith(("/", "\\")) or ".." in pattern.split("/"):
        raise ValueError(f"{pattern!r}: patterns start at the source's folder and stay in it")
    names = [name for name in pattern.split("/") if name not in ("", ".")]
    if not names:
        raise ValueError(f"{pattern!r}: the pattern is empty")
    if names[-1] == "**" or pattern.endswith("/"):
        names += ["*"] if names[-1] == "**" else ["**", "*"]
    return [ANY_DEPTH if name == "**" else _segment(name) for name in names]


def _segment(name: str) -> tuple[re.Pattern[str], bool]:
    text = unicodedata.normalize("NFC", name)
    return re.compile(fnmatch.translate(text), re.IGNORECASE), text.startswith(".")
