"""DokuWiki's markup as HTML, for wikis that are read from their data folder.

Plug-ins are programs of the wiki and are left out; headings, lists, code and tables stay what they are.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

_CODE = re.compile(r"<(code|file)\b[^>]*>(.*?)</\1>", re.S)
_LINK = re.compile(r"\[\[([^\]|]*)(?:\|([^\]]*))?\]\]")
_DROPPED = re.compile(
    r"\{\{[^{}]*\}\}|~~[A-Z][^~\n]*~~|<(?:nowiki|sub|sup|del|wrap|WRAP|note)\b[^>]*>|</\w+>"
)
_HEADING = re.compile(r"(={2,6})\s*(.+?)\s*={2,6}$")
_ITEM = re.compile(r"(?: {2,}|\t+)[*-]\s*(.*)")
_MARKS = re.compile(r"\*\*|__|''|%%|(?<!:)//")
_CODE_MARK = "\ue000"


def to_html(text: str) -> str:
    """Give the body of a page."""
    codes: list[str] = []

    def set_aside(match: re.Match[str]) -> str:
        codes.append(match[2])
        return f"\n\n{_CODE_MARK}\n\n"

    text = _CODE.sub(set_aside, text.replace("\r\n", "\n").replace(_CODE_MARK, ""))
    return "\n".join(_blocks(text.split("\n"), iter(codes)))


def _blocks(lines: list[str], codes: Iterator[str]) -> Iterator[str]:
    paragraph: list[str] = []
    table: list[str] = []
    for line in [*lines, ""]:
        row, item, heading = (
            line.startswith(("^", "|")),
            _ITEM.fullmatch(line),
            _HEADING.fullmatch(line.strip()),
        )
        if paragraph and (row or item or heading or not line.strip()):
            yield f"<p>{' '.join(paragraph)}</p>"
            paragraph = []
        if table and not row:
            yield f"<table>{''.join(table)}</table>"
            table = []
        if row:
            table.append(f"<tr>{_cells(line)}</tr>")
        elif heading:
            level = 7 - len(heading[1])
            yield f"<h{level}>{_inline(heading[2])}</h{level}>"
        elif item:
            yield f"<ul><li>{_inline(item[1])}</li></ul>"
        elif line.strip() == _CODE_MARK:
            yield f"<pre>{html.escape(next(codes).strip(chr(10)), quote=False)}</pre>"
            paragraph = []
        elif line.strip():
            paragraph.append(_inline(line))


def _cells(line: str) -> str:
    """Give the cells of a row; each is opened by ``^`` (a heading) or ``|``. A link may hold a ``|``."""
    parts = re.split(r"([\^|])", _plain(line))
    kinds, texts = parts[1::2], parts[2::2]
    if texts and not texts[-1].strip():
        kinds, texts = kinds[:-1], texts[:-1]
    cells = (("th" if kind == "^" else "td", text) for kind, text in zip(kinds, texts, strict=True))
    return "".join(f"<{tag}>{html.escape(text.strip(), quote=False)}</{tag}>" for tag, text in cells)


def _inline(text: str) -> str:
    return html.escape(_plain(text), quote=False)


def _plain(text: str) -> str:
    text = _LINK.sub(lambda match: match[2] or match[1].rpartition(":")[2], text)
    text = text.replace("((", " (").replace("))", ")").replace("\\\\", " ")
    return " ".join(_MARKS.sub("", _DROPPED.sub("", text)).split())
