"""Puts a backup in the place of a data folder: unpacked beside it and compared first, and never outside of it."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import sqlite3
import tarfile
import zlib
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import IO

from kbm.domain.archive import CONFIG, MANIFEST, ArchiveManifest, ErasedItem, is_member
from kbm.errors import ArchiveRefused
from kbm.faults import fault_point
from kbm.ports import Clock
from kbm.store.backup import DATABASES, FORMAT, sync_folder
from kbm.store.secret import SECRET_NAME, Secret
from kbm.store.swap import exchange, restoring

REPLACED = "replaced"
"""A file in a data folder that a restore is about to replace, or has replaced."""

_BLOCK = 1 << 20
_MANIFEST_BYTES = 200_000_000


class Restores:
    """Puts backups in the place of one data folder."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder, self._clock = folder, clock
        self.staged = restoring(folder)

    def is_empty(self) -> bool:
        """Tell whether there is nothing that a restore would replace."""
        return not self._folder.exists() or not any(self._folder.iterdir())

    def unpack(self, source: Path) -> ArchiveManifest:
        """Unpack a backup beside the data folder, and compare every file with what was packed.

        Raises:
            ArchiveRefused: it is no backup, damaged, or holds what no backup holds; nothing of it is left.
        """
        self.drop()
        self.staged.mkdir(parents=True, mode=0o700)
        try:
            with fault_point("restore.unpack"):
                manifest = _unpack(source, self.staged)
                if (self._folder / "models").is_dir():
                    # Weights are large and nobody's; a backup has none, so those that are here go on serving.
                    shutil.copytree(self._folder / "models", self.staged / "models", copy_function=_link)
                return manifest
        except (
            tarfile.TarError,
            EOFError,
            zlib.error,
            gzip.BadGzipFile,
            ValueError,
            KeyError,
            TypeError,
        ) as error:
            self.drop()
            raise ArchiveRefused(
                f"{source} is no whole backup: {error}", hint="take another one; nothing was changed"
            ) from error
        except BaseException:
            self.drop()
            raise

    def ledger(self) -> list[ErasedItem]:
        """Give the ledger of the folder that is replaced, and of those that earlier restores set aside.

        Raises:
            ArchiveRefused: that folder has another key, so its ledger cannot be applied to the backup.
        """
        found: list[ErasedItem] = []
        for folder in (self._folder, *sorted(self._folder.parent.glob(f"{self._folder.name}.before-*"))):
            entries = _ledger_of(folder)
            if entries and not _same_key(folder, self.staged):
                if folder != self._folder:
                    continue
                raise ArchiveRefused(
                    f"{folder} has another key than the backup, so what was erased there cannot be erased again",
                    hint="if the backup is of another company, restore it into an empty folder",
                )
            found += entries
        return list({one.item: one for one in found}.values())

    def read_ledger(self, path: Path) -> list[ErasedItem]:
        """Read a ledger that `kbm backup --ledger` wrote.

        Raises:
            ArchiveRefused: it is none, or was made with another key.
        """
        try:
            body = json.loads(path.read_bytes())
            entries = [
                ErasedItem(item=str(item), at=datetime.fromisoformat(at), who=str(who))
                for item, at, who in body["erased"]
            ]
            check = body["key"]
        except (ValueError, KeyError, TypeError) as error:
            raise ArchiveRefused(f"{path} is no ledger of erasures: {error}") from error
        if check != Secret(self.staged).mac("ledger", ""):
            raise ArchiveRefused(
                f"{path} was written with another key than the backup's; nothing was changed"
            )
        return entries

    def publish(self) -> Path | None:
        """Let the restored folder take the place of the data folder; gives where that one went.

        There is a data folder at every moment: the two swap their names in one step. A run that died before the old
        one got its own name is finished by the next.
        """
        with fault_point("restore.publish"):
            replaced = self._folder.exists()
            if replaced:
                (self._folder / REPLACED).touch()
            if not replaced or not exchange(self.staged, self._folder):
                return self._move_in(replaced)
            sync_folder(self._folder.parent)
        with fault_point("restore.aside"):
            return self._set_aside()

    def _move_in(self, replaced: bool) -> Path | None:
        """Publish where nothing has to be replaced, or on a file system that swaps no folders."""
        aside = self._aside() if replaced else None
        if aside:
            self._folder.rename(aside)
        self.staged.rename(self._folder)
        sync_folder(self._folder.parent)
        return aside

    def _set_aside(self) -> Path:
        """Give the folder that was replaced a name of its own."""
        aside = self._aside()
        self.staged.rename(aside)
        sync_folder(self._folder.parent)
        return aside

    def _aside(self) -> Path:
        """Name a folder that is not there yet."""
        name, n = f"{self._folder.name}.before-{self._clock.now():%Y%m%dT%H%M%S}", 1
        while (path := self._folder.with_name(f"{name}-{n}")).exists():
            n += 1
        return path

    def drop(self) -> None:
        """Remove what was unpacked; what a restore replaced before it died is set aside, as it should be."""
        if (self.staged / REPLACED).exists():
            self._set_aside()
        elif self.staged.exists():
            shutil.rmtree(self.staged)


def _link(source: str, target: str) -> None:
    os.link(source, target, follow_symlinks=False)


def config_in(source: Path) -> bytes:
    """Give the kbm.toml of a backup, for a machine that has none yet.

    Raises:
        ArchiveRefused: it is no backup, or holds none.
    """
    try:
        with tarfile.open(source, mode="r|gz") as archive:
            for member in archive:
                data = archive.extractfile(member) if member.isreg() and member.name == CONFIG else None
                if data is not None:
                    return data.read()
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ArchiveRefused(f"{source} is no whole backup: {error}; nothing was changed") from error
    raise ArchiveRefused(f"{source} holds no {CONFIG}", hint="write one first; `kbm init` makes a beginning")


def write_ledger(path: Path, secret: Secret, entries: Sequence[ErasedItem]) -> None:
    """Write a ledger as a small file to be kept apart from backups: keyed hashes, dates and names of who erased."""
    body = {
        "key": secret.mac("ledger", ""),
        "erased": [[one.item, one.at.isoformat(), one.who] for one in entries],
    }
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(body, indent=1), encoding="utf-8")
    os.replace(part, path)


def _unpack(source: Path, folder: Path) -> ArchiveManifest:
    found: dict[str, tuple[int, str]] = {}
    described: bytes | None = None
    with tarfile.open(source, mode="r|gz") as archive:
        for member in archive:
            if described is not None or member.name in found or not is_member(member.name):
                raise ArchiveRefused(
                    f"{source} holds {member.name!r}, which no backup does", hint="nothing was changed"
                )
            data = archive.extractfile(member) if member.isreg() else None
            if data is None:
                raise ArchiveRefused(
                    f"{source} holds {member.name!r}, which is no plain file", hint="nothing was changed"
                )
            if member.name == MANIFEST:
                described = data.read(_MANIFEST_BYTES)
                continue
            path = folder / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            mode = 0o600 if member.name == SECRET_NAME else 0o644
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                found[member.name] = _copy(data, file)
                file.flush()
                os.fsync(file.fileno())
    if described is None:
        raise ValueError("it ends before its list of files")
    manifest = _read_manifest(described)
    if manifest.files != found:
        wrong = sorted(
            {*manifest.files, *found} - {n for n, one in found.items() if manifest.files.get(n) == one}
        )
        raise ValueError(f"{len(wrong)} files are not what was packed, {wrong[0]} first")
    if not set(DATABASES).issubset(found):
        raise ValueError("it holds no databases")
    return manifest


def _ledger_of(folder: Path) -> list[ErasedItem]:
    """Read the ledger of a data folder that may be damaged or absent; begun erasures count."""
    path = folder / DATABASES[0]
    if not path.exists():
        return []
    with closing(sqlite3.connect(path, timeout=5.0)) as connection:
        there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'erasure'").fetchone()
        rows = connection.execute("SELECT item, started_at, who FROM erasure ORDER BY id") if there else []
        return [ErasedItem(item=item, at=datetime.fromisoformat(at), who=who) for item, at, who in rows]


def _same_key(one: Path, other: Path) -> bool:
    """Tell whether two data folders have the same key, by which their ledgers name items."""
    keys = [path / SECRET_NAME for path in (one, other)]
    return all(path.exists() for path in keys) and keys[0].read_bytes() == keys[1].read_bytes()


def _copy(source: IO[bytes], target: IO[bytes]) -> tuple[int, str]:
    n, state = 0, hashlib.blake2b(digest_size=32)
    while block := source.read(_BLOCK):
        target.write(block)
        state.update(block)
        n += len(block)
    return n, state.hexdigest()


def _read_manifest(data: bytes) -> ArchiveManifest:
    body = json.loads(data)
    if body["format"] != FORMAT:
        raise ValueError(f"it has format {body['format']}, this kbm reads {FORMAT}")
    return ArchiveManifest(
        made_at=datetime.fromisoformat(body["made_at"]),
        made_with=str(body["made_with"]),
        files={str(name): (int(size), str(digest)) for name, (size, digest) in body["files"].items()},
    )
