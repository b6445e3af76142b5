"""Leave out of a fix what somebody may not see: names and drafts of documents, and questions of other people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kbm.domain.fixes import (
    AddGoldenQuestions,
    AddOverlay,
    DraftGolden,
    Evidence,
    Fix,
    GrantReadersRequest,
    PreferDocument,
    Reparse,
    RetireDocument,
)

HIDDEN = "…"


def shown_fix(
    fix: Fix,
    *,
    reads: Callable[[Evidence], bool],
    reads_item: Callable[[str], bool],
    in_words: Callable[[str], str],
) -> Fix:
    """Give a fix as somebody may see it.

    *reads* and *reads_item* tell of evidence and of ``source:item_id`` whether they may read it; *in_words* gives a
    question in the words that they may see.
    """

    def item(name: str) -> str:
        return name if not name or reads_item(name) else HIDDEN

    def golden(one: DraftGolden) -> DraftGolden:
        return one if all(reads_item(name) for name in one.expected) else DraftGolden(question=HIDDEN)

    match fix:
        case AddOverlay():
            text = fix.text if all(reads(one) for one in fix.evidence) else HIDDEN
            asks = tuple(in_words(one) for one in fix.asks)
            return replace(fix, title=in_words(fix.title), text=text, asks=asks)
        case RetireDocument():
            return replace(fix, item=item(fix.item), in_favour_of=item(fix.in_favour_of))
        case PreferDocument():
            return replace(fix, item=item(fix.item), over=item(fix.over))
        case Reparse() | GrantReadersRequest():
            return replace(fix, items=tuple(item(one) for one in fix.items))
        case AddGoldenQuestions():
            return replace(fix, questions=tuple(golden(one) for one in fix.questions))
    return fix
