"""Point at passages."""

from __future__ import annotations

from kbm.domain.fixes import Evidence
from kbm.domain.review import Near


def evidence_of(one: Near) -> Evidence:
    """Point at a whole passage."""
    return Evidence(
        chunk_id=one.chunk_id, document_id=one.document_id, start=one.span.start, end=one.span.end
    )
