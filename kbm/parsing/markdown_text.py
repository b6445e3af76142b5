"""Markdown to a web page, by the library that ``unstructured`` uses for it, with the two habits of real files mended.

People write lists straight under a paragraph, which the old Markdown rules glue to it, and begin files with a YAML
block for some generator, of which only the title is for readers.
"""

from __future__ import annotations

import re

import markdown

_FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
_TITLE = re.compile(r"^title:[ \t]*(.+?)[ \t]*$", re.M | re.I)
_ITEM = re.compile(r" {0,3}(?:[-*+]|\d{1,3}[.)])[ \t]+\S")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


def to_html(text: str) -> tuple[str, str]:
    """Give (HTML, title of the front matter or nothing)."""
    title = ""
    if (front := _FRONT_MATTER.match(text)) is not None:
        if (named := _TITLE.search(front[1] or "")) is not None:
            title = named[1].strip("\"'")
        text = text[front.end() :]
    return markdown.markdown(
        _with_free_lists(text), extensions=["tables", "fenced_code", "sane_lists"]
    ), title


def _with_free_lists(text: str) -> str:
    """Put an empty line between a paragraph and the list right under it."""
    lines: list[str] = []
    fence = ""
    for line in text.split("\n"):
        if (mark := _FENCE.match(line)) is not None and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        before = lines[-1] if lines else ""
        if (
            not fence
            and _ITEM.match(line)
            and before.strip()
            and not _ITEM.match(before)
            and not before[0].isspace()
        ):
            lines.append("")
        lines.append(line)
    return "\n".join(lines)
