"""Rich text by ``striprtf``, with two things it does not look at: outline levels and how tables are cut.

Outline levels are written by every program that knows headings, in the paragraph itself; they are turned into marks
that survive as text. Cells come back parted by ``|``, one row a line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import groupby

from kbm.parsing.building import DocumentBuilder
from kbm.parsing.prose import write_paragraphs
from kbm.parsing.tidy import one_line

_LEVEL = re.compile(r"\\outlinelevel([0-8])(?!\d)")
_STYLE = re.compile(r"\{\\s(\d+)(?!\d)([^{}]{0,2000})\}")
_STYLED = re.compile(r"\\s(\d+)(?![\da-z])")
_NAMED = re.compile(r"(?:heading|berschrift|titre) ([1-9]);", re.I)
_MARK = 0xE010
_MARKED = re.compile("[\ue010-\ue018]")
_HTML_ONLY = re.compile(r"\\htmlrtf(?:1)?(?![0-9a-z]) ?.*?\\htmlrtf0 ?", re.S)
_CONTROL = re.compile(r"\\'[0-9a-fA-F]{2}|\\[a-zA-Z]+-?\d* ?|[{}]|\\[^a-zA-Z]")
_CODE_PAGE = re.compile(rb"\\ansicpg(\d+)")
_TITLE = re.compile(r"\{\\title\s([^{}\\]{1,200})\}")
_AUTHOR = re.compile(r"\{\\author\s([^{}\\]{1,100})\}")


def text_of(data: bytes) -> str:
    """Give the text, a paragraph a line, with marks in front of headings."""
    from striprtf.striprtf import rtf_to_text

    # The format is ASCII; bytes above it, which some programs write, are in its code page.
    written = data.decode(_code_page(data), "replace")
    written = _HTML_ONLY.sub("", written)
    written = _STYLED.sub(_marked(dict(_levels(written))), _LEVEL.sub(_mark_of, written))
    return str(rtf_to_text(written, errors="replace"))


def _mark_of(found: re.Match[str]) -> str:
    return found[0] + _mark(int(found[1]))


def _mark(level: int) -> str:
    return rf"\u{_MARK + level - 0x10000}?"


def _marked(levels: dict[str, int]) -> Callable[[re.Match[str]], str]:
    def replaced(found: re.Match[str]) -> str:
        level = levels.get(found[1])
        return found[0] if level is None else found[0] + _mark(level)

    return replaced


def _levels(written: str) -> Iterator[tuple[str, int]]:
    """Give the level, from 0, of each style that is one of headings."""
    for style in _STYLE.finditer(written[: written.find("\\pard", written.find("\\stylesheet") + 5000)]):
        if (stated := _LEVEL.search(style[2])) is not None:
            yield style[1], int(stated[1])
        elif (named := _NAMED.search(style[2])) is not None:
            yield style[1], int(named[1]) - 1


def plain_text_of(data: bytes) -> str:
    """Give what stands between the control words, for files no reader understands."""
    written = data.decode(_code_page(data), "replace")
    # Before the first paragraph stand fonts, colours and styles.
    body = written[written.find("\\pard") :] if "\\pard" in written else ""
    return _CONTROL.sub("", re.sub(r"\\par(?![a-z]) ?|\\line(?![a-z]) ?", "\n\n", body))


def write_rtf(data: bytes, builder: DocumentBuilder) -> None:
    """Add a document to *builder*."""
    write_text(text_of(data), builder)


def write_text(text: str, builder: DocumentBuilder) -> None:
    """Add what :func:`text_of` gave."""
    for is_table, group in groupby(text.split("\n"), key=_is_row):
        lines = list(group)
        if is_table:
            builder.table([[cell.strip() for cell in line.split("|")[:-1]] for line in lines])
            continue
        for line in lines:
            levels = [ord(mark) - _MARK for mark in _MARKED.findall(line)]
            line = _MARKED.sub("", line)
            if levels and one_line(line):
                builder.heading(line, levels[-1] + 1)
            else:
                write_paragraphs(line, builder, headings=False)


def properties(data: bytes) -> tuple[str, str]:
    """Give (title, author) as the file states them."""
    head = data[:20_000].decode(_code_page(data), "replace")
    found = [pattern.search(head) for pattern in (_TITLE, _AUTHOR)]
    title, author = (one_line(one[1]) if one else "" for one in found)
    return title, author


def _is_row(line: str) -> bool:
    return line.endswith("|") and line.count("|") >= 2


def _code_page(data: bytes) -> str:
    found = _CODE_PAGE.search(data[:4096])
    name = f"cp{found[1].decode()}" if found else "cp1252"
    try:
        "".encode(name)
    except LookupError:
        return "cp1252"
    return name
