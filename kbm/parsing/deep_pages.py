"""Web pages nested deeper than the parser of HTML goes.

libxml2 stops at 255 levels and drops the rest of the page, so a page of 300 unclosed ``<font>`` loses its end without
a word. Its events have no such bound: from them the page is built again, with what lies too deep put side by side.
What stands there keeps its order, and what is hidden there stays hidden.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from lxml import etree

from kbm.parsing import tidy

Node = Any
"""An element of lxml, which has no types of its own here."""

LEVELS = 200
"""Below the bounds of libxml2 and of the recursion in ``unstructured``."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")

_OF_TABLES = frozenset({"table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption"})
"""Side by side they make no table; as plain blocks they keep their text."""


def was_cut_off(parser: Any) -> bool:
    """Tell whether a parser stopped because the page is nested too deeply."""
    return any("excessive depth" in fault.message.lower() for fault in parser.error_log)


def levelled(data: bytes, *, left_out: Callable[[Node], bool], inline: Collection[str]) -> Node:
    """Build the tree of a page of any depth; None if there is nothing in it."""
    parser = etree.HTMLParser(
        target=_Levelled(left_out, inline), encoding="utf-8", no_network=True, remove_pis=True
    )
    return etree.fromstring(data, parser)


class _Levelled:
    """Takes the parser's events. Each open element stands for the node its text goes to."""

    def __init__(self, left_out: Callable[[Node], bool], inline: Collection[str]) -> None:
        self._left_out, self._inline = left_out, inline
        self._root: Node | None = None
        self._open: list[Node] = []
        self._text: list[str] = []
        self._skipped = 0  # open elements within one that is left out

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Open an element."""
        if self._skipped:
            self._skipped += 1
            return
        is_deep = len(self._open) >= LEVELS
        node = _node("div" if is_deep and tag in _OF_TABLES else tag, attributes)
        if is_deep and self._left_out(node):
            self._skipped = 1
        elif is_deep and (tag in self._inline or tag == "br"):
            self._text += ["\n"] if tag == "br" else []
            self._open.append(self._open[-1])
        else:
            self._write()
            if self._open:
                self._level().append(node)
            else:
                self._root = node
            self._open.append(node)

    def end(self, _: str) -> None:
        """Close the element opened last."""
        if self._skipped:
            self._skipped -= 1
            return
        if len(self._open) < 2 or self._open[-1] is not self._open[-2]:
            self._write()
        self._open.pop()

    def data(self, text: str) -> None:
        """Take text."""
        if not self._skipped:
            self._text.append(text)

    def comment(self, text: str) -> None:
        """Pass over a remark: nobody sees it on the page."""

    def close(self) -> Node | None:
        """Give the page."""
        return self._root

    def _write(self) -> None:
        text, self._text = tidy.characters("".join(self._text)), []
        if not text or not self._open:
            return
        here, level = self._open[-1], self._level()
        if here is not level and level[-1] is not here:
            # Something else was put beside it meanwhile: this text comes after that, and is a piece of its own.
            piece = etree.SubElement(level, "div")
            at = len(self._open)
            while at and self._open[at - 1] is here:
                at -= 1
                self._open[at] = piece
            here = piece
        if len(here):
            here[-1].tail = (here[-1].tail or "") + text
        else:
            here.text = (here.text or "") + text

    def _level(self) -> Node:
        """Give the node that holds what is opened next."""
        return self._open[min(len(self._open), LEVELS) - 1]


def _node(tag: str, attributes: Mapping[str, str]) -> Node:
    node = etree.Element(tag if _NAME.fullmatch(tag) else "span")
    for name, value in attributes.items():
        if _NAME.fullmatch(name):
            node.set(name, tidy.characters(value or ""))
    return node
