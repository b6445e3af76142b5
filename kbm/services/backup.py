"""Take a backup of a data folder, and put one back without bringing back what was erased since."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from kbm.domain.archive import ArchiveManifest
from kbm.domain.identity import Digest
from kbm.domain.people import Entry
from kbm.errors import UsageError
from kbm.faults import fault_point
from kbm.ports import Progress
from kbm.services.archive_needs import Backups, Restores
from kbm.services.erase import Erase
from kbm.services.fill_vectors import FillVectors
from kbm.services.needs import Audit, Releases
from kbm.services.rebuild import Rebuild

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupMade:
    """A backup that was written."""

    path: Path
    n_bytes: int
    manifest: ArchiveManifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """The use case with what it needs. It needs no lease: nights and answers go on meanwhile."""

    backups: Backups
    audit: Audit

    def run(self, target: Path, progress: Progress, *, who: str, force: bool = False) -> BackupMade:
        """Write a backup to a file; one that is there is replaced only by *force*, and then at the very end.

        Raises:
            UsageError: something of that name is there.
            Busy: index files were merged away at every try.
        """
        if target.exists() and not force:
            raise UsageError(
                f"{target} is there already; nothing was written",
                hint="name another file, or let it be replaced with --force",
            )
        with progress.stage("back up", 1) as stage:
            manifest = self.backups.write(target)
            stage.advance()
        self.audit.append(
            Entry(who=who, action="backup", subject="data folder", detail={"files": len(manifest.files)})
        )
        log.info("backup_written", files=len(manifest.files))
        return BackupMade(path=target, n_bytes=target.stat().st_size, manifest=manifest)


class Staged(Protocol):
    """A restored data folder that nobody can ask yet."""

    @property
    def erase(self) -> Erase: ...
    @property
    def fill_vectors(self) -> FillVectors: ...
    @property
    def rebuild(self) -> Rebuild: ...
    @property
    def audit(self) -> Audit: ...
    @property
    def no_embedder(self) -> str: ...
    @property
    def gpts(self) -> list[str]: ...
    @property
    def releases(self) -> Releases: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A backup that was put back. ``live`` gives the digest of what answers now, by GPT and version."""

    manifest: ArchiveManifest
    n_erased: int
    n_vectors: int
    live: Mapping[str, tuple[str, Digest]]
    mended: tuple[str, ...]
    replaced: Path | None
    no_embedder: str = ""  # why questions are answered by words only, for now


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """The use case with what it needs; ``open_staged`` opens what was unpacked as a kbm of its own."""

    restores: Restores
    open_staged: Callable[[Path], AbstractContextManager[Staged]]

    def run(
        self, source: Path, progress: Progress, *, who: str, force: bool, ledger: Path | None
    ) -> Restored:
        """Unpack, compare, erase what was erased since, verify, and only then take the place of the data folder.

        *ledger* is a file of later erasures; those of the folder that is replaced count in any case. A run that
        died is simply run again.

        Raises:
            UsageError: the data folder is not empty, and *force* is not given.
            ArchiveRefused: the backup is damaged or none, or the ledger does not belong to it.
            IndexDamaged: a release does not come to its digest; nothing was replaced.
        """
        if not self.restores.is_empty() and not force:
            raise UsageError(
                "the data folder is not empty; nothing was changed",
                hint="with --force it is set aside, and what was erased in it is erased in the backup too",
            )
        with progress.stage("unpack", 1) as stage:
            manifest = self.restores.unpack(source)
            stage.advance()
        try:
            entries = self.restores.ledger() + (self.restores.read_ledger(ledger) if ledger else [])
            with self.open_staged(self.restores.staged) as staged:
                with fault_point("restore.erasures"):
                    n_erased = staged.erase.replay(entries, progress)
                n_vectors = staged.fill_vectors.run(progress)
                mended = _verify(staged, progress)
                staged.audit.append(
                    Entry(
                        who=who,
                        action="restore",
                        subject="data folder",
                        detail={"made_at": manifest.made_at.isoformat(), "erased_again": n_erased},
                    )
                )
                no_embedder = staged.no_embedder
                live = {
                    gpt: (str(one.version), one.digest)
                    for gpt in staged.gpts
                    if (one := staged.releases.live(gpt)) is not None
                }
        except BaseException:
            self.restores.drop()
            raise
        replaced = self.restores.publish()
        log.info("backup_restored", files=len(manifest.files), erased=n_erased, vectors=n_vectors)
        return Restored(
            manifest=manifest,
            n_erased=n_erased,
            n_vectors=n_vectors,
            live=live,
            mended=tuple(mended),
            replaced=replaced,
            no_embedder=no_embedder,
        )


def _verify(staged: Staged, progress: Progress) -> list[str]:
    """Probe every release; those that were caught while they were written are written anew, to the same digest."""
    mended = []
    for gpt in staged.gpts:
        findings = staged.rebuild.check(gpt)
        if any(one.problem for one in findings):
            mended += [f"{gpt} {one.release.version}" for one in findings if one.problem]
            staged.rebuild.fix(gpt, findings, progress)
    return mended
