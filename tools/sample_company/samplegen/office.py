"""Write a page as .xlsx (a level-2 heading opens a sheet) or .pptx (a level-2 heading opens a slide)."""

from __future__ import annotations

import io
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.worksheet.worksheet import Worksheet
from pptx import Presentation
from pptx.util import Emu, Pt

from .archive import settled
from .content import Block, Page, plain

_HEAD = PatternFill("solid", fgColor="E8EEF3")


def xlsx_bytes(page: Page) -> bytes:
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = page.extra.get("sheet", "Übersicht")
    sheet["A1"] = page.title
    sheet["A1"].font = Font(bold=True, size=14)
    for block in page.blocks:
        if block.kind == "heading":
            # The first heading names the sheet that is there already.
            if sheet.max_row == 1 and len(book.worksheets) == 1 and "sheet" not in page.extra:
                sheet.title = block.text
            else:
                sheet = book.create_sheet(block.text)
                sheet["A1"] = block.text
                sheet["A1"].font = Font(bold=True, size=14)
        elif block.kind == "table":
            _add_table(sheet, block.rows)
        elif block.kind in {"bullets", "numbers"}:
            for item in block.items:
                sheet.append([plain(item)])
        else:
            sheet.append([plain(block.text)])
    return saved(book, page.title, page.author, page.written)


def _add_table(sheet: Worksheet, rows: tuple[tuple[str, ...], ...]) -> None:
    start = sheet.max_row + 2
    for y, row in enumerate(rows):
        for x, text in enumerate(row, start=1):
            cell = cell_at(sheet, start + y, x)
            if y == 0:
                cell.value = plain(text)
                cell.font, cell.fill = Font(bold=True), _HEAD
            else:
                set_cell(cell, plain(text))
            cell.alignment = Alignment(vertical="top", wrap_text=True)
    for x in range(1, len(rows[0]) + 1):
        letter = cell_at(sheet, start, x).column_letter
        longest = max(len(row[x - 1]) for row in rows)
        sheet.column_dimensions[letter].width = max(12, min(48, longest + 3))
    sheet.freeze_panes = cell_at(sheet, start + 1, 1)


def cell_at(sheet: Worksheet, row: int, column: int) -> Cell:
    """Return a cell for writing; no sheet here has merged cells."""
    cell = sheet.cell(row, column)
    assert isinstance(cell, Cell)
    return cell


def set_cell(cell: Cell, text: str) -> None:
    """Store numbers, money and dates as values with a number format, everything else as text."""
    if re.fullmatch(r"\d{2}\.\d{2}\.\d{4}", text):
        cell.value, cell.number_format = datetime.strptime(text, "%d.%m.%Y"), "DD.MM.YYYY"
    elif match := re.fullmatch(r"([\d.]+),(\d{2}) €", text):
        cell.value = Decimal(match[1].replace(".", "") + "." + match[2])
        cell.number_format = '#,##0.00\\ "€"'
    elif re.fullmatch(r"0\d+", text):
        cell.value, cell.number_format = int(text), "0" * len(text)
    elif re.fullmatch(r"[1-9]\d{0,3}", text):
        cell.value = int(text)
    else:
        cell.value = text


def saved(book: Workbook, title: str, author: str, written: datetime) -> bytes:
    properties = book.properties
    properties.creator = properties.lastModifiedBy = author
    properties.title, properties.created = title, written
    out = io.BytesIO()
    book.save(out)
    return settled(out.getvalue(), written)


def pptx_bytes(page: Page) -> bytes:
    show = Presentation()
    show.slide_width, show.slide_height = Emu(12192000), Emu(6858000)
    slide: Any = show.slides.add_slide(show.slide_layouts[0])
    slide.shapes.title.text = page.title
    slide.placeholders[1].text = f"Keller Maschinenbau\n{page.author}, {page.written:%d.%m.%Y}"
    frame: Any = None
    for block in page.blocks:
        if block.kind == "heading":
            slide = show.slides.add_slide(show.slide_layouts[1])
            slide.shapes.title.text = block.text
            frame = slide.placeholders[1].text_frame
            frame.clear()
        elif block.kind == "table":
            _add_slide_table(slide, block)
        elif frame is not None:
            for item in block.items or (block.text,):
                paragraph = frame.paragraphs[0] if not frame.text else frame.add_paragraph()
                paragraph.text = plain(item)
                paragraph.font.size = Pt(20)
    for number, note in _notes(page):
        show.slides[number].notes_slide.notes_text_frame.text = note
    core = show.core_properties
    core.author = core.last_modified_by = page.author
    core.title, core.comments = page.title, ""
    core.created = core.modified = page.written
    out = io.BytesIO()
    show.save(out)
    return settled(out.getvalue(), page.written)


def _add_slide_table(slide: Any, block: Block) -> None:
    rows = block.rows
    size = len(rows), len(rows[0]), Emu(838200), Emu(3500000), Emu(10515600), Emu(370000 * len(rows))
    table = slide.shapes.add_table(*size).table
    for y, row in enumerate(rows):
        for x, text in enumerate(row):
            table.cell(y, x).text = plain(text)
            for paragraph in table.cell(y, x).text_frame.paragraphs:
                paragraph.font.size = Pt(14)


def _notes(page: Page) -> list[tuple[int, str]]:
    """Front matter ``note_2: text`` puts speaker notes on slide 2 (the title slide is 1)."""
    return [(int(key[5:]) - 1, text) for key, text in page.extra.items() if key.startswith("note_")]
