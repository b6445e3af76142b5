"""Takes the names of erased items out of everything that may mention them beside the document itself."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select, update

from kbm.domain.evaluation import GoldenState
from kbm.domain.internal import is_internal
from kbm.store.engine import to_json
from kbm.store.schema import (
    audit_reason,
    canary,
    golden_question,
    job,
    pointer_move,
    release,
    source,
    sync_plan,
)
from kbm.store.suggestion_mentions import forget_in_suggestions

_FREE_TEXT = (
    (source, "last_error"),
    (job, "error"),
    (job, "subject"),
    (pointer_move, "why"),
    (canary, "why"),
    (canary, "ended_why"),
    (release, "gate_report"),
    (release, "override"),
    (audit_reason, "text"),
)
"""Columns in which people or errors may have named the item."""

_ERASED = "(erased)"


def forget_mentions(connection: Connection, items: Sequence[tuple[str, str]]) -> None:
    """Take the names of items out of plans, golden questions, cursors and free text."""
    by_source: dict[str, set[str]] = {}
    for name, item_id in items:
        by_source.setdefault(name, set()).add(item_id)
    for name, ids in by_source.items():
        for row in connection.execute(select(sync_plan).where(sync_plan.c.source == name)).all():
            body = json.loads(row.body)
            left = {key: _without(value, ids) for key, value in body.items()}
            if left != body:
                connection.execute(
                    update(sync_plan).where(sync_plan.c.id == row.id).values(body=to_json(left))
                )
        for row in connection.execute(select(source).where(source.c.name == name)).all():
            approved = _without(json.loads(row.approved), ids)
            # A cursor is the connector's own: one that names the item is given up, and the next scan is a full one.
            kept = row.cursor and not any(
                json.dumps(id, ensure_ascii=False)[1:-1] in row.cursor for id in ids
            )
            connection.execute(
                update(source)
                .where(source.c.name == name)
                .values(approved=to_json(approved), cursor=row.cursor if kept else None)
            )
    forget_in_suggestions(connection, items)
    named = {f"{name}:{item_id}" for name, item_id in items}
    for row in connection.execute(select(release.c.gpt, release.c.seq, release.c.approved)).all():
        told = json.loads(row.approved)
        kept = {
            name: [one for one in told.get(name, ()) if one not in named] for name in ("without", "prefer")
        }
        if {**told, **kept} != told:
            connection.execute(
                update(release)
                .where(release.c.gpt == row.gpt, release.c.seq == row.seq)
                .values(approved=to_json({**told, **kept}))
            )
    for row in connection.execute(select(golden_question)).all():
        expected = json.loads(row.expected)
        if named.intersection(expected):
            connection.execute(
                update(golden_question)
                .where(golden_question.c.gpt == row.gpt, golden_question.c.id == row.id)
                .values(
                    expected=to_json([one for one in expected if one not in named]),
                    state=GoldenState.TO_REVIEW,
                )
            )
    # Longest first: the id of a mail begins those of its attachments.
    # What was written here bears the id of a suggestion, which says nothing, and is named by decisions for ever.
    spoken_of = sorted((id for source, id in items if not is_internal(source)), key=len, reverse=True)
    listed = "|".join(map(re.escape, spoken_of)) or "(?!)"
    pattern = re.compile(rf"(?<![\w/.-])(?:{listed})(?![\w/-])")
    for table, column in _FREE_TEXT:
        key = list(table.primary_key.columns)
        for row in connection.execute(
            select(*key, table.c[column]).where(table.c[column].is_not(None))
        ).all():
            text = pattern.sub(_ERASED, row[-1])
            if text == row[-1]:
                continue
            this = [one == value for one, value in zip(key, row[:-1], strict=True)]
            if table is audit_reason:
                # Changed words would not fit their hash in the chain; missing ones are a known case.
                connection.execute(delete(table).where(*this))
            else:
                connection.execute(update(table).where(*this).values({column: text}))


def _without(value: Any, ids: Collection[str]) -> Any:
    """Take ids out of a part of a plan: by key, or in lists of ids or sentences that begin with one; Any is JSON."""
    if isinstance(value, dict):
        return {id: of for id, of in value.items() if id not in ids}
    if not isinstance(value, list):
        return value
    return [
        one for one in value if one not in ids and not str(one).startswith(tuple(f"{id}: " for id in ids))
    ]
