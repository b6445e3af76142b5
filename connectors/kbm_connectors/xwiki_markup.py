"""XWiki's markup (``xwiki/2.x``) as HTML, for pages that come as a XAR.

Scripts are programs of the wiki and are left out, words in boxes are kept; headings, lists, code and tables stay what
they are.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

_ASIDE = re.compile(
    r"\{\{\{(?P<verbatim>.*?)\}\}\}|\{\{code\b[^}]*\}\}(?P<code>.*?)\{\{/code\}\}"
    r"|\{\{html\b[^}]*\}\}(?P<html>.*?)\{\{/html\}\}",
    re.S,
)
_SCRIPT = re.compile(r"\{\{(velocity|groovy|python|script)\b[^}]*\}\}.*?\{\{/\1\}\}", re.S)
_MACRO = re.compile(r"\{\{/?[A-Za-z][^{}]*\}\}")
_PARAMETERS = re.compile(r"\(%.*?%\)", re.S)
_HEADING = re.compile(r"(={1,6})\s*(.+?)\s*=*$")
_OLD_HEADING = re.compile(r"^(1(?:\.1){0,5})\s+(?=\S)", re.M)
_ITEM = re.compile(r"(?:[*1]+\.?|[;:]+)\s+(.*)")
_LINK = re.compile(r"\[\[(?:(?P<label>(?:(?!\]\]).)*?)>>)?(?P<target>(?:(?!\]\]|>>).)*?)\]\]")
_PICTURE = re.compile(r"(?<!\w)image:\S+")
_MARKS = re.compile(r"\*\*|(?<!:)//|__|--|##|\^\^|,,|\(\(\(|\)\)\)")
_CELL = re.compile(r"(?<!~)(?:!?[!|]=|\|)")
_MARK = "\ue000"


def to_html(text: str, syntax: str = "xwiki/2.1") -> str:
    """Give the body of a page."""
    asides: list[str] = []

    def set_aside(match: re.Match[str]) -> str:
        if match["html"] is not None:
            asides.append(match["html"])
        else:
            words = (match["code"] if match["verbatim"] is None else match["verbatim"]).strip("\n")
            if "\n" not in words:
                return words
            asides.append(f"<pre>{html.escape(words, quote=False)}</pre>")
        return f"\n\n{_MARK}\n\n"

    text = text.replace("\r\n", "\n").replace(_MARK, "")
    if syntax == "xwiki/1.0":
        text = _OLD_HEADING.sub(lambda found: "=" * (found[1].count("1")) + " ", text)
    text = _MACRO.sub("", _SCRIPT.sub("", _ASIDE.sub(set_aside, text)))
    return "\n".join(_blocks(_PARAMETERS.sub("", text).split("\n"), iter(asides)))


def _blocks(lines: list[str], asides: Iterator[str]) -> Iterator[str]:
    paragraph: list[str] = []
    table: list[str] = []
    for line in (line.strip() for line in [*lines, ""]):
        row, item, heading = line.startswith(("|", "!=")), _ITEM.fullmatch(line), _HEADING.fullmatch(line)
        is_block = row or item or heading or line in ("", "----", _MARK)
        if paragraph and is_block:
            yield f"<p>{' '.join(paragraph)}</p>"
            paragraph = []
        if table and not row:
            yield f"<table>{''.join(table)}</table>"
            table = []
        if row:
            table.append(f"<tr>{_cells(line)}</tr>")
        elif heading:
            level = len(heading[1])
            yield f"<h{level}>{_inline(heading[2])}</h{level}>"
        elif item:
            yield f"<ul><li>{_inline(item[1])}</li></ul>"
        elif line == _MARK:
            yield next(asides)
        elif not is_block:
            paragraph.append(_inline(line.lstrip(">")))


def _cells(line: str) -> str:
    """Give the cells of a row, opened by ``|`` or, as headings, by ``|=`` or ``!=``. A link may hold a ``|``."""
    line = _LINK.sub(_words, line)
    opened = list(_CELL.finditer(line))
    ends = [one.start() for one in opened[1:]] + [len(line)]
    cells = [
        ("th" if one[0].endswith("=") else "td", line[one.end() : end].strip())
        for one, end in zip(opened, ends, strict=True)
    ]
    if len(cells) > 1 and not cells[-1][1]:
        cells.pop()
    return "".join(f"<{tag}>{_inline(text)}</{tag}>" for tag, text in cells)


def _words(match: re.Match[str]) -> str:
    target = match["target"].partition("||")[0].strip()
    if match["label"]:
        return match["label"]
    if target.startswith("image:"):
        return ""
    if "://" in target or target.startswith("mailto:"):
        return target
    parts = [part for part in re.split(r"(?<!\\)[.:]", target.removeprefix("doc:")) if part != "WebHome"]
    return parts[-1].replace("\\.", ".") if parts else ""


def _inline(text: str) -> str:
    text = _PICTURE.sub("", _LINK.sub(_words, text)).replace("\\\\", " ")
    # Each letter behind a tilde stands for itself.
    parts = re.split(r"~(.)", text)
    parts[::2] = [_MARKS.sub("", part) for part in parts[::2]]
    return html.escape(" ".join("".join(parts).split()), quote=False)
