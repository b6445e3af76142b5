"""Make any parser's text safe and readable, in one place, before it is stored.

What is stored is what is quoted, so this runs once, in the worker, on the result of every parser, plug-ins
included. Dropped are characters nobody sees but that break searches or deceive readers: NUL and other controls,
soft hyphens, zero-width spaces, marks that turn the writing direction around. Characters are composed (NFC),
since PDFs write ``u`` + diaeresis where people search for ``ü``.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

from kbm.domain.documents import Element, ElementKind, ParsedDocument

_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1a\x7f\x80-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufffe\uffff]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_BREAKS = re.compile("[\v\f\x1c-\x1f\x85\u2028\u2029]")
_KEEPS_LINES = frozenset({ElementKind.TABLE, ElementKind.CODE})


def characters(text: str) -> str:
    """Compose *text* and drop what nobody can see."""
    text = _SURROGATE.sub("\ufffd", _BREAKS.sub("\n", _UNSEEN.sub("", text)))
    return unicodedata.normalize("NFC", text)


def one_line(text: str) -> str:
    """Give *text* without line breaks and runs of spaces."""
    return " ".join(characters(text).split())


def lines(text: str) -> str:
    """Give *text* with its line breaks and indents, without spaces at line ends and empty lines around it."""
    return "\n".join(line.rstrip() for line in characters(text).split("\n")).strip("\n")


def document(parsed: ParsedDocument) -> ParsedDocument:
    """Tidy a whole document; elements without text are dropped."""
    elements = tuple(tidy for element in parsed.elements if (tidy := _element(element)).text)
    return replace(
        parsed,
        elements=elements,
        title=one_line(parsed.title),
        author=one_line(parsed.author),
        warnings=tuple(one_line(warning) for warning in parsed.warnings),
    )


def _element(element: Element) -> Element:
    text = lines(element.text) if element.kind in _KEEPS_LINES else one_line(element.text)
    return replace(
        element,
        text=text,
        headings=tuple(heading for raw in element.headings if (heading := one_line(raw))),
        cells=tuple(tuple(one_line(cell) for cell in row) for row in element.cells),
    )
