"""A data folder as one file, taken while it is written to and read from, and put back.

The catalogue comes first, through SQLite's own online backup: one moment of it, without stopping anybody. Everything
it names lies in files that never change under their name, so they are copied afterwards; where one of them was merged
or erased away meanwhile, that moment cannot be completed any more and a new one is taken. Chroma stays out: it is
filled again from the vectors in the segments. Whatever is put back was first unpacked beside, and compared.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from kbm import __version__
from kbm.domain.archive import CONFIG, MANIFEST, ArchiveManifest, is_member
from kbm.domain.releases import ReleaseContent, ReleaseState
from kbm.errors import Busy
from kbm.faults import fault_point
from kbm.ports import Clock
from kbm.store.secret import SECRET_NAME

FORMAT = 1
_TRIES = 10
_BLOCK = 1 << 20
_MANIFEST_BYTES = 200_000_000
DATABASES = ("catalogue.db", "journal.db")
_ASIDE, _PART = ".kbm-backup-", "backup"


class _Moved(Exception):
    """A file that the catalogue names is gone: take a new moment."""


class Backups:
    """Writes backups of one data folder."""

    def __init__(self, folder: Path, config: Path, clock: Clock) -> None:
        self._folder, self._config, self._clock = folder, config, clock

    def write(self, target: Path) -> ArchiveManifest:
        """Write a backup; *target* is whole or not there.

        Raises:
            Busy: files were merged away at every try.
            OSError: the target cannot be written.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        with _aside(target.parent) as aside:
            for _ in range(_TRIES):
                try:
                    made = self._write(aside)
                except _Moved:
                    continue
                with fault_point("backup.publish"):
                    os.replace(aside / _PART, target)
                    sync_folder(target.parent)
                return made
        raise Busy(
            f"index files of {self._folder} were merged away while they were copied, {_TRIES} times",
            hint="run `kbm backup` again when the night is over; nothing was written",
        )

    def _write(self, aside: Path) -> ArchiveManifest:
        files: dict[str, tuple[int, str]] = {}
        with (
            tempfile.TemporaryDirectory(dir=aside) as folder,
            open(os.open(aside / _PART, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file,
        ):
            moments = Path(folder)
            with fault_point("backup.databases"):
                for name in DATABASES:
                    _copy_database(self._folder / name, moments / name)
            with (
                gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1, mtime=0) as packed,
                tarfile.open(fileobj=packed, mode="w") as archive,
                fault_point("backup.files"),
            ):
                for name, path in self._members(moments):
                    files[name] = _pack(archive, name, path)
                made = ArchiveManifest(made_at=self._clock.now(), made_with=__version__, files=files)
                _pack_bytes(archive, MANIFEST, _described(made))
            file.flush()
            os.fsync(file.fileno())
        return made

    def _members(self, moments: Path) -> Iterator[tuple[str, Path]]:
        for name in DATABASES:
            yield name, moments / name
        for path in (self._folder / SECRET_NAME, self._config):
            if path.exists():
                yield path.name if path.name == SECRET_NAME else CONFIG, path
        for name in _named_files(moments / DATABASES[0], self._folder):
            yield name, self._folder / name
        for path in sorted((self._folder / "reports").glob("*")):
            if path.is_file() and is_member(f"reports/{path.name}"):
                yield f"reports/{path.name}", path


@contextmanager
def _aside(folder: Path) -> Iterator[Path]:
    """Give a folder to write in, and remove those of backups that were killed: they hold copies of all texts.

    A folder is locked as long as its process lives, and under whatever name a backup is written, the next one into
    the same folder finds what is left.
    """
    for left in folder.glob(f"{_ASIDE}*"):
        try:
            handle = os.open(left, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
        except BlockingIOError:
            continue  # another backup is being written
        finally:
            os.close(handle)
    with tempfile.TemporaryDirectory(dir=folder, prefix=_ASIDE) as made:
        handle = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield Path(made)
        finally:
            os.close(handle)


def _copy_database(source: Path, target: Path) -> None:
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=5.0)) as reading,
        closing(sqlite3.connect(target)) as writing,
    ):
        # All pages in one step: in WAL mode that is one moment of the database, and no writer waits for it.
        reading.backup(writing, pages=-1)
        writing.execute("PRAGMA journal_mode=DELETE")


def _named_files(catalogue: Path, folder: Path) -> list[str]:
    """List the raw and index files that a catalogue names, below the data folder.

    Raises:
        _Moved: one of them is not there, or a release lies in segments that the catalogue does not know.
    """
    with closing(sqlite3.connect(catalogue)) as connection:
        contents = {one for (one,) in connection.execute("SELECT DISTINCT content FROM document_content")}
        segments: dict[tuple[str, str], set[str]] = {}
        for gpt, spec, name in connection.execute("SELECT gpt, spec_digest, name FROM segment"):
            segments.setdefault((gpt, spec[:16]), set()).add(name)
        releases = connection.execute(
            "SELECT gpt, seq FROM release WHERE content = ? AND state <> ?",
            (ReleaseContent.INDEXED, ReleaseState.FAILED),
        ).fetchall()
    names = [f"raw/{one[:2]}/{one}" for one in sorted(contents) if (folder / "raw" / one[:2] / one).exists()]
    for (gpt, spec), of in sorted(segments.items()):
        names += [f"index/{gpt}/{spec}/{name}" for name in sorted(of)]
    for gpt, seq in releases:
        places = [spec for (owner, spec) in segments if owner == gpt]
        sealed = [spec for spec in places if (folder / "index" / gpt / spec / f"rel-{seq}.json").exists()]
        if not sealed:
            if places:
                raise _Moved
            continue
        for spec in sealed:
            described = json.loads((folder / "index" / gpt / spec / f"rel-{seq}.json").read_bytes())
            if not {one[0] for one in described["segments"]} <= segments[gpt, spec]:
                raise _Moved
            names += [f"index/{gpt}/{spec}/rel-{seq}.json", f"index/{gpt}/{spec}/rel-{seq}.roar"]
    if not all((folder / name).exists() for name in names):
        raise _Moved
    return names


class _Hashing:
    """Hashes a file while it is packed."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.state = file, hashlib.blake2b(digest_size=32)

    def read(self, n: int = -1) -> bytes:
        data = self._file.read(n)
        self.state.update(data)
        return data


def _pack(archive: tarfile.TarFile, name: str, path: Path) -> tuple[int, str]:
    try:
        with path.open("rb") as file:
            member = _member(name, os.fstat(file.fileno()).st_size)
            hashing = _Hashing(file)
            archive.addfile(member, hashing)
    except FileNotFoundError:
        raise _Moved from None
    return member.size, hashing.state.hexdigest()


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


def _pack_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    archive.addfile(_member(name, len(data)), io.BytesIO(data))


def _described(made: ArchiveManifest) -> bytes:
    body = {
        "format": FORMAT,
        "made_at": made.made_at.isoformat(),
        "made_with": made.made_with,
        "files": {name: list(one) for name, one in made.files.items()},
    }
    return json.dumps(body, indent=1).encode()


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
