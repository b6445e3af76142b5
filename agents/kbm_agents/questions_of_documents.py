"""Questions that documents themselves suggest: what stands under a heading, what a row of a table says.

For sources that nobody asked about yet, so that a release that loses them is noticed. They are drafts: their owner
says whether anybody would ask so, and only those are given whose document the search finds for them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from kbm.domain.documents import EVERYONE
from kbm.domain.fixes import DraftGolden
from kbm.domain.language import guess_language
from kbm.domain.review import Near, ReviewedDocument
from kbm.ports import Lookup
from kbm_agents.words import content_words, folded

LOOKED_AT = 8
"""Documents of a source that are looked at, the longest first."""

PASSAGES, FIRST = 6, 5
"""Passages looked into per document, and documents among which it must be found again."""

MOST_CHARS = 120

LEAST_PAIRS, NAME_CHARS = 3, 40
"""Lines "name: value" from which on they are a table of two columns, and characters of such a name."""


def drafts_of(
    documents: Sequence[ReviewedDocument], taken: Collection[str], wanted: int, lookup: Lookup
) -> tuple[DraftGolden, ...]:
    """Give up to *wanted* questions, one per document, none that is *taken*, folded."""
    longest = sorted(documents, key=lambda one: (-one.n_words, one.item))[:LOOKED_AT]
    if not longest:
        return ()
    found = lookup.nearest([one.title for one in longest], PASSAGES)
    made: dict[str, tuple[str, ReviewedDocument, str]] = {}
    for document, near in zip(longest, found, strict=True):
        mine = [one for one in near if one.item == document.item and EVERYONE in one.readers]
        for text, passage in _suggested(document, mine):
            if folded(text) not in taken and len(content_words(text)) >= 2 and len(text) <= MOST_CHARS:
                made.setdefault(folded(text), (text, document, passage))
                break
    drafts = list(made.values())
    again = lookup.nearest([text for text, _, _ in drafts], FIRST) if drafts else []
    return tuple(
        DraftGolden(question=text, language=guess_language(f"{text} {passage}"), expected=(document.item,))
        for (text, document, passage), near in zip(drafts, again, strict=True)
        if document.item in [one.item for one in near if one.attached]
    )[:wanted]


def _suggested(document: ReviewedDocument, passages: Sequence[Near]) -> Iterator[tuple[str, str]]:
    """Give what may be asked, with the passage that answers it: rows first, then headings, then the title."""
    for one in passages:
        row = next(filter(None, map(_of_row, one.text.splitlines())), "")
        named = _of_pairs(one.text)
        if row:
            yield row, one.text
        elif named:
            yield f"{document.title}: {named}", one.text
    for one in passages:
        under = one.section[-1] if one.section else ""
        if under and folded(under) != folded(document.title):
            yield f"{document.title}: {under}", one.text
    if passages:
        yield document.title, passages[0].text


def _of_pairs(text: str) -> str:
    """Name what a table of two columns says something of; its first line may be the heads of the columns."""
    pairs = [line.partition(": ") for line in text.splitlines()]
    if len(pairs) < LEAST_PAIRS or not all(
        colon and value and 0 < len(name) <= NAME_CHARS for name, colon, value in pairs
    ):
        return ""
    return pairs[1][0]


def _of_row(line: str) -> str:
    """Ask for the second thing that a row says of its first: "KB 40 weight"; nothing where it is no row."""
    cells = [cell.partition(": ") for cell in line.split(" | ")]
    if len(cells) < 2 or not all(colon and name and value for name, colon, value in cells[:2]):
        return ""
    (_, _, thing), (label, _, _) = cells[:2]
    return f"{thing.strip()} {label.strip()}"
