"""Files in the document libraries of a SharePoint site, over Microsoft Graph, with the readers of each.

**Listing.** Each library has a listing of changes that begins with everything and then tells what is new, edited,
moved or deleted. A link that is too old (410) begins anew. So do a folder that was moved, renamed, deleted or shared
otherwise, since what lies in it is not listed with it, and every ``full_every_hours`` have passed.

**Permissions.** The listing names items whose permissions alone changed only to an application that may manage sites
(``Sites.FullControl.All``). Any other is not told when somebody is shut out: then every sync lists everything and
asks for all permissions anew. Bodies are read only for versions that are not known.

**Identity.** An item keeps its id when it is renamed or moved within its library, so its id is that of the library
and its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from kbm.domain.documents import Blob
from kbm.domain.identity import digest
from kbm.domain.sync import Event, Failed, Gone, Json, Mark, Ref
from kbm.errors import ConfigError, ConnectorError, ConnectorRefused, ConnectorUnavailable
from kbm.ports import ConnectorSettings
from kbm_connectors.globs import Globs
from kbm_connectors.http import HttpClient
from kbm_connectors.secret_refs import SecretRef
from kbm_connectors.settings import validated
from kbm_connectors.sharepoint_graph import Graph, Item, TokenTooOld
from kbm_connectors.sharepoint_places import Places, asks_for_everything, known
from kbm_connectors.sharepoint_readers import ReaderWords, readers_of
from kbm_connectors.sharepoint_settings import Cursor, SharePointSettings
from kbm_connectors.sharepoint_token import GraphToken

HOSTS = (".sharepoint.com", ".sharepoint.us", ".sharepoint.cn")
ALL_SITES = "Sites.FullControl.All"
_WEB = (".html", ".htm", ".aspx", ".mht", ".mhtml", ".shtml")
_PAGES = {"forms", "sitepages", "pages", "_layouts", "lists", "default.aspx"}


@dataclass(frozen=True, slots=True)
class _Library:
    id: str
    name: str


class SharePointConnector:
    """Lists and reads the files of a site's libraries."""

    kind: ClassVar[str] = "sharepoint"
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
        self.settings = made = validated(SharePointSettings, name, settings)
        if "@" in urlsplit(made.url).netloc:
            # Told here and not by the settings' own check, which repeats the value.
            raise ConfigError(f"sources.{name}.url: an address holds no account")
        self._now = now
        self._token = GraphToken(
            HttpClient(name, made.http(made.login_url), root, pause=pause),
            made.tenant,
            made.client_id,
            SecretRef(key=f"sources.{name}.client_secret", reference=made.client_secret, root=root),
            f"{made.graph_url}/.default",
        )
        self._http = HttpClient(name, made.http(made.graph_url), root, bearer=self._token, pause=pause)
        self._graph = Graph(self._http, self._token)
        self._words = ReaderWords(
            organisation=frozenset(made.organisation),
            anonymous=frozenset(made.anonymous),
            names=dict(made.readers_map),
        )
        self._include = Globs(made.include, wildcards_match_hidden=True)
        self._exclude = Globs(made.exclude, wildcards_match_hidden=True)
        self._digest = digest(
            "sharepoint",
            made.url,
            repr(
                (
                    *(
                        made.tenant,
                        made.client_id,
                        sorted(made.library),
                        sorted(made.include),
                        sorted(made.exclude),
                    ),
                    *(made.permissions, sorted(made.organisation), sorted(made.anonymous)),
                    sorted(made.readers_map.items()),
                )
            ),
        )

    @classmethod
    def recognises(cls, url: str, root: Path) -> dict[str, Any] | None:  # noqa: ARG003 - told by the address alone
        """Propose the settings for an address on SharePoint; the application is left to fill in."""
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        if parts.scheme != "https" or not host.endswith(HOSTS):
            return None
        names = [unquote(name) for name in parts.path.split("/") if name and not name.startswith(":")]
        names = names[1:] if parts.path.startswith("/:") and names[:1] in (["r"], ["s"]) else names
        is_below = len(names) >= 2 and names[0] in ("sites", "teams")
        site = names[:2] if is_below else []
        rest = names[len(site) :]
        library = rest[:1] if rest and rest[0].lower() not in _PAGES else []
        # The first library is called otherwise in its address than on the screen.
        library = ["Documents"] if library == ["Shared Documents"] else library
        tenant = f"{host.partition('.')[0].removesuffix('-my')}.onmicrosoft.com"
        return {
            "url": "/".join((f"https://{host}", *site)),
            **({"library": library} if library else {}),
            "tenant": tenant,
            "client_id": "the application's id",
            "client_secret": "env:SHAREPOINT_SECRET",
        }

    def check(self) -> list[str]:
        """Sign in, find the site and its libraries, and say what does not work."""
        try:
            return [event.why for event in self._missing(self._libraries(), None)]
        except (ConnectorError, ConfigError) as error:
            return [f"{error} ({error.hint})" if error.hint else str(error)]

    def scan(self, cursor: Json) -> Iterator[Event]:
        """List what changed since *cursor*, or everything where that does not tell all."""
        since, now, libraries = Cursor.of(cursor), self._now(), self._libraries()
        if since is not None and self._tells_all(since, now, libraries):
            found = self._changes(since, libraries)
            if found is not None:
                yield from self._changed(cursor, since, found)
                return
        yield from self._full(cursor, now, libraries)

    def fetch(self, ref: Ref) -> Blob:
        """Read one file as it is now.

        Raises:
            ConnectorUnavailable: it is gone, or Graph does not answer.
            ConnectorRefused: the application may not read it any more.
        """
        drive, _, id = ref.id.partition("/")
        reply = self._graph.content(drive, id)
        if reply is None:
            raise ConnectorUnavailable(f"source {self.name}: {ref.title or ref.id} is not there any more")
        if ref.size and not reply.body:
            raise self._http.unavailable(f"{ref.title or ref.id} came without its bytes")
        if reply.media_type == "text/html" and not ref.title.lower().endswith(_WEB):
            self._http.must_be(reply, "")
        return Blob(data=reply.body, name=ref.title or id, media_type=ref.media_type)

    # --- scanning

    def _tells_all(self, since: Cursor, now: datetime, libraries: Sequence[_Library]) -> bool:
        due = timedelta(hours=self.settings.full_every_hours)
        is_same = since.settings == self._digest and since.links.keys() == {one.id for one in libraries}
        is_told = not self.settings.permissions or ALL_SITES in self._token.roles
        return is_same and is_told and since.full <= now < since.full + due

    def _changes(
        self, since: Cursor, libraries: Sequence[_Library]
    ) -> list[tuple[_Library, list[Item], str]] | None:
        """Ask every library for its changes; None when they do not tell all that changed."""
        found = []
        for library in libraries:
            try:
                items, link = self._graph.changes(library.id, since.links[library.id])
            except TokenTooOld:
                return None
            sharing = self.settings.permissions
            if any(asks_for_everything(item, since.folders, sharing=sharing) for item in items):
                return None
            found.append((library, items, link))
        return found

    def _changed(
        self, cursor: Json, since: Cursor, found: Sequence[tuple[_Library, list[Item], str]]
    ) -> Iterator[Event]:
        links, folders, failed = {**since.links}, {**since.folders}, False
        for library, items, link in found:
            for event in self._events(library, items):
                failed = failed or isinstance(event, Failed)
                yield event
            links[library.id] = link
            folders |= known(items)
        new = Cursor(
            settings=self._digest, full=since.full, links=links, names={**since.names}, folders=folders
        )
        # What failed must be listed again: from where this scan began.
        yield Mark(cursor=cursor if failed else new.as_json())

    def _full(self, cursor: Json, now: datetime, libraries: Sequence[_Library]) -> Iterator[Event]:
        failed = False
        links: dict[str, str] = {}
        folders: dict[str, str] = {}
        for missing in self._missing(libraries, Cursor.of(cursor)):
            failed = True
            yield missing
        for library in libraries:
            try:
                items, links[library.id] = self._graph.changes(library.id)
            except ConnectorRefused as error:
                failed = True
                yield Failed(scope=library.name, why=str(error))
                continue
            if not any("root" in item for item in items):
                raise self._http.unavailable(
                    f"the listing of {library.name!r} came without the library itself"
                )
            for event in self._events(library, items):
                failed = failed or isinstance(event, Failed)
                yield event
            folders |= known(items)
        names = {one.id: one.name for one in libraries}
        new = Cursor(settings=self._digest, full=now, links=links, names=names, folders=folders)
        yield Mark(cursor=cursor if failed else new.as_json(), full=True)

    def _events(self, library: _Library, items: Sequence[Item]) -> Iterator[Ref | Gone | Failed]:
        places, wanted = Places(self._graph, library.id), {}
        places.note(items)
        for item in items:
            id = f"{library.id}/{item['id']}"
            if "deleted" in item:
                yield Gone(id=id)
            elif "file" in item and "remoteItem" not in item:
                path = places.path(item)
                if path is None:
                    yield Failed(scope=library.name, id=id, why="its folder is not shown")
                elif self._is_wanted(path):
                    wanted[item["id"]] = item, path
                else:
                    yield Gone(id=id)
        if not self.settings.permissions:
            yield from (self._ref(library, item, path, None) for item, path in wanted.values())
            return
        for one, told in self._graph.permissions(library.id, list(wanted)):
            item, path = wanted[one]
            if isinstance(told, int):
                why = f"HTTP {told}: its permissions are not shown; the application needs {ALL_SITES}"
                yield Failed(scope=library.name, id=f"{library.id}/{one}", why=why)
            else:
                yield self._ref(library, item, path, readers_of(told, self._words, self._now()))

    # --- parts

    def _libraries(self) -> list[_Library]:
        site = self._graph.site(self.settings.url).get("id")
        if not isinstance(site, str) or not site:
            raise self._http.unavailable("the answer names no site")
        found = [_Library(one["id"], one["name"]) for one in self._graph.drives(site)]
        wanted = {name.lower() for name in self.settings.library}
        libraries = [one for one in found if not wanted or one.name.lower() in wanted]
        if not libraries:
            shown = ", ".join(sorted(one.name for one in found)) or "none"
            raise self._http.refused(
                f"the site shows no such library; there is: {shown}", hint="check library"
            )
        return libraries

    def _missing(self, libraries: Sequence[_Library], since: Cursor | None) -> Iterator[Failed]:
        """Name the libraries that are configured or were there, and are not shown now."""
        shown, ids = {one.name.lower() for one in libraries}, {one.id for one in libraries}
        for name in self.settings.library:
            if name.lower() not in shown:
                yield Failed(scope=name, why=f"the site shows no library {name}")
        for id, name in (since.names if since and since.settings == self._digest else {}).items():
            if id not in ids and name.lower() not in shown and not self._graph.is_gone(id):
                yield Failed(scope=name, why=f"the library {name} is not listed any more, but it is there")

    def _is_wanted(self, path: str) -> bool:
        if not self._include.matches(path):
            return False
        names = path.split("/")
        return not any(self._exclude.matches("/".join(names[:n])) for n in range(1, len(names) + 1))

    def _ref(self, library: _Library, item: Item, path: str, readers: frozenset[str] | None) -> Ref:
        name, url = item.get("name"), str(item.get("webUrl") or "")
        if not isinstance(name, str) or not name:
            raise self._http.unavailable("the answer holds a file without name")
        hashes = (item.get("file") or {}).get("hashes") or {}
        content = next((str(hashes[kind]) for kind in sorted(hashes) if hashes[kind]), "") or item.get("eTag")
        if not content:
            raise self._http.unavailable(f"{name} came without hash and tag")
        size = item.get("size")
        return Ref(
            id=f"{library.id}/{item['id']}",
            # With the name and address: a file that was renamed or moved is cited by its new ones.
            version=digest("version", str(content), str(size), name, url)[:24],
            title=name,
            url=url,
            author=str(((item.get("lastModifiedBy") or {}).get("user") or {}).get("displayName") or ""),
            media_type=str((item.get("file") or {}).get("mimeType") or ""),
            modified=self._moment(item.get("lastModifiedDateTime")),
            size=size if isinstance(size, int) and size >= 0 else None,
            readers=readers,
            scope="/".join((library.name, *path.split("/")[:-1])),
        )

    def _moment(self, text: object) -> datetime | None:
        if not isinstance(text, str):
            return None
        try:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            raise self._http.unavailable(f"Graph wrote {text[:40]!r} for a time") from None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
