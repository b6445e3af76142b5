"""Web pages, put in order before ``unstructured`` reads them.

The library drops whatever stands in ``<form>``, ``<details>`` and ``<figure>`` (old intranet systems wrap whole
pages in one form), flattens spans of tables, and keeps what a browser hides. Hidden text must go: nobody sees it
when they check a source, so it is where false instructions are put. Tables are taken out and their places marked,
which keeps their spans; a table that only arranges the page is opened instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from lxml import etree

from kbm.domain.documents import Reason
from kbm.errors import ParseFailed
from kbm.parsing import deep_pages, tables, tidy, unstructured_adapter
from kbm.parsing.building import DocumentBuilder

Node = Any
"""An element of lxml, which has no types of its own here."""

Table = tuple[list[list[str]], bool | None]

_LEFT_OUT = frozenset(
    [
        "script",
        "style",
        "noscript",
        "template",
        "nav",
        "svg",
        "iframe",
        "object",
        "select",
        "button",
        "textarea",
        "input",
        "canvas",
        "audio",
        "video",
    ]
)
_RENAMED = {
    **dict.fromkeys(("form", "details", "figure", "fieldset", "dialog"), "div"),
    **dict.fromkeys(("summary", "figcaption", "legend"), "p"),
    # Inline elements that the library does not know as such, and then reads twice.
    **dict.fromkeys(("label", "font", "nobr", "acronym", "ins", "bdi"), "span"),
}
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?:px|pt|em|%)?\s*(?:;|$)", re.I
)
_TAG_NAME = re.compile(r"[A-Za-z][A-Za-z0-9:._-]*")
_TRAIL = re.compile(r"\bbreadcrumbs?\b", re.I)
_INLINE = frozenset(
    {"span", "a", "b", "i", "u", "em", "strong", "small", "big", "code", "cite", "q", "s", "mark"}
    | {"sub", "sup", "tt", "kbd", "samp", "var", "abbr", "center"}
)
_READ_AS_INLINE = frozenset(tag for tag, other in _RENAMED.items() if other == "span")
_BLOCKS = (
    *("p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "pre", "blockquote", "hr"),
    *("section", "article", "main", "aside"),
)
_PART = "\ue002"
_MARK = "\ue000table {}\ue001"
_MARKED = re.compile("\ue000table (\\d+)\ue001")
_LAYOUT_CELL_CHARS = 1_500
"""A cell with more text is a part of the page, not a value."""


def write_html(html: str, builder: DocumentBuilder) -> str:
    """Add a page to *builder* and give its ``<title>``."""
    root = _tree(html)
    if root is None:
        return ""
    named = root.find(".//title")
    title = "" if named is None else " ".join("".join(named.itertext()).split())
    _put_in_order(root)
    found = _take_tables(root)
    page = etree.tostring(root, encoding="unicode", method="html")
    for finding in unstructured_adapter.findings("html", text=page):
        text = finding.text if finding.kind == "text" else finding.text.replace(_PART, " ")
        if _MARKED.search(text):
            _write_around_tables(text, found, builder)
        elif finding.kind == "title" and finding.depth is not None:
            builder.heading(text, finding.depth + 1)
        elif finding.kind == "list_item":
            builder.list_item(text)
        elif finding.kind == "code":
            builder.code(text)
        elif finding.kind == "image":
            builder.picture(text.replace(_PART, " "))
        else:
            for piece in text.split(_PART):
                builder.text(piece)
    return title


def write_text_of(html: str, builder: DocumentBuilder) -> None:
    """Add only the paragraphs of a page, hidden ones left out, without the library."""
    root = _tree(html)
    if root is None:
        return
    _put_in_order(root)
    for node in root.iter():
        if node.tag in _BLOCKS or node.tag in ("li", "tr", "br", "dt", "dd", "title"):
            node.text, node.tail = f"{_PART}{node.text or ''}", f"{_PART}{node.tail or ''}"
        elif node.tag in ("td", "th"):
            node.tail = f" {node.tail or ''}"
    for piece in "".join(root.itertext()).split(_PART):
        builder.text(piece)


def _tree(html: str) -> Node | None:
    # As bytes: lxml refuses text that carries an encoding declaration of its own.
    data = tidy.characters(html).encode("utf-8", "replace")
    if not data.strip():
        return None
    parser = etree.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True)
    try:
        root = etree.fromstring(data, parser)
        if deep_pages.was_cut_off(parser):
            return deep_pages.levelled(data, left_out=_is_left_out, inline=_INLINE | _READ_AS_INLINE)
        return root
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ParseFailed(
            Reason.DAMAGED, f"The page cannot be read as HTML ({error}): save it again."
        ) from error


def _put_in_order(root: Node) -> None:
    """Drop what a reader does not see or read, and open what ``unstructured`` would skip."""
    for node in list(root.iter()):
        if not isinstance(node.tag, str) or node.getparent() is None:
            continue
        if _is_left_out(node) or _is_frame(node):
            _drop(node)
        else:
            if node.tag in _RENAMED or not _TAG_NAME.fullmatch(node.tag):
                # A broken name ("spanœ") was read, but cannot be written again.
                node.tag = _RENAMED.get(node.tag, "span")
    _part_at_breaks(root)
    _open_inlines(root)


def _part_at_breaks(root: Node) -> None:
    """Mark two line breaks in a row, by which old pages part paragraphs."""
    for node in list(root.iter("br")):
        before = node.getprevious()
        if before is not None and before.tag == "br" and not (before.tail or "").strip():
            node.tail = _PART + (node.tail or "")


def _open_inlines(root: Node) -> None:
    """Make blocks of inline elements that hold blocks: the library gives the text behind such a block twice."""
    for block in list(root.iter(*_BLOCKS)):
        holder = block.getparent()
        while holder is not None and holder.tag in _INLINE:
            holder.tag = "div"
            holder = holder.getparent()


def _is_left_out(node: Node) -> bool:
    return node.tag in _LEFT_OUT or _is_hidden(node)


def _is_hidden(node: Node) -> bool:
    return (
        node.get("hidden") is not None
        or node.get("aria-hidden") == "true"
        or _HIDDEN.search(node.get("style", "")) is not None
    )


def _is_frame(node: Node) -> bool:
    """Tell whether the node is the page's header, footer or trail of links, unless it holds the page's title."""
    if node.get("role") in ("navigation", "contentinfo", "banner"):
        return node.find(".//h1") is None
    if node.tag in ("ol", "ul", "div", "p") and _TRAIL.search(
        f"{node.get('id', '')} {node.get('class', '')}"
    ):
        return node.find(".//h1") is None
    return node.tag in ("header", "footer") and node.getparent().tag == "body" and node.find(".//h1") is None


def _drop(node: Node) -> None:
    """Remove a node but not the text behind it."""
    parent, before = node.getparent(), node.getprevious()
    if node.tail:
        if before is not None:
            before.tail = (before.tail or "") + node.tail
        else:
            parent.text = (parent.text or "") + node.tail
    parent.remove(node)


def _take_tables(root: Node) -> list[Table]:
    """Replace tables by marks, innermost first."""
    found: list[Table] = []
    for table, holds_table in reversed(
        [(table, table.find(".//table") is not None) for table in root.iter("table")]
    ):
        if holds_table or _arranges_page(table):
            for node in table.iter("table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption"):
                node.tag = "div"
            continue
        caption = table.find("caption")
        mark = etree.Element("p")
        mark.text = _MARK.format(len(found))
        mark.tail, table.tail = table.tail, None
        found.append(tables.rows_of(table))
        parent = table.getparent()
        parent.replace(table, mark)
        if caption is not None:
            note = etree.Element("p")
            note.text = tables.cell_text(caption)
            parent.insert(parent.index(mark), note)
    return found


def _arranges_page(table: Node) -> bool:
    if table.getparent() is None:
        return True
    cells = list(table.iter("td", "th"))
    return (
        table.get("role") == "presentation"
        or len(cells) < 2
        or any(node.tag in _HEADINGS for node in table.iter())
        or any(len(tables.cell_text(cell)) > _LAYOUT_CELL_CHARS for cell in cells)
    )


def _write_around_tables(text: str, found: Sequence[Table], builder: DocumentBuilder) -> None:
    for place, piece in enumerate(_MARKED.split(text)):
        if place % 2 == 0:
            builder.text(piece)
        elif int(piece) < len(found):
            rows, header = found[int(piece)]
            builder.table(rows, header=header)
