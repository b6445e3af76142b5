"""The connector ``rows`` keeps the promises of every connector, for text files and for workbooks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import openpyxl
import pytest
from kbm_connectors.rows import RowsConnector

from kbm.testing.contracts.connector import ConnectorContract

IBAN = "DE89370400440532013000"


@dataclass
class Export:
    """An export that is written anew with every change."""

    path: Path
    items: dict[str, str] = field(default_factory=dict)

    def connect(self) -> RowsConnector:
        profile = {"key": ["Kunde"], "drop": ["Telefon"], "mask": ["IBAN"]}
        return RowsConnector("customers", {"url": self.path.name, "profile": profile}, self.path.parent)

    def make(self, id: str, text: str) -> None:
        self.items[id] = text
        self._write()

    edit = make

    def remove(self, id: str) -> None:
        del self.items[id]
        self._write()

    def break_root(self) -> None:
        self.path.write_bytes(f"Kunde;IBAN\n1;{IBAN}\n{IBAN};{IBAN};x\n".encode())

    def _write(self) -> None:
        rows = [["Kunde", "Notiz", "IBAN", "Telefon"]]
        rows += [[id, text, IBAN, "+49 30 555"] for id, text in self.items.items()]
        if self.path.suffix == ".xlsx":
            book = openpyxl.Workbook()
            for row in rows:
                book.worksheets[0].append(row)
            book.save(self.path)
        else:
            self.path.write_text("".join(";".join(row) + "\n" for row in rows))


class TestTextFile(ConnectorContract):
    ids = ("000017", "Müller GmbH", "9")
    secrets = (IBAN, "+49 30 555")

    @pytest.fixture
    def source(self, tmp_path: Path) -> Export:
        return Export(tmp_path / "kunden.csv")


class TestWorkbook(TestTextFile):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Export:
        return Export(tmp_path / "kunden.xlsx")


class TestExportThatVanishes(TestTextFile):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Export:
        class Vanishing(Export):
            def break_root(self) -> None:
                self.path.unlink()

        return Vanishing(tmp_path / "kunden.csv")
