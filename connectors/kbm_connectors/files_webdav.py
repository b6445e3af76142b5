"""The files on a WebDAV server: Nextcloud, a DMS's web folder, Apache.

Listed folder by folder, since servers refuse to list a whole tree at once. A listing counts only if it is a whole
multi-status answer that names the folder itself: a proxy, a login page or a server in trouble answers with less, and
would otherwise look like a folder that was emptied.

**What tells an edit.** The etag, which many servers make of size and time in whole seconds: a file that was written
within the last two seconds by the server's clock is marked so and read once more by the next sync, since another edit
could have followed in the same second.
"""

from __future__ import annotations

import os
import posixpath
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import httpx
from pydantic import Field

from kbm.domain.documents import Blob
from kbm.domain.sync import Event, Failed, Mark, Ref
from kbm.errors import ConnectorError, ConnectorUnavailable
from kbm_connectors.files_settings import FileChoice
from kbm_connectors.files_tree import Selection, link
from kbm_connectors.folder_walk import item_id, path_of
from kbm_connectors.http import HttpClient, HttpSettings, Reply

MAX_DEPTH = 100
MAX_DOWN = 3
"""Folders in a row that could not be had, after which the server counts as down: each takes several tries."""

FRESH_S = 2.0
"""Age below which a second edit could bear the same time."""

_WANTED = (
    b'<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop>'
    b"<resourcetype/><getcontentlength/><getlastmodified/><getetag/></prop></propfind>"
)
_DAV = "{DAV:}"
_NEVER_HTML = frozenset(
    f".{ending}"
    for ending in (
        *(
            "pdf",
            "doc",
            "docx",
            "xls",
            "xlsx",
            "ppt",
            "pptx",
            "odt",
            "ods",
            "odp",
            "rtf",
            "msg",
            "eml",
            "epub",
        ),
        *("zip", "csv", "png", "jpg", "tif"),
    )
)


class WebDavSettings(HttpSettings, FileChoice):
    """Keys of a source of kind ``files`` on a WebDAV server; ``url`` is checked without ``webdav+``."""

    max_requests_per_second: float = Field(
        default=100.0, gt=0, le=10_000, description="To one host, at most; each folder is one request."
    )


@dataclass(frozen=True, slots=True)
class _Entry:
    path: str
    is_folder: bool = False
    etag: str = ""
    size: int | None = None
    modified: datetime | None = None
    is_fresh: bool = False
    fault: str = ""


class _DavClient(HttpClient):
    """The shared client with the one method more that WebDAV needs."""

    def listing(self, url: str) -> Reply:
        """Ask for a folder's members and the folder itself."""
        headers = {"Depth": "1", "Content-Type": "application/xml; charset=utf-8"}
        return self._ask(httpx.Request("PROPFIND", url, headers=headers, content=_WANTED), frozenset())


class WebDavTree:
    """The files below an address that *wanted* selects."""

    def __init__(
        self,
        name: str,
        settings: WebDavSettings,
        root: Path,
        wanted: Selection,
        pause: Callable[[float], None],
    ) -> None:
        self._client = _DavClient(name, settings, root, basic=True, pause=pause)
        self.place = settings.url
        self._name, self._wanted, self._prefix = name, wanted, settings.url_prefix
        self._base = settings.url
        self._root = unquote(urlsplit(settings.url).path, errors="surrogateescape").rstrip("/") + "/"

    def problem(self) -> str:
        """Say what keeps the server from being read."""
        try:
            self._members("")
        except ConnectorError as error:
            return f"{error} ({error.hint})" if error.hint else str(error)
        return ""

    def scan(self) -> Iterator[Event]:
        """List all folders that can hold something wanted; what one of them keeps to itself is told."""
        waiting, n_down = [""], 0
        while waiting:
            folder = waiting.pop()
            try:
                members = self._members(folder)
                n_down = 0
            except ConnectorError as error:
                n_down += error.retryable
                if not folder or n_down >= MAX_DOWN:
                    yield Failed(scope="", why=str(error), retry=error.retryable)
                    return
                yield Failed(scope=item_id(folder), why=str(error), retry=error.retryable)
                continue
            below = []
            for entry in members:
                if entry.is_folder:
                    if self._wanted.may_hold(entry.path):
                        below.append(entry)
                elif self._wanted.wants(entry.path):
                    yield self._event(entry)
            for entry in reversed(below):
                if entry.fault or entry.path.count("/") >= MAX_DEPTH:
                    yield Failed(scope=item_id(entry.path), why=entry.fault or "folders nested too deeply")
                else:
                    waiting.append(entry.path)
        yield Mark(cursor=None, full=True)

    def fetch(self, ref: Ref) -> Blob:
        """Read one file.

        Raises:
            ConnectorUnavailable: it is gone, or the server does not answer.
            ConnectorRefused: it may not be read, or a login page came instead.
        """
        path = path_of(ref.id)
        reply = self._client.get(self._address(path), {}, also=frozenset({404, 410}))
        if reply.status in (404, 410):
            raise ConnectorUnavailable(f"source {self._name}: {ref.id} is not there any more")
        if posixpath.splitext(path)[1].lower() in _NEVER_HTML:
            self._client.must_be(reply, "")
        return Blob(data=reply.body, name=ref.id.rsplit("/", 1)[-1], media_type=ref.media_type)

    def _address(self, path: str) -> str:
        return f"{self._base}/{quote(os.fsencode(path))}"

    def _event(self, entry: _Entry) -> Event:
        item = item_id(entry.path)
        scope = item.rpartition("/")[0]
        if entry.fault:
            return Failed(scope=scope, id=item, why=entry.fault)
        return Ref(
            id=item,
            version=f"{entry.etag}-{entry.size}{'+' if entry.is_fresh else ''}",
            url=link(self._prefix, entry.path, self._address(entry.path)),
            modified=entry.modified,
            size=entry.size,
            scope=scope,
        )

    def _members(self, folder: str) -> list[_Entry]:
        """List a folder, sorted.

        Raises:
            ConnectorUnavailable: what came is no whole listing of it.
            ConnectorRefused: it may not be listed.
        """
        reply = self._client.listing(self._address(folder).rstrip("/") + "/")
        if reply.status != 207:
            self._client.must_be(reply, "xml")
            raise self._client.unavailable(f"HTTP {reply.status} in place of a listing: no WebDAV there?")
        entries = {entry.path: entry for entry in self._entries(reply)}
        itself = entries.pop(folder, None)
        if itself is None:
            raise self._client.unavailable(
                f"the listing of {folder or 'the root'} does not name the folder itself"
            )
        if itself.fault:
            raise self._client.unavailable(f"the listing of {folder or 'the root'}: {itself.fault}")
        start = f"{folder}/" if folder else ""
        return [
            entry
            for path, entry in sorted(entries.items())
            if path.startswith(start) and "/" not in path[len(start) :]
        ]

    def _entries(self, reply: Reply) -> Iterator[_Entry]:
        from lxml import etree

        self._client.must_be(reply, "xml")
        try:
            parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
            root = etree.fromstring(reply.body, parser)
        except etree.XMLSyntaxError:
            raise self._client.unavailable("the listing broke off, or is no XML") from None
        if root.tag != f"{_DAV}multistatus":
            raise self._client.unavailable("the answer is no listing")
        said = _moment(next((value for key, value in reply.headers.items() if key.lower() == "date"), ""))
        now = said.timestamp() if said else time.time()
        for response in root.iterfind(f"{_DAV}response"):
            path = self._path_of(response.findtext(f"{_DAV}href") or "")
            if path is not None:
                yield _entry(path, response, now)

    def _path_of(self, href: str) -> str | None:
        """Give the path below the root; None for what lies elsewhere."""
        path = unquote(urlsplit(href.strip()).path, errors="surrogateescape")
        if path.rstrip("/") + "/" == self._root:
            return ""
        if not path.startswith(self._root):
            return None
        below = path[len(self._root) :].rstrip("/")
        return None if {"", ".", ".."} & set(below.split("/")) or "\0" in below else below


def _entry(path: str, response: Any, now: float) -> _Entry:
    """Read one response of a multi-status answer; Any is lxml's, *now* the server's clock."""
    status = response.findtext(f"{_DAV}status") or ""
    found = next(
        (
            one.find(f"{_DAV}prop")
            for one in response.iterfind(f"{_DAV}propstat")
            if " 200" in (one.findtext(f"{_DAV}status") or "")
        ),
        None,
    )
    if found is None or (status and " 2" not in status):
        return _Entry(path, fault=f"the server says {status or 'nothing'} of it")
    changed = (found.findtext(f"{_DAV}getlastmodified") or "").strip()
    modified = _moment(changed)
    size = (found.findtext(f"{_DAV}getcontentlength") or "").strip()
    return _Entry(
        path,
        is_folder=found.find(f"{_DAV}resourcetype/{_DAV}collection") is not None,
        # Apache calls the etag of a file weak for as long as a second edit could follow within the same second.
        etag=(found.findtext(f"{_DAV}getetag") or "").strip().removeprefix("W/") or changed,
        size=int(size) if size.isdigit() else None,
        modified=modified,
        is_fresh=modified is not None and abs(now - modified.timestamp()) < FRESH_S,
    )


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
