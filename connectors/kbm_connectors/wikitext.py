"""Wikitext as HTML, for wikis that are only there as a dump.

Only the wiki itself can render its pages: templates are programs. This keeps what an author wrote (headings, lists,
tables cell by cell, the words of links and the values given to templates) and drops what is a program or a picture.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

_DROPPED = re.compile(
    r"<!--.*?-->|<ref\b[^>]*/>|<(ref|gallery|math|timeline|style|script)\b.*?</\1\s*>|__[A-Z]+__", re.S | re.I
)
_INNERMOST = re.compile(r"\{\{([^{}]*)\}\}|\{\{\{[^{}]*\}\}\}")
_LINK = re.compile(r"\[\[([^\[\]]*)\]\]")
_OUTSIDE = re.compile(r"\[(?:https?|ftp|mailto):\S+\s*([^\]]*)\]")
_TAG = re.compile(r"</?[a-z][^<>]*>", re.I)
_HEADING = re.compile(r"(={1,6})\s*(.+?)\s*\1\s*$")
_NESTING = 20
_PICTURES = ("file:", "image:", "datei:", "bild:", "fichier:", "media:")
_CATEGORIES = ("category:", "kategorie:", "catégorie:")


def to_html(text: str) -> str:
    """Give the body of a page."""
    text = _DROPPED.sub("", text)
    for _ in range(_NESTING):
        plain = _INNERMOST.sub(_values, text)
        if plain == text:
            break
        text = plain
    for _ in range(_NESTING):
        plain = _LINK.sub(_words, text)
        if plain == text:
            break
        text = plain
    return "\n".join(_blocks(_OUTSIDE.sub(r"\1", text).split("\n")))


def _values(match: re.Match[str]) -> str:
    """Give what an author handed to a template, without the template."""
    name, *parts = (match[1] or "").split("|")
    if name.strip().startswith("#") or not parts:
        return ""
    pairs = (part.partition("=") for part in parts)
    values = (f"{key.strip()}: {value.strip()}" if found else key.strip() for key, found, value in pairs)
    return " ".join(value for value in values if value)


def _words(match: re.Match[str]) -> str:
    target, _, words = match[1].partition("|")
    if target.strip().lower().startswith(_PICTURES + _CATEGORIES):
        return ""
    return words.rpartition("|")[2] or target.strip().lstrip(":").replace("_", " ")


def _blocks(lines: list[str]) -> Iterator[str]:
    paragraph: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at].strip()
        at += 1
        heading = _HEADING.fullmatch(line)
        is_block = heading or not line or line[0] in "*#:;" or line.startswith("{|")
        if is_block and paragraph:
            yield f"<p>{' '.join(paragraph)}</p>"
            paragraph = []
        if heading:
            level = len(heading[1])
            yield f"<h{level}>{_inline(heading[2])}</h{level}>"
        elif line.startswith("{|"):
            end = next((n for n in range(at, len(lines)) if lines[n].strip().startswith("|}")), len(lines))
            yield _table(lines[at:end])
            at = end + 1
        elif line and line[0] in "*#:;":
            yield f"<ul><li>{_inline(line.lstrip('*#:;'))}</li></ul>"
        elif line and not line.startswith("----"):
            paragraph.append(_inline(line))
    if paragraph:
        yield f"<p>{' '.join(paragraph)}</p>"


def _table(lines: list[str]) -> str:
    rows: list[list[tuple[str, str]]] = [[]]
    for line in (line.strip() for line in lines):
        if line.startswith("|-"):
            rows.append([])
        elif line.startswith("|+"):
            continue
        elif line.startswith(("|", "!")):
            kind = "th" if line[0] == "!" else "td"
            cells = re.split(r"\|\||!!" if kind == "th" else r"\|\|", line[1:])
            rows[-1] += [(kind, _cell(cell)) for cell in cells]
        elif line and rows[-1]:
            kind, before = rows[-1][-1]
            rows[-1][-1] = kind, f"{before} {line}"
    written = ("".join(f"<{kind}>{_inline(cell)}</{kind}>" for kind, cell in row) for row in rows if row)
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in written) + "</table>"


def _cell(cell: str) -> str:
    """Take the attributes off a cell: ``style="…" | text``."""
    before, found, after = cell.partition("|")
    return after.strip() if found and "=" in before else cell.strip()


def _inline(text: str) -> str:
    text = re.sub(r"'{2,5}", "", re.sub(r"<br\s*/?>", " ", text, flags=re.I))
    return html.escape(html.unescape(_TAG.sub("", text)).strip(), quote=False)
