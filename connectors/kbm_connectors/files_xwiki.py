"""Exports of XWiki: a XAR, where each page is an XML file with its attachments in it, or pages exported as HTML.

A page of a XAR becomes HTML under the title that people know, and each of its attachments a document of its own,
``Space/Page.xml/plan.pdf``. Versions are hashes of what is read, since an export is packed anew each time. Hidden
pages are left out: they hold the wiki's own settings and programs. Of an HTML page what stands around the text is
left out.
"""

from __future__ import annotations

import binascii
import hashlib
import html
import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from kbm.domain.documents import Blob
from kbm.domain.sync import Event, Failed, Ref
from kbm.errors import ConnectorError, ConnectorUnavailable
from kbm_connectors.files_tree import link
from kbm_connectors.xwiki_markup import to_html

MAX_PAGE_BYTES = 500_000_000
"""Bytes of a page with all its attachments."""

Fetch = Callable[[Ref], Blob]

_LOOK = re.compile(
    r"^(?:[^/]+/)?(?:resources|skins?|webjars|ssx|jsx|ssfx|jsfx)/|\.(?:css|js|map|woff2?|ttf)$", re.I
)
_PROGRAM = re.compile(r"\$!?\{?[a-z]|#(?:set|if|foreach|end)\b", re.I)
_HOME = "WebHome"


class XWikiExport:
    """Names the pages of an export, takes them apart, and turns them into what can be read."""

    def __init__(self, url_prefix: str) -> None:
        self._prefix = url_prefix

    def named(self, events: Iterable[Event], fetch: Fetch) -> Iterator[Event]:
        """Pass on a listing with pages and attachments; what only carries the look of the export is left out."""
        for event in events:
            if not isinstance(event, Ref):
                yield event
            elif event.id.lower().endswith(".xml"):
                yield from self._taken_apart(event, fetch)
            elif event.id.lower().endswith((".html", ".htm")) and not _LOOK.search(event.id):
                yield self._html_page(event, fetch)
            elif not _LOOK.search(event.id):
                yield event

    def read(self, ref: Ref, fetch: Fetch) -> Blob:
        """Read a page or an attachment.

        Raises:
            ConnectorUnavailable: it is not in the export any more, or is damaged.
            ConnectorRefused: it may not be read.
        """
        name = ref.id.rpartition("/")[2]
        owner = _owner(ref.id)
        if owner:
            return self._attachment(ref, fetch(replace(ref, id=owner, media_type="")), name)
        blob = fetch(ref)
        if name.lower().endswith((".html", ".htm")):
            return _without_frame(blob)
        page = _page_in(blob.data, ref.id) if name.lower().endswith(".xml") else None
        return blob if page is None else _as_document(page, name)

    def _taken_apart(self, ref: Ref, fetch: Fetch) -> Iterator[Event]:
        try:
            if ref.size is not None and ref.size > MAX_PAGE_BYTES:
                raise ConnectorUnavailable(f"{ref.id} is too large for a page")
            page = _page_in(fetch(ref).data, ref.id)
        except ConnectorError as error:
            # Its attachments too: they are known only from it.
            yield Failed(scope=ref.scope, id=ref.id, why=str(error), retry=error.retryable)
            yield Failed(scope=ref.id, why=str(error), retry=error.retryable)
            return
        if page is None:
            if ref.id.rpartition("/")[2] != "package.xml":
                yield ref
            return
        if _text(page, "hidden") == "true":
            return
        told = [_text(page, key) for key in ("title", "content", "syntaxId", "author", "date")]
        here = replace(
            ref,
            version=_hashed("\0".join(told)),
            title=ref.title or _title_of(page),
            author=ref.author or _text(page, "author").rpartition(".")[2],
            modified=_moment(_text(page, "contentUpdateDate") or _text(page, "date")) or ref.modified,
            size=None,
            url=link(self._prefix, _address(page), ref.url),
        )
        yield here
        for attachment in page.iterfind("attachment"):
            name = _text(attachment, "filename")
            if not name or "/" in name:
                continue
            size = _text(attachment, "filesize")
            yield replace(
                here,
                id=f"{ref.id}/{name}",
                version=_hashed(_text(attachment, "content")),
                title="",
                author=_text(attachment, "author").rpartition(".")[2],
                modified=_moment(_text(attachment, "date")) or here.modified,
                size=int(size) if size.isdecimal() else None,
                scope=ref.id,
            )

    def _attachment(self, ref: Ref, blob: Blob, name: str) -> Blob:
        page = _page_in(blob.data, ref.id)
        found = () if page is None else page.iterfind("attachment")
        for attachment in found:
            if _text(attachment, "filename") == name:
                try:
                    data = b64decode(_text(attachment, "content"))
                except binascii.Error:
                    raise ConnectorUnavailable(f"{ref.id} is damaged") from None
                return Blob(data=data, name=name, media_type=ref.media_type)
        raise ConnectorUnavailable(f"{ref.id} is not in the export any more")

    def _html_page(self, ref: Ref, fetch: Fetch) -> Event:
        if ref.title:
            return ref
        try:
            title = _html_title(_html_in(fetch(ref).data))
        except ConnectorError as error:
            return Failed(scope=ref.scope, id=ref.id, why=str(error), retry=error.retryable)
        return replace(ref, title=title) if title else ref


def _owner(id: str) -> str:
    """Give the page that an attachment lies in; empty for what is none."""
    owner = id.rpartition("/")[0]
    return owner if owner.lower().endswith(".xml") else ""


def _page_in(data: bytes, id: str) -> Any:
    """Give the page an XML file holds, None when it is another kind of file; Any is lxml's.

    Raises:
        ConnectorUnavailable: it is no whole XML.
    """
    from lxml import etree

    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError:
        raise ConnectorUnavailable(f"{id} is no whole XML") from None
    return root if root.tag == "xwikidoc" else None


def _text(element: Any, name: str) -> str:
    return (element.findtext(name) or "").strip()


def _spaces(page: Any) -> list[str]:
    """Give the spaces that lead to a page, outermost first; a dot in a name is written ``\\.``."""
    parts = re.split(r"(?<!\\)\.", _text(page, "web"))
    return [part.replace("\\.", ".") for part in parts if part]


def _title_of(page: Any) -> str:
    title = _text(page, "title")
    if title and not _PROGRAM.search(title):
        return title
    name = _text(page, "name")
    return name if name != _HOME else (_spaces(page) or [name])[-1]


def _address(page: Any) -> str:
    """Give the end of the page's address in the wiki."""
    name = _text(page, "name")
    return "/".join([*_spaces(page), "" if name == _HOME else name])


def _as_document(page: Any, name: str) -> Blob:
    title, syntax, content = _title_of(page), _text(page, "syntaxId"), _text(page, "content")
    stem = name.rpartition(".")[0]
    if syntax.startswith("markdown/"):
        return Blob(data=f"# {title}\n\n{content}".encode(), name=f"{stem}.md", media_type="text/markdown")
    if syntax.startswith(("html/", "xhtml/")):
        body = content
    elif syntax.startswith("plain/"):
        body = f"<pre>{html.escape(content, quote=False)}</pre>"
    else:
        body = to_html(content, syntax)
    return _document(title, body, stem)


def _document(title: str, body: str, stem: str) -> Blob:
    told = html.escape(title, quote=False)
    head = f'<!DOCTYPE html><html><head><meta charset="utf-8"><title>{told}</title></head>'
    data = f"{head}<body><h1>{told}</h1>\n{body}</body></html>".encode()
    return Blob(data=data, name=f"{stem}.html", media_type="text/html")


def _html_in(data: bytes) -> Any:
    """Parse a page of the HTML export; None when there is nothing in it. Any is lxml's."""
    from lxml import etree
    from lxml import html as lxml_html

    try:
        return lxml_html.document_fromstring(
            data, parser=lxml_html.HTMLParser(encoding="utf-8", no_network=True)
        )
    except (etree.ParserError, etree.XMLSyntaxError):
        return None


def _html_title(root: Any) -> str:
    """Give the title above the text, or that of the window without the name of the wiki."""
    if root is None:
        return ""
    above = root.xpath("//*[@id='document-title']//h1 | //*[@id='document-title']")
    named = above[-1] if above else root.find(".//title")
    title = "" if named is None else " ".join(named.text_content().split())
    return title if above else title.removesuffix(" - XWiki")


def _without_frame(blob: Blob) -> Blob:
    """Give the text of a page without menus, panels and tabs, where it can be told."""
    from lxml import html as lxml_html

    root = _html_in(blob.data)
    content = None if root is None else root.find(".//*[@id='xwikicontent']")
    if content is None:
        return blob
    body = "".join(
        [
            html.escape(content.text or "", quote=False),
            *(lxml_html.tostring(child, encoding="unicode") for child in content),
        ]
    )
    return _document(_html_title(root), body, blob.name.rpartition(".")[0])


def _hashed(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _moment(milliseconds: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(milliseconds) / 1000, UTC) if milliseconds else None
    except (ValueError, OverflowError, OSError):
        return None
