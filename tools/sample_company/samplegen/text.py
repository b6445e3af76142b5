"""Read the text back out of a written file; the check must not believe the texts it was written from."""

from __future__ import annotations

import csv
import email
import email.policy
import io
import re
from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path

import pypdfium2
from docx import Document
from lxml import html
from openpyxl import load_workbook
from openpyxl.cell import Cell, MergedCell
from pptx import Presentation


def text_of(path: Path) -> str:
    """Return the text of *path* with every run of white space made one space."""
    read: Callable[[Path], str] = _READERS.get(path.suffix, lambda file: file.read_text(encoding="utf-8"))
    return re.sub(r"\s+", " ", read(path))


def rows_of(path: Path) -> dict[str, str]:
    """Return the text of each row of an ERP export under its key."""
    if path.suffix == ".xlsx":
        sheet = load_workbook(path).worksheets[0]
        lines = [[shown(cell) for cell in row] for row in sheet.iter_rows(min_row=4)]
    else:
        price_list = path.name.startswith("preisliste")
        text = path.read_bytes().decode("cp1252" if price_list else "utf-8")
        lines = list(csv.reader(io.StringIO(text), delimiter=";"))[4 if price_list else 1 :]
    return {line[0]: " ".join(line) for line in lines if line[0] != "Summe"}


def shown(cell: Cell | MergedCell) -> str:
    """Show a cell as the office program does, as far as the sample company's formats go."""
    value, shape = cell.value, cell.number_format
    if isinstance(value, int) and set(shape) == {"0"}:
        return str(value).zfill(len(shape))
    if isinstance(value, datetime):
        return value.strftime("%d.%m.%Y")
    return "" if value is None else str(value)


def _docx(path: Path) -> str:
    body = Document(str(path)).element.body
    return " ".join(node.text or "" for node in body.iter() if node.tag.endswith("}t"))


def _pdf(path: Path) -> str:
    document = pypdfium2.PdfDocument(path)
    return " ".join(page.get_textpage().get_text_range() for page in document)


def _xlsx(path: Path) -> str:
    cells = (cell for sheet in load_workbook(path) for row in sheet.iter_rows() for cell in row)
    return " ".join(shown(cell) for cell in cells if cell.value is not None)


def _pptx(path: Path) -> str:
    slides = Presentation(str(path)).slides
    nodes = (node for slide in slides for shape in slide.shapes for node in shape.element.iter())
    return " ".join(node.text or "" for node in nodes if node.tag.endswith("}t"))


def _eml(path: Path) -> str:
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    body = message.get_body(("plain",))
    return f"{message['Subject']} {body.get_content() if body else ''}"


def _html(path: Path) -> str:
    # Bytes, so that the parser obeys the declared charset.
    return "".join(map(str, html.fromstring(path.read_bytes()).itertext()))


_READERS: dict[str, Callable[[Path], str]] = {
    ".docx": _docx,
    ".pdf": _pdf,
    ".xlsx": _xlsx,
    ".pptx": _pptx,
    ".eml": _eml,
    ".html": _html,
}
