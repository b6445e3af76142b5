"""The one place that knows ``unstructured``: loaded offline and silent, its elements as plain findings.

Three facts of the library shape this file. On import it reports home unless told not to *before*; its tokenizer
downloads a spaCy model from a code host on first use and fails without a network, so the private ``_get_nlp`` is
replaced by an empty pipeline (a test guards the name); and language detection, which kbm does not need, takes up
to six times as long as the parsing itself, so ``languages=[""]`` is always passed.

Without the tagger the guesses "narrative text" and "title by its words" are worthless, so kbm takes from the
library what comes from the document itself: text, order, list items, tables, depth, page.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

_KINDS = {
    "Title": "title",
    "ListItem": "list_item",
    "Table": "table",
    "CodeSnippet": "code",
    "Image": "image",
    "PageBreak": "page_break",
    "Header": "left_out",
    "Footer": "left_out",
    "PageNumber": "left_out",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """An element as the library gives it; ``kind`` is ``text`` when it is none of the known ones."""

    kind: str
    text: str
    depth: int | None = None
    page: int | None = None
    html: str = ""
    bold: bool = False
    """Every word of it is bold."""


def findings(format_name: str, **arguments: Any) -> Iterator[Finding]:
    """Run ``partition_<format_name>`` and give what it finds. Any: the arguments differ by format."""
    for element in _partitioner(format_name)(languages=[""], **arguments):
        metadata = element.metadata
        yield Finding(
            kind=_KINDS.get(type(element).__name__, "text"),
            text=element.text or "",
            depth=metadata.category_depth,
            page=metadata.page_number,
            html=metadata.text_as_html or "",
            bold=_is_bold(
                element.text or "", metadata.emphasized_text_contents, metadata.emphasized_text_tags
            ),
        )


def warm_up() -> None:
    """Import what every format needs: 2 to 3 s."""
    _offline()


@cache
def _partitioner(format_name: str) -> Any:
    _offline()
    module = importlib.import_module(f"unstructured.partition.{format_name}")
    return getattr(module, f"partition_{format_name}")


@cache
def _offline() -> None:
    os.environ.update(DO_NOT_TRACK="1", SCARF_NO_ANALYTICS="true", UNSTRUCTURED_DISABLE_NOTICE="1")
    import spacy
    import unstructured.nlp.tokenize as tokenize

    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    tokenize._get_nlp = lambda: pipeline


def _is_bold(text: str, contents: list[str] | None, tags: list[str] | None) -> bool:
    bold = [part for part, tag in zip(contents or [], tags or [], strict=False) if tag == "b"]
    return bool(bold) and "".join("".join(bold).split()) == "".join(text.split())
