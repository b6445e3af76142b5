"""Opens a restored data folder as a kbm of its own, before it takes the place of another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kbm.bootstrap.use_cases import Kbm
from kbm.clock import SystemClock
from kbm.config import Settings
from kbm.ports import Clock, Embedder
from kbm.services.backup import Restore
from kbm.store.audit import Audit
from kbm.store.releases import Releases
from kbm.store.restores import Restores


class StagedKbm(Kbm):
    """A data folder that nobody can ask yet."""

    @property
    def gpts(self) -> list[str]:
        """Name the GPTs that have releases in it, configured or not."""
        return self.catalogue.erasures.gpts()

    @property
    def audit(self) -> Audit:
        """Give its audit log."""
        return self.catalogue.audit

    @property
    def releases(self) -> Releases:
        """Give its releases."""
        return self.catalogue.releases


def restorer(settings: Settings, *, clock: Clock | None = None, embedder: Embedder | None = None) -> Restore:
    """Make the use case that puts a backup in the place of the data folder; that folder is not opened."""
    chosen = clock or SystemClock()

    @contextmanager
    def open_staged(folder: Path) -> Iterator[StagedKbm]:
        section = settings.kbm.model_copy(update={"data_dir": str(folder)})
        staged = settings.model_copy(update={"kbm": section})
        with StagedKbm(staged, clock=chosen, embedder=embedder) as kbm, kbm.working("restore", ""):
            yield kbm

    return Restore(restores=Restores(settings.data_dir, chosen), open_staged=open_staged)
