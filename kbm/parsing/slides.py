"""PPTX: a slide is a page, its title the heading of everything on it.

The reading order of ``unstructured`` is top to bottom, in which the title is not always first, so the title of a
slide is looked up before its content is written. Only the title placeholder makes a heading: the library's other
titles are guesses by wording, and on slides nearly every line is as short as a title.
"""

from __future__ import annotations

import io
from itertools import groupby

from kbm.parsing import tables, unstructured_adapter
from kbm.parsing.building import DocumentBuilder
from kbm.parsing.unstructured_adapter import Finding

_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_DECORATIVE = "{http://schemas.microsoft.com/office/drawing/2017/decorative}decorative"


def write_pptx(data: bytes, builder: DocumentBuilder) -> None:
    """Add a presentation to *builder*, speaker's notes included."""
    found = unstructured_adapter.findings(
        "pptx", file=io.BytesIO(data), include_slide_notes=True, include_page_breaks=False
    )
    pictures = _pictures(data)
    for page, group in groupby(found, key=lambda finding: finding.page):
        builder.page = page
        builder.leave_headings()
        slide = list(group)
        title = next((finding for finding in slide if _is_title(finding)), None)
        if title is not None:
            builder.heading(title.text, 1)
        for finding in slide:
            if finding is not title:
                _write(finding, builder)
        for described, name in pictures.pop(page or 0, ()):
            builder.picture(described, name)
    for number, left in sorted(pictures.items()):
        builder.page = number
        builder.leave_headings()
        for described, name in left:
            builder.picture(described, name)


def _pictures(data: bytes) -> dict[int, list[tuple[str, str]]]:
    """Give (description, name) of the pictures by slide; the library passes over them."""
    import pptx

    found: dict[int, list[tuple[str, str]]] = {}
    if b"ppt/media/" not in data:
        return found
    for number, slide in enumerate(pptx.Presentation(io.BytesIO(data)).slides, 1):
        for about in slide._element.iter(f"{_P}cNvPr"):
            if about.getparent().tag != f"{_P}nvPicPr" or next(about.iter(_DECORATIVE), None) is not None:
                continue
            told = " – ".join(dict.fromkeys(filter(None, (about.get("title"), about.get("descr")))))
            found.setdefault(number, []).append((told, about.get("name", "")))
    return found


def _is_title(finding: Finding) -> bool:
    return finding.kind == "title" and finding.depth == 0


def _write(finding: Finding, builder: DocumentBuilder) -> None:
    if finding.kind == "table":
        rows, header = tables.rows_of_html(finding.html) if finding.html else ([[finding.text]], None)
        builder.table(rows, header=header)
    elif finding.kind == "list_item":
        builder.list_item(finding.text)
    elif finding.kind in ("text", "title"):
        builder.text(finding.text)
