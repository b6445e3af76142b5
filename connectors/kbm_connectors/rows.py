"""Tables that a legacy system exports or shows, as one document per key.

Not one per row: an answer needs the price list, not a line of it. Not one per file: a changed price would then
re-read, re-embed and re-release everything. The version of a document is a hash of what it shows, so a new export
with one new price changes one document, and a column nobody may see changes none.

**Which file.** ``preisliste_*.csv`` names a series in which each export replaces the one before; the newest by
time of modification is read, and :meth:`RowsConnector.check` names the others. A newest file that does not fit the
profile is a fault, never a reason to fall back to an older one. With ``files = "all"`` each file that matches is
read for itself, and one that is missing or does not fit keeps its documents while the others are taken.

**Memory.** A table is read in one pass. What is kept is the finished text of the groups, packed, and it serves
every ``fetch`` after a ``scan``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from kbm.domain.documents import Blob
from kbm.domain.identity import digest
from kbm.domain.sync import Event, Failed, Json, Mark, Ref
from kbm.errors import ConnectorError, ConnectorUnavailable
from kbm.ports import ConnectorSettings
from kbm_connectors import rows_files, rows_proposal, workbook
from kbm_connectors.files_folder import modified_at
from kbm_connectors.profile import item_id
from kbm_connectors.rows_database import Database
from kbm_connectors.rows_groups import Groups, grouped
from kbm_connectors.rows_settings import RowsSettings, is_database
from kbm_connectors.settings import local_path, validated
from kbm_connectors.tables import Table

Read = TypeVar("Read")

MEDIA_TYPE = "application/vnd.kbm.rows+json"


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one pass over a file or a view gave; ``scope`` is the file where several are read."""

    name: str
    groups: Groups
    url: str = ""
    modified: datetime | None = None
    scope: str = ""


class RowsConnector:
    """Lists and hands out the groups of a table."""

    kind: ClassVar[str] = "rows"
    url_is_path: ClassVar[bool] = True

    def __init__(self, name: str, settings: ConnectorSettings, root: Path) -> None:
        self.name = name
        self.settings = validated(RowsSettings, name, settings)
        self._profile = self.settings.profile
        self._database: Database | None = None
        self._path = root
        if is_database(self.settings.url):
            self._database = Database(name, self.settings, root)
        else:
            self._path = local_path(name, self.settings.url, root)
            rows_files.check_pattern(name, self.settings.url, self._path)
        self._readings: dict[str, _Reading] = {}  # by scope

    @classmethod
    def recognises(cls, url: str, root: Path) -> dict[str, Any] | None:
        """Propose the settings for an export, its profile included; None for anything that is no table."""
        return rows_proposal.recognised(url, root)

    @classmethod
    def completes(cls, name: str, settings: ConnectorSettings, root: Path) -> dict[str, Any]:
        """Propose what is still missing once a person named account and view: the profile of a database."""
        return rows_proposal.completed(name, settings, root)

    def check(self) -> list[str]:
        """Read everything once and say what keeps it from being read, or what in it is left out."""
        try:
            return self._remarks_of_database() if self._database else self._remarks_of_files()
        except ConnectorError as error:
            return [_sentence(error)]

    def scan(self, cursor: Json) -> Iterator[Event]:
        """Read the whole table, then list its groups; nothing is listed of a table that does not fit.

        The cursor names the files read before, where several are: one that is missing now is told.
        """
        self._readings.clear()
        if self._database or self.settings.files == "newest":
            reading = self._named(self._read_database if self._database else self._read_newest)
            self._readings[""] = reading
            yield from self._listed(reading)
            yield Mark(cursor=None, full=True)
            return
        names = cursor if isinstance(cursor, list) else []
        yield from self._scan_all({name for name in names if isinstance(name, str)})

    def fetch(self, ref: Ref) -> Blob:
        """Hand out a group as the last scan read it; without one, the table is read now.

        Raises:
            ConnectorUnavailable: the group is not there any more, or the table is not.
            ConnectorRefused: the table does not fit the profile.
        """
        scope, inner = self._place_of(ref.id)
        if scope not in self._readings:
            self._readings[scope] = self._named(lambda: self._read(scope))
        reading = self._readings[scope]
        group = reading.groups.found.get(inner)
        if group is None:
            raise ConnectorUnavailable(
                f"source {self.name}: {reading.name} has no rows of {ref.id!r} any more"
            )
        return Blob(data=reading.groups.body(group), name=f"{ref.id}.rows.json", media_type=MEDIA_TYPE)

    # --- listing

    def _scan_all(self, before: set[str]) -> Iterator[Event]:
        paths = {path.name: path for path in self._named(self._candidates)}
        if not paths:
            raise self._nothing()
        for name in sorted(before - paths.keys()):
            why = (
                f"{name} was read before and is missing now; its documents are kept. Put it back, or a file of that "
                "name with nothing but its header if its rows are gone"
            )
            yield Failed(scope=_scope(name), why=why)
        for name, path in sorted(paths.items()):
            try:
                reading = self._read_file(path, scope=_scope(name))
            except ConnectorError as error:
                yield Failed(scope=_scope(name), why=_sentence(error), retry=error.retryable)
                continue
            self._readings[reading.scope] = reading
            yield from self._listed(reading)
        yield Mark(cursor=[*sorted(before | paths.keys())], full=True)

    def _listed(self, reading: _Reading) -> Iterator[Ref]:
        for item, group in reading.groups:
            body = reading.groups.body(group)
            yield Ref(
                id=f"{reading.scope}{item}",
                version=digest("rows", body, self._profile.digest),
                title=group.title,
                url=reading.url,
                media_type=MEDIA_TYPE,
                modified=reading.modified,
                size=len(body),
                scope=reading.scope,
            )

    def _place_of(self, item: str) -> tuple[str, str]:
        """Split an id into the file it comes from and the key; the file is empty where only one is read."""
        if self._database or self.settings.files == "newest":
            return "", item
        scope, _, inner = item.partition("/")
        return f"{scope}/", inner

    # --- reading

    def _read(self, scope: str) -> _Reading:
        if self._database:
            return self._read_database()
        if not scope:
            return self._read_newest()
        path = next((one for one in self._candidates() if _scope(one.name) == scope), None)
        if path is None:
            raise ConnectorUnavailable(f"no file of the name {scope.rstrip('/')} any more")
        return self._read_file(path, scope=scope)

    def _read_database(self) -> _Reading:
        database = self._database
        if database is None:
            raise ConnectorUnavailable("no database is named")
        table = Table(name=database.place, profile=self._profile, lines=database.lines, unit="row")
        return _Reading(database.place, grouped(table, database.place, in_order=database.in_order))

    def _read_newest(self) -> _Reading:
        found = self._candidates()
        if not found:
            raise self._nothing()
        return self._read_file(found[-1])

    def _read_file(self, path: Path, scope: str = "") -> _Reading:
        status, groups = rows_files.read(path, self._profile)
        return _Reading(path.name, groups, path.as_uri(), modified_at(status), scope)

    def _candidates(self) -> list[Path]:
        return rows_files.candidates(self._path)

    def _nothing(self) -> ConnectorUnavailable:
        hint = "url is taken relative to the folder of kbm.toml"
        return ConnectorUnavailable(f"source {self.name}: no file {self._path}", hint=hint)

    # --- telling

    def _named(self, read: Callable[[], Read]) -> Read:
        start = f"source {self.name}: "
        try:
            return read()
        except ConnectorError as error:
            if str(error).startswith(start):
                raise
            raise type(error)(f"{start}{error}", hint=error.hint) from error.__cause__

    def _remarks_of_database(self) -> list[str]:
        reading = self._named(self._read_database)
        remarks = [] if reading.groups.found else [f"{reading.name} has no rows"]
        return remarks + (self._database.remarks() if self._database else [])

    def _remarks_of_files(self) -> list[str]:
        found = self._named(self._candidates)
        if not found:
            raise self._nothing()
        remarks = []
        for path in found if self.settings.files == "all" else found[-1:]:
            remarks += self._remarks_of(path)
        older = [path.name for path in found[:-1]] if self.settings.files == "newest" else []
        if older:
            shown = ", ".join(older[:5]) + (f" and {len(older) - 5} more" if len(older) > 5 else "")
            remarks.append(f"{found[-1].name} is the newest and is read; not read: {shown}")
        return remarks

    def _remarks_of(self, path: Path) -> list[str]:
        try:
            reading = self._named(lambda: self._read_file(path))
        except ConnectorError as error:
            return [_sentence(error)]
        remarks = [] if reading.groups.found else [f"{path.name} has a header but no rows"]
        is_book = path.suffix.lower() in workbook.SUFFIXES
        without = workbook.formulas_without_value(path, self._profile) if is_book else 0
        if without:
            remarks.append(
                f"{path.name}: {without} formulas have no stored result and read as empty; "
                "open and save it in the spreadsheet program"
            )
        return remarks


def _scope(name: str) -> str:
    return f"{item_id([name])}/"


def _sentence(error: ConnectorError) -> str:
    return f"{error} ({error.hint})" if error.hint else str(error)
