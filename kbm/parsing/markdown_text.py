"""Markdown to a web page, by the library that ``unstructured`` uses for it, with the habits of real files mended.

People write lists straight under a paragraph, which the old Markdown rules glue to it, and indent lists inside lists
by two or three spaces where these rules want four. Files of site generators begin with a YAML block and carry marks
of their dialect (``:::`` boxes, ``{#anchors}``, ``{% tags %}``), of which only titles are for readers.
"""

from __future__ import annotations

import re

import markdown  # type: ignore[import-untyped]  # comes with unstructured, without types

_FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
_TITLE = re.compile(r"^title:[ \t]*(.+?)[ \t]*$", re.M | re.I)
_ITEM = re.compile(r"( *)(?:[-*+]|\d{1,3}[.)])[ \t]+\S")
_BOX = re.compile(r" {0,3}:{3,}[ \t]*(\{[^}\n]*\}|[\w-]+)?[ \t]*(.*?)[ \t]*$")
_BOX_TITLE = re.compile(r"title=\"([^\"\n]*)\"")
_ATTRIBUTES = re.compile(r"[ \t]*\{[#.][^{}\n]*\}(?=[ \t]*#*[ \t]*$)")
_TAG = re.compile(r"\{%-?[ \t]*\w+[ \t]*(?:\"([^\"\n]*)\")?[^%\n]*%\}")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


def to_html(text: str) -> tuple[str, str]:
    """Give (HTML, title of the front matter or nothing)."""
    title = ""
    if (front := _FRONT_MATTER.match(text)) is not None:
        if (named := _TITLE.search(front[1] or "")) is not None:
            title = named[1].strip("\"'")
        text = text[front.end() :]
    return markdown.markdown(_mended(text), extensions=["tables", "fenced_code", "sane_lists"]), title


def _mended(text: str) -> str:
    """Rewrite the lines outside of code."""
    lines: list[str] = []
    indents: list[int] = []
    fence = ""
    for line in text.split("\n"):
        if (mark := _FENCE.match(line)) is not None and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
            lines.append(line)
        elif fence:
            lines.append(line)
        else:
            lines.extend(_mended_line(line, lines[-1] if lines else "", indents))
    return "\n".join(lines)


def _mended_line(line: str, before: str, indents: list[int]) -> list[str]:
    """Rewrite one line; *indents* are those of the list items that are open around it."""
    if (box := _BOX.match(line)) is not None:
        indents.clear()
        named = _BOX_TITLE.search(box[1] or "")
        return ["", named[1] if named else box[2], ""]
    line = _TAG.sub(lambda tag: tag[1] or "", line)
    if line.startswith("#"):
        line = _ATTRIBUTES.sub("", line)
    item = _ITEM.match(line)
    if item is None:
        if line.strip() and not line.startswith((" ", "\t")):
            indents.clear()
        return [line]
    indent = len(item[1])
    while indents and indent < indents[-1]:
        indents.pop()
    if indent > 3 and not indents:
        # Four spaces outside of a list are code.
        return [line]
    if not indents or indent >= indents[-1] + 2:
        indents.append(indent)
    nested = " " * 4 * (len(indents) - 1) + line[indent:]
    under_paragraph = before.strip() and not _ITEM.match(before) and not before.startswith((" ", "\t"))
    return ["", nested] if under_paragraph else [nested]
