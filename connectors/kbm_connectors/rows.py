"""Tables that a legacy system exports, as one document per key.

Not one per row: an answer needs the price list, not a line of it. Not one per file: a changed price would then
re-read, re-embed and re-release everything. The version of a document is a hash of what it shows, so a new export
with one new price changes one document, and a column nobody may see changes none.

**Which file.** ``preisliste_*.csv`` names a series in which each export replaces the one before; the newest by
time of modification is read, and :meth:`RowsConnector.check` names the others. A newest file that does not fit the
profile is a fault, never a reason to fall back to an older one.

**Memory.** The file is read in one pass. What is kept is the finished text of the groups, packed, and it serves
every ``fetch`` after a ``scan``.
"""

from __future__ import annotations

import fnmatch
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from kbm.domain.documents import Blob
from kbm.domain.identity import digest
from kbm.domain.sync import Event, Json, Mark, Ref
from kbm.errors import ConfigError, ConnectorError, ConnectorRefused, ConnectorUnavailable
from kbm.ports import ConnectorSettings
from kbm_connectors.files_folder import modified_at
from kbm_connectors.folder_walk import is_under
from kbm_connectors.profile import MASK, Profile, filled, item_id
from kbm_connectors.refusals import refused, unreadable
from kbm_connectors.rows_proposal import propose
from kbm_connectors.settings import SourceSettings, local_path, validated
from kbm_connectors.tables import SUFFIXES, Table

MEDIA_TYPE = "application/vnd.kbm.rows+json"


class RowsSettings(SourceSettings):
    """Keys of a source of kind ``rows``."""

    url: str = Field(
        min_length=1, description="A CSV, TSV or XLSX file; * and ? in its name mean the newest."
    )
    profile: Profile


@dataclass(slots=True)
class _Group:
    """The rows of one key, as they will be delivered: packed JSON, since Python lists take five times the room."""

    title: str
    intro: str
    body: bytearray = field(default_factory=bytearray, repr=False)


@dataclass(frozen=True, slots=True)
class _Reading:
    """Everything one pass over a file gave."""

    path: Path
    status: os.stat_result
    columns: tuple[str, ...]
    groups: dict[str, _Group] = field(repr=False)


class RowsConnector:
    """Lists and hands out the groups of a table."""

    kind: ClassVar[str] = "rows"
    url_is_path: ClassVar[bool] = True

    def __init__(self, name: str, settings: ConnectorSettings, root: Path) -> None:
        self.name = name
        self.settings = validated(RowsSettings, name, settings)
        self._path = local_path(name, self.settings.url, root)
        if any(mark in str(self._path.parent) for mark in "*?") and not self._path.parent.exists():
            raise ConfigError(
                f"sources.{name}.url = {self.settings.url!r}: only the file name may hold * and ?"
            )
        suffix = self._path.suffix.lower()
        open_ended = "*" in suffix or (not suffix and "*" in self._path.name)
        if suffix not in SUFFIXES and not open_ended:
            readable = ", ".join(sorted(SUFFIXES))
            raise ConfigError(
                f"sources.{name}.url = {self.settings.url!r}: {suffix or 'a name without ending'} cannot be read "
                f"as rows; there is: {readable}",
                hint="save old .xls workbooks as .xlsx" if suffix == ".xls" else "",
            )
        self._profile = self.settings.profile
        self._reading: _Reading | None = None

    @classmethod
    def recognises(cls, url: str, root: Path) -> dict[str, Any] | None:
        """Propose the settings for an export, its profile included; None for anything that is no table."""
        if "://" in url and not url.startswith("file://"):
            return None
        path = local_path("new", url, root)
        if path.suffix.lower() not in SUFFIXES:
            return None
        found = (
            [path]
            if path.is_file()
            else sorted(path.parent.glob(path.name), key=lambda one: one.stat().st_mtime)
        )
        profile = propose(found[-1]) if found else None
        return {"url": url, "profile": profile} if profile else None

    def check(self) -> list[str]:
        """Read the file once and say what keeps it from being read, or what in it is left out."""
        try:
            reading = self._read()
            without = Table(reading.path, self._profile).formulas_without_value()
            older = [path.name for path in self._candidates() if path != reading.path]
        except ConnectorError as error:
            return [f"{error} ({error.hint})" if error.hint else str(error)]
        remarks = []
        if not reading.groups:
            remarks.append(f"{reading.path.name} has a header but no rows")
        if without:
            remarks.append(
                f"{reading.path.name}: {without} formulas have no stored result and read as empty; "
                "open and save it in the spreadsheet program"
            )
        if older:
            shown = ", ".join(older[:5]) + (f" and {len(older) - 5} more" if len(older) > 5 else "")
            remarks.append(f"{reading.path.name} is the newest and is read; not read: {shown}")
        return remarks

    def scan(self, cursor: Json) -> Iterator[Event]:  # an export has no cursor
        """Read the whole file, then list its groups; nothing is listed of a file that does not fit."""
        reading = self._reading = self._read()
        url = reading.path.as_uri()
        modified = modified_at(reading.status)
        for item, group in reading.groups.items():
            body = self._body(reading, group)
            yield Ref(
                id=item,
                version=digest("rows", body, self._profile.digest),
                title=group.title,
                url=url,
                media_type=MEDIA_TYPE,
                modified=modified,
                size=len(body),
            )
        yield Mark(cursor=None, full=True)

    def fetch(self, ref: Ref) -> Blob:
        """Hand out a group as the last scan read it; without one, the file is read now.

        Raises:
            ConnectorUnavailable: the group is not there any more, or the file is not.
            ConnectorRefused: the file does not fit the profile.
        """
        if self._reading is None:
            self._reading = self._read()
        group = self._reading.groups.get(ref.id)
        if group is None:
            raise ConnectorUnavailable(
                f"source {self.name}: {self._reading.path.name} has no rows of {ref.id!r} any more"
            )
        return Blob(data=self._body(self._reading, group), name=f"{ref.id}.rows.json", media_type=MEDIA_TYPE)

    def _body(self, reading: _Reading, group: _Group) -> bytes:
        head = {"title": group.title, "intro": group.intro, "columns": reading.columns}
        return _json(head)[:-1] + b',"rows":[' + bytes(group.body) + b"]}"

    def _read(self) -> _Reading:
        path = self._newest()
        try:
            before = path.stat()
            reading = self._read_file(path, before)
            after = path.stat()
        except ConnectorError as error:
            raise self._named(error) from error.__cause__
        except OSError as error:
            raise self._named(unreadable(path, error)) from error
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise ConnectorUnavailable(f"source {self.name}: {path.name} was written to while it was read")
        return reading

    def _read_file(self, path: Path, status: os.stat_result) -> _Reading:
        profile = self._profile
        table = Table(path, profile)
        groups: dict[str, _Group] = {}
        shown: list[int] = []
        masked: list[int] = []
        for line, cells in table:
            if not shown:
                names = table.columns
                shown = [at for at, name in enumerate(names) if name and name not in profile.drop]
                masked = [at for at, name in enumerate(names) if name in profile.mask]
                key = [names.index(name) for name in profile.key]
            # First of all: from here on nothing knows what stood there, neither a title nor a hash.
            for at in masked:
                cells[at] = MASK
            values = [cells[at] for at in key]
            if not any(values):
                raise refused(
                    path,
                    f"the key {', '.join(profile.key)} is empty",
                    line,
                    "fill it in the export, name another key, or stop before total lines with profile.stop_at",
                )
            item = item_id(values)
            group = groups.get(item)
            if group is None:
                row = {table.columns[at]: cells[at] for at in shown}
                title = filled(profile.title, row) if profile.title else " / ".join(filter(None, values))
                group = groups[item] = _Group(title=title, intro=filled(profile.intro, row))
            else:
                group.body += b","
            group.body += _json([cells[at] for at in shown])
        return _Reading(path, status, tuple(table.columns[at] for at in shown), groups)

    def _named(self, error: ConnectorError) -> ConnectorError:
        return type(error)(f"source {self.name}: {error}", hint=error.hint)

    def _newest(self) -> Path:
        found = self._candidates()
        if not found:
            raise ConnectorUnavailable(
                f"source {self.name}: no file {self._path}",
                hint="url is taken relative to the folder of kbm.toml",
            )
        return found[-1]

    def _candidates(self) -> list[Path]:
        """List the files that match, oldest first; of the same age, the last by name is the newest."""
        if os.path.lexists(self._path):
            if not self._path.is_file():
                raise ConnectorRefused(f"source {self.name}: {self._path} is not a regular file")
            return [self._path]
        folder = os.path.realpath(self._path.parent)
        found: list[tuple[int, str]] = []
        try:
            with os.scandir(self._path.parent) as listing:
                for entry in listing:
                    if not self._is_wanted(entry.name):
                        continue
                    # A pattern takes whatever is put there: a link may then not reach for other files.
                    if entry.is_file() and is_under(os.path.realpath(entry.path), folder):
                        found.append((entry.stat().st_mtime_ns, entry.name))
        except OSError as error:
            raise self._named(unreadable(self._path.parent, error)) from error
        return [self._path.parent / name for _, name in sorted(found)]

    def _is_wanted(self, name: str) -> bool:
        if name.startswith((".", "~$")) or Path(name).suffix.lower() not in SUFFIXES:
            return False
        return fnmatch.fnmatchcase(name.lower(), self._path.name.lower())


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
