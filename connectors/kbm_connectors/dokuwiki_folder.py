"""A DokuWiki as its data folder, on a mounted share or as a copy: no server is needed.

The folder is read as any other, so what cannot be opened keeps its pages. The table of rights lies in the wiki's
configuration, beside the data: without it the readers configured for the source hold.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from kbm.domain.documents import Blob
from kbm.domain.sync import Event, Failed, Ref
from kbm.errors import ConnectorUnavailable
from kbm_connectors.dokuwiki_acl import Acl, readers
from kbm_connectors.dokuwiki_markup import to_html
from kbm_connectors.files import FilesConnector
from kbm_connectors.refusals import refused, unreadable

PAGES = "pages"

_HEADING = re.compile(r"^\s*={2,6}\s*(.+?)\s*={2,6}\s*$", re.M)


class DokuWikiFolder:
    """The pages below ``pages`` in a data folder."""

    def __init__(self, source: str, folder: Path, acl_file: Path | None, root: Path) -> None:
        self.source = source
        self._files = FilesConnector(source, {"url": str(folder / PAGES), "include": ["**/*.txt"]}, root)
        self._acl_file = acl_file
        self._paths: dict[str, str] = {}

    def check(self) -> list[str]:
        """Say what keeps the folder or the table of rights from being read."""
        return self._files.check()

    def scan(self) -> Iterator[Event]:
        """List every page."""
        acl = None if self._acl_file is None else _read_acl(self._acl_file)
        for event in self._files.scan(None):
            match event:
                case Ref():
                    id = _page(event.id)
                    self._paths[id] = event.id
                    yield replace(
                        event,
                        id=id,
                        url="",
                        media_type="text/html",
                        scope=id.rpartition(":")[0].replace(":", "/"),
                        readers=None if acl is None else readers(acl, id),
                    )
                case Failed():
                    yield replace(
                        event, scope=unquote(event.scope), id=None if event.id is None else _page(event.id)
                    )
                case _:
                    yield event

    def fetch(self, ref: Ref) -> Blob:
        """Read one page."""
        if ref.id not in self._paths:
            list(self.scan())
        if ref.id not in self._paths:
            raise ConnectorUnavailable(f"source {self.source}: the page {ref.id} is not there any more")
        text = self._files.fetch(replace(ref, id=self._paths[ref.id])).data.decode("utf-8", "replace")
        heading = _HEADING.search(text)
        head = f"<title>{html.escape(heading[1])}</title>" if heading else ""
        whole = f"<!DOCTYPE html><html><head>{head}</head><body>\n{to_html(text)}\n</body></html>\n"
        name = f"{ref.id.rpartition(':')[2]}.html"
        return Blob(data=whole.encode("utf-8", "replace"), name=name, media_type="text/html")


def _page(path: str) -> str:
    """Name a page by its file; the wiki writes letters beyond ASCII as %XX."""
    return unquote(path.removesuffix(".txt")).replace("/", ":")


def _read_acl(path: Path) -> Acl:
    """Read the table of rights, ``conf/acl.auth.php``: place, name and right on each line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise unreadable(path, error) from error
    except UnicodeDecodeError:
        raise refused(path, "this is not text in UTF-8") from None
    table: dict[str, dict[str, int]] = {}
    for n, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 3 or not words[2].isdigit():
            raise refused(path, "this is no line of a table of rights", n)
        table.setdefault(words[0], {})[unquote(words[1])] = int(words[2])
    if not table:
        raise refused(path, "there is no rule in it")
    return table
