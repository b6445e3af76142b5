"""The files in a tar archive, also a compressed one: ``.tar``, ``.tar.gz``, ``.tgz``, ``.tar.xz``, ``.tar.bz2``.

A tar has no list of what is in it, and ends wherever reading stops. So it is read to its end mark before anything of
it counts; what is cut off, filled up with zeros or damaged in the middle vouches for nothing.

**What tells an edit.** A hash of each file, so an archive that is packed anew changes only what is new in it.

**What is refused.** Names that lead out, links, devices, files with holes, and archives that unpack to two hundred
times their size. A compressed archive is unpacked into one temporary file without a name; no member ever becomes a
file.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import tarfile
import tempfile
import weakref
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from urllib.parse import quote

from kbm.domain.documents import Blob
from kbm.domain.sync import Event, Failed, Mark, Ref
from kbm.errors import ConnectorError, ConnectorRefused, ConnectorUnavailable
from kbm_connectors.files_tree import Selection, link
from kbm_connectors.files_zip import MAX_MEMBERS, MAX_RATIO, RATIO_FROM, leads_out, state_of
from kbm_connectors.folder_walk import item_id
from kbm_connectors.refusals import unreadable

ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
MAX_UNPACKED = 20_000_000_000
"""Bytes of an archive without its compression."""
MAX_TAIL = 1_000_000
"""Bytes of zeros after the end mark: archivers fill up a record, half a download fills up the file."""

_BLOCK, _PART = 512, 1 << 20
_MAX_HEADER = 10_000_000
_DAMAGED = (
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
    RecursionError,
    gzip.BadGzipFile,
)


@dataclass(frozen=True, slots=True)
class _Member:
    path: str
    offset: int
    size: int
    version: str
    modified: float


@dataclass(slots=True)
class _Opened:
    """An archive as it was at one moment; ``file`` holds it without compression."""

    state: tuple[int, ...]
    file: IO[bytes]
    members: dict[str, _Member] = field(default_factory=dict)  # by item id
    failed: list[Failed] = field(default_factory=list)


class TarTree:
    """The members of an archive that *wanted* selects."""

    def __init__(
        self, name: str, path: Path, wanted: Selection, *, encoding: str = "", url_prefix: str = ""
    ) -> None:
        self.place = str(path)
        self._name, self._path, self._wanted = name, path, wanted
        self._encoding, self._prefix = encoding, url_prefix
        self._opened: _Opened | None = None

    def problem(self) -> str:
        """Say what keeps the archive from being read."""
        try:
            self._open()
        except ConnectorError as error:
            return f"{error} ({error.hint})" if error.hint else str(error)
        return ""

    def scan(self) -> Iterator[Event]:
        """List the members; an archive that is written meanwhile, or cut off, vouches for nothing."""
        try:
            opened = self._open()
        except ConnectorError as error:
            yield Failed(scope="", why=str(error), retry=error.retryable)
            return
        yield from opened.failed
        for item, member in opened.members.items():
            yield self._ref(item, member)
        try:
            same = state_of(self._path) == opened.state
        except OSError as error:
            yield Failed(scope="", why=str(unreadable(self._path, error)))
            return
        if same:
            yield Mark(cursor=None, full=True)
        else:
            yield Failed(scope="", why="the archive was replaced by another one while it was read")

    def fetch(self, ref: Ref) -> Blob:
        """Read a member.

        Raises:
            ConnectorUnavailable: it is not in the archive any more, or the archive is damaged.
            ConnectorRefused: the archive is a bomb.
        """
        opened = self._open()
        member = opened.members.get(ref.id)
        if member is None:
            raise ConnectorUnavailable(f"source {self._name}: {ref.id} is not in {self._path.name} any more")
        try:
            opened.file.seek(member.offset)
            data = opened.file.read(member.size)
        except OSError as error:
            raise unreadable(self._path, error) from error
        if len(data) != member.size:
            raise ConnectorUnavailable(f"source {self._name}: {ref.id} is damaged in {self._path.name}")
        return Blob(data=data, name=ref.id.rsplit("/", 1)[-1], media_type=ref.media_type)

    def _open(self) -> _Opened:
        """Read the archive to its end, or take it as it was read while it is the same."""
        try:
            state = state_of(self._path)
            if self._opened is not None and self._opened.state == state:
                return self._opened
            self._close()
            opened = _Opened(state, _unpacked(self._path))
            try:
                self._list(opened)
            except BaseException:
                opened.file.close()
                raise
        except _DAMAGED as error:
            raise ConnectorUnavailable(
                f"{self._path.name} is no whole tar archive: still being written, or damaged"
            ) from error
        except OSError as error:
            raise unreadable(self._path, error) from error
        self._opened = opened
        # Nobody tells a connector that it is not needed any more.
        weakref.finalize(self, opened.file.close)
        return opened

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.file.close()
            self._opened = None

    def _list(self, opened: _Opened) -> None:
        with tarfile.open(
            fileobj=_Bounded(opened.file), mode="r:", encoding="utf-8", errors="surrogateescape"
        ) as archive:
            for n, info in enumerate(archive):
                if n >= MAX_MEMBERS:
                    raise ConnectorRefused(
                        f"{self._path.name} holds more than {MAX_MEMBERS} members", hint="split it"
                    )
                if not info.isdir():
                    self._take(info, opened)
            end = archive.offset
        _check_end(opened.file, end)

    def _take(self, info: tarfile.TarInfo, opened: _Opened) -> None:
        path = self._path_of(info)
        item = item_id(path)
        opened.members.pop(item, None)  # what was appended later counts
        if leads_out(path):
            why = "its name leads out of the archive; not read"
        elif not self._wanted.wants(path):
            return
        elif info.issym() or info.islnk():
            why = "a link in an archive; not followed"
        elif info.issparse():
            why = "a file with holes in an archive; not read"
        elif not info.isreg():
            why = "no file; not read"
        else:
            version = _hashed(opened.file, info.offset_data, info.size)
            opened.members[item] = _Member(path, info.offset_data, info.size, version, info.mtime)
            return
        opened.failed.append(Failed(scope=item.rpartition("/")[0], id=item, why=why, retry=False))

    def _path_of(self, info: tarfile.TarInfo) -> str:
        """Give a member's name, without the ``./`` that ``tar .`` puts before each."""
        name = info.name
        if self._encoding and not name.isascii():
            raw = name.encode("utf-8", "surrogateescape")
            try:
                name = raw.decode("utf-8")
            except UnicodeDecodeError:
                name = raw.decode(self._encoding, errors="replace")
        return name.removeprefix("./")

    def _ref(self, item: str, member: _Member) -> Ref:
        inside = f"file://{quote(str(self._path))}#{quote(member.path, errors='surrogateescape')}"
        return Ref(
            id=item,
            version=member.version,
            url=link(self._prefix, member.path, inside),
            modified=_moment(member.modified),
            size=member.size,
            scope=item.rpartition("/")[0],
        )


class _Bounded(io.RawIOBase):
    """A file that gives no part larger than a header can be: tarfile reads as much as a header tells it to."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MAX_HEADER:
            raise tarfile.ReadError("a header that cannot be")
        return self._file.read(size)


def _unpacked(path: Path) -> IO[bytes]:
    """Give the archive without compression.

    Raises:
        ConnectorRefused: it unpacks to far more than it should.
        OSError: it cannot be read, or there is no room for it.
    """
    plain = path.open("rb")
    try:
        start = plain.read(6)
        plain.seek(0)
        packed: gzip.GzipFile | lzma.LZMAFile | bz2.BZ2File
        if start.startswith(b"\x1f\x8b"):
            packed = gzip.GzipFile(fileobj=plain)
        elif start.startswith(b"\xfd7zXZ\0"):
            packed = lzma.LZMAFile(plain)  # noqa: SIM115 - entered below
        elif start.startswith(b"BZh"):
            packed = bz2.BZ2File(plain)
        else:
            return plain
    except BaseException:
        plain.close()
        raise
    with plain, packed:
        return _copied(packed, path)


def _copied(packed: io.BufferedIOBase, path: Path) -> IO[bytes]:
    limit = min(MAX_UNPACKED, max(RATIO_FROM, MAX_RATIO * path.stat().st_size))
    room, n = tempfile.TemporaryFile(), 0  # noqa: SIM115 - kept with its archive
    try:
        while part := packed.read(_PART):
            n += len(part)
            if n > limit:
                raise ConnectorRefused(f"{path.name} unpacks to more than {limit:,} bytes; not read")
            room.write(part)
        room.seek(0)
    except BaseException:
        room.close()
        raise
    return room


def _check_end(file: IO[bytes], end: int) -> None:
    """Refuse an archive without its end mark; reading also stops at a header that is damaged.

    Raises:
        tarfile.ReadError: it does not end where reading stopped.
    """
    file.seek(end)
    tail = file.read(MAX_TAIL + 1)
    if len(tail) < _BLOCK or len(tail) > MAX_TAIL or tail.strip(b"\0"):
        raise tarfile.ReadError("it does not end where it seems to")


def _hashed(file: IO[bytes], offset: int, size: int) -> str:
    hashed, left = hashlib.blake2b(digest_size=16), size
    file.seek(offset)
    while left:
        part = file.read(min(left, _PART))
        if not part:
            raise EOFError("it is cut off")
        hashed.update(part)
        left -= len(part)
    return f"{hashed.hexdigest()}-{size:x}"


def _moment(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None
    except (OverflowError, ValueError, OSError):
        return None
