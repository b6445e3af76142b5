"""Walks a folder tree without ever mistaking a fault for emptiness.

``os.walk`` and fsspec's ``find`` pass over a folder they cannot read, so it looks empty and its documents look
deleted. This walker lists folder by folder over ``os.scandir``, which raises, and turns each fault into an event.

Links are followed only when their target stays under the root. A link that leads outside is reported, not passed
over: an ``exclude`` silences it. Pipes, sockets and devices are reported likewise and never opened. A link to a
folder that is already being walked is a loop and ends there.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from kbm.domain.sync import Failed
from kbm_connectors.globs import Globs, State

MAX_NESTED_LINKS = 2
"""Links within linked folders multiply the tree; deeper nesting is reported instead."""

_JUNK = re.compile(r"~\$.*|.*\.tmp|thumbs\.db|desktop\.ini|__macosx|\.ds_store", re.IGNORECASE | re.DOTALL)
"""What office programs and file managers leave behind; never a document, whatever ``include`` says."""

_AMBIGUOUS = re.compile(r"[\x00-\x1f\x7f\udc80-\udcff]|\\(?=x[0-9a-f]{2})")
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")


def is_junk(name: str) -> bool:
    """Tell whether a file or folder of this name is never a document."""
    return _JUNK.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file: its path below the root as the system spells it, and what the system says of it."""

    path: str
    status: os.stat_result


@dataclass(frozen=True, slots=True)
class _Folder:
    path: str
    include: State
    exclude: State
    above: tuple[tuple[int, int], ...]  # device and inode of every folder on the way down
    links: int


def item_id(path: str) -> str:
    """Spell *path* so that it can be stored, printed and turned back.

    Names are bytes to the system. Bytes that are no UTF-8 and control characters become ``\\xHH``; a backslash
    that would read as such an escape is escaped too, so two files never share an id.
    """
    return _AMBIGUOUS.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", path)


def path_of(item: str) -> str:
    """Turn an id back into the path; the inverse of :func:`item_id`."""

    def raw(found: re.Match[str]) -> str:
        byte = int(found[1], 16)
        return chr(byte) if byte < 0x80 else chr(0xDC00 + byte)

    return _ESCAPED.sub(raw, item)


def walk(root: str, include: Globs, exclude: Globs) -> Iterator[Found | Failed]:
    """List the files under *root* in a stable order, with a ``Failed`` for whatever could not be listed.

    A root that cannot be read, or that becomes another folder meanwhile, gives ``Failed`` with the empty scope.
    """
    try:
        at_start = _identity(os.stat(root))
        real_root = os.path.realpath(root, strict=True)
    except OSError as error:
        yield Failed(scope="", why=_reason(error))
        return
    # The last of the list is taken next, so children are pushed in reverse.
    waiting = [_Folder("", include.start, exclude.start, (at_start,), 0)]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(os.path.join(root, folder.path)) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            yield Failed(scope=item_id(folder.path), why=_reason(error))
            continue
        below: list[_Folder] = []
        for entry in entries:
            found = _look_at(entry, folder, include, exclude, real_root)
            if isinstance(found, _Folder):
                below.append(found)
            elif found is not None:
                yield found
        waiting.extend(reversed(below))
    try:
        same = _identity(os.stat(root)) == at_start
    except OSError as error:
        yield Failed(scope="", why=_reason(error))
        return
    if not same:
        yield Failed(scope="", why="the folder was replaced by another one while it was read")


def _look_at(
    entry: os.DirEntry[str], folder: _Folder, include: Globs, exclude: Globs, real_root: str
) -> _Folder | Found | Failed | None:
    if is_junk(entry.name):
        return None
    wanted, unwanted = include.step(folder.include, entry.name), exclude.step(folder.exclude, entry.name)
    if not wanted or exclude.accepts(unwanted):
        return None
    path = f"{folder.path}/{entry.name}" if folder.path else entry.name
    try:
        is_link = entry.is_symlink()
        if is_link and not is_under(os.path.realpath(entry.path), real_root):
            return _link_outside(entry, folder.path, path, wanted=include.accepts(wanted))
        status = entry.stat()
    except FileNotFoundError as error:
        # A dangling link inside the root: what it meant is gone from the very tree this walk lists.
        return None if entry.is_symlink() else _failed_item(folder.path, path, error)
    except OSError as error:
        return _failed_item(folder.path, path, error)
    if stat.S_ISREG(status.st_mode):
        return Found(path, status) if include.accepts(wanted) else None
    if not stat.S_ISDIR(status.st_mode):
        # Told, not passed over; and never opened: that could block for ever.
        return _no_file(status.st_mode, folder.path, path) if include.accepts(wanted) else None
    here, links = _identity(status), folder.links + is_link
    if here in folder.above:
        return None
    if links > MAX_NESTED_LINKS:
        return Failed(
            scope=item_id(path), why=f"more than {MAX_NESTED_LINKS} links within links", retry=False
        )
    return _Folder(path, wanted, unwanted, (*folder.above, here), links)


def _link_outside(entry: os.DirEntry[str], folder: str, path: str, *, wanted: bool) -> Failed | None:
    why = "a link that leads outside the source; not followed"
    if os.path.isdir(entry.path):
        return Failed(scope=item_id(path), why=why, retry=False)
    return Failed(scope=item_id(folder), id=item_id(path), why=why, retry=False) if wanted else None


def _no_file(mode: int, folder: str, path: str) -> Failed:
    kind = next((told for is_it, told in _NO_FILES if is_it(mode)), "something else")
    return Failed(scope=item_id(folder), id=item_id(path), why=f"{kind}, not a file; not opened", retry=False)


_NO_FILES = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def _failed_item(folder: str, path: str, error: OSError) -> Failed:
    return Failed(scope=item_id(folder), id=item_id(path), why=_reason(error))


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def is_under(path: str, root: str) -> bool:
    """Tell whether *path* is *root* or below it; both without links."""
    return path == root or path.startswith(root.rstrip("/") + "/")


def _reason(error: OSError) -> str:
    # Without the path: the event names it already, spelled so that it can be printed.
    return (error.strerror or type(error).__name__).lower()
