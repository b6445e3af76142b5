"""Documents in a folder: a share that is mounted, a DMS export, a checked-out archive.

**What tells an edit.** Size and time of modification miss an edit of the same length whose time was set back, as
copy tools and some editors do; the time of the last change of the inode cannot be set, and the inode number tells a
file that was put in the place of another. A restored or copied tree therefore gets new tokens: its files are read
once more, and equal content makes no new version.

**What is never read.** Nothing outside the folder: a path is resolved once, must lie under the root, and is then
opened name by name without following links, so a link that is swapped in meanwhile cannot lead outside either.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from kbm.domain.documents import Blob
from kbm.domain.sync import Event, Failed, Mark, Ref
from kbm.errors import ConnectorRefused, ConnectorUnavailable
from kbm_connectors.files_tree import Selection, link
from kbm_connectors.folder_walk import is_under, item_id, path_of, walk
from kbm_connectors.refusals import RIGHTS_HINT


class FolderTree:
    """The files below a folder that *wanted* selects."""

    def __init__(self, name: str, path: Path, wanted: Selection, *, url_prefix: str = "") -> None:
        self.name, self.place = name, str(path)
        self._root, self._wanted, self._prefix = str(path), wanted, url_prefix

    def problem(self) -> str:
        """Say what keeps the folder from being read."""
        if not os.path.lexists(self._root):
            return f"{self._root} does not exist; url is taken relative to the folder of kbm.toml"
        if os.path.exists(self._root) and not os.path.isdir(self._root):
            return f"{self._root} is not a folder; url names the folder, include the files in it"
        return ""

    def scan(self) -> Iterator[Event]:
        """List every file that matches; always complete, since a folder does not tell what changed."""
        complete = True
        for found in walk(self._root, self._wanted.include, self._wanted.exclude):
            if isinstance(found, Failed):
                complete = complete and (found.scope != "" or found.id is not None)
                yield found
            else:
                yield self._ref(found.path, found.status)
        if complete:
            yield Mark(cursor=None, full=True)

    def fetch(self, ref: Ref) -> Blob:
        """Read one file.

        Raises:
            ConnectorUnavailable: it is gone, or the share does not answer.
            ConnectorRefused: it may not be read, or it leads outside the folder.
        """
        try:
            with os.fdopen(self._open_inside(ref.id), "rb") as file:
                return Blob(data=file.read(), name=ref.id.rsplit("/", 1)[-1], media_type=ref.media_type)
        except OSError as error:
            why = f"source {self.name}: {ref.id} cannot be read: {(error.strerror or str(error)).lower()}"
            if error.errno in (errno.EACCES, errno.EPERM):
                raise ConnectorRefused(why, hint=RIGHTS_HINT) from error
            raise ConnectorUnavailable(why) from error

    def _open_inside(self, item: str) -> int:
        real_root = os.path.realpath(self._root, strict=True)
        path = path_of(item)
        if "\0" in path or path.startswith("/") or {"", ".", ".."} & set(path.split("/")):
            raise ConnectorRefused(f"source {self.name}: {item!r} is no path below its folder")
        real = os.path.realpath(os.path.join(real_root, path))
        if not is_under(real, real_root) or real == real_root:
            raise ConnectorRefused(f"source {self.name}: {item} leads outside its folder and is not read")
        *folders, last = os.path.relpath(real, real_root).split("/")
        at = os.open(real_root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for folder in folders:
                below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
                os.close(at)
                at = below
            # Without O_NONBLOCK, opening a pipe that took the file's place would wait for a writer.
            file = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at)
        finally:
            os.close(at)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise ConnectorRefused(f"source {self.name}: {item} is not a regular file any more")
        return file

    def _ref(self, path: str, status: os.stat_result) -> Ref:
        item = item_id(path)
        otherwise = "file://" + quote(os.fsencode(os.path.join(self._root, path)))
        return Ref(
            id=item,
            version=f"{status.st_size:x}-{status.st_mtime_ns:x}-{status.st_ctime_ns:x}-{status.st_ino:x}",
            url=link(self._prefix, path, otherwise),
            modified=modified_at(status),
            size=status.st_size,
            scope=item.rpartition("/")[0],
        )


def modified_at(status: os.stat_result) -> datetime | None:
    """Give the time of modification; ``None`` when it lies outside the calendar, as broken clocks make it."""
    try:
        return datetime.fromtimestamp(status.st_mtime, UTC)
    except (OverflowError, ValueError, OSError):
        return None
