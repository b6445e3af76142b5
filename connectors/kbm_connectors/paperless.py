"""Documents of a Paperless-ngx, with the readers its owners and rights give them.

**Listing.** Documents come in the order of their last edit. Numbered pages shift when one is edited meanwhile, and
the document at the edge of two pages would be passed over; so each page begins where the one before ended. A full
listing counts as whole only if it holds as many documents as Paperless counts.

**Between full listings** only what was edited is listed, with some time before it: a document gets its time when it
is stored, and is seen when that is committed. The trash names what was deleted. Two things are told by the full
listing alone: documents deleted from the trash, or from one that the account does not see; and rights given to many
documents at once, which Paperless does not count as an edit. Hence one a day.

**Readers.** Owner and rights are numbers; names come from the lists of users and groups. A number without a name lets
nobody in. If the account may not list them, that holds for all; if it could before, the sync is refused instead:
readers taken away by a fault would have to wait for a person to come back.
"""

from __future__ import annotations

import mimetypes
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from kbm.domain.documents import Blob
from kbm.domain.identity import digest
from kbm.domain.sync import Event, Gone, Json, Mark, Ref
from kbm.errors import ConfigError, ConnectorError, ConnectorUnavailable, did_you_mean
from kbm.ports import ConnectorSettings
from kbm_connectors.paperless_api import PaperlessApi, Record
from kbm_connectors.paperless_settings import PaperlessSettings
from kbm_connectors.settings import validated

PER_PAGE = 250
OVERLAP = timedelta(minutes=15)
"""Longer than storing one document takes; what is listed twice is not fetched again."""
ROUNDS = 3
_TICK = timedelta(microseconds=1)
_FIELDS = "id,title,correspondent,document_type,tags,modified,owner,permissions,mime_type,versions"
_PAGES = ("/documents", "/dashboard", "/api", "/view", "/accounts/login")


@dataclass(frozen=True, slots=True)
class _Names:
    """What numbers stand for. None: the account may not list them."""

    users: dict[int, str] | None
    groups: dict[int, str] | None
    correspondents: dict[int, str]
    tags: frozenset[int]  # of which a document must have one; empty: any
    types: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Cursor:
    """Up to which edit everything was listed; ``full`` is kbm's time, ``modified`` that of Paperless."""

    settings: str
    modified: datetime
    full: datetime
    named: tuple[str, ...]

    @classmethod
    def of(cls, cursor: Json) -> _Cursor | None:
        match cursor:
            case {"settings": str(made), "modified": str(modified), "full": str(full), "named": list(named)}:
                try:
                    return cls(
                        made,
                        datetime.fromisoformat(modified),
                        datetime.fromisoformat(full),
                        tuple(str(one) for one in named),
                    )
                except ValueError:
                    return None
        return None

    def as_json(self) -> Json:
        times = {"modified": self.modified.isoformat(), "full": self.full.isoformat()}
        return {"settings": self.settings, **times, "named": list(self.named)}


@dataclass(slots=True)
class _Seen:
    """What a scan has listed so far: versions by number, and the time of the last edit."""

    versions: dict[int, str] = field(default_factory=dict)
    modified: datetime | None = None


class PaperlessConnector:
    """Lists documents and hands out their originals."""

    kind: ClassVar[str] = "paperless"
    url_is_path: ClassVar[bool] = False

    def __init__(
        self,
        name: str,
        settings: ConnectorSettings,
        root: Path,
        *,
        pause: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name = name
        self.settings = validated(PaperlessSettings, name, settings)
        self._api = PaperlessApi(name, self.settings, root, pause)
        self._now = now
        self._digest = digest(
            "paperless",
            self.settings.url,
            repr((self.settings.user, self.settings.token)),
            repr((sorted(self.settings.tags), sorted(self.settings.document_types))),
        )

    @classmethod
    def recognises(cls, url: str, root: Path) -> dict[str, Any] | None:  # noqa: ARG003 - named by the port
        """Propose the settings for an address of Paperless's: its name has the word, or it is a document's page."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return None
        path = parts.path.rstrip("/")
        under, found, after = path.partition("/documents/")
        if found and after.removesuffix("/details").isdigit():
            return {"url": _server(url, under.removesuffix("/api"))}
        if "paperless" in f"{parts.hostname}{path}".lower():
            cut = min((at for page in _PAGES if (at := path.find(page)) >= 0), default=len(path))
            return {"url": _server(url, path[:cut])}
        return None

    def check(self) -> list[str]:
        """Log in, ask for one document and for the names, and say what does not work."""
        try:
            names = self._names()
            n_documents = self._count()
        except (ConnectorError, ConfigError) as error:
            return [f"{error} ({error.hint})" if error.hint else str(error)]
        problems = [
            f"{self.settings.url}: the account may not list {what}: those who read by their right as {what} are not "
            f"known, so nobody reads by it (give the account the right to view {what})"
            for what, known in (("users", names.users), ("groups", names.groups))
            if known is None
        ]
        return [*problems, *([] if n_documents else [f"{self.settings.url}: the account sees no document"])]

    def scan(self, cursor: Json) -> Iterator[Event]:
        """List what was edited since *cursor*, or everything when it is not from here or a full listing is due."""
        since = _Cursor.of(cursor)
        if since is not None and since.settings != self._digest:
            since = None
        began, names = self._now(), self._names()
        named = tuple(what for what in ("users", "groups") if getattr(names, what) is not None)
        lost = [what for what in since.named if what not in named] if since else []
        if lost:
            raise self._api.http.refused(
                f"the account may not list {' and '.join(lost)} any more, so readers cannot be told",
                hint="give it that right back; what is stored keeps its readers",
            )
        every = timedelta(hours=self.settings.full_every_hours)
        is_full = since is None or not since.full <= began < since.full + every
        seen = _Seen()
        yield from self._listed(None if since is None or is_full else since.modified - OVERLAP, names, seen)
        if is_full:
            yield from self._rest(names, seen)
        yield from self._trash()
        modified = max((one for one in (seen.modified, since and since.modified) if one), default=began)
        full = began if since is None or is_full else since.full
        yield Mark(cursor=_Cursor(self._digest, modified, full, named).as_json(), full=is_full)

    def fetch(self, ref: Ref) -> Blob:
        """Give a document's original.

        Raises:
            ConnectorUnavailable: it is gone, or Paperless does not answer.
            ConnectorRefused: the account may not read it.
        """
        reply = self._api.get(
            f"/api/documents/{ref.id}/download/", {"original": "true"}, also=frozenset({404})
        )
        if reply.status == 404:
            raise ConnectorUnavailable(f"source {self.name}: document {ref.id} is not there any more")
        page = ("text/html", "application/json")
        if not reply.body or (reply.media_type in page and reply.media_type != ref.media_type):
            self._api.http.must_be(reply, ref.media_type or "document")
        ending = mimetypes.guess_extension(ref.media_type or reply.media_type) or ""
        return Blob(data=reply.body, name=f"{ref.id}{ending}", media_type=ref.media_type or reply.media_type)

    # --- documents

    def _listed(self, after: datetime | None, names: _Names, seen: _Seen) -> Iterator[Event]:
        """List what was edited after a moment, each document at least once as it then was."""
        number = 1
        while True:
            params = {"ordering": "modified,id", "page": str(number), "page_size": str(PER_PAGE)}
            params |= {"fields": _FIELDS, "full_perms": "true", "truncate_content": "true"}
            if after is not None:
                params["modified__gt"] = after.isoformat()
            page = self._api.page("/api/documents/", params)
            assert page is not None  # noqa: S101 - no other status is asked for
            before: datetime | None = None
            for record in page.records:
                edited = self._edited(record)
                if (before is not None and edited < before) or (after is not None and edited <= after):
                    raise self._api.http.unavailable("documents came in another order than asked for")
                before = edited
                if seen.modified is None or edited > seen.modified:
                    seen.modified = edited
                yield from self._events(record, edited, names, seen)
            if page.is_last:
                return
            assert before is not None  # noqa: S101 - a page that another follows is not empty
            if after is not None and before - _TICK <= after:
                number += 1  # a whole page was edited in the same moment
            else:
                after, number = before - _TICK, 1

    def _rest(self, names: _Names, seen: _Seen) -> Iterator[Event]:
        """Vouch for a full listing: as many documents as there are, with those stored while it was made."""
        for _ in range(ROUNDS):
            count = self._count()
            if not count:
                raise self._api.http.refused(
                    "it shows the account no document at all",
                    hint="give the account the right to view documents",
                )
            if len(seen.versions) >= count:
                return
            yield from self._listed(seen.modified and seen.modified - _TICK, names, seen)
        raise self._api.http.unavailable(f"{count} documents are there, {len(seen.versions)} were listed")

    def _count(self) -> int:
        page = self._api.page("/api/documents/", {"page": "1", "page_size": "1", "fields": "id"})
        return page.count if page else 0

    def _events(self, record: Record, edited: datetime, names: _Names, seen: _Seen) -> Iterator[Event]:
        number = record["id"]
        version = _version(record, edited)
        if seen.versions.get(number) == version:
            return
        seen.versions[number] = version
        tags = record.get("tags")
        tagged = not names.tags or bool(names.tags.intersection(tags if isinstance(tags, list) else ()))
        if not tagged or (names.types and record.get("document_type") not in names.types):
            yield Gone(id=str(number))
            return
        yield Ref(
            id=str(number),
            version=version,
            title=_text(record, "title"),
            url=f"{self.settings.url}/documents/{number}/details",
            author=names.correspondents.get(record.get("correspondent") or 0, ""),
            media_type=_text(record, "mime_type"),
            modified=edited,
            readers=self._readers(record, names),
        )

    def _edited(self, record: Record) -> datetime:
        try:
            moment = datetime.fromisoformat(record["modified"].replace("Z", "+00:00"))
        except (KeyError, AttributeError, ValueError):
            raise self._api.http.unavailable(f"document {record['id']} came without its time") from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)

    def _readers(self, record: Record, names: _Names) -> frozenset[str] | None:
        """Give the readers; None for a document without owner, which every account of Paperless may see."""
        match record:
            case {"owner": None}:
                return None
            case {
                "owner": int(owner),
                "permissions": {"view": {"users": list(users), "groups": list(groups)}},
            }:
                people = (f"user:{_word(name)}" for name in _named([owner, *users], names.users))
                return frozenset(
                    [*people, *(f"group:{_word(name)}" for name in _named(groups, names.groups))]
                )
        raise self._api.http.unavailable(f"document {record['id']} came without its owner and rights")

    # --- names and trash

    def _names(self) -> _Names:
        return _Names(
            users=self._api.names("/api/users/", "username"),
            groups=self._api.names("/api/groups/", "name"),
            correspondents=self._api.names("/api/correspondents/", "name") or {},
            tags=self._numbers("tags", self.settings.tags),
            types=self._numbers("document_types", self.settings.document_types),
        )

    def _numbers(self, key: str, wanted: tuple[str, ...]) -> frozenset[int]:
        if not wanted:
            return frozenset()
        known = self._api.names(f"/api/{key}/", "name")
        if known is None:
            raise self._api.http.refused(
                f"the account may not list {key}", hint="give it the right to view them"
            )
        found = {name.casefold(): number for number, name in known.items()}
        missing = [one for one in wanted if one.casefold() not in found]
        if missing:
            raise self._api.http.refused(
                f"sources.{self.name}.{key}: there is no {missing[0]!r}",
                hint=did_you_mean(missing[0], sorted(known.values())),
            )
        return frozenset(found[one.casefold()] for one in wanted)

    def _trash(self) -> Iterator[Gone]:
        """Name what lies in the trash, as far as the account sees it; older versions have none."""
        for page in self._api.pages("/api/trash/", PER_PAGE) or ():
            yield from (Gone(id=str(one["id"])) for one in page.records)


def _version(record: Record, edited: datetime) -> str:
    """Tell a content from another one. A new file version need not be an edit of its document."""
    versions = record.get("versions")
    files = [one.get("id") if isinstance(one, dict) else one for one in versions or ()]
    latest = max((one for one in files if isinstance(one, int)), default=0)
    return f"{edited.isoformat()}-{latest}" if latest else edited.isoformat()


def _named(numbers: list[Any], names: dict[int, str] | None) -> Iterator[str]:
    """Give the names of those that have one; Any because the list comes from outside."""
    return (names[one] for one in numbers if isinstance(one, int) and one in names) if names else iter(())


def _word(name: str) -> str:
    # A reader's name holds no white space.
    return "_".join(name.split())


def _text(record: Record, key: str) -> str:
    value = record.get(key)
    return value if isinstance(value, str) else ""


def _server(url: str, path: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}".rstrip("/")
