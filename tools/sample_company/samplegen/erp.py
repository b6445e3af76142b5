"""Write the ERP exports with the quirks such exports really have.

The price list keeps its title lines, quoted line breaks and total line and is encoded in cp1252; the spare
parts store their leading zeros only in the number format; the customer list holds what must never reach an
index.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from openpyxl import Workbook
from openpyxl.styles import Font

from .office import cell_at, saved, set_cell

_IBAN_LENGTHS = {"DE": (8, 10), "FR": (10, 13), "GB": (6, 8), "AT": (5, 11)}
_FICTIONAL_BANK = "9" * 10


def erp_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    prices = (folder / "preisliste.csv").read_text(encoding="utf-8")
    yield "erp/preisliste_2026.csv", prices.replace("\n", "\r\n").encode("cp1252")
    yield "erp/ersatzteile.xlsx", _spare_parts(_rows(folder / "ersatzteile.tsv"))
    yield "erp/kunden.csv", _customers(_rows(folder / "kunden.tsv"))


def _rows(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]


def _spare_parts(rows: list[list[str]]) -> bytes:
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Ersatzteile"
    sheet["A1"] = "Ersatzteile Serviceteilelager Talbrück"
    sheet["A2"] = "Stand 09.11.2026, Preise netto, Lager geführt von Jochen Pfister"
    for y, row in enumerate(rows, start=3):
        for x, text in enumerate(row, start=1):
            cell = cell_at(sheet, y, x)
            if y == 3:
                cell.value, cell.font = text, Font(bold=True)
            else:
                set_cell(cell, text)
            sheet.column_dimensions[cell.column_letter].width = max(11, len(text) + 2)
    written = datetime(2026, 11, 9, 2, 0)
    return saved(book, "Ersatzteile", "Jochen Pfister", written)


def _customers(rows: list[list[str]]) -> bytes:
    head, *customers = rows
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    at = head.index("Rabattgruppe")
    writer.writerow([*head[:at], "IBAN", *head[at:]])
    for row in customers:
        iban = fictional_iban(row[head.index("Land")], row[0])
        writer.writerow([*row[:at], iban, *row[at:]])
    return out.getvalue().encode("utf-8")


def fictional_iban(country: str, seed: str) -> str:
    """Return an IBAN with right check digits at a bank that does not exist."""
    bank, account = _IBAN_LENGTHS[country]
    digits = str(int(hashlib.sha256(seed.encode()).hexdigest(), 16))[:account]
    body = ("ZZZZ" if country == "GB" else "") + _FICTIONAL_BANK[:bank] + digits
    number = "".join(str(int(char, 36)) for char in body + country + "00")
    return f"{country}{98 - int(number) % 97:02d}{body}"
