"""Metadata files beside the documents of a DMS export: ``contract.pdf`` and ``contract.pdf.xml``.

They are the only place where most archives say title, author, date and readers. A side file is read with every
listing, so that narrowed readers hold without the document being fetched again; the document's version changes with
what the side file says of title, author and date. A side file that is there but cannot be understood keeps its
document as it was: it may be what says that nobody may read it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic import Field, field_validator

from kbm.domain.documents import EVERYONE, Blob
from kbm.domain.identity import digest
from kbm.domain.sync import Event, Failed, Ref
from kbm.errors import ConnectorError
from kbm_connectors.files_tree import Selection
from kbm_connectors.settings import SourceSettings

MAX_BYTES = 1_000_000

_READER = re.compile(r"everyone|(?:group|user):\S+")
_GERMAN = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[ ,T]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?")

Fetch = Callable[[Ref], Blob]


def check_readers(mapped: dict[str, str]) -> dict[str, str]:
    """Refuse a mapping to what is no reader; for validators of settings."""
    for reader in mapped.values():
        if not _READER.fullmatch(reader):
            raise ValueError(f"{reader!r}: a reader is 'everyone', 'group:NAME' or 'user:NAME'")
    return mapped


class SideSettings(SourceSettings):
    """How side files are called and what their fields are."""

    file: str = Field(
        description="Name of the side file: '{name}.xml' for contract.pdf.xml, '{stem}.json' for contract.json."
    )
    title: str = Field(default="title", description="Field with the title.")
    author: str = Field(default="author", description="Field with the author.")
    modified: str = Field(
        default="modified", description="Field with the date: ISO 8601, 24.11.2026 or RFC 2822."
    )
    readers: str = Field(default="readers", description="Field with the readers, once or several times.")
    readers_map: dict[str, str] = Field(
        default_factory=dict,
        description="What a reader there is here: {Personal = 'group:hr', Alle = 'everyone'}.",
    )

    @field_validator("file")
    @classmethod
    def _is_pattern(cls, file: str) -> str:
        if "/" in file or len(re.findall(r"\{(?:name|stem)\}", file)) != 1:
            raise ValueError("name it with {name} or {stem}, as in '{name}.xml'")
        if not file.lower().endswith((".xml", ".json")):
            raise ValueError("side files are .xml or .json")
        return file

    @field_validator("readers_map")
    @classmethod
    def _are_readers(cls, mapped: dict[str, str]) -> dict[str, str]:
        return check_readers(mapped)

    @property
    def pattern(self) -> str:
        """Give the pattern that all side files match."""
        return "**/" + re.sub(r"\{(?:name|stem)\}", "*", self.file)

    def side_of(self, item: str) -> str:
        """Name the side file of an item."""
        folder, slash, name = item.rpartition("/")
        stem = name.rpartition(".")[0] or name
        return folder + slash + self.file.replace("{name}", name).replace("{stem}", stem)


class Sides:
    """Puts what side files say into the references of their documents."""

    def __init__(self, name: str, settings: SideSettings | None, files: Selection) -> None:
        self._name, self._settings, self._files = name, settings, files

    def described(self, events: Iterable[Event], fetch: Fetch) -> Iterator[Event]:
        """Pass on a listing without the side files, each document with what is said beside it."""
        settings = self._settings
        listed = list(events)
        refs = {event.id: event for event in listed if isinstance(event, Ref)}
        sides = {settings.side_of(id) for id in refs} & refs.keys() if settings else set()
        broken = {event.id: event for event in listed if isinstance(event, Failed) and event.id}
        for event in listed:
            if not isinstance(event, Ref) or settings is None:
                yield event
            elif event.id not in sides and self._files.wants(event.id):
                side = settings.side_of(event.id)
                if side in broken:
                    yield Failed(
                        scope=event.scope, id=event.id, why=f"{side} cannot be read: {broken[side].why}"
                    )
                elif side in sides:
                    yield self._described(event, refs[side], settings, fetch)
                else:
                    yield event

    def _described(self, ref: Ref, side: Ref, settings: SideSettings, fetch: Fetch) -> Event:
        try:
            data = fetch(side).data
            if len(data) > MAX_BYTES:
                raise ValueError("it is larger than 1 MB")
            fields = _fields(data)
            modified = _moment(_first(fields, settings.modified))
        except ConnectorError as error:
            return Failed(scope=ref.scope, id=ref.id, why=str(error))
        except ValueError as error:
            return Failed(
                scope=ref.scope, id=ref.id, why=f"{side.id} cannot be understood: {error}", retry=False
            )
        title, author = _first(fields, settings.title), _first(fields, settings.author)
        said = digest("side", title, author, modified.isoformat() if modified else "")
        return replace(
            ref,
            version=f"{ref.version}+{said[:12]}",
            title=title or ref.title,
            author=author or ref.author,
            modified=modified or ref.modified,
            readers=_readers(fields, settings),
        )


def _readers(fields: Mapping[str, list[str]], settings: SideSettings) -> frozenset[str] | None:
    """Give the readers that are named; None where the field is missing, nobody where it names no known reader."""
    named = fields.get(settings.readers.casefold())
    if named is None:
        return None
    mapped = {key.casefold(): reader for key, reader in settings.readers_map.items()}
    parts = [part.strip() for text in named for part in re.split(r"[;,\n]", text)]
    found = {mapped.get(part.casefold(), part) for part in parts if part}
    return frozenset(one for one in found if one == EVERYONE or _READER.fullmatch(one))


def _fields(data: bytes) -> dict[str, list[str]]:
    """Read the fields of a side file by name, without regard to case, namespaces and nesting."""
    from lxml import etree

    found: dict[str, list[str]] = {}
    text = data.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text[:1] in (b"{", b"["):
        _collect(json.loads(data.decode("utf-8-sig")), "", found)
        return found
    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
        root = etree.fromstring(text, parser)
    except etree.XMLSyntaxError:
        raise ValueError("it is no whole XML") from None
    for element in root.iter(etree.Element):
        name = etree.QName(element).localname
        # <field name="Titel">…</field> and <Titel value="…"/> are as usual as <Titel>…</Titel>.
        key = (element.get("name") or name).casefold()
        value = (element.text or "").strip() or (element.get("value") or "").strip()
        if value or len(element) == 0:
            found.setdefault(key, []).append(value)
        else:
            found.setdefault(key, []).extend(
                (child.text or "").strip() for child in element if len(child) == 0
            )
    return found


def _collect(value: Any, key: str, found: dict[str, list[str]]) -> None:
    """Flatten JSON; Any is what json gives."""
    if isinstance(value, dict):
        for name, inner in value.items():
            _collect(inner, str(name).casefold(), found)
    elif isinstance(value, list):
        found.setdefault(key, [])
        for inner in value:
            _collect(inner, key, found)
    elif value is not None:
        found.setdefault(key, []).append(str(value).strip())


def _first(fields: Mapping[str, list[str]], name: str) -> str:
    return next((text for text in fields.get(name.casefold(), []) if text), "")


def _moment(text: str) -> datetime | None:
    """Read a date; without a zone it is taken for this machine's.

    Raises:
        ValueError: it is none.
    """
    if not text:
        return None
    german = _GERMAN.fullmatch(text)
    if german:
        day, month, year, hour, minute, second = (int(part or 0) for part in german.groups())
        moment = datetime(year, month, day, hour, minute, second)
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            try:
                moment = parsedate_to_datetime(text)
            except (ValueError, TypeError):
                raise ValueError(f"{text[:40]!r} is no date") from None
    return (moment if moment.tzinfo else moment.astimezone()).astimezone(UTC)
