"""Pages of a DokuWiki, with the readers its own table of rights gives them.

**Listing.** With a depth the wiki walks its disk; with none it reads its search index, which holds what happens to
have been indexed (2 of 42 pages, on a fresh copy). The version of a page is the hash of its text, so an edit in the
same second is seen and a touched file is not one. The list of recent changes is not used: it shows one change a
page, and misses pages that were copied onto the disk.

**Readers.** An administrator sees every page and the table of rights, which becomes the readers. Any other account
sees the pages it may read itself; then the readers configured for the source hold. An administrator's view without
the table would give every secret page those readers, and is refused.
"""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from pydantic import Field, field_validator

from kbm.domain.documents import Blob
from kbm.domain.sync import Event, Failed, Json, Mark, Ref
from kbm.errors import ConfigError, ConnectorError, ConnectorUnavailable
from kbm.ports import ConnectorSettings
from kbm_connectors.dokuwiki_acl import Acl, readers
from kbm_connectors.dokuwiki_folder import DokuWikiFolder
from kbm_connectors.dokuwiki_rpc import DENIED, NO_PAGE, DokuWikiRpc, RpcError
from kbm_connectors.http import HttpSettings
from kbm_connectors.settings import local_path, validated

DEPTH = 99
_ADMIN = 255
_HEADING = re.compile(r"<h[1-3]\b[^>]*>(.*?)</h[1-3]>", re.I | re.S)
_OWN_PATH = re.compile(r"/(?:doku\.php|lib/exe/(?:xml|json)rpc\.php)(?:/|$)")
_TAG = re.compile(r"<[^>]*>")

Listed = dict[str, Any]
"""A page as the wiki lists it; Any because the two interfaces differ."""


class DokuWikiSettings(HttpSettings):
    """Keys of a source of kind ``dokuwiki``."""

    url: str = Field(min_length=1, description="The wiki's address, or the path of its data folder.")
    acl_file: str = Field(default="", description="With a data folder: the wiki's conf/acl.auth.php.")
    namespaces: tuple[str, ...] = Field(default=(), description="Only these namespaces, as in 'handbuch:it'.")
    exclude: tuple[str, ...] = Field(default=(), description="Namespaces or pages to leave out.")

    @field_validator("url")
    @classmethod
    def _web_address(cls, url: str) -> str:
        return super()._web_address(url) if "://" in url else url


class DokuWikiConnector:
    """Lists and renders the pages of a wiki."""

    kind: ClassVar[str] = "dokuwiki"
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
        self.settings = validated(DokuWikiSettings, name, settings)
        self._rpc = DokuWikiRpc(name, self.settings, root, pause)
        self._folder: DokuWikiFolder | None = None
        if "://" not in self.settings.url:
            acl_file = root / self.settings.acl_file if self.settings.acl_file else None
            self._folder = DokuWikiFolder(name, local_path(name, self.settings.url, root), acl_file, root)
        elif self.settings.acl_file:
            raise ConfigError(
                f"sources.{name}.acl_file: the wiki itself tells its rights; it is for a data folder"
            )

    @classmethod
    def recognises(cls, url: str, root: Path) -> dict[str, Any] | None:
        """Propose the settings for an address of DokuWiki's: a page or the interface."""
        if "://" not in url:
            folder = local_path("new", url, root)
            return {"url": url} if (folder / "pages").is_dir() and (folder / "meta").is_dir() else None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return None
        before, *own = _OWN_PATH.split(parts.path, maxsplit=1)
        if own or parts.path.rstrip("/").endswith("/dokuwiki"):
            return {"url": f"{parts.scheme}://{parts.netloc}{before.rstrip('/')}"}
        return None

    def check(self) -> list[str]:
        """Log in and list, and say what does not work."""
        if self._folder and (problems := self._folder.check()):
            return problems
        try:
            return [
                f"{event.scope or self.settings.url}: {event.why}"
                for event in self.scan(None)
                if isinstance(event, Failed)
            ]
        except (ConnectorError, ConfigError) as error:
            return [f"{error} ({error.hint})" if error.hint else str(error)]

    def scan(self, cursor: Json) -> Iterator[Event]:  # the wiki's list of changes is no cursor to rely on
        """List every page the account sees; a namespace without any is a fault, never an empty one."""
        if self._folder:
            yield from self._in_folder(self._folder)
            return
        self._rpc.log_in()
        acl = self._acl()
        asked_rights = acl is not None
        seen: set[str] = set()
        for namespace in self.settings.namespaces or ("",):
            pages = self._pages(namespace)
            if not pages:
                if not namespace:
                    raise self._rpc.http.refused("the wiki shows the account no page at all")
                yield Failed(scope=_scope(f"{namespace}:"), why="the account sees no page in it")
            if pages and not asked_rights:
                self._refuse_blind_administrator(str(pages[0]["id"]))
                asked_rights = True
            for page in pages:
                if page["id"] not in seen and not self._is_left_out(page["id"]):
                    seen.add(page["id"])
                    yield self._ref(page, acl)
        yield Mark(cursor=None, full=True)

    def fetch(self, ref: Ref) -> Blob:
        """Render one page as it is now.

        Raises:
            ConnectorUnavailable: it is gone, or the wiki does not answer.
            ConnectorRefused: the account may not read it any more.
        """
        if self._folder:
            return self._folder.fetch(ref)
        text = self._ask("core.getPageHTML", {"page": ref.id}, "wiki.getPageHTML", ref.id)
        if not isinstance(text, str) or not text.strip():
            # A page that is gone renders as nothing in older versions; one that is there has a date.
            self._ask("core.getPageInfo", {"page": ref.id}, "wiki.getPageInfo", ref.id)
            text = ""
        heading = _HEADING.search(text)
        title = html.unescape(_TAG.sub("", heading[1])).strip() if heading else ""
        head = f"<title>{html.escape(title)}</title>" if title else ""
        whole = f"<!DOCTYPE html><html><head>{head}</head><body>\n{text}\n</body></html>\n"
        name = f"{ref.id.rpartition(':')[2]}.html"
        return Blob(data=whole.encode("utf-8", "replace"), name=name, media_type="text/html")

    def _in_folder(self, folder: DokuWikiFolder) -> Iterator[Event]:
        found: set[str] = set()
        for event in folder.scan():
            if isinstance(event, Mark):
                for namespace in self.settings.namespaces:
                    if not any(page.startswith(f"{namespace}:") for page in found):
                        yield Failed(scope=_scope(f"{namespace}:"), why="there is no page in it")
            if isinstance(event, Ref):
                if not self._is_wanted(event.id):
                    continue
                found.add(event.id)
            yield event

    def _pages(self, namespace: str) -> list[Listed]:
        options = {"depth": DEPTH, "hash": True}
        pages = self._ask(
            "core.listPages", {"namespace": namespace, **options}, "dokuwiki.getPagelist", namespace, options
        )
        if not isinstance(pages, list) or not all(
            isinstance(page, dict) and page.get("id") for page in pages
        ):
            raise self._rpc.http.unavailable("the listing is not that of a DokuWiki")
        return sorted(pages, key=lambda page: str(page["id"]))

    def _acl(self) -> Acl | None:
        """Give the table of rights; None when the account is no administrator."""
        try:
            table = self._rpc.call("plugin.acl.listAcls", {}, "plugin.acl.listAcls")
        except RpcError as error:
            if error.code in DENIED or not self._rpc.speaks_json:
                # Older versions do not say why; whether the account sees everything is asked next.
                return None
            raise self._rpc.http.unavailable(f"the table of rights did not come: {error.said}") from None
        if not isinstance(table, dict) or not table:
            raise self._rpc.http.unavailable("the table of rights is empty")
        try:
            return {
                str(place): {str(name): int(right) for name, right in rights.items()}
                for place, rights in table.items()
            }
        except (AttributeError, TypeError, ValueError):
            raise self._rpc.http.unavailable("the table of rights is not that of a DokuWiki") from None

    def _refuse_blind_administrator(self, page: str) -> None:
        right = self._ask("core.aclCheck", {"page": page}, "wiki.aclCheck", page)
        if isinstance(right, int) and right >= _ADMIN:
            raise self._rpc.http.refused(
                "the account is an administrator, but the wiki does not tell its table of rights",
                hint="switch its plug-in `acl` on, or give an account that sees what everybody may see",
            )

    def _ask(self, json_method: str, params: dict[str, Json], xml_method: str, *args: object) -> object:
        try:
            return self._rpc.call(json_method, params, xml_method, *args)
        except RpcError as error:
            if error.code == NO_PAGE:
                raise ConnectorUnavailable(f"source {self.name}: a page is not there any more") from None
            if error.code in DENIED:
                raise self._rpc.http.refused(
                    f"the wiki does not let the account do that: {error.said}",
                    hint="give it the right to read, and name it under `remoteuser` in the wiki's configuration",
                ) from None
            raise self._rpc.http.unavailable(f"error {error.code}: {error.said}") from None

    def _is_wanted(self, page: str) -> bool:
        inside = not self.settings.namespaces or any(
            page.startswith(f"{one}:") for one in self.settings.namespaces
        )
        return inside and not self._is_left_out(page)

    def _is_left_out(self, page: str) -> bool:
        return any(page == one or page.startswith(f"{one.rstrip(':*')}:") for one in self.settings.exclude)

    def _ref(self, page: Listed, acl: Acl | None) -> Ref:
        id, changed = str(page["id"]), page.get("revision") or page.get("mtime") or page.get("rev")
        version = str(page.get("hash") or "")
        if not version:
            raise self._rpc.http.unavailable("the listing came without hashes")
        title = str(page.get("title") or "")
        return Ref(
            id=id,
            version=version,
            # Without `useheading` the wiki calls a page by its id; its heading is the better title.
            title="" if title == id else title,
            url=f"{self.settings.url}/doku.php?id={quote(id, safe=':')}",
            author=str(page.get("author") or ""),
            media_type="text/html",
            modified=datetime.fromtimestamp(changed, UTC) if isinstance(changed, int) else None,
            size=page["size"] if isinstance(page.get("size"), int) else None,
            readers=None if acl is None else readers(acl, id),
            scope=_scope(id),
        )


def _scope(page: str) -> str:
    """Write a page's namespace as a folder, which is what a failure names."""
    return page.rpartition(":")[0].replace(":", "/")
