"""What gaps lose when a question is forgotten, or a document erased."""

from __future__ import annotations

import json
from collections.abc import Collection

from sqlalchemy import Connection, delete, select, update

from kbm.domain.identity import ChunkId
from kbm.store.engine import to_json
from kbm.store.journal_schema import gap, gap_question


def forget_members(connection: Connection, ids: Collection[str]) -> None:
    """Take forgotten questions out of the gaps they are in, with what was made of them: name, middle, or all."""
    touched = connection.scalars(
        select(gap_question.c.gap_id).where(gap_question.c.question_id.in_(ids)).distinct()
    ).all()
    connection.execute(delete(gap_question).where(gap_question.c.question_id.in_(ids)))
    left = set(
        connection.scalars(select(gap_question.c.gap_id).where(gap_question.c.gap_id.in_(touched)).distinct())
    )
    connection.execute(delete(gap).where(gap.c.id.in_(set(touched) - left)))
    connection.execute(update(gap).where(gap.c.id.in_(left)).values(title="", keywords="[]", centroid=None))


def forget_evidence(connection: Connection, chunks: Collection[ChunkId]) -> None:
    """Take erased passages out of what speaks for the causes of gaps."""
    for row in connection.execute(select(gap.c.id, gap.c.evidence)).all():
        told = json.loads(row.evidence)
        left = [one for one in told if one[0] not in chunks]
        if left != told:
            connection.execute(update(gap).where(gap.c.id == row.id).values(evidence=to_json(left)))
