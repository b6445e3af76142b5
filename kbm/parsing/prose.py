"""Plain lines to paragraphs, headings and list items: for text files, bodies of mails and pages of PDFs.

Line breaks in such text mean one of three things: the paragraph went on (most), the next one began, or the lines
are rows. Guessing wrong costs differently: rows glued into a sentence become unreadable quotes, a paragraph left
in two pieces is merely found in two pieces. So lines are joined only where one looks full or unfinished, and a
line is a heading only when the sign is clear (underlined, numbered, or all capitals and alone).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from kbm.parsing.building import DocumentBuilder

PARAGRAPH_CHARS = 20_000
"""A longer paragraph is cut at a sentence end; nothing a person wrote is longer."""

_CUT_CHARS = 4_000
BULLET = re.compile(r"\s*(?:[•‣◦▪■●○–—*+·\uf0b7\uf0a7]|-(?!-))\s+(?=\S)")
ORDINAL = re.compile(r"\s*(?:\d{1,3}[.)]|\(?[a-z]\)|\(\d{1,3}\))\s+(?=\S)")
NUMBERED = re.compile(r"(\d{1,3}(?:\.\d{1,3}){0,4})\.?\s+(?=[^\W\d_])")
_UNDERLINE = re.compile(r"\s*(={3,}|-{3,}|~{3,}|\*{3,}|_{3,})\s*")
_GAP = re.compile(r"\S(?: {3,}|\t+)\S")
_STAMPED = re.compile(
    r"\s*\[?(?:\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d|\d\d[./]\d\d[./]\d\d|(?:DEBUG|INFO|WARN|ERROR)\b)"
)
_SENTENCE_END = re.compile(r"[.!?…:](?:[\"»“”’)\]]*)\s*$")
_SENTENCE_BREAK = re.compile(r"(?<=[.!?…])\s+")
_SUSPENDED = frozenset({"und", "oder", "bzw.", "bis", "sowie", "and", "or", "et", "ou", "y", "o", "e"})
"""Words after which "Ein- und Ausgang" goes on: there the hyphen stays."""


def write_paragraphs(text: str, builder: DocumentBuilder, *, headings: bool = True) -> None:
    """Add *text*, whose paragraphs are separated by blank lines, to *builder*."""
    blocks = [
        block.split("\n") for block in re.split(r"\n[ \t]*(?:\n[ \t]*)+", text.expandtabs(8)) if block.strip()
    ]
    for number, block in enumerate(blocks):
        lines = [line.rstrip() for line in block if line.strip()]
        if headings and (level := heading_level(lines, alone=number + 1 < len(blocks))):
            builder.heading(lines[0].strip(), level)
            lines = lines[2:] if len(lines) > 1 else []
        if lines:
            write_block(lines, builder)


def heading_level(lines: Sequence[str], *, alone: bool) -> int:
    """Give the level if the block begins with a clear heading, else 0. *alone*: something follows the block."""
    first = lines[0].strip()
    if not first or len(first) > 100 or BULLET.match(lines[0]):
        return 0
    if len(lines) > 1 and (underline := _UNDERLINE.fullmatch(lines[1])):
        mark = underline[1]
        if abs(len(mark) - len(first)) <= max(3, len(first) // 3):
            return 1 if mark[0] == "=" else 2
    if len(lines) > 1 or not alone or _SENTENCE_END.search(first):
        return 0
    if (
        (number := NUMBERED.match(first))
        and len(first) <= 80
        and len(first.split()) <= 10
        and "," not in first
    ):
        return number[1].count(".") + 1
    letters = [c for c in first if c.isalpha()]
    if len(letters) >= 4 and first.upper() == first and len(first.split()) <= 10:
        return 1
    return 0


def write_block(lines: Sequence[str], builder: DocumentBuilder, full: Sequence[bool] | None = None) -> None:
    """Add one block of lines: items of a list, rows, or one or more paragraphs.

    *full* tells per line whether it reached the right margin, where that is known; else lengths are compared.
    """
    if len(lines) >= 3 and sum(1 for line in lines if _STAMPED.match(line)) >= 0.8 * len(lines):
        builder.code("\n".join(lines))
        return
    if column_like(lines):
        builder.lines("\n".join(re.sub(r"(?<=\S) {2,}", "  ", line).strip() for line in lines))
        return
    for paragraph, is_item in _paragraphs(lines, full or _full_lines(lines)):
        if is_item:
            builder.list_item(paragraph)
        else:
            for piece in cut_long(paragraph):
                builder.text(piece)


def column_like(lines: Sequence[str]) -> bool:
    """Tell whether most of at least two lines have wide gaps inside, as rows of a table have."""
    gapped = sum(1 for line in lines if _GAP.search(line.expandtabs(8)))
    return len(lines) >= 2 and gapped >= 2 and gapped >= 0.6 * len(lines)


def _paragraphs(lines: Sequence[str], full: Sequence[bool]) -> Iterator[tuple[str, bool]]:
    """Give (text, is a list item) for a block."""
    ordinals = sum(1 for line in lines if ORDINAL.match(line))
    current: list[str] = []
    is_item = False
    for index, line in enumerate(lines):
        mark = BULLET.match(line)
        starts_item = mark is not None or (ordinals > 1 and ORDINAL.match(line) is not None)
        goes_on = bool(current) and (
            full[index - 1] or _is_unfinished(current[-1], line) or (is_item and line[0] == " ")
        )
        if current and (starts_item or not goes_on):
            yield join_lines(current), is_item
            current, is_item = [], False
        if not current:
            is_item = starts_item
        current.append(line[mark.end() :] if mark else line)
    if current:
        yield join_lines(current), is_item


def _is_unfinished(line: str, following: str) -> bool:
    return following.lstrip()[:1].islower() or line.rstrip().endswith((",", "-", "\u00ad"))


def _full_lines(lines: Sequence[str]) -> list[bool]:
    """Tell which lines were wrapped: the next word would not have fitted into the width of the block."""
    width = max(len(line) for line in lines)
    following = [line.lstrip().split(" ", 1)[0] for line in lines[1:]] + [""]
    return [
        width >= 40 and len(line.rstrip()) + 1 + len(word) > 0.85 * width
        for line, word in zip(lines, following, strict=True)
    ]


def join_lines(lines: Sequence[str]) -> str:
    """Join the lines of one paragraph and undo hyphens that only the line end put there."""
    # Parts, not one growing text: a paragraph may be a whole file of megabytes.
    parts = [lines[0].strip()]
    for line in lines[1:]:
        if not (following := line.strip()):
            continue
        cut, glue = _joint(parts[-1], following)
        parts[-1] = parts[-1][: len(parts[-1]) - cut]
        parts.append(glue + following)
    return "".join(parts)


def join_two(text: str, following: str) -> str:
    """Join two lines of one paragraph."""
    cut, glue = _joint(text, following)
    return text[: len(text) - cut] + glue + following


def _joint(text: str, following: str) -> tuple[int, str]:
    """Tell how many characters the first line loses at its end, and what stands between the two."""
    if not text or not following:
        return 0, ""
    if text.endswith("\u00ad"):
        return 1, ""
    if len(text) > 1 and text[-1] in "-\u2010\u2011" and text[-2].isalpha():
        word = text.rsplit(None, 1)[-1][:-1]
        following_word = following.split(None, 1)[0]
        if following_word in _SUSPENDED:
            return 0, " "
        if following[0].islower() and not any(hyphen in word for hyphen in "-\u2010\u2011"):
            return 1, ""
        if following[0].isalnum():
            return 0, ""
    return 0, " "


def cut_long(text: str) -> Iterator[str]:
    """Cut a paragraph without end at ends of lines or sentences, at worst between words."""
    if len(text) <= PARAGRAPH_CHARS:
        yield text
        return
    starts = [0, *(match.end() for match in _SENTENCE_BREAK.finditer(text)), len(text)]
    begin = 0
    for at, following in pairwise(starts):
        if at > begin and following - begin > _CUT_CHARS:
            yield from _cut_at_spaces(text[begin:at])
            begin = at
    yield from _cut_at_spaces(text[begin:])


def _cut_at_spaces(text: str) -> Iterator[str]:
    text = text.strip()
    begin = 0
    while len(text) - begin > PARAGRAPH_CHARS:
        at = text.rfind(" ", begin, begin + PARAGRAPH_CHARS)
        at = at if at > begin + PARAGRAPH_CHARS // 2 else begin + PARAGRAPH_CHARS
        yield text[begin:at].strip()
        begin = at
    if text[begin:].strip():
        yield text[begin:].strip()
