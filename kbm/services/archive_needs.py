"""What backups, exports and packs need from storage, said as protocols like those of :mod:`kbm.services.needs`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from kbm.domain.archive import ArchiveManifest, ErasedItem, Export, ExportedDocument
from kbm.domain.identity import DocumentId, VersionId
from kbm.ports import Vectors


class PackFolders(Protocol):
    """See :class:`kbm.store.packs.PackFolders`."""

    def write(self, folder: Path, gpt: str, files: Mapping[str, str]) -> None: ...


class Backups(Protocol):
    """See :class:`kbm.store.backup.Backups`."""

    def write(self, target: Path) -> ArchiveManifest: ...


class Restores(Protocol):
    """See :class:`kbm.store.restores.Restores`."""

    staged: Path

    def is_empty(self) -> bool: ...
    def unpack(self, source: Path) -> ArchiveManifest: ...
    def ledger(self) -> list[ErasedItem]: ...
    def read_ledger(self, path: Path) -> list[ErasedItem]: ...
    def publish(self) -> Path | None: ...
    def drop(self) -> None: ...


class ExportFolders(Protocol):
    """See :class:`kbm.store.exports.ExportFolders`."""

    def write(self, folder: Path, made: Export, vectors: Vectors | None) -> None: ...
    def read(self, folder: Path) -> tuple[Export, Vectors | None]: ...


class Imported(Protocol):
    """See :class:`kbm.store.imported.Imported`."""

    def documents(self, versions: Sequence[VersionId]) -> list[ExportedDocument]: ...
    def take_in(self, documents: Sequence[ExportedDocument]) -> dict[DocumentId, int]: ...
    def show(self, numbers: Collection[int]) -> None: ...
