"""A MediaWiki as its XML dump: ``dumpBackup.php --current`` or ``--full``, plain, gzip or bzip2.

A dump is read in one pass; the texts are kept packed and serve every ``fetch`` after a ``scan``. One that ends before
its last tag, as a copy that is still running does, lists nothing at all.
"""

from __future__ import annotations

import bz2
import gzip
import html
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from lxml import etree

from kbm.domain.documents import Blob
from kbm.domain.identity import digest
from kbm.domain.sync import Event, Mark, Ref
from kbm.errors import ConnectorError, ConnectorRefused, ConnectorUnavailable
from kbm_connectors.mediawiki_cursor import moment_of
from kbm_connectors.refusals import unreadable
from kbm_connectors.wikitext import to_html

SUFFIXES = (".xml", ".xml.gz", ".xml.bz2")
DAMAGED = (etree.XMLSyntaxError, EOFError, gzip.BadGzipFile, zlib.error)

Node = Any
"""An element of lxml, which has no types of its own here."""


@dataclass(frozen=True, slots=True)
class _Page:
    ref: Ref
    packed: bytes = field(repr=False)


def is_dump(path: Path) -> bool:
    """Tell by its beginning whether a file is a dump of a MediaWiki."""
    try:
        with opened(path) as file:
            return b"<mediawiki" in file.read(2_000)
    except (OSError, *DAMAGED):
        return False


def opened(path: Path) -> IO[bytes] | gzip.GzipFile:
    """Open a dump, unpacked."""
    if path.name.endswith(".gz"):
        return gzip.open(path)
    return bz2.open(path) if path.name.endswith(".bz2") else path.open("rb")


class MediaWikiDump:
    """The pages of some namespaces in a dump."""

    def __init__(self, source: str, path: Path, namespaces: tuple[int, ...]) -> None:
        self.source, self.path = source, path
        self._namespaces = namespaces or (0,)
        self._pages: dict[str, _Page] | None = None

    def check(self) -> list[str]:
        """Read the dump once and say what keeps it from being read."""
        try:
            pages = self._read()
        except ConnectorError as error:
            return [f"{error} ({error.hint})" if error.hint else str(error)]
        return [] if pages else [f"{self.path.name}: no page is in the namespaces {list(self._namespaces)}"]

    def scan(self) -> Iterator[Event]:
        """List every page."""
        self._pages = self._read()
        yield from (page.ref for page in self._pages.values())
        yield Mark(cursor=None, full=True)

    def fetch(self, ref: Ref) -> Blob:
        """Hand out a page as the last scan read it; without one, the dump is read now."""
        if self._pages is None:
            self._pages = self._read()
        page = self._pages.get(ref.id)
        if page is None:
            raise ConnectorUnavailable(
                f"source {self.source}: {self.path.name} has no page {ref.id} any more"
            )
        body = to_html(zlib.decompress(page.packed).decode("utf-8"))
        head = f"<title>{html.escape(page.ref.title)}</title>"
        whole = f"<!DOCTYPE html><html><head>{head}</head><body>\n{body}\n</body></html>\n"
        return Blob(data=whole.encode("utf-8", "replace"), name=f"{ref.id}.html", media_type="text/html")

    def _read(self) -> dict[str, _Page]:
        try:
            before = os.stat(self.path)
            with opened(self.path) as file:
                pages = dict(self._pages_in(file))
            if os.stat(self.path).st_mtime_ns != before.st_mtime_ns:
                raise ConnectorUnavailable(f"{self.path.name}: it was written while it was read")
        except DAMAGED:
            raise ConnectorUnavailable(
                f"{self.path.name}: it is cut off or damaged",
                hint="make the dump again, or wait until it is copied",
            ) from None
        except OSError as error:
            raise unreadable(self.path, error) from error
        return pages

    def _pages_in(self, file: IO[bytes] | gzip.GzipFile) -> Iterator[tuple[str, _Page]]:
        is_dump = False
        for _, node in etree.iterparse(
            file,
            events=("end",),
            tag=("{*}siteinfo", "{*}page"),
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
        ):
            is_dump = True
            page = self._page(node) if etree.QName(node).localname == "page" else None
            if page is not None:
                yield page.ref.id, page
            node.clear()
            while node.getprevious() is not None:
                del node.getparent()[0]
        if not is_dump:
            raise ConnectorRefused(f"{self.path.name}: this is no dump of a MediaWiki")

    def _page(self, node: Node) -> _Page | None:
        if node.find("{*}redirect") is not None or int(node.findtext("{*}ns") or 0) not in self._namespaces:
            return None
        revisions = node.findall("{*}revision")
        if not revisions:
            return None
        # A full dump holds them all, the newest not always last.
        newest = max(
            revisions, key=lambda one: (one.findtext("{*}timestamp") or "", int(one.findtext("{*}id") or 0))
        )
        text = newest.find("{*}text")
        if text is None or text.get("deleted") is not None:
            return None
        written = (text.text or "").encode("utf-8")
        said = newest.findtext("{*}timestamp")
        ref = Ref(
            id=str(node.findtext("{*}id")),
            version=digest("dump", str(newest.findtext("{*}id")), written)[:32],
            title=str(node.findtext("{*}title")),
            author=newest.findtext("{*}contributor/{*}username") or "",
            media_type="text/html",
            modified=moment_of(said) if said else None,
            size=len(written),
        )
        return _Page(ref, zlib.compress(written))
