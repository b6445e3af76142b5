"""The text of an office file straight from its XML, for files the libraries do not open.

Elements are told by their local names, so that the strict variant of the format, whose namespaces differ, is read
too. Broken XML is read as far as it goes; parts that do not unpack are left out and counted, the main part excepted.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from lxml import etree

from kbm.domain.documents import Reason
from kbm.errors import ParseFailed
from kbm.parsing.building import DocumentBuilder
from kbm.parsing.ooxml import parse_xml

Node = Any
"""An element of lxml, which has no types of its own here."""

_HEADING = re.compile(r"(?:heading|berschrift|titre|titel|title)\s*([1-9])?", re.I)
_NUMBER = re.compile(r"(\d+)\.xml$")
_COLUMN = re.compile(r"([A-Z]{1,3})\d+")
_CELLS = 5_000_000
_UNSEEN = frozenset({"del", "moveFrom", "delText", "instrText", "Fallback", "sectPr", "pPr", "rPr"})


def write(data: bytes, builder: DocumentBuilder) -> None:
    """Add the text of a docx, pptx or xlsx.

    Raises:
        ParseFailed: it has no part of text that can be read.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        if "word/document.xml" in names:
            root = parse_xml(archive.read("word/document.xml"), "word/document.xml", recover=True)
            _write_blocks(root, builder)
        elif slides := _numbered(names, "ppt/slides/slide"):
            for number, root in _parts(archive, slides, builder):
                builder.page = number
                builder.leave_headings()
                _write_slide(root, builder)
        elif sheets := _numbered(names, "xl/worksheets/sheet"):
            sheets = [name for name in sheets if name not in _hidden_sheets(archive)]
            shared = _shared(archive, builder)
            for number, root in _parts(archive, sheets, builder):
                builder.page = number
                builder.leave_headings()
                builder.table(list(_rows(root, shared)))
        else:
            raise ParseFailed(Reason.DAMAGED, "The file holds no part with text.")


def _numbered(names: list[str], start: str) -> list[str]:
    found = {name for name in names if name.startswith(start) and _NUMBER.search(name)}
    return sorted(found, key=lambda name: (int(_number(name)), name))


def _number(name: str) -> str:
    found = _NUMBER.search(name)
    return found[1][:9] if found else "0"


def _parts(
    archive: zipfile.ZipFile, names: list[str], builder: DocumentBuilder
) -> Iterator[tuple[int, Node]]:
    for position, name in enumerate(names, 1):
        try:
            yield position, parse_xml(archive.read(name), name, recover=True)
        except (zipfile.BadZipFile, zlib.error, EOFError, ParseFailed):
            builder.n_left_out += 1
            builder.warnings.append(f"the part {name} was left out")


def _name(node: Node) -> str:
    return etree.QName(node).localname if isinstance(node.tag, str) else ""


def _attribute(node: Node, name: str) -> str:
    return next((value for key, value in node.attrib.items() if key.rpartition("}")[2] == name), "")


def _write_blocks(parent: Node, builder: DocumentBuilder) -> None:
    for node in parent:
        name = _name(node)
        if name in _UNSEEN:
            continue
        if name == "p":
            style = next((_attribute(one, "val") for one in node.iter("{*}pStyle")), "")
            heading = _HEADING.search(style)
            if heading:
                builder.heading(_text(node), int(heading[1] or 1))
            elif any(True for _ in node.iter("{*}numPr")):
                builder.list_item(_text(node))
            else:
                builder.text(_text(node))
        elif name == "tbl":
            builder.table([[_text(cell) for cell in row.iter("{*}tc")] for row in node.iter("{*}tr")])
        else:
            _write_blocks(node, builder)


def _write_slide(root: Node, builder: DocumentBuilder) -> None:
    for shape in root.iter("{*}sp", "{*}tbl"):
        if _name(shape) == "tbl":
            builder.table([[_text(cell) for cell in row.iter("{*}tc")] for row in shape.iter("{*}tr")])
            continue
        kinds = {_attribute(one, "type") for one in shape.iter("{*}ph")}
        for paragraph in shape.iter("{*}p"):
            if kinds & {"title", "ctrTitle"}:
                builder.heading(_text(paragraph), 1)
            else:
                builder.text(_text(paragraph))


def _text(node: Node) -> str:
    return "".join(_pieces(node))


def _pieces(node: Node) -> Iterator[str]:
    name = _name(node)
    if name in _UNSEEN or (name == "r" and node.find("{*}rPr/{*}vanish") is not None):
        return
    if name == "t":
        yield node.text or ""
    elif name in ("tab", "br", "cr"):
        yield " "
    for child in node:
        yield from _pieces(child)
    if name == "p":
        yield " "


def _hidden_sheets(archive: zipfile.ZipFile) -> set[str]:
    """Name the parts of sheets that the workbook hides.

    Raises:
        ParseFailed: it hides some, and nobody can tell which.
    """
    book = archive.read("xl/workbook.xml") if "xl/workbook.xml" in archive.namelist() else b""
    if b"idden" not in book:
        return set()
    links = parse_xml(archive.read("xl/_rels/workbook.xml.rels"), "xl/_rels/workbook.xml.rels")
    targets = {_attribute(one, "Id"): _attribute(one, "Target") for one in links}
    found = set()
    for sheet in parse_xml(book, "xl/workbook.xml").iter("{*}sheet"):
        if _attribute(sheet, "state") in ("hidden", "veryHidden"):
            target = targets[_attribute(sheet, "id")]
            found.add(target.removeprefix("/") if target.startswith("/") else f"xl/{target}")
    return found


def _shared(archive: zipfile.ZipFile, builder: DocumentBuilder) -> list[str]:
    names = [name for name in archive.namelist() if name == "xl/sharedStrings.xml"]
    return [_text(item).strip() for _, root in _parts(archive, names, builder) for item in root.iter("{*}si")]


def _rows(sheet: Node, shared: list[str]) -> Iterator[list[str]]:
    left = _CELLS
    for row in sheet.iter("{*}row"):
        line: list[str] = []
        for cell in row.iter("{*}c"):
            place = _COLUMN.match(_attribute(cell, "r"))
            column = _index(place[1]) if place else len(line)
            left -= max(1, column - len(line))
            if left < 0:
                return
            line += [""] * (column - len(line))
            line.append(_value(cell, shared))
        yield line


def _index(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _value(cell: Node, shared: list[str]) -> str:
    value = str(next((one.text or "" for one in cell.iter("{*}v")), ""))
    kind = _attribute(cell, "t")
    if kind == "s":
        return shared[int(value)] if value.isdigit() and int(value) < len(shared) else ""
    return _text(cell).strip() if kind == "inlineStr" else value
