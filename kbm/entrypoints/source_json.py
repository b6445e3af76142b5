"""How sources stand, as JSON: the same at the command line and over HTTP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime, time
from typing import Any

from kbm.bootstrap import Kbm
from kbm.domain.calendar import next_at
from kbm.domain.catalogue import DocumentRecord, SourceRecord

Json = dict[str, Any]


def sources_json(
    kbm: Kbm, quarantine: Collection[DocumentRecord], names: Collection[str] | None = None
) -> list[Json]:
    """Give the sources of kbm.toml in its order, only those of *names* if given.

    ``next_sync_at`` is when ``kbm serve --with-scheduler`` syncs them.
    """
    known = {one.name: one for one in kbm.catalogue.documents.sources()}
    upcoming = next_at(time.fromisoformat(kbm.settings.kbm.nightly_at), kbm.clock.now().astimezone())
    reasons: dict[str, Counter[str]] = {}
    for document in quarantine:
        reasons.setdefault(document.source, Counter())[str(document.reason)] += 1
    return [
        {
            "source": name,
            "kind": section.kind,
            "proven_live": kbm.is_proven_live(section.kind),
            **_standing(known.get(name)),
            "quarantined_because": dict(sorted(reasons.get(name, Counter()).items())),
            "next_sync_at": _second(upcoming),
        }
        for name, section in kbm.settings.sources.items()
        if names is None or name in names
    ]


def _standing(one: SourceRecord | None) -> Json:
    """Give what was stored of a source; nothing yet is all zeros."""
    return {
        "documents": one.n_documents if one else 0,
        "quarantined": one.n_quarantined if one else 0,
        "poorly_read": one.n_poorly_read if one else 0,
        "held_plans": one.n_held_plans if one else 0,
        "synced_at": _second(one.synced_at if one else None),
        "tried_at": _second(one.tried_at if one else None),
        "failed_scopes": list(one.failed_scopes) if one else [],
        "last_error": one.last_error if one else None,
        "delay_s": {
            kind: {"n": delay.n, "median": delay.median_s, "worst": delay.worst_s}
            for kind, delay in (one.delays if one else {}).items()
        },
    }


def _second(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
