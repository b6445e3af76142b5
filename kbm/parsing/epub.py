"""EPUB: chapters of XHTML in the order of the book's spine, each read as a web page."""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from kbm.domain.documents import ParsedDocument, Reason
from kbm.errors import ParseFailed
from kbm.parsing.building import DocumentBuilder
from kbm.parsing.office import decode_html
from kbm.parsing.ooxml import parse_xml
from kbm.parsing.web import write_html

_CONTAINER, _RIGHTS = "META-INF/container.xml", "META-INF/encryption.xml"
_OPF = "{http://www.idpf.org/2007/opf}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_FONTS = (b"http://www.idpf.org/2008/embedding", b"http://ns.adobe.com/pdf/enc#RC")
_PAGES = frozenset({"application/xhtml+xml", "text/html", "application/xml", "text/x-oeb1-document", ""})


def read(data: bytes) -> ParsedDocument:
    """Read a book; chapters that are missing or broken are left out and counted.

    Raises:
        ParseFailed: it is protected or damaged.
    """
    builder = DocumentBuilder()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = set(archive.namelist())
        _refuse_protected(archive, names)
        package_name = _package(archive, names)
        package = parse_xml(archive.read(package_name), package_name, recover=True)
        for name in _spine(package, posixpath.dirname(package_name)):
            builder.leave_headings()
            try:
                write_html(decode_html(archive.read(name)), builder)
            except (KeyError, zipfile.BadZipFile, ParseFailed) as error:
                builder.n_left_out += 1
                builder.warnings.append(f"the chapter {posixpath.basename(name)} was left out ({error})")
    return ParsedDocument(
        elements=tuple(builder.elements),
        title=_said(package, "title") or builder.first_heading,
        author=_said(package, "creator"),
        warnings=tuple(builder.warnings),
        quality=builder.quality,
    )


def _refuse_protected(archive: zipfile.ZipFile, names: set[str]) -> None:
    if _RIGHTS not in names:
        return
    rights = archive.read(_RIGHTS)
    # Fonts may be mangled in an open book; anything else is a lock.
    if rights.count(b"EncryptionMethod") > sum(map(rights.count, _FONTS)):
        raise ParseFailed(Reason.ENCRYPTED, "The book is protected against copying: store one that is not.")


def _package(archive: zipfile.ZipFile, names: set[str]) -> str:
    if _CONTAINER in names:
        container = parse_xml(archive.read(_CONTAINER), _CONTAINER, recover=True)
        for root in container.iter("{*}rootfile"):
            if (path := root.get("full-path", "")) in names:
                return str(path)
    for name in sorted(names):
        if name.endswith(".opf"):
            return name
    raise ParseFailed(Reason.DAMAGED, "The book does not say what is in it: export it again.")


def _spine(package: Any, folder: str) -> Iterator[str]:
    """Give the members that are chapters, each once. Names are only looked up in the archive, never opened."""
    items = {item.get("id"): item for item in package.iter(_OPF + "item")}
    seen = set()
    for reference in package.iter(_OPF + "itemref"):
        item = items.get(reference.get("idref"))
        if item is None or item.get("media-type", "") not in _PAGES:
            continue
        if "nav" in item.get("properties", "").split() or reference.get("linear") == "no":
            continue
        name = posixpath.normpath(posixpath.join(folder, unquote(item.get("href", "").partition("#")[0])))
        if name not in seen:
            seen.add(name)
            yield name


def _said(package: Any, name: str) -> str:
    return " ".join((package.findtext(f".//{_DC}{name}") or "").split())
