"""Confluence's storage format as plain HTML, for pages the site does not render itself.

The format is XML with elements of its own: macros, links to pages by title, tasks, layouts. What a reader of the page
sees as text is kept, with the title of a box before its text; what a macro would gather from elsewhere (a table of
contents, an included page) is left out, and so are its parameters.
"""

from __future__ import annotations

import html
import re
from html.entities import html5

from lxml import etree

_AC, _RI = "{ac}", "{ri}"
_ENTITY = re.compile(r"&(\w+);")
_XML_ENTITIES = frozenset({"amp", "lt", "gt", "quot", "apos"})
_VOID = frozenset({"br", "hr", "img", "col"})
_KEPT = ("href", "colspan", "rowspan", "alt")
_PLAIN = frozenset({"script", "style"})
_BLOCKS = frozenset({"layout", "layout-section", "layout-cell", "rich-text-body", "task-body", "link-body"})
_DROPPED = frozenset({"parameter", "placeholder", "task-id", "task-uuid", "task-status", "adf-attribute"})
_SHOWN_PARAMETER = {"status": "title", "jira": "key"}
"""Macros whose text is one of their parameters."""


def as_html(storage: str) -> str:
    """Give the body as HTML; what is broken in it is mended as well as it can be."""
    known = _ENTITY.sub(_entity, storage)
    text = f'<root xmlns:ac="ac" xmlns:ri="ri">{known}</root>'.encode("utf-8", "replace")
    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True, huge_tree=False)
    root = etree.fromstring(text, parser)
    return "" if root is None else _inside(root)


def _entity(found: re.Match[str]) -> str:
    """Write an entity of HTML, which XML does not know, as its character."""
    return found[0] if found[1] in _XML_ENTITIES else html5.get(f"{found[1]};", html.escape(found[0]))


def _inside(node: etree._Element) -> str:
    parts = [html.escape(node.text or "", quote=False)]
    for child in node:
        if isinstance(child.tag, str):
            parts.append(_written(child))
        parts.append(html.escape(child.tail or "", quote=False))
    return "".join(parts)


def _written(node: etree._Element) -> str:
    tag = node.tag
    if tag.startswith(_AC):
        return _own(node, tag.removeprefix(_AC))
    if tag.startswith(_RI) or tag in _PLAIN:
        return ""
    if tag == "time":
        return html.escape(node.get("datetime") or "", quote=False)
    shown = "".join(f' {name}="{html.escape(value)}"' for name in _KEPT if (value := node.get(name)))
    return f"<{tag}{shown}/>" if tag in _VOID else f"<{tag}{shown}>{_inside(node)}</{tag}>"


def _own(node: etree._Element, name: str) -> str:
    """Write an element of Confluence's own."""
    match name:
        case "structured-macro" | "macro":
            return _macro(node)
        case "link":
            return _link(node)
        case "image":
            alt = node.get(f"{_AC}alt") or _target(node)
            return f'<img alt="{html.escape(alt)}"/>' if alt else ""
        case "emoticon":
            return html.escape(node.get(f"{_AC}emoji-fallback") or "", quote=False)
        case "task-list":
            return f"<ul>{_inside(node)}</ul>"
        case "task":
            return f"<li>{_inside(node)}</li>"
        case "adf-extension":
            fallback = node.find(f".//{_AC}adf-fallback")
            return "" if fallback is None else _inside(fallback)
        case "plain-text-body":
            return f"<pre>{html.escape(node.text or '', quote=False)}</pre>"
    if name in _DROPPED:
        return ""
    return f"<div>{_inside(node)}</div>" if name in _BLOCKS else _inside(node)


def _macro(node: etree._Element) -> str:
    name = node.get(f"{_AC}name") or ""
    parameters = {one.get(f"{_AC}name"): one.text or "" for one in node.findall(f"{_AC}parameter")}
    if name in _SHOWN_PARAMETER:
        return html.escape(parameters.get(_SHOWN_PARAMETER[name], ""), quote=False)
    if parameters.get("hidden") == "true":
        return ""
    bodies = [*node.findall(f"{_AC}rich-text-body"), *node.findall(f"{_AC}plain-text-body")]
    if not bodies:
        return ""
    title = parameters.get("title", "").strip()
    heading = f"<p><strong>{html.escape(title, quote=False)}</strong></p>" if title else ""
    return heading + "".join(_written(body) for body in bodies)


def _link(node: etree._Element) -> str:
    rich = node.find(f"{_AC}link-body")
    if rich is not None:
        return _inside(rich)
    plain = node.find(f"{_AC}plain-text-link-body")
    said = (plain.text or "") if plain is not None else _target(node)
    return html.escape(said or node.get(f"{_AC}anchor") or "", quote=False)


def _target(node: etree._Element) -> str:
    """Name what a link or an image points to."""
    for tag, attribute in (
        ("page", "content-title"),
        ("attachment", "filename"),
        ("blog-post", "content-title"),
    ):
        found = node.find(f"{_RI}{tag}")
        if found is not None:
            return found.get(f"{_RI}{attribute}") or ""
    return ""
