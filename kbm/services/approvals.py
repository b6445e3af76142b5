"""Put together what people approved for a GPT, so that it goes into the next candidate."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from kbm.domain.fixes import (
    AddOverlay,
    AddSynonyms,
    AdjustThreshold,
    AttachSource,
    Fix,
    PreferDocument,
    RetireDocument,
    Route,
)
from kbm.domain.releases import AnswerSpec, Approved
from kbm.domain.suggestions import Suggestion


def approved_of(
    decided: Iterable[Suggestion], configured: AnswerSpec, sources: Sequence[str], written: Collection[str]
) -> Approved:
    """Sum up the approved suggestions that go into a release; what kbm.toml says already is left out.

    *written* are the overlays that are stored: one that was approved a moment ago may not be yet, and waits.
    """
    mine = sorted(
        (
            one
            for one in decided
            if one.route is Route.RELEASE and (one.id in written or not isinstance(one.fix, AddOverlay))
        ),
        key=lambda one: (one.decided_at or one.created_at, one.id),
    )
    found = Approved(suggestions=tuple(sorted(one.id for one in mine)))
    for one in mine:
        found = with_fix(found, one.fix, configured, sources)
    return found


def with_fix(before: Approved, fix: Fix, configured: AnswerSpec, sources: Sequence[str]) -> Approved:
    """Add one fix. An overlay changes nothing here: it is a document."""
    match fix:
        case AddSynonyms(words=words) if words not in (*configured.synonyms, *before.synonyms):
            return replace(before, synonyms=(*before.synonyms, words))
        case PreferDocument(item=item) if item not in (*configured.prefer, *before.prefer):
            return replace(before, prefer=(*before.prefer, item))
        case RetireDocument(item=item) if item not in before.without:
            return replace(before, without=(*before.without, item))
        case AttachSource(source=source) if source not in (*sources, *before.sources):
            return replace(before, sources=(*before.sources, source))
        case AdjustThreshold(lose=lose) if lose != configured.lose:
            return replace(before, lose=lose, lose_was=configured.lose)
    return before


def targets_of(fix: Fix, overlay: str) -> tuple[str, ...]:
    """Name the items a fix brings to bear, ``source:item_id``; *overlay* is what its draft is called."""
    match fix:
        case AddOverlay():
            return (overlay,)
        case PreferDocument(item=item):
            return (item,)
        case RetireDocument(in_favour_of=item) if item:
            return (item,)
    return ()


def replaced_by(fix: Fix) -> tuple[str, ...]:
    """Name the items that a fix means to take the place of."""
    match fix:
        case PreferDocument(over=item) if item:
            return (item,)
        case RetireDocument(item=item):
            return (item,)
    return ()
