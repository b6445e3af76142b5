"""Pages of a Confluence, in the cloud or on a server of one's own, with the readers their restrictions give them.

**Listing.** Every page of every space, by the interface that reads the database; the search index, which lags, is
asked only for what changed since and for restrictions in bulk. A space that is configured and not shown, or shows no
page, is a fault: its documents stay. Nothing tells that a page was purged or that a restriction changed, so the full
listing comes every ``full_every_hours``; between two of them edits, new pages and the trash are followed.

**Time.** A search takes times by the minute and in the time zone of the account. The cloud may tell that zone; where
nobody does, a day more is asked for again. Pages that are known in their version cost no fetch.

**Readers.** See :mod:`kbm_connectors.confluence_restrictions`.
"""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from kbm.domain.documents import Blob
from kbm.domain.identity import digest
from kbm.domain.sync import Event, Failed, Gone, Json, Mark, Ref
from kbm.errors import ConfigError, ConnectorError, ConnectorUnavailable
from kbm.ports import ConnectorSettings
from kbm_connectors.confluence_answers import Ancestor, Attachment, Page, Space
from kbm_connectors.confluence_api import ConfluenceApi
from kbm_connectors.confluence_restrictions import Restriction, readers_by
from kbm_connectors.confluence_settings import CLOUD_HOST, KEY, ConfluenceSettings, Cursor, zone_of
from kbm_connectors.confluence_storage import as_html
from kbm_connectors.http import HttpClient
from kbm_connectors.secret_refs import SecretRef
from kbm_connectors.settings import validated

OVERLAP = timedelta(hours=2)
"""Asked for again where the time zone is known: an hour told twice in autumn, and a search index that lags."""
BLIND_OVERLAP = timedelta(hours=28)
"""Where it is not: no zone is further than 14 hours from another's midday."""
SPACES_A_QUERY = 25
_FILE = "att"
_ADDRESS = re.compile(
    r"(?P<context>.*?)(?:/display/(?P<shown>[^/]+)|/spaces/(?P<key>[^/]+)/pages|/pages/viewpage\.action|/rest/api/content)"
)


class _NotTold(Exception):  # who may read a page; the text says what is not shown
    pass


class ConfluenceConnector:
    """Lists and renders the pages of a Confluence."""

    kind: ClassVar[str] = "confluence"
    url_is_path: ClassVar[bool] = False
    proven_live: ClassVar[bool] = False

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
        self.settings = validated(ConfluenceSettings, name, settings)
        self._now = now
        token = self.settings.token
        bearer = SecretRef(key=f"sources.{name}.token", reference=token, root=root) if token else None
        self._http = HttpClient(name, self.settings, root, basic=True, bearer=bearer, pause=pause)
        self._digest = digest(
            "confluence",
            self.settings.base,
            repr((self.settings.user, sorted(self.settings.spaces), self.settings.attachments)),
        )

    @classmethod
    def recognises(cls, url: str, root: Path) -> dict[str, Any] | None:  # noqa: ARG003 - told by the address alone
        """Propose the settings for an address of Confluence's: a site in the cloud, or a page by its address."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return None
        site, path = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", parts.path.rstrip("/")
        is_cloud = parts.hostname.endswith(CLOUD_HOST)
        found = _ADDRESS.match(path)
        if is_cloud and path not in ("", "/wiki") and not path.startswith("/wiki/"):
            return None  # another product of the same site
        if not is_cloud and not found:
            return None
        key = (found["key"] or found["shown"] or "") if found else ""
        keys = {"spaces": [key]} if KEY.fullmatch(key) else {}
        if is_cloud:
            return {"url": f"{site}/wiki", **keys}
        context = found["context"] if found else ""
        return {"url": f"{site}{context}", "deployment": "server", **keys}

    def check(self) -> list[str]:
        """Ask who the account is and for the spaces, and say what does not work."""
        try:
            account = self._api().account()
            problems = [event.why for event in self._missing(self._spaces())]
            has_account = bool(self.settings.user or self.settings.token)
            if has_account and account.get("type") == "anonymous":
                problems.append("the site does not know the account: check user and password")
            return problems
        except (ConnectorError, ConfigError) as error:
            return [f"{error} ({error.hint})" if error.hint else str(error)]

    def scan(self, cursor: Json) -> Iterator[Event]:
        """List what changed since *cursor*, or everything when a full listing is due."""
        since, now = Cursor.of(cursor), self._now()
        due = timedelta(hours=self.settings.full_every_hours)
        if since is None or since.settings != self._digest or not since.full <= now < since.full + due:
            yield from self._full(cursor, now)
        else:
            yield from self._changed(cursor, since)

    def fetch(self, ref: Ref) -> Blob:
        """Render one page as it is now, or read one file.

        Raises:
            ConnectorUnavailable: it is gone, or the site does not answer.
            ConnectorRefused: the account may not read it any more.
        """
        api = self._api()
        if ref.id.startswith(_FILE):
            reply = api.download(ref.id)
            if reply is None:
                raise ConnectorUnavailable(f"source {self.name}: file {ref.id} is not there any more")
            if ref.size and not reply.body:
                raise self._http.unavailable(f"file {ref.id} came without its bytes")
            return Blob(data=reply.body, name=ref.title or ref.id, media_type=ref.media_type)
        found = api.body(ref.id)
        if found is None:
            raise ConnectorUnavailable(f"source {self.name}: page {ref.id} is not there any more")
        title, rendered, stored = found
        text = rendered if rendered.strip() else as_html(stored)
        head = f"<title>{html.escape(title)}</title>"
        whole = f"<!DOCTYPE html><html><head>{head}</head><body>\n{text}\n</body></html>\n"
        return Blob(data=whole.encode("utf-8", "replace"), name=f"{ref.id}.html", media_type="text/html")

    # --- scanning

    def _full(self, cursor: Json, now: datetime) -> Iterator[Event]:
        known = Cursor.of(cursor)
        changed = known.changed if known and known.settings == self._digest else None
        spaces, failed = self._spaces(), False
        for missing in self._missing(spaces):
            failed = True
            yield missing
        if not spaces:
            raise self._http.refused(
                "the site shows the account no space", hint="give it the right to view one"
            )
        for space in spaces:
            api = self._api()
            pages = api.pages(space)
            if not pages:
                failed = True
                yield Failed(scope=space.key, why="the account sees no page in this space")
                continue
            if self.settings.is_cloud:
                api.find_restrictions(space)
            for event in self._events(api, pages, pages):
                failed = failed or isinstance(event, Failed)
                yield event
            changed = max([page.modified for page in pages] + ([changed] if changed else []))
        # What failed must be listed again: from where this scan began.
        new = Cursor(self._digest, changed or now, now).as_json()
        yield Mark(cursor=cursor if failed else new, full=True)

    def _changed(self, cursor: Json, since: Cursor) -> Iterator[Event]:
        api, spaces, failed = self._api(), self._spaces(), False
        for missing in self._missing(spaces):
            failed = True
            yield missing
        after = self._written(api, since.changed)
        changed = since.changed
        for part in _parts(spaces):
            keys = ", ".join(f'"{space.key}"' for space in part)
            inside = f'space in ({keys}) and lastmodified >= "{after}"'
            pages = api.changed(f"type = page and {inside}")
            if self.settings.attachments:
                ids = api.containers(f"type = attachment and {inside}") - {page.id for page in pages}
                pages += [
                    page for some in _parts(sorted(ids)) for page in api.changed(f"id in ({', '.join(some)})")
                ]
            changed = max([changed, *(page.modified for page in pages)])
            for event in self._events(api, pages, ()):
                failed = failed or isinstance(event, Failed)
                yield event
        for space in spaces:
            yield from (Gone(id=id) for id in api.trashed(space))
        new = Cursor(self._digest, changed, since.full).as_json()
        yield Mark(cursor=cursor if failed else new)

    def _events(
        self, api: ConfluenceApi, pages: Sequence[Page], listed: Sequence[Page]
    ) -> Iterator[Ref | Gone | Failed]:
        """Give the events of *pages*; *listed* are all pages of their space, where they are known."""
        parents = {page.id: page.parent for page in listed}
        for page in pages:
            if not page.is_current:
                yield Gone(id=page.id)
                continue
            try:
                readers = self._readers(api, page, parents)
            except _NotTold as told:
                yield Failed(scope=page.space, id=page.id, why=str(told))
                if self.settings.attachments:
                    yield Failed(scope=_files_of(page), why=str(told))
                continue
            yield self._page_ref(page, readers)
            if self.settings.attachments:
                files = api.attachments(page.id)
                if files is None:
                    yield Failed(scope=_files_of(page), why="its files are not shown")
                yield from (self._file_ref(page, one, readers) for one in files or [])

    def _readers(
        self, api: ConfluenceApi, page: Page, parents: dict[str, str | None]
    ) -> frozenset[str] | None:
        """Give who may read a page by its restrictions and those above it; None when there is none.

        Raises:
            _NotTold: the site does not tell them.
        """
        above = page.ancestors if page.ancestors is not None else _above(page.id, parents)
        above = api.ancestors(page.id) if above is None else above
        own = api.restriction(page.id)
        if above is None or not isinstance(own, Restriction):
            raise _NotTold("its restrictions are not shown")
        return readers_by([own, *(self._above(api, one) for one in above)])

    def _above(self, api: ConfluenceApi, ancestor: Ancestor) -> Restriction:
        """Say what an ancestor demands. A page that is not there is a draft, which restricts nobody."""
        id, kind = ancestor
        found = api.restriction(id)
        if isinstance(found, Restriction):
            return found
        if kind != "page" or found != 404:
            # It may be restricted to anybody.
            return Restriction(is_set=True)
        if api.is_shown(id):
            raise _NotTold(f"the restrictions of page {id} above it are not shown")
        api.found[id] = Restriction()
        return api.found[id]

    # --- parts

    def _api(self) -> ConfluenceApi:
        """Make an interface that knows no restriction yet: those of an earlier scan may have changed."""
        return ConfluenceApi(self._http, self.settings.base, self.settings.is_cloud, {})

    def _spaces(self) -> list[Space]:
        return self._api().spaces(self.settings.spaces)

    def _missing(self, spaces: Sequence[Space]) -> Iterator[Failed]:
        shown = {space.key.lower() for space in spaces}
        for key in self.settings.spaces:
            if key.lower() not in shown:
                yield Failed(scope=key, why=f"the site shows the account no space {key}")

    def _written(self, api: ConfluenceApi, moment: datetime) -> str:
        """Write a time as a search takes it: by the minute, in the account's zone."""
        name = self.settings.time_zone or str(api.account().get("timeZone") or "")
        zone = zone_of(name)
        moment -= OVERLAP if zone else BLIND_OVERLAP
        return moment.astimezone(zone or UTC).strftime("%Y-%m-%d %H:%M")

    def _page_url(self, page: Page) -> str:
        if self.settings.is_cloud:
            return f"{self.settings.base}/spaces/{page.space}/pages/{page.id}"
        return f"{self.settings.base}/pages/viewpage.action?pageId={page.id}"

    def _page_ref(self, page: Page, readers: frozenset[str] | None) -> Ref:
        return Ref(
            id=page.id,
            version=str(page.version),
            title=page.title,
            url=self._page_url(page),
            author=page.author,
            media_type="text/html",
            modified=page.modified,
            readers=readers,
            scope=page.space,
        )

    def _file_ref(self, page: Page, file: Attachment, readers: frozenset[str] | None) -> Ref:
        return Ref(
            id=file.id if file.id.startswith(_FILE) else f"{_FILE}{file.id}",
            version=str(file.version),
            title=file.title,
            url=self._page_url(page),
            media_type=file.media_type,
            size=file.size,
            modified=file.modified,
            readers=readers,
            scope=_files_of(page),
        )


def _files_of(page: Page) -> str:
    return f"{page.space}/{page.id}"


def _above(id: str, parents: dict[str, str | None]) -> tuple[Ancestor, ...] | None:
    """Walk up from a page; None where the way leads out of what is listed (a folder, a draft) or in a circle."""
    way: list[str] = []
    while (parent := parents.get(id)) is not None:
        if not parent:
            return tuple((one, "page") for one in way)
        if parent in way:
            return None
        way.append(parent)
        id = parent
    return None


def _parts(of: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Cut a list into pieces a query can name; Any because pieces are lists of the same."""
    return (of[at : at + SPACES_A_QUERY] for at in range(0, len(of), SPACES_A_QUERY))
