"""What the core keeps of a source between two scans, as small as a test needs it."""

from __future__ import annotations

from dataclasses import dataclass, field

from kbm.domain.documents import Blob
from kbm.domain.sync import Brake, Json, Known, SyncPlan, plan_sync
from kbm.ports import Connector

EVERYONE = frozenset({"everyone"})


@dataclass
class Core:
    """Stores what a connector gives, and counts what it fetched."""

    known: dict[str, Known] = field(default_factory=dict)
    blobs: dict[str, Blob] = field(default_factory=dict)
    cursor: Json = None
    fetched: list[str] = field(default_factory=list)

    def sync(self, connector: Connector) -> SyncPlan:
        """Scan, plan, fetch what is new or changed, forget what went; like ``services.sync``."""
        plan = plan_sync(
            "live",
            connector.scan(self.cursor),
            self.known,
            default_readers=EVERYONE,
            brake=Brake(documents=10_000),
        )
        self.fetched = [*plan.added, *plan.changed]
        for id in self.fetched:
            self.blobs[id] = connector.fetch(plan.refs[id])
        for id, ref in plan.refs.items():
            self.known[id] = Known(version=ref.version, readers=ref.readers or EVERYONE, scope=ref.scope)
        for id in plan.removed:
            del self.known[id], self.blobs[id]
        if not plan.failures:
            self.cursor = plan.cursor
        return plan

    def holds(self, text: str) -> int:
        """Count the documents in which a text stands."""
        return sum(text in blob.data.decode() for blob in self.blobs.values())
