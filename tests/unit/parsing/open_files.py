"""OpenDocument, EPUB, Outlook and scanned files for the tests of parsing, made here."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from kbm.parsing import tools

_NAMESPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{full}:1.0"'
    for name, full in {
        "office": "office",
        "text": "text",
        "table": "table",
        "draw": "drawing",
        "style": "style",
        "svg": "svg-compatible",
        "presentation": "presentation",
        "meta": "meta",
    }.items()
)
needs_office = pytest.mark.skipif(
    tools.office() is None, reason="LibreOffice is not installed (libreoffice-writer-nogui and others)"
)
needs_tesseract = pytest.mark.skipif(
    tools.recogniser(("de", "en", "fr")) is None, reason="Tesseract is not installed (tesseract-ocr)"
)


def zipped(members: Mapping[str, bytes | str]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def odf(body: str, *, kind: str = "text", styles: str = "", manifest: str = "", meta: str = "") -> bytes:
    """Write an OpenDocument file around the XML of its *body*."""
    content = (
        f'<office:document-content {_NAMESPACES} xmlns:xlink="http://www.w3.org/1999/xlink">'
        f"<office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    )
    about = (
        f'<office:document-meta {_NAMESPACES} xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<office:meta>{meta}</office:meta></office:document-meta>"
    )
    return zipped(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "META-INF/manifest.xml": f"<manifest>{manifest}</manifest>",
            "content.xml": content,
            "meta.xml": about,
        }
    )


def epub(chapters: Sequence[tuple[str, str]], *, extra: Mapping[str, bytes | str] | None = None) -> bytes:
    """Write a book; chapters are (name, body) in reading order, stored in another one."""
    items = "".join(
        f'<item id="c{n}" href="{name}" media-type="application/xhtml+xml"/>'
        for n, (name, _) in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
        "<dc:title>Betriebsbuch</dc:title><dc:creator>Anna Keller</dc:creator></metadata>"
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="OPS/book.opf"/></rootfiles></container>'
    )
    pages = {
        f"OPS/{name}": f'<!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml"><body>{body}</body></html>'
        for name, body in reversed(chapters)
        if body
    }
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": container,
            "OPS/book.opf": package,
            **pages,
            **(extra or {}),
        }
    )


def compound(streams: Mapping[str, bytes]) -> bytes:
    """Write a compound file (the container of old office formats) whose streams are at least one sector long.

    Streams are filled up with zeros to 4096 bytes, so that none lies in the container's small-stream area.
    """
    sector, end, free = 512, 0xFFFFFFFE, 0xFFFFFFFF
    folders: dict[str, list[str]] = {"": []}
    for path in streams:
        parent, _, _ = path.rpartition("/")
        while parent not in folders:
            folders[parent] = []
            above, _, _ = parent.rpartition("/")
            folders.setdefault(above, [])
            parent = above
    entries = ["", *sorted(folders.keys() - {""}), *streams]
    number = {path: n for n, path in enumerate(entries)}
    children: dict[str, list[str]] = {folder: [] for folder in folders}
    for path in entries[1:]:
        children[path.rpartition("/")[0]].append(path)
    data = {path: content.ljust(4096, b"\0") for path, content in streams.items()}
    chain: list[int] = []
    body = bytearray()
    starts: dict[str, int] = {}
    for path, content in data.items():
        starts[path] = len(chain)
        count = -(-len(content) // sector)
        chain += [*range(len(chain) + 1, len(chain) + count), end]
        body += content.ljust(count * sector, b"\0")
    directory = bytearray()
    siblings: dict[str, str] = {}
    for listed in children.values():
        siblings |= dict(pairwise(listed))
    for path in entries:
        name = (path.rpartition("/")[2] if path else "Root Entry").encode("utf-16-le") + b"\0\0"
        first = children.get(path) or []
        directory += struct.pack(
            "<64sHBBIII16sIQQIQ",
            name,
            len(name),
            5 if not path else 1 if path in folders else 2,
            1,
            free,
            number[siblings[path]] if path in siblings else free,
            number[first[0]] if first else free,
            bytes(16),
            0,
            0,
            0,
            starts.get(path, end if not path else 0),
            len(data[path]) if path in data else 0,
        )
    directory = directory.ljust(-(-len(directory) // sector) * sector, b"\0")
    directory_start = len(chain)
    count = len(directory) // sector
    chain += [*range(len(chain) + 1, len(chain) + count), end]
    tables = 1
    while tables * 128 < len(chain) + tables:
        tables += 1
    table_start = len(chain)
    chain += [0xFFFFFFFD] * tables
    chain += [free] * (tables * 128 - len(chain))
    header = struct.pack(
        "<8s16sHHHHH6sIIIIIIIII",
        bytes.fromhex("d0cf11e0a1b11ae1"),
        bytes(16),
        0x3E,
        3,
        0xFFFE,
        9,
        6,
        bytes(6),
        0,
        tables,
        directory_start,
        0,
        4096,
        end,
        0,
        end,
        0,
    )
    header += struct.pack("<109I", *range(table_start, table_start + tables), *[free] * (109 - tables))
    return bytes(header) + bytes(body) + bytes(directory) + struct.pack(f"<{len(chain)}I", *chain)


def _properties(header: int, pids: Sequence[int] = ()) -> bytes:
    return bytes(header) + b"".join(struct.pack("<HHIQ", 0x001F, pid, 6, 0) for pid in pids)


def outlook(
    fields: Mapping[int, str | bytes], attachments: Sequence[Mapping[int, str | bytes]] = ()
) -> bytes:
    """Write an Outlook mail from its properties: text by id, bytes by id; attachments likewise."""
    streams: dict[str, bytes] = {"__properties_version1.0": _properties(32)}
    streams |= _streams("", fields)
    for n, attached in enumerate(attachments):
        folder = f"__attach_version1.0_#{n:08X}/"
        streams[f"{folder}__properties_version1.0"] = _properties(8)
        streams |= _streams(folder, attached)
    return compound(streams)


def _streams(folder: str, fields: Mapping[int, str | bytes]) -> dict[str, bytes]:
    return {
        f"{folder}__substg1.0_{pid:04X}{'001F' if isinstance(value, str) else '0102'}": value.encode(
            "utf-16-le"
        )
        if isinstance(value, str)
        else value
        for pid, value in fields.items()
    }


def picture_of(lines: Sequence[str]) -> bytes:
    """Draw lines of text as a scanner would give them: a grey page at 200 dpi."""
    from PIL import Image, ImageDraw, ImageFont

    page = Image.new("L", (1654, 1000), 250)
    font = ImageFont.load_default(size=34)
    for n, line in enumerate(lines):
        ImageDraw.Draw(page).text((120, 100 + 60 * n), line, fill=10, font=font)
    target = io.BytesIO()
    page.save(target, "PNG")
    return target.getvalue()


def scanned(lines: Sequence[str]) -> bytes:
    """Give a PDF of one page that is a picture of *lines*."""
    from PIL import Image

    target = io.BytesIO()
    Image.open(io.BytesIO(picture_of(lines))).save(target, "PDF", resolution=200)
    return target.getvalue()


def pretended(folder: Path, name: str, script: str) -> Path:
    """Put a program in a folder that is to be the search path."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program
