"""Pages of a MediaWiki, by page id, as its readers see them.

**What changes a page.** Its own revision, and every template it includes: editing one changes what fifty pages say
and leaves no trace in them. So a version is the page's revision together with the revisions of all it includes, and
a change of any page also asks who includes it. The rendered text is made anew for each fetch: the wiki's own cache
follows a template only when its job queue has run, which may be never.

**What a listing of changes misses.** Imported pages and a changed category of the wiki's own making leave no recent
change, so a full listing comes every ``full_every_days``. It also comes when the last change that was seen is no
longer known there (recent changes end after 90 days, or the wiki was restored), and when the settings changed.

**While a full listing runs** pages may move, from a part not yet read to one that was. The changes since its start
are therefore read after it, before it vouches for anything, and the last page of each namespace must be in it.
"""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from kbm.domain.documents import Blob
from kbm.domain.identity import digest
from kbm.domain.sync import Event, Gone, Json, Mark, Ref
from kbm.errors import ConfigError, ConnectorError, ConnectorUnavailable
from kbm.ports import ConnectorSettings
from kbm_connectors.http import HttpSettings
from kbm_connectors.mediawiki_api import MediaWikiApi, Page, part_of
from kbm_connectors.mediawiki_cursor import Cursor, moment_of, newest, written
from kbm_connectors.mediawiki_dump import SUFFIXES, MediaWikiDump, is_dump
from kbm_connectors.settings import local_path, validated

OVERLAP = timedelta(minutes=10)
"""Changes this long before the last one are read again: a slow edit is listed after later ones."""

_PAGE = {
    "prop": "info|revisions|templates",
    "inprop": "url",
    "rvprop": "ids|timestamp|user|sha1|size",
    "tllimit": "max",
}


class MediaWikiSettings(HttpSettings):
    """Keys of a source of kind ``mediawiki``."""

    url: str = Field(
        min_length=1, description="The wiki's api.php, https:// or http://, or a dump: a path to .xml.gz."
    )

    namespaces: tuple[int, ...] = Field(
        default=(), description="Numbers of the namespaces to read; empty: those the wiki counts as content."
    )
    categories: tuple[str, ...] = Field(default=(), description="Only pages in one of these; empty: all.")
    exclude_categories: tuple[str, ...] = Field(default=(), description="No pages in one of these.")
    full_every_days: int = Field(default=7, ge=0, le=90, description="Days between full listings; 0: always.")

    @field_validator("url")
    @classmethod
    def _web_address(cls, url: str) -> str:
        return url if url.endswith(SUFFIXES) and "://" not in url else super()._web_address(url)


@dataclass(slots=True)
class _Scan:
    """What one scan has learnt."""

    namespaces: tuple[int, ...]
    revisions: dict[str, int] = field(default_factory=dict)  # of included pages, by title; 0 = there is none
    listed: dict[str, str] = field(default_factory=dict)  # versions, by id


class MediaWikiConnector:
    """Lists and renders the pages of a wiki."""

    kind: ClassVar[str] = "mediawiki"
    url_is_path: ClassVar[bool] = True

    def __init__(
        self,
        name: str,
        settings: ConnectorSettings,
        root: Path,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self.settings = validated(MediaWikiSettings, name, settings)
        self._api = MediaWikiApi(name, self.settings, root, pause)
        self._wanted = {_category(one) for one in self.settings.categories}
        self._unwanted = {_category(one) for one in self.settings.exclude_categories}
        self._dump: MediaWikiDump | None = None
        if "://" not in self.settings.url:
            if self._wanted or self._unwanted:
                raise ConfigError(
                    f"sources.{name}.categories: only the wiki itself can tell, not a dump of it"
                )
            self._dump = MediaWikiDump(
                name, local_path(name, self.settings.url, root), self.settings.namespaces
            )
        self._digest = digest(
            "mediawiki",
            self.settings.url,
            repr(
                (
                    self.settings.user,
                    sorted(self.settings.namespaces),
                    sorted(self._wanted),
                    sorted(self._unwanted),
                )
            ),
        )

    @classmethod
    def recognises(cls, url: str, root: Path) -> dict[str, Any] | None:
        """Propose the settings for an address of MediaWiki's: its interface, or a page by its usual address."""
        if "://" not in url:
            is_one = url.endswith(SUFFIXES) and is_dump(local_path("new", url, root))
            return {"url": url} if is_one else None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return None
        path = parts.path
        if path.endswith("/api.php"):
            return {"url": f"{parts.scheme}://{parts.netloc}{path}"}
        before, found, _ = path.partition("/index.php")
        if found and "doku" not in path:
            return {"url": f"{parts.scheme}://{parts.netloc}{before}/api.php"}
        # Where most installations keep it when pages have short addresses.
        is_page = path.startswith("/wiki/") and not path.endswith(".php")
        is_page = is_page and not parts.hostname.endswith(
            ".atlassian.net"
        )  # Confluence's pages lie there too
        return {"url": f"{parts.scheme}://{parts.netloc}/w/api.php"} if is_page else None

    def check(self) -> list[str]:
        """Log in, ask for one page and the last change, and say what does not work."""
        if self._dump:
            return self._dump.check()
        try:
            namespaces = self._namespaces()
            self._last_change()
            found = any(self._last_page(one) for one in namespaces)
        except (ConnectorError, ConfigError) as error:
            return [f"{error} ({error.hint})" if error.hint else str(error)]
        return (
            [] if found else [f"{self.settings.url}: no page is visible in the namespaces {list(namespaces)}"]
        )

    def scan(self, cursor: Json) -> Iterator[Event]:
        """List what changed since *cursor*, or everything when it is too old or a full listing is due."""
        if self._dump:
            yield from self._dump.scan()
            return
        since = Cursor.of(cursor)
        now, last = self._last_change()
        if since is None or since.settings != self._digest or self._is_due(since, now):
            yield from self._full(now, last)
            return
        changes = self._changes(since)
        # What was done to a page may be hidden from the account, and with it which page it was.
        if changes is None or any(one.get("actionhidden") and one["rcid"] > since.rcid for one in changes):
            yield from self._full(now, last)
            return
        yield from self._changed(changes, _Scan(self._namespaces()))
        yield Mark(cursor=Cursor(self._digest, *newest(changes, since), since.full).as_json())

    def fetch(self, ref: Ref) -> Blob:
        """Render one page as it is now.

        Raises:
            ConnectorUnavailable: it is gone, or the wiki does not answer.
            ConnectorRefused: its text is hidden.
        """
        if self._dump:
            return self._dump.fetch(ref)
        asked = {"prop": "revisions", "rvprop": "ids|content|contentmodel|sha1", "rvslots": "main"}
        page = next(self._api.pages("pageids", [ref.id], asked))
        revision = next(iter(page.get("revisions", [])), None)
        if page.get("missing") or revision is None:
            raise ConnectorUnavailable(f"source {self.name}: page {ref.id} is not there any more")
        slot = revision.get("slots", {}).get("main", {})
        if "content" not in slot or slot.get("texthidden") or revision.get("sha1hidden"):
            raise self._api.http.refused(f"the text of page {ref.id} is hidden")
        form = {
            "action": "parse",
            "prop": "text",
            "title": page["title"],
            "text": slot["content"],
            "contentmodel": slot.get("contentmodel", "wikitext"),
            "wrapoutputclass": "",
            "disablelimitreport": "1",
            "disableeditsection": "1",
            "disabletoc": "1",
        }
        text = self._api.ask(form, post=True).get("parse", {}).get("text")
        if not isinstance(text, str):
            raise self._api.http.unavailable(f"page {ref.id} came without its text")
        title = html.escape(page["title"])
        whole = f"<!DOCTYPE html><html><head><title>{title}</title></head><body>\n{text}\n</body></html>\n"
        return Blob(data=whole.encode("utf-8", "replace"), name=f"{ref.id}.html", media_type="text/html")

    # --- the whole wiki

    def _full(self, now: datetime, last: Page | None) -> Iterator[Event]:
        since = Cursor(
            self._digest, last["rcid"] if last else 0, moment_of(last["timestamp"]) if last else now, now
        )
        scan = _Scan(self._namespaces())
        for namespace in scan.namespaces:
            ids: set[int] = set()
            listing = {
                "generator": "allpages",
                "gapnamespace": str(namespace),
                "gapfilterredir": "nonredirects",
                "gaplimit": "max",
            }
            for part in self._api.query({**listing, **self._parts()}):
                pages = part.get("pages", [])
                ids.update(page["pageid"] for page in pages)
                yield from (event for event in self._events(pages, scan) if isinstance(event, Ref))
            end = self._last_page(namespace)
            if end and end["pageid"] not in ids:
                raise self._api.http.unavailable(
                    f"the listing of namespace {namespace} ended before its last page"
                )
        changes = self._changes(since)
        if changes is None:
            raise self._api.http.unavailable("the list of recent changes was cut while the pages were listed")
        yield from self._changed(changes, scan)
        yield Mark(cursor=Cursor(self._digest, *newest(changes, since), now).as_json(), full=True)

    def _last_page(self, namespace: int) -> Page | None:
        asked = {
            "list": "allpages",
            "apnamespace": str(namespace),
            "apfilterredir": "nonredirects",
            "apdir": "descending",
            "aplimit": "1",
        }
        return next(iter(part_of(next(self._api.query(asked)), "allpages")), None)

    def _namespaces(self) -> tuple[int, ...]:
        if self.settings.namespaces:
            return tuple(sorted(set(self.settings.namespaces)))
        info = next(self._api.query({"meta": "siteinfo", "siprop": "namespaces"})).get("namespaces")
        if not isinstance(info, dict) or not info:
            raise self._api.http.unavailable("the wiki names no namespaces")
        return tuple(sorted(one["id"] for one in info.values() if one.get("content")))

    # --- what changed

    def _last_change(self) -> tuple[datetime, Page | None]:
        """Give the wiki's time and its latest change."""
        asked = {
            "action": "query",
            "list": "recentchanges",
            "rcprop": "ids|timestamp",
            "rclimit": "1",
            "curtimestamp": "1",
        }
        answer = self._api.ask({**asked, "rctype": "edit|new|log"})
        changes = part_of(answer.get("query", {}), "recentchanges")
        now = answer.get("curtimestamp")
        if not isinstance(now, str):
            raise self._api.http.unavailable("the wiki does not tell its time")
        return moment_of(now), next(iter(changes), None)

    def _is_due(self, since: Cursor, now: datetime) -> bool:
        return not since.full <= now < since.full + timedelta(days=self.settings.full_every_days)

    def _changes(self, since: Cursor) -> list[Page] | None:
        """Give all changes since a cursor, with some before it; None when it is too old to tell."""
        asked = {
            "list": "recentchanges",
            "rcprop": "ids|timestamp|title|loginfo",
            "rctype": "edit|new|log",
            "rcdir": "newer",
            "rcstart": written(since.changed - OVERLAP),
            "rclimit": "max",
        }
        changes = [one for part in self._api.query(asked) for one in part_of(part, "recentchanges")]
        if since.rcid and all(one["rcid"] != since.rcid for one in changes):
            return None
        return changes

    def _changed(self, changes: list[Page], scan: _Scan) -> Iterator[Event]:
        ids = {one["pageid"] for one in changes if one.get("pageid")}
        titles = {one["title"] for one in changes if one.get("title")}
        titles |= {
            params["target_title"]
            for one in changes
            if "target_title" in (params := one.get("logparams") or {})
        }
        for title in titles:
            scan.revisions.pop(title, None)
        users = {"prop": "transcludedin", "tiprop": "pageid", "tilimit": "max"}
        for page in self._api.pages("titles", sorted(titles), users):
            ids |= {one["pageid"] for one in page.get("transcludedin", [])}
        found = list(self._api.pages("pageids", [str(id) for id in sorted(ids)], self._parts()))
        yield from self._events(found, scan)

    # --- pages

    def _parts(self) -> dict[str, str]:
        categories = sorted(self._wanted | self._unwanted)
        if not categories:
            return _PAGE
        named = "|".join(f"Category:{one}" for one in categories)
        return {**_PAGE, "prop": f"{_PAGE['prop']}|categories", "cllimit": "max", "clcategories": named}

    def _events(self, pages: Collection[Page], scan: _Scan) -> Iterator[Event]:
        included = {one["title"] for page in pages for one in page.get("templates", [])}
        for page in self._api.pages("titles", sorted(included - scan.revisions.keys()), {"prop": "info"}):
            scan.revisions[page["title"]] = page.get("lastrevid", 0)
        for page in pages:
            if self._is_listed(page, scan.namespaces):
                ref = self._ref(page, scan)
                if scan.listed.get(ref.id) != ref.version:
                    scan.listed[ref.id] = ref.version
                    yield ref
            elif "pageid" in page:
                yield Gone(id=str(page["pageid"]))

    def _is_listed(self, page: Page, namespaces: tuple[int, ...]) -> bool:
        if page.get("missing") or page.get("redirect") or page["ns"] not in namespaces:
            return False
        revisions = page.get("revisions")
        if not revisions:
            raise self._api.http.unavailable(f"page {page['pageid']} came without its revision")
        of = {_category(one["title"].partition(":")[2]) for one in page.get("categories", [])}
        hidden = revisions[0].get("sha1hidden") or revisions[0].get("texthidden")
        return not hidden and not of & self._unwanted and (not self._wanted or bool(of & self._wanted))

    def _ref(self, page: Page, scan: _Scan) -> Ref:
        revision = page["revisions"][0]
        included = sorted({one["title"] for one in page.get("templates", [])})
        version = str(revision["revid"])
        if included:
            version += (
                "-" + digest("includes", *(f"{one}@{scan.revisions.get(one, 0)}" for one in included))[:16]
            )
        return Ref(
            id=str(page["pageid"]),
            version=version,
            title=page["title"],
            url=page.get("fullurl", ""),
            author=revision.get("user", ""),
            media_type="text/html",
            modified=moment_of(revision["timestamp"]),
            size=revision.get("size"),
        )


def _category(name: str) -> str:
    """Write a category as the wiki does: spaces, first letter upper."""
    name = " ".join(name.replace("_", " ").split())
    return name[:1].upper() + name[1:]
