"""Exports of wikis, as a zip or a folder: pages with the titles that people know them by.

Notion ends every name in 32 hexadecimal digits. Confluence's HTML export names files by number and puts the space
before each title. What only carries the look of an export, and its table of contents, is left out.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from kbm.domain.documents import Blob
from kbm.domain.sync import Event, Failed, Ref
from kbm.errors import ConnectorError

FORMATS = ("confluence", "notion", "xwiki")

_NOTION = re.compile(r"^(?P<title>.*?)[ _-]?(?P<id>[0-9a-f]{32})(?:_all)?$")
_CONFLUENCE = re.compile(r"^(?:(?P<title>.+)_)?(?P<id>\d{3,})$")
_HEAD_TITLE = re.compile(rb"<title[^>]*>(.*?)</title", re.I | re.S)
_HEAD_BYTES = 20_000
_LOOK = re.compile(r"(^|/)(styles|images/icons)/|(^|/)index\.html$|\.(css|js)$", re.I)


class WikiExport:
    """Names the pages of an export; *format* is one of :data:`FORMATS` but ``xwiki``."""

    def __init__(self, format: str) -> None:
        self._format = format

    def named(self, events: Iterable[Event], fetch: Callable[[Ref], Blob]) -> Iterator[Event]:
        """Pass on a listing with titles; what only carries the look of the export is left out."""
        for event in events:
            if not isinstance(event, Ref):
                yield event
            elif self._format == "notion":
                yield self._notion(event)
            elif not _LOOK.search(event.id):
                yield self._confluence(event, fetch)

    def read(self, ref: Ref, fetch: Callable[[Ref], Blob]) -> Blob:
        """Read a page as it is."""
        return fetch(ref)

    def _notion(self, ref: Ref) -> Ref:
        name = ref.id.rpartition("/")[2]
        stem, _, ending = name.rpartition(".")
        found = _NOTION.match(stem)
        return replace(ref, title=ref.title or found["title"].strip()) if found and ending else ref

    def _confluence(self, ref: Ref, fetch: Callable[[Ref], Blob]) -> Event:
        name = ref.id.rpartition("/")[2]
        stem, _, ending = name.rpartition(".")
        found = _CONFLUENCE.match(stem)
        if ending.lower() not in ("html", "htm") or not found or ref.title:
            return ref
        try:
            head = _HEAD_TITLE.search(fetch(ref).data[:_HEAD_BYTES])
        except ConnectorError as error:
            return Failed(scope=ref.scope, id=ref.id, why=str(error), retry=error.retryable)
        # "SPACE : Title"; a title may hold colons itself.
        whole = " ".join(html.unescape(head[1].decode("utf-8", "replace")).split()) if head else ""
        title = whole.partition(" : ")[2] or whole or (found["title"] or "").replace("-", " ")
        return replace(ref, title=title) if title else ref
