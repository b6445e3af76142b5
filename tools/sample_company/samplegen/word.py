"""Write a page as .docx with heading styles, a head table, header and page-numbered footer."""

from __future__ import annotations

import io

from docx import Document
from docx.document import Document as DocumentObject
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor
from docx.text.paragraph import Paragraph

from .archive import settled
from .content import Block, Page, bold_runs

_BLUE = RGBColor(0x12, 0x3A, 0x5C)
_TABLE = "Table Grid"
_PAGE = {"de": "Seite ", "en": "Page ", "fr": "Page "}


def docx_bytes(page: Page) -> bytes:
    document = Document()
    _shape(document, page)
    document.add_heading(page.title, level=1)
    if page.meta:
        _add_table(document, tuple(page.meta), header=False)
        document.add_paragraph()
    for block in page.blocks:
        _add(document, block)
    _label(document, page)
    out = io.BytesIO()
    document.save(out)
    return settled(out.getvalue(), page.written)


def _shape(document: DocumentObject, page: Page) -> None:
    for style in list(document.styles):
        # The template brings some hundred table styles; they are most of its size.
        if style.type == WD_STYLE_TYPE.TABLE and style.name not in {_TABLE, "Normal Table"}:
            style.delete()
    normal = document.styles["Normal"]
    normal.font.name = "Calibri"
    normal.font.size = Pt(10.5)
    for level in (1, 2, 3):
        font = document.styles[f"Heading {level}"].font
        font.name, font.color.rgb, font.size = "Calibri", _BLUE, Pt(19 - 3 * level)
    section = document.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = Cm(2.3)
    section.top_margin = section.bottom_margin = Cm(2.2)
    section.header.paragraphs[0].text = page.extra.get("header", "Keller Maschinenbau GmbH & Co. KG")
    foot = section.footer.paragraphs[0]
    foot.add_run(page.extra.get("footer", page.title) + "\t\t" + _PAGE[page.language])
    _add_field(foot, "PAGE")


def _add_field(paragraph: Paragraph, instruction: str) -> None:
    field = OxmlElement("w:fldSimple")
    field.set(qn("w:instr"), instruction)
    shown, text = OxmlElement("w:r"), OxmlElement("w:t")
    text.text = "1"
    shown.append(text)
    field.append(shown)
    paragraph._p.append(field)


def _label(document: DocumentObject, page: Page) -> None:
    core = document.core_properties
    core.author = core.last_modified_by = page.author
    core.title, core.comments, core.language = page.title, "", page.language
    core.created = core.modified = page.written
    core.revision = 1


def _add(document: DocumentObject, block: Block) -> None:
    if block.kind == "heading":
        document.add_heading(block.text, level=block.level)
    elif block.kind == "paragraph":
        _write_runs(document.add_paragraph(), block.text)
    elif block.kind in {"bullets", "numbers"}:
        numbered = block.kind == "numbers"
        number = _new_numbering(document) if numbered else None
        for item in block.items:
            paragraph = document.add_paragraph(style="List Number" if numbered else "List Bullet")
            if number is not None:
                paragraph._p.get_or_add_pPr().get_or_add_numPr().get_or_add_numId().val = number
                paragraph._p.get_or_add_pPr().get_or_add_numPr().get_or_add_ilvl().val = 0
            _write_runs(paragraph, item)
    elif block.kind == "table":
        _add_table(document, block.rows, header=True)
        document.add_paragraph()
    else:
        document.add_page_break()


def _new_numbering(document: DocumentObject) -> int:
    """Return the id of a numbering that starts at 1; the style alone would count on from the list before."""
    numbering = document.part.numbering_part.element
    style = document.styles["List Number"].element
    used = numbering.num_having_numId(style.pPr.numPr.numId.val)
    fresh = numbering.add_num(used.abstractNumId.val)
    fresh.add_lvlOverride(ilvl=0).add_startOverride(1)
    return int(fresh.numId)


def _write_runs(paragraph: Paragraph, text: str) -> None:
    for run, bold in bold_runs(text):
        paragraph.add_run(run).bold = bold or None


def _add_table(document: DocumentObject, rows: tuple[tuple[str, ...], ...], *, header: bool) -> None:
    table = document.add_table(rows=len(rows), cols=len(rows[0]), style=_TABLE)
    for y, row in enumerate(rows):
        for x, text in enumerate(row):
            paragraph = table.cell(y, x).paragraphs[0]
            _write_runs(paragraph, text)
            for run in paragraph.runs:
                run.font.size = Pt(9.5)
                if (header and y == 0) or (not header and x == 0):
                    run.bold = True
