"""DOCX, mended before ``unstructured`` reads it.

The library sees only paragraphs that lie directly in the body. Templates of companies put text in content
controls, people leave tracked changes on, text boxes lie inside drawings, footnotes in another part: all of that
would be missing. It also knows headings by twenty built-in style names, while a house style has its own; and it
cuts a paragraph in two where a page ended. So the document part is rewritten: everything visible becomes an
ordinary paragraph, every outline level a built-in heading, every page break lies between paragraphs.
"""

from __future__ import annotations

import copy
import io
import zipfile
from collections.abc import Iterator
from typing import Any

from lxml import etree

from kbm.parsing import tables, unstructured_adapter
from kbm.parsing.building import DocumentBuilder
from kbm.parsing.ooxml import parse_xml

Node = Any
"""An element of lxml, which has no types of its own here."""

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_WP = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
_PIC = "{http://schemas.openxmlformats.org/drawingml/2006/picture}"
_DECORATIVE = "{http://schemas.microsoft.com/office/drawing/2017/decorative}decorative"
_PICTURE = "\ue003"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_DOCUMENT, _STYLES, _FOOTNOTES = "word/document.xml", "word/styles.xml", "word/footnotes.xml"
_TRANSPARENT = tuple(_W + name for name in ("ins", "moveTo", "smartTag", "customXml", "fldSimple"))
_REMOVED = tuple(_W + name for name in ("del", "moveFrom"))
_BOLD_LEVEL = 10
"""Below all real headings."""


def write_docx(data: bytes, builder: DocumentBuilder) -> None:
    """Add a document to *builder*."""
    for finding in unstructured_adapter.findings("docx", file=io.BytesIO(mended(data))):
        builder.page = finding.page
        if finding.kind == "title":
            builder.heading(finding.text, (finding.depth or 0) + 1)
        elif finding.kind == "list_item":
            builder.list_item(finding.text)
        elif finding.kind == "table":
            rows, header = tables.rows_of_html(finding.html) if finding.html else ([[finding.text]], None)
            builder.table(rows, header=header)
        elif finding.kind == "text":
            if finding.text.startswith(_PICTURE):
                builder.picture(*finding.text.removeprefix(_PICTURE).partition(_PICTURE)[::2])
            elif finding.bold and _reads_as_heading(finding.text):
                builder.heading(finding.text, _BOLD_LEVEL)
            else:
                builder.text(finding.text)


def _reads_as_heading(text: str) -> bool:
    text = text.strip()
    return (
        len(text) <= 80
        and len(text.split()) <= 10
        and text[-1:] not in (*".!?:,;",)
        and any(map(str.isalpha, text))
    )


def mended(data: bytes) -> bytes:
    """Rewrite the archive with its document part mended."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if _DOCUMENT not in archive.namelist():
            return data
        names = set(archive.namelist())
        root = parse_xml(archive.read(_DOCUMENT), _DOCUMENT)
        styles = parse_xml(archive.read(_STYLES), _STYLES) if _STYLES in names else None
        notes = parse_xml(archive.read(_FOOTNOTES), _FOOTNOTES) if _FOOTNOTES in names else None
        _drop_hidden(root)
        _open_wrappers(root)
        _tell_pictures(root)
        _free_text_boxes(root)
        if notes is not None:
            _place_footnotes(root, notes)
        if styles is not None:
            _apply_styles(root, styles)
        _move_page_breaks(root)
        changed = {
            _DOCUMENT: etree.tostring(root),
            **({} if styles is None else {_STYLES: etree.tostring(styles)}),
        }
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as copied:
            for member in archive.infolist():
                # Pictures are not read; without them a document of 100 MB needs no second 100 MB.
                if member.filename.startswith("word/media/"):
                    copied.writestr(member.filename, b"")
                else:
                    copied.writestr(member.filename, changed.get(member.filename) or archive.read(member))
        return target.getvalue()


def _drop_hidden(root: Node) -> None:
    """Drop runs that Word does not show: nobody sees them when they check a document."""
    for mark in list(root.iter(_W + "vanish")):
        run = mark.getparent().getparent()
        if run is not None and run.tag == _W + "r" and mark.get(_W + "val") not in ("0", "false", "off"):
            run.getparent().remove(run)


def _open_wrappers(root: Node) -> None:
    for node in list(root.iter(*_REMOVED, _W + "sdt", _MC + "AlternateContent", *_TRANSPARENT)):
        parent = node.getparent()
        if parent is None:
            continue
        if node.tag in _REMOVED:
            parent.remove(node)
        elif node.tag == _W + "sdt":
            gallery = node.find(f"{_W}sdtPr/{_W}docPartObj/{_W}docPartGallery")
            content = node.find(f"{_W}sdtContent")
            is_contents = gallery is not None and gallery.get(_W + "val") == "Table of Contents"
            _replace(node, [] if content is None or is_contents else list(content))
        elif node.tag == _MC + "AlternateContent":
            choice = node.find(_MC + "Choice")
            _replace(node, [] if choice is None else list(choice))
        else:
            _replace(node, [child for child in node if not child.tag.endswith("Pr")])


def _replace(node: Node, children: list[Node]) -> None:
    parent = node.getparent()
    at = parent.index(node)
    parent[at : at + 1] = children


def _tell_pictures(root: Node) -> None:
    """Put behind a paragraph what is said of the pictures in it; those in tables stand with their row."""
    for about in list(root.iter(_WP + "docPr")):
        holder, drawing = _outer_paragraph(about), about.getparent()
        if holder is None or next(drawing.iter(_PIC + "pic"), None) is None:
            continue
        if any(mark.get("val") in ("1", "true") for mark in about.iter(_DECORATIVE)):
            continue
        if any(ancestor.tag == _W + "tc" for ancestor in holder.iterancestors()):
            continue
        told = " – ".join(
            dict.fromkeys(text for key in ("title", "descr") if (text := about.get(key, "").strip()))
        )
        paragraph = etree.Element(_W + "p")
        run = etree.SubElement(paragraph, _W + "r")
        etree.SubElement(run, _W + "t").text = f"{_PICTURE}{told}{_PICTURE}{about.get('name', '')}"
        holder.addnext(paragraph)


def _free_text_boxes(root: Node) -> None:
    for box in list(root.iter(_W + "txbxContent")):
        holder = _outer_paragraph(box)
        blocks = list(box)
        box.clear()
        if holder is not None:
            for block in reversed(blocks):
                holder.addnext(block)


def _outer_paragraph(node: Node) -> Node | None:
    found = None
    for ancestor in node.iterancestors():
        if ancestor.tag == _W + "p":
            found = ancestor
    return found


def _place_footnotes(root: Node, notes: Node) -> None:
    by_id = {note.get(_W + "id"): note for note in notes.iter(_W + "footnote")}
    for reference in list(root.iter(_W + "footnoteReference")):
        note, holder = by_id.get(reference.get(_W + "id")), _outer_paragraph(reference)
        if note is not None and holder is not None:
            for paragraph in reversed(note.findall(_W + "p")):
                holder.addnext(copy.deepcopy(paragraph))


def _apply_styles(root: Node, styles: Node) -> None:
    by_id = {style.get(_W + "styleId"): style for style in styles.iter(_W + "style")}
    names = {key: _value(style, "name").lower() for key, style in by_id.items()}
    headings = {name: key for key, name in names.items() if name.startswith("heading ")}
    for paragraph in list(root.iter(_W + "p")):
        settings = paragraph.find(_W + "pPr")
        style_id = "" if settings is None else _value(settings, "pStyle")
        name = names.get(style_id, "")
        if name.startswith(("toc ", "table of figures")):
            paragraph.getparent().remove(paragraph)
            continue
        if settings is None or name.startswith("heading ") or name in ("title", "subtitle"):
            continue
        level = _outline_level(settings, style_id, by_id)
        if level is not None:
            heading = f"heading {level + 1}"
            if heading not in headings:
                headings[heading] = _add_heading(styles, heading, level)
            mark = settings.find(_W + "pStyle")
            if mark is None:
                mark = etree.Element(_W + "pStyle")
                settings.insert(0, mark)
            mark.set(_W + "val", headings[heading])


def _outline_level(settings: Node, style_id: str, by_id: dict[str, Node]) -> int | None:
    """Give the level, 0 to 8, that the paragraph or the chain of its styles sets."""
    written = _value(settings, "outlineLvl")
    seen: set[str] = set()
    while not written and style_id in by_id and style_id not in seen:
        seen.add(style_id)
        style = by_id[style_id]
        own = style.find(_W + "pPr")
        written = "" if own is None else _value(own, "outlineLvl")
        style_id = _value(style, "basedOn")
    return int(written) if written.isdigit() and int(written) <= 8 else None


def _add_heading(styles: Node, name: str, level: int) -> str:
    style_id = f"KbmHeading{level + 1}"
    style = etree.SubElement(styles, _W + "style", {_W + "type": "paragraph", _W + "styleId": style_id})
    etree.SubElement(style, _W + "name", {_W + "val": name})
    return style_id


def _move_page_breaks(root: Node) -> None:
    """Move each break inside a paragraph behind it, so that the paragraph belongs to the page it begins on."""
    waiting = 0
    for paragraph in list(root.iter(_W + "p")):
        breaks = list(paragraph.iter(_W + "lastRenderedPageBreak"))
        inside = [mark for mark in breaks if _has_text_before(mark, paragraph)]
        for mark in inside:
            mark.getparent().remove(mark)
        for _ in range(waiting):
            run = etree.Element(_W + "r")
            etree.SubElement(run, _W + "lastRenderedPageBreak")
            settings = paragraph.find(_W + "pPr")
            paragraph.insert(0 if settings is None else 1, run)
        waiting = len(inside)


def _has_text_before(mark: Node, paragraph: Node) -> bool:
    return any(node.tag == _W + "t" and node.text for node in _until(mark, paragraph))


def _until(mark: Node, paragraph: Node) -> Iterator[Node]:
    for node in paragraph.iter():
        if node is mark:
            return
        yield node


def _value(node: Node, child: str) -> str:
    found = node.find(_W + child)
    return "" if found is None else str(found.get(_W + "val") or "")
