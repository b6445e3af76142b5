"""What suggestions hold of documents: drafts made from them, spans of them, and their names; and how that goes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from sqlalchemy import Connection, delete, select, update

from kbm.domain.fixes import (
    AddGoldenQuestions,
    AddOverlay,
    Evidence,
    Fix,
    GrantReadersRequest,
    PreferDocument,
    Reparse,
    RetireDocument,
)
from kbm.domain.identity import DocumentId, document_id
from kbm.domain.internal import drafts_of, is_internal, overlays_of
from kbm.domain.suggestions import AnswerNote, Preview
from kbm.store.schema import suggestion
from kbm.store.suggestions import PREVIEW, PROPOSAL


def written_from(connection: Connection, ids: Collection[DocumentId]) -> list[tuple[str, str]]:
    """Give source and item of all drafts and overlays that rest on documents; they may not be stored any more."""
    found = []
    for row in connection.execute(select(suggestion)).all():
        proposal = PROPOSAL.validate_json(row.proposal)
        fix = proposal.fix
        if isinstance(fix, AddOverlay) and _rests_on((*fix.evidence, *proposal.evidence), ids):
            found += [(source, row.id) for source in (overlays_of(row.gpt), drafts_of(row.gpt))]
    return found


def forget_in_suggestions(connection: Connection, items: Sequence[tuple[str, str]]) -> None:
    """Drop suggestions that are made from erased items or about them, and take these out of all others.

    *items* are source and item id. What people decided for other reasons stays decided.
    """
    ids = frozenset(document_id(source, item_id) for source, item_id in items)
    names = frozenset(f"{source}:{item_id}" for source, item_id in items)
    written = {item_id for source, item_id in items if is_internal(source)}
    for row in connection.execute(select(suggestion)).all():
        this = suggestion.c.id == row.id
        proposal = PROPOSAL.validate_json(row.proposal)
        preview = PREVIEW.validate_json(row.preview) if row.preview else None
        fix = _without(proposal.fix, ids, names)
        if fix is None or row.id in written:
            connection.execute(delete(suggestion).where(this))
            continue
        left = replace(
            proposal,
            fix=fix,
            evidence=tuple(one for one in proposal.evidence if one.document_id not in ids),
            about=tuple(one for one in proposal.about if one not in names),
        )
        seen = _redacted(preview, ids, names) if preview else None
        if (left, seen) != (proposal, preview):
            values = {
                "proposal": PROPOSAL.dump_json(left).decode(),
                "preview": PREVIEW.dump_json(seen).decode() if seen else None,
            }
            connection.execute(update(suggestion).where(this).values(values))


def _without(fix: Fix, ids: frozenset[DocumentId], names: frozenset[str]) -> Fix | None:
    """Take items out of a fix; None where it is made from one of them, or about it."""
    gone = False
    match fix:
        case AddOverlay():
            gone = _rests_on(fix.evidence, ids)
        case RetireDocument() if fix.item not in names and fix.in_favour_of in names:
            return replace(fix, in_favour_of="")
        case RetireDocument():
            gone = fix.item in names
        case PreferDocument() if fix.item not in names and fix.over in names:
            return replace(fix, over="")
        case PreferDocument():
            gone = fix.item in names
        case Reparse() | GrantReadersRequest():
            gone = not names.isdisjoint(fix.items)
        case AddGoldenQuestions():
            gone = any(not names.isdisjoint(one.expected) for one in fix.questions)
    return None if gone else fix


def _redacted(preview: Preview, ids: frozenset[DocumentId], names: frozenset[str]) -> Preview:
    """Take what was quoted of documents out of a proof; what was counted stays."""

    def note(one: AnswerNote) -> AnswerNote:
        return replace(
            one,
            quotes=tuple(each for each in one.quotes if each.document_id not in ids),
            items=tuple(each for each in one.items if each not in names),
        )

    replayed = [replace(one, before=note(one.before), after=note(one.after)) for one in preview.replayed]
    return replace(preview, replayed=tuple(replayed))


def _rests_on(evidence: Sequence[Evidence], ids: Collection[DocumentId]) -> bool:
    return any(one.document_id in ids for one in evidence)
