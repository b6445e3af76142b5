"""Write a page as PDF with letterhead, page numbers and an outline; optionally with a password."""

from __future__ import annotations

import io
import re
from datetime import UTC
from html import escape
from typing import Any

from reportlab import rl_config
from reportlab.lib import colors
from reportlab.lib.enums import TA_LEFT
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    Flowable,
    ListFlowable,
    PageBreak,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
    TableStyle,
)

from .content import Block, Page, bold_runs, plain

_BLUE = colors.HexColor("#123a5c")
_LINE = colors.HexColor("#9fb3c4")
_BODY = ParagraphStyle("body", fontName="Helvetica", fontSize=10, leading=14, spaceAfter=6, alignment=TA_LEFT)
_CELL = ParagraphStyle("cell", parent=_BODY, fontSize=8.8, leading=11.5, spaceAfter=0)
_TITLE = ParagraphStyle(
    "title", parent=_BODY, fontName="Helvetica-Bold", fontSize=18, leading=23, textColor=_BLUE
)
_HEADINGS = {
    1: _TITLE,
    2: ParagraphStyle(
        "h2", parent=_TITLE, fontSize=13, leading=17, spaceBefore=11, spaceAfter=4, keepWithNext=1
    ),
    3: ParagraphStyle(
        "h3", parent=_TITLE, fontSize=11, leading=14, spaceBefore=7, spaceAfter=3, keepWithNext=1
    ),
}
_PAGE = {"de": "Seite", "en": "Page", "fr": "Page"}


def pdf_bytes(page: Page) -> bytes:
    rl_config.invariant = 1
    out = io.BytesIO()
    password = page.extra.get("password")
    document = SimpleDocTemplate(
        out,
        pagesize=A4,
        # The frame pads its content by 6 points; the text shall stand under the letterhead.
        leftMargin=23 * mm - 6,
        rightMargin=23 * mm - 6,
        topMargin=30 * mm,
        bottomMargin=24 * mm,
        title=page.title,
        author=page.author,
        subject=page.extra.get("footer", ""),
        creator="Keller Maschinenbau",
        producer="Keller Maschinenbau",
        lang=page.language,
        invariant=1,
        encrypt=StandardEncryption(password, strength=128) if password else None,
    )
    story: list[Flowable] = [Paragraph(_markup(page.title), _TITLE), Spacer(1, 3 * mm)]
    if page.meta:
        story += [_table(tuple(page.meta), header=False), Spacer(1, 4 * mm)]
    for block in page.blocks:
        story += _flowables(block)

    def furnish(canvas: Any, template: Any) -> None:
        # The library's fixed date is 1 January 2000; a document carries its own.
        stamp = page.written.replace(tzinfo=UTC)
        canvas._doc.info.Date = None
        canvas._doc._timeStamp.YMDhms = stamp.timetuple()[:6]
        _furnish(canvas, page, template.page)

    document.build(story, onFirstPage=furnish, onLaterPages=furnish)
    # The library signs two comments; blanks of the same length keep all offsets right.
    return re.sub(rb"ReportLab [Gg]enerated[^\n]*", lambda match: b" " * len(match[0]), out.getvalue())


def _furnish(canvas: Canvas, page: Page, number: int) -> None:
    width, height = A4
    canvas.saveState()
    canvas.setStrokeColor(_BLUE)
    canvas.setFillColor(_BLUE)
    canvas.setFont("Helvetica-Bold", 11)
    canvas.drawString(23 * mm, height - 17 * mm, "KELLER MASCHINENBAU")
    canvas.setFont("Helvetica", 8)
    canvas.drawRightString(width - 23 * mm, height - 17 * mm, page.extra.get("header", "Talbrück"))
    canvas.line(23 * mm, height - 20 * mm, width - 23 * mm, height - 20 * mm)
    canvas.setFillColor(colors.HexColor("#555555"))
    canvas.drawString(23 * mm, 13 * mm, page.extra.get("footer", page.title))
    canvas.drawRightString(width - 23 * mm, 13 * mm, f"{_PAGE[page.language]} {number}")
    canvas.restoreState()


def _flowables(block: Block) -> list[Flowable]:
    if block.kind == "heading":
        return [Paragraph(_markup(block.text), _HEADINGS[min(block.level, 3)])]
    if block.kind == "paragraph":
        return [Paragraph(_markup(block.text), _BODY)]
    if block.kind == "table":
        return [_table(block.rows, header=True), Spacer(1, 3 * mm)]
    if block.kind == "pagebreak":
        return [PageBreak()]
    bullet = "bullet" if block.kind == "bullets" else "1"
    entries = [Paragraph(_markup(item), _BODY) for item in block.items]
    if block.kind == "bullets":
        return [ListFlowable(entries, bulletType=bullet, start="•", leftIndent=14)]
    return [ListFlowable(entries, bulletType=bullet, leftIndent=16)]


def _markup(text: str) -> str:
    runs = ((escape(run, quote=False), bold) for run, bold in bold_runs(text))
    return "".join(f"<b>{run}</b>" if bold else run for run, bold in runs)


def _table(rows: tuple[tuple[str, ...], ...], *, header: bool) -> Table:
    cells = [
        [
            Paragraph(f"<b>{_markup(text)}</b>" if _is_head(x, y, header=header) else _markup(text), _CELL)
            for x, text in enumerate(row)
        ]
        for y, row in enumerate(rows)
    ]
    longest = [max(min(len(plain(row[x])), 60) for row in rows) + 6 for x in range(len(rows[0]))]
    room = A4[0] - 46 * mm
    widths = [room * part / sum(longest) for part in longest]
    table = Table(cells, colWidths=widths, repeatRows=1 if header else 0)
    shade = (0, 0), (-1, 0) if header else (0, -1)
    table.setStyle(
        TableStyle(
            [
                ("GRID", (0, 0), (-1, -1), 0.4, _LINE),
                ("BACKGROUND", *shade, colors.HexColor("#e8eef3")),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
        )
    )
    return table


def _is_head(x: int, y: int, *, header: bool) -> bool:
    return y == 0 if header else x == 0
