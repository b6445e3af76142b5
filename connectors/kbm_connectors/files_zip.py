"""The files in a zip archive, read where they lie: nothing is ever unpacked onto the disk.

**What tells an edit.** The checksum and length of each member, so an export that is written anew every night changes
only what is new in it.

**Names.** Archives from Windows and from old tools spell names in a code page without saying which. A name that is
valid UTF-8 is taken for it, since no other name is by chance; else the code page of old PCs is, unless
``metadata_encoding`` names another.

**What is refused.** Names that lead out of the archive, links, archives in archives below two levels, and members
that unpack to two hundred times their size.
"""

from __future__ import annotations

import stat
import struct
import tempfile
import zipfile
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
from kbm_connectors.folder_walk import item_id
from kbm_connectors.refusals import unreadable

MAX_MEMBERS = 200_000
MAX_DEPTH = 2
"""Levels of archives in archives that are opened."""
MAX_RATIO = 200
RATIO_FROM = 10_000_000
"""Bytes from which on the ratio counts: a small file of one letter may compress to nothing."""
MAX_NESTED = 1_000_000_000
"""Bytes of an archive in the archive; it is unpacked to be read."""

_UTF8_FLAG, _ENCRYPTED_FLAG = 0x800, 0x1
_TIMESTAMP = 0x5455


@dataclass(frozen=True, slots=True)
class _Member:
    path: str
    archive: zipfile.ZipFile
    info: zipfile.ZipInfo


@dataclass(slots=True)
class _Opened:
    """An archive as it was at one moment, with those in it."""

    token: tuple[int, ...]
    members: dict[str, _Member] = field(default_factory=dict)  # by item id
    failed: list[Failed] = field(default_factory=list)


class ZipTree:
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
            return str(error)
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
            if self._wanted.wants(member.path):
                yield self._ref(item, member)
        try:
            same = state_of(self._path) == opened.token
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
            ConnectorUnavailable: it is not in the archive any more, or is damaged.
            ConnectorRefused: it needs a password, is a bomb, or is packed in a way that is not known.
        """
        member = self._open().members.get(ref.id)
        if member is None:
            raise ConnectorUnavailable(f"source {self._name}: {ref.id} is not in {self._path.name} any more")
        info = member.info
        if info.flag_bits & _ENCRYPTED_FLAG:
            raise ConnectorRefused(
                f"source {self._name}: {ref.id} is encrypted", hint="export it without password"
            )
        if _is_bomb(info):
            raise ConnectorRefused(
                f"source {self._name}: {ref.id} unpacks to more than {MAX_RATIO} times its size; not read"
            )
        try:
            with member.archive.open(info) as file:
                data = file.read()
        except (NotImplementedError, RuntimeError) as error:
            raise ConnectorRefused(
                f"source {self._name}: {ref.id} is packed in a way that cannot be read",
                hint="pack it with deflate",
            ) from error
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise ConnectorUnavailable(
                f"source {self._name}: {ref.id} is damaged in {self._path.name}"
            ) from error
        return Blob(data=data, name=ref.id.rsplit("/", 1)[-1], media_type=ref.media_type)

    def _open(self) -> _Opened:
        """Open the archive, or take it as it was opened while it is the same."""
        try:
            token = state_of(self._path)
            if self._opened is not None and self._opened.token == token:
                return self._opened
            self._opened = None
            opened = _Opened(token)
            self._list(_whole(zipfile.ZipFile(self._path)), "", 0, opened)
        except OSError as error:
            raise unreadable(self._path, error) from error
        except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError) as error:
            raise ConnectorUnavailable(
                f"{self._path.name} is no whole zip archive: still being written, or damaged"
            ) from error
        if len(opened.members) > MAX_MEMBERS:
            raise ConnectorRefused(f"{self._path.name} holds more than {MAX_MEMBERS} files", hint="split it")
        self._opened = opened
        return opened

    def _list(self, archive: zipfile.ZipFile, below: str, depth: int, opened: _Opened) -> None:
        for info in archive.infolist():
            name = self._name_of(info)
            path = f"{below}{name.rstrip('/')}"
            if info.is_dir() or name.endswith("/"):
                continue
            if leads_out(name):
                why = "its name leads out of the archive; not read"
                opened.failed.append(Failed(scope=below.rstrip("/"), id=item_id(path), why=why, retry=False))
                continue
            if stat.S_ISLNK(info.external_attr >> 16):
                if self._wanted.wants(path):
                    why = "a link in an archive; not followed"
                    opened.failed.append(
                        Failed(scope=below.rstrip("/"), id=item_id(path), why=why, retry=False)
                    )
                continue
            if not name.lower().endswith(".zip"):
                opened.members[item_id(path)] = _Member(path, archive, info)
            elif self._wanted.may_hold(path):
                inner = self._nested(archive, info, path, depth, opened)
                if inner is not None:
                    self._list(inner, f"{path}/", depth + 1, opened)
            if len(opened.members) > MAX_MEMBERS:
                return

    def _nested(
        self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: str, depth: int, opened: _Opened
    ) -> zipfile.ZipFile | None:
        why, retry = "", False
        if depth >= MAX_DEPTH:
            why = f"more than {MAX_DEPTH} archives within archives; not read"
        elif info.flag_bits & _ENCRYPTED_FLAG:
            why = "an encrypted archive; not read"
        elif info.file_size > MAX_NESTED or _is_bomb(info):
            why = "an archive that unpacks to far more than it should; not read"
        else:
            room: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=50_000_000)  # noqa: SIM115 - kept with its archive
            try:
                with archive.open(info) as packed:
                    while part := packed.read(1 << 20):
                        room.write(part)
                return _whole(zipfile.ZipFile(room))
            except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError):
                room.close()
                why, retry = "an archive that is damaged", True
        opened.failed.append(Failed(scope=item_id(path), why=why, retry=retry))
        return None

    def _name_of(self, info: zipfile.ZipInfo) -> str:
        name = info.orig_filename.partition("\0")[0]
        if not info.flag_bits & _UTF8_FLAG:
            raw = name.encode("cp437")
            try:
                name = raw.decode("utf-8")
            except UnicodeDecodeError:
                name = raw.decode(self._encoding or "cp437", errors="replace")
        return name.replace("\\", "/")

    def _ref(self, item: str, member: _Member) -> Ref:
        path, info = member.path, member.info
        inside = f"file://{quote(str(self._path))}#{quote(path, errors='surrogateescape')}"
        return Ref(
            id=item,
            version=f"{info.CRC:08x}-{info.file_size:x}",
            url=link(self._prefix, path, inside),
            modified=_modified(info),
            size=info.file_size,
            scope=item.rpartition("/")[0],
        )


def _whole(archive: zipfile.ZipFile) -> zipfile.ZipFile:
    """Refuse an archive that lost its end: what is then found is the directory of one that lies in it."""
    start = min((info.header_offset for info in archive.infolist()), default=archive.start_dir)
    if start:
        raise zipfile.BadZipFile("it does not begin where its directory says")
    return archive


def state_of(path: Path) -> tuple[int, ...]:
    """Tell a file from one that was put in its place or written anew."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def leads_out(name: str) -> bool:
    """Tell whether a member's name is none below the archive."""
    return name.startswith("/") or name[1:2] == ":" or bool({"", ".", ".."} & set(name.split("/")))


def _is_bomb(info: zipfile.ZipInfo) -> bool:
    return info.file_size > RATIO_FROM and info.file_size > MAX_RATIO * max(info.compress_size, 1)


def _modified(info: zipfile.ZipInfo) -> datetime | None:
    """Give the time of modification: exact where the archive has it, else as this machine's clock would show it."""
    extra = info.extra
    try:
        while len(extra) >= 4:
            kind, length = struct.unpack("<HH", extra[:4])
            if kind == _TIMESTAMP and length >= 5 and extra[4] & 1:
                return datetime.fromtimestamp(struct.unpack("<i", extra[5:9])[0], UTC)
            extra = extra[4 + length :]
        return datetime(*info.date_time).astimezone(UTC)
    except (ValueError, OverflowError, OSError, struct.error):
        return None
