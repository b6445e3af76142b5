"""The catalogue database: one file, told by topic."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from kbm.ports import Clock
from kbm.store.ages import Ages
from kbm.store.audit import Audit
from kbm.store.canaries import Canaries
from kbm.store.documents import Documents
from kbm.store.engine import open_database
from kbm.store.erasure import Erasures
from kbm.store.golden import Golden
from kbm.store.healing import Healing
from kbm.store.imported import Imported
from kbm.store.journal import Journal
from kbm.store.keys import Keys
from kbm.store.lease import Fence, Leases
from kbm.store.overview import Overview
from kbm.store.plans import Jobs, Plans
from kbm.store.releases import Releases
from kbm.store.retention import Retention
from kbm.store.secret import Secret
from kbm.store.sources import Sources
from kbm.store.suggestions import Suggestions
from kbm.store.texts import Texts
from kbm.store.traces import Tracing


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """The parts of the catalogue."""

    documents: Documents
    ages: Ages
    texts: Texts
    releases: Releases
    plans: Plans
    jobs: Jobs
    golden: Golden
    audit: Audit
    leases: Leases
    canaries: Canaries
    erasures: Erasures
    imported: Imported
    keys: Keys
    retention: Retention
    sources: Sources
    overview: Overview
    suggestions: Suggestions
    healing: Healing
    _engine: Engine

    def tracing(self, folder: Path, journal: Journal) -> Tracing:
        """Give what looks for traces of a document in a data folder and both its databases."""
        return Tracing(folder, self._engine, journal.engine)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def open_catalogue(folder: Path, clock: Clock) -> Catalogue:
    """Open ``catalogue.db``, creating or upgrading it.

    Raises:
        DatabaseNewer: a newer kbm wrote it.
    """
    fence = Fence()
    engine = open_database(folder, "catalogue", fence.check)
    return Catalogue(
        documents=Documents(engine, clock),
        ages=Ages(engine),
        texts=Texts(engine, clock),
        releases=Releases(engine, clock),
        plans=Plans(engine, clock),
        jobs=Jobs(engine, clock),
        golden=Golden(engine, clock),
        audit=Audit(engine, clock),
        leases=Leases(engine, fence, clock, folder),
        canaries=Canaries(engine, clock),
        retention=Retention(engine, clock),
        erasures=Erasures(engine, Secret(folder), clock),
        imported=Imported(engine, clock),
        keys=Keys(engine, clock),
        sources=Sources(engine, clock),
        overview=Overview(engine),
        suggestions=Suggestions(engine, clock),
        healing=Healing(engine, clock),
        _engine=engine,
    )


def open_journal(folder: Path, clock: Clock) -> Journal:
    """Open ``journal.db``, creating or upgrading it.

    Raises:
        DatabaseNewer: a newer kbm wrote it.
    """
    return Journal(open_database(folder, "journal"), Secret(folder), clock)
