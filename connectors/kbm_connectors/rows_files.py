"""Which file, or files, a source of kind ``rows`` reads, and by which reader."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Generator
from pathlib import Path

from kbm.errors import ConfigError, ConnectorRefused, ConnectorUnavailable
from kbm_connectors import fixed_width, text_file, workbook, xml_list
from kbm_connectors.folder_walk import is_under
from kbm_connectors.profile import Profile
from kbm_connectors.refusals import unreadable
from kbm_connectors.rows_groups import Groups, grouped
from kbm_connectors.tables import Table
from kbm_connectors.text_file import Line

SUFFIXES = text_file.SUFFIXES | workbook.SUFFIXES | xml_list.SUFFIXES


def lines(path: Path, profile: Profile) -> Generator[Line]:
    """Yield header and rows of a file by its ending.

    Raises:
        ConnectorRefused: the file is not what its profile says.
        ConnectorUnavailable: it vanished or the disk failed.
    """
    suffix = path.suffix.lower()
    if suffix in xml_list.SUFFIXES:
        return xml_list.lines(path, profile)
    if suffix in workbook.SUFFIXES:
        return workbook.lines(path, profile)
    return fixed_width.lines(path, profile) if profile.fixed else text_file.lines(path, profile)


def read(path: Path, profile: Profile) -> tuple[os.stat_result, Groups]:
    """Read a whole file; ``ConnectorUnavailable`` too when it is written to meanwhile."""
    try:
        before = path.stat()
        table = Table(
            name=path.name,
            profile=profile,
            lines=lambda: lines(path, profile),
            pads=path.suffix.lower() in workbook.SUFFIXES,
        )
        groups = grouped(table, path)
        after = path.stat()
    except OSError as error:
        raise unreadable(path, error) from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise ConnectorUnavailable(f"{path.name} was written to while it was read")
    return before, groups


def check_pattern(source: str, url: str, path: Path) -> None:
    """Refuse an address that can name no table.

    Raises:
        ConfigError: its ending is none of those that can be read, or a folder holds ``*``.
    """
    if any(mark in str(path.parent) for mark in "*?") and not path.parent.exists():
        raise ConfigError(f"sources.{source}.url = {url!r}: only the file name may hold * and ?")
    suffix = path.suffix.lower()
    open_ended = "*" in suffix or (not suffix and "*" in path.name)
    if suffix not in SUFFIXES and not open_ended:
        readable = ", ".join(sorted(SUFFIXES))
        raise ConfigError(
            f"sources.{source}.url = {url!r}: {suffix or 'a name without ending'} cannot be read as rows; "
            f"there is: {readable}",
            hint="save old .xls workbooks as .xlsx" if suffix == ".xls" else "",
        )


def candidates(pattern: Path) -> list[Path]:
    """List the files that match, oldest first; of the same age, the last by name is the newest.

    Raises:
        ConnectorRefused: the name is no file's.
        ConnectorUnavailable: the folder cannot be read.
    """
    if os.path.lexists(pattern):
        if not pattern.is_file():
            raise ConnectorRefused(f"{pattern} is not a regular file")
        return [pattern]
    folder = os.path.realpath(pattern.parent)
    try:
        with os.scandir(pattern.parent) as listing:
            # A pattern takes whatever is put there: a link may then not reach for other files.
            found = [
                (entry.stat().st_mtime_ns, entry.name)
                for entry in listing
                if _is_wanted(entry.name, pattern.name)
                and entry.is_file()
                and is_under(os.path.realpath(entry.path), folder)
            ]
    except OSError as error:
        raise unreadable(pattern.parent, error) from error
    return [pattern.parent / name for _, name in sorted(found)]


def _is_wanted(name: str, pattern: str) -> bool:
    if name.startswith((".", "~$")) or Path(name).suffix.lower() not in SUFFIXES:
        return False
    return fnmatch.fnmatchcase(name.lower(), pattern.lower())
