"""Use cases that keep what is stored whole, small and movable."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from pathlib import Path

from kbm.bootstrap.parts import Parts
from kbm.domain.archive import ErasedItem
from kbm.domain.internal import COMPANY
from kbm.domain.retention import Retention
from kbm.services.backup import Backup
from kbm.services.check_chatgpt import CheckChatGpt
from kbm.services.compact import Compact
from kbm.services.erase import Erase
from kbm.services.export import ExportRelease
from kbm.services.fill_vectors import FillVectors
from kbm.services.import_release import ImportRelease
from kbm.services.rebuild import Rebuild
from kbm.services.rows import Rows
from kbm.store.backup import Backups
from kbm.store.exports import ExportFolders
from kbm.store.restores import write_ledger
from kbm.store.trace_files import TraceFiles


class Keeping(Parts):
    """What ``Kbm`` has for its upkeep."""

    @cached_property
    def _rows(self) -> Rows:
        return Rows(
            texts=self.catalogue.texts,
            releases=self.catalogue.releases,
            embedder=self.embedder,
            open_vectors=lambda: self.vectors,
        )

    @cached_property
    def rebuild(self) -> Rebuild:
        """Check indexes, and make damaged ones anew."""
        return Rebuild(
            texts=self.catalogue.texts,
            releases=self.catalogue.releases,
            retaining=self.catalogue.retention,
            indexes=self.indexes,
            rows=self._rows,
            vectors_problem=self.vectors_problem,
            discard_vectors=self.discard_vectors,
        )

    @cached_property
    def compact(self) -> Compact:
        """Keep what is kept small."""
        return Compact(
            retention={
                **{name: self.retention_of(name) for name in self.settings.gpts},
                COMPANY: Retention(keep=1, purge_after=timedelta(0)),
            },
            releases=self.catalogue.releases,
            retaining=self.catalogue.retention,
            indexes=self.indexes,
            raw=self.raw,
            embedder=self.embedder,
            open_vectors=self.stored_vectors,
            clock=self.clock,
        )

    @cached_property
    def check_chatgpt(self) -> CheckChatGpt:
        """Walk through what a GPT in ChatGPT needs."""
        from kbm.providers.public_door import PublicDoor

        return CheckChatGpt(
            door=PublicDoor(self.settings.kbm.public_url),
            releases=self.catalogue.releases,
            golden=self.catalogue.golden,
            audit=self.catalogue.audit,
            clock=self.clock,
        )

    @cached_property
    def erase(self) -> Erase:
        """Take a document out of everything, and prove it."""
        return Erase(
            erasures=self.catalogue.erasures,
            tracing=self.catalogue.tracing(self.settings.data_dir, self.journal),
            trace_files=TraceFiles(self.settings.data_dir),
            documents=self.catalogue.documents,
            texts=self.catalogue.texts,
            releases=self.catalogue.releases,
            indexes=self.indexes,
            journal=self.journal,
            raw=self.raw,
            open_vectors=self.stored_vectors,
            bring_back=self.rebuild.bring_back,
            clock=self.clock,
        )

    @cached_property
    def backup(self) -> Backup:
        """Write all that is stored to one file."""
        _ = self.journal  # there, and of the newest schema
        backups = Backups(self.settings.data_dir, self.settings.path, self.clock)
        return Backup(backups=backups, audit=self.catalogue.audit)

    @cached_property
    def export_release(self) -> ExportRelease:
        """Write a release as a neutral folder."""
        return ExportRelease(
            releases=self.catalogue.releases,
            texts=self.catalogue.texts,
            imported=self.catalogue.imported,
            indexes=self.indexes,
            folders=ExportFolders(),
        )

    @cached_property
    def import_release(self) -> ImportRelease:
        """Take a release in from a neutral folder."""
        return ImportRelease(
            gpts={name: section.sources for name, section in self.settings.gpts.items()},
            readers={name: frozenset(one.readers) for name, one in self.settings.sources.items()},
            documents=self.catalogue.documents,
            texts=self.catalogue.texts,
            releases=self.catalogue.releases,
            erasures=self.catalogue.erasures,
            imported=self.catalogue.imported,
            indexes=self.indexes,
            folders=ExportFolders(),
            index_spec=self.index_spec,
            open_store=self.vectors_of,
            clock=self.clock,
        )

    @cached_property
    def fill_vectors(self) -> FillVectors:
        """Fill the vector store from the segments."""
        return FillVectors(
            erasures=self.catalogue.erasures,
            texts=self.catalogue.texts,
            releases=self.catalogue.releases,
            indexes=self.indexes,
            open_store=self.vectors_of,
        )

    def write_ledger(self, path: Path) -> None:
        """Write the ledger of erasures to a file, to be kept apart from backups."""
        entries = [
            ErasedItem(item=one.item, at=one.started_at, who=one.who) for one in self.catalogue.erasures.all()
        ]
        write_ledger(path, self.secret, entries)
