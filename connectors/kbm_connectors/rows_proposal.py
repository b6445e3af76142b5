"""Propose a profile for a table nobody has described yet.

A guess, made once and shown to the person who confirms it: at run time nothing is guessed. What is proposed names the
whole header, so that another one is refused from then on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from kbm.errors import ConfigError, ConnectorError, ConnectorRefused, ConnectorUnavailable
from kbm.ports import ConnectorSettings
from kbm_connectors import text_proposal, workbook, xml_list
from kbm_connectors.exact_values import exact_date, exact_number
from kbm_connectors.profile import Profile
from kbm_connectors.rows_database import Database
from kbm_connectors.rows_files import SUFFIXES, candidates
from kbm_connectors.rows_settings import RowsSettings, is_database
from kbm_connectors.settings import local_path, validated
from kbm_connectors.text_file import Cell

LOOKED_ROWS = 200
UNKNOWN = Profile(key=("-",))
"""Reads a sheet from its first row on."""

_SQLITE = b"SQLite format 3\0"
_DATABASE_SUFFIXES = frozenset({".sqlite", ".sqlite3", ".db", ".db3"})
_FRACTION = re.compile(r"\d([.,])\d{1,4}(?!\d|[.,])\D*$")
_LEADING_ZERO = re.compile(r"0\d")


def recognised(url: str, root: Path) -> dict[str, Any] | None:
    """Give the settings for a file or a database; None for anything that holds no table."""
    if is_database(url):
        return _database_settings(url)
    if "://" in url and not url.startswith("file://"):
        return None
    path = local_path("new", url, root)
    if path.suffix.lower() in _DATABASE_SUFFIXES and path.is_file():
        with open(path, "rb") as file:
            is_one = file.read(len(_SQLITE)) == _SQLITE
        return {"url": f"sqlite:///{url.removeprefix('./')}"} if is_one else None
    if path.suffix.lower() not in SUFFIXES:
        return None
    matching = sorted(path.parent.glob(path.name), key=lambda one: one.stat().st_mtime)
    found = [path] if path.is_file() else matching
    try:
        profile = propose(found[-1]) if found else None
    except ConnectorError:
        return {"url": url}  # it is one, and completed() tells what is wrong with it
    return {"url": url, "profile": profile} if profile else None


def completed(name: str, settings: ConnectorSettings, root: Path) -> dict[str, Any]:
    """Give what is missing in the settings: a profile, and of a database its only view.

    Raises:
        ConfigError: several views could be meant; they are named.
        ConnectorError: nothing can be read there, or no table be seen in it.
    """
    if "profile" in settings:
        return {}
    url = str(settings.get("url", ""))
    if not is_database(url):
        return {"profile": _of_newest(local_path(name, url, root))}
    given = dict(settings)
    if not given.get("view") and not given.get("query"):
        # Any view does to look which there are.
        there = _database(name, {**given, "view": "-"}, root).views()
        if len(there) != 1:
            listed = ", ".join(there[:20]) or "none that the account may see"
            raise ConfigError(
                f"which view is to be read? There is: {listed}",
                hint="--set view=NAME, or --set query='SELECT …'",
            )
        given["view"] = there[0]
    database = _database(name, given, root)
    with closing(database.lines()) as lines:
        names = [cell or "" for cell in next(lines)[1]]
        body = [cells for _, cells in islice(lines, LOOKED_ROWS)]
    if not names or not body:
        raise ConnectorRefused(
            f"{database.place} has no rows to propose a profile by", hint="write one by hand"
        )
    return {**given, "profile": _about(names, body)}


def _of_newest(pattern: Path) -> dict[str, Any]:
    found = candidates(pattern)
    if not found:
        raise ConnectorUnavailable(f"no file {pattern}")
    profile = propose(found[-1])
    if profile is None:
        raise ConnectorRefused(
            f"{found[-1].name}: no table can be seen in it", hint="write the profile by hand"
        )
    return profile


def propose(path: Path) -> dict[str, Any] | None:
    """Give the profile of a file, ready for kbm.toml; None when no table can be seen in it.

    Raises:
        ConnectorError: it is an XML file or a workbook that cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix in xml_list.SUFFIXES:
        return _of_xml(path)
    if suffix in workbook.SUFFIXES:
        return _of_workbook(path)
    found = text_proposal.table_in(path)
    if found is None:
        return None
    profile = {**found.layout, **_about(found.names, found.body)}
    if "fixed" in profile:
        del profile["columns"]  # they are named with their places
    if found.stop_at:
        profile["stop_at"] = found.stop_at
    return profile


def _database_settings(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if not parts.username:
        return {"url": url}
    # A password that was typed into the address is not written anywhere.
    bare = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return {"url": bare, "user": unquote(parts.username)}


def _database(name: str, settings: Mapping[str, Any], root: Path) -> Database:
    known = validated(RowsSettings, name, {**settings, "profile": {"key": ["-"]}})
    return Database(name, known, root)


def _of_xml(path: Path) -> dict[str, Any] | None:
    there = [] if xml_list.root_of(path) == "mediawiki" else xml_list.repeating(path)
    if not there:
        return None
    record = there[0][0]
    names = xml_list.columns(path, record)
    rows = xml_list.rows(path, record)
    body = [[values.get(name) for name in names] for _, values in islice(rows, LOOKED_ROWS)]
    return {"record": record, **_about(names, body, record.rpartition("/")[2])}


def _of_workbook(path: Path) -> dict[str, Any] | None:
    """Look at each sheet; the one with most cells below a header is it."""
    best: tuple[int, dict[str, Any]] | None = None
    sheets = workbook.sheet_names(path)
    for at, sheet in enumerate(sheets):
        rows = _sheet_rows(path, sheet)
        header = text_proposal.header_of(rows)
        if header is None:
            continue
        names, body = rows[header], rows[header + 1 :]
        total = text_proposal.total_in(body)
        body = body[: total[0]] if total else body
        while names and not names[-1]:
            names = names[:-1]
        layout: dict[str, Any] = {"sheet": sheet} if at else {}
        if header:
            layout["header_row"] = header + 1
        profile = {**layout, **_about(names, [row for row in body if any(row)])}
        if total:
            profile["stop_at"] = total[1]
        n_cells = sum(sum(map(bool, row)) for row in body)
        if best is None or n_cells > best[0]:
            best = n_cells, profile
    return best[1] if best else None


def _sheet_rows(path: Path, sheet: str) -> list[list[str]]:
    found: list[list[str]] = []
    with closing(workbook.lines(path, UNKNOWN.model_copy(update={"sheet": sheet}))) as lines:
        for number, cells in lines:
            found += [[] for _ in range(number - 1 - len(found))] + [[cell or "" for cell in cells]]
            if len(found) >= text_proposal.LOOKED_LINES:
                break
    return found


def _about(names: Sequence[str], body: Sequence[Sequence[Cell]], what: str = "") -> dict[str, Any]:
    """Give what a profile says of the columns whatever the file is: header, key, title, numbers, dates."""
    key = _key(names, body)
    profile: dict[str, Any] = {
        "columns": [name for name in names if name],
        "key": [key],
        "title": f"{what or key} {{{key}}}" if not set("{}") & set(key) else "",
    }
    columns = {name: list(_column(at, body)) for at, name in enumerate(names) if name and name != key}
    dates = [name for name, cells in columns.items() if cells and all(map(exact_date, cells))]
    others = [cell for name, cells in columns.items() if name not in dates for cell in cells]
    points = [found[1] for cell in others if (found := _FRACTION.search(cell))]
    decimal = "," if points.count(",") > points.count(".") else "."
    numbers = [name for name, cells in columns.items() if _are_amounts(cells, decimal)]
    if decimal == "," and numbers:
        profile["decimal"] = decimal
    if numbers:
        profile["numbers"] = numbers
    if dates:
        profile["dates"] = dates
    return {name: value for name, value in profile.items() if value}


def _column(at: int, body: Iterable[Sequence[Cell]]) -> Iterator[str]:
    for row in body:
        if len(row) > at and (cell := row[at]):
            yield cell


def _are_amounts(cells: Sequence[str], decimal: str) -> bool:
    """Tell whether a column holds amounts: numbers, some of them with a fraction, no article numbers."""
    if not any(_FRACTION.search(cell) for cell in cells) or any(_LEADING_ZERO.match(cell) for cell in cells):
        return False
    return all(exact_number(cell, decimal) is not None for cell in cells)


def _key(names: Sequence[str], body: Sequence[Sequence[Cell]]) -> str:
    """Name the first column that is filled in every row."""
    rows = [row for row in body if sum(map(bool, row)) > 1]
    for at, name in enumerate(names):
        if name and all(len(row) > at and row[at] for row in rows):
            return name
    return next(filter(None, names))
