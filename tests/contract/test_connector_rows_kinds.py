"""The connector ``rows`` keeps the promises of every connector for fixed width, XML, a database and several files."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # settings and cells of any kind
from xml.sax.saxutils import escape, quoteattr

import pytest
from kbm_connectors.rows import RowsConnector

from tests.contract.test_connector_rows import IBAN, Export, TestTextFile

PHONE = "+49 30 555"


@dataclass
class FixedWidth(Export):
    def connect(self) -> RowsConnector:
        fixed = {"Kunde": "1-20", "Notiz": "21-60", "IBAN": "62-83", "Telefon": "85-94"}
        profile = {
            "fixed": fixed,
            "key": ["Kunde"],
            "drop": ["Telefon"],
            "mask": ["IBAN"],
            "encoding": "cp850",
        }
        return RowsConnector("customers", {"url": self.path.name, "profile": profile}, self.path.parent)

    def break_root(self) -> None:
        # A report of another layout: values lie where no column is.
        self.path.write_text(self._line("Kunde", "Notiz", "IBAN", "Telefon") + f"1  {IBAN * 4}\n")

    def _write(self) -> None:
        lines = [self._line("Kunde", "Notiz", "IBAN", "Telefon")]
        lines += [self._line(id, text, IBAN, PHONE) for id, text in self.items.items()]
        self.path.write_text("".join(lines), encoding="cp850")

    def _line(self, *cells: str) -> str:
        return "{:20}{:41}{:23}{:10}\n".format(*cells)


@dataclass
class XmlList(Export):
    def connect(self) -> RowsConnector:
        profile = {"record": "kunde", "key": ["@nr"], "drop": ["telefon"], "mask": ["bank/iban"]}
        return RowsConnector("customers", {"url": self.path.name, "profile": profile}, self.path.parent)

    def break_root(self) -> None:
        self.path.write_text(self.path.read_text()[:-12])

    def _write(self) -> None:
        rows = [
            f"<kunde nr={quoteattr(id)}><notiz>{escape(text)}</notiz><bank><iban>{IBAN}</iban></bank>"
            f"<telefon>{PHONE}</telefon></kunde>\n"
            for id, text in self.items.items()
        ]
        self.path.write_text(f"<kunden>{''.join(rows)}</kunden>\n")


@dataclass
class View(Export):
    def connect(self) -> RowsConnector:
        settings: dict[str, Any] = {
            "url": f"sqlite:///{self.path.name}",
            "view": "kunden",
            "profile": {"key": ["Kunde"], "drop": ["Telefon"], "mask": ["IBAN"]},
        }
        return RowsConnector("customers", settings, self.path.parent)

    def break_root(self) -> None:
        self.path.unlink()

    def _write(self) -> None:
        with closing(sqlite3.connect(self.path)) as database, database:
            database.execute("CREATE TABLE IF NOT EXISTS k (Kunde TEXT, Notiz TEXT, IBAN TEXT, Telefon TEXT)")
            database.execute("CREATE VIEW IF NOT EXISTS kunden AS SELECT * FROM k")
            database.execute("DELETE FROM k")
            rows = [(id, text, IBAN, PHONE) for id, text in self.items.items()]
            database.executemany("INSERT INTO k VALUES (?, ?, ?, ?)", rows)


@dataclass
class SeveralFiles(Export):
    """A file per item, as branches send them."""

    def connect(self) -> RowsConnector:
        profile = {"key": ["Kunde"], "drop": ["Telefon"], "mask": ["IBAN"]}
        settings = {"url": "*.csv", "files": "all", "profile": profile}
        return RowsConnector("customers", settings, self.path)

    def remove(self, id: str) -> None:
        del self.items[id]
        self._file(id).write_text("Kunde;Notiz;IBAN;Telefon\n")  # its rows are gone, and the file says so

    def break_root(self) -> None:
        self.path.rename(self.path.with_name("elsewhere"))

    def break_part(self, id: str) -> None:
        self._file(id).write_text(f"Kunde;Notiz;IBAN;Telefon\n{IBAN};{IBAN}\n")

    def _file(self, id: str) -> Path:
        return self.path / id.partition("/")[0]

    def _write(self) -> None:
        for id, text in self.items.items():
            key = id.partition("/")[2]
            self._file(id).write_text(f"Kunde;Notiz;IBAN;Telefon\n{key};{text};{IBAN};{PHONE}\n")


class TestFixedWidth(TestTextFile):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Export:
        return FixedWidth(tmp_path / "kunden.txt")


class TestXmlList(TestTextFile):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Export:
        return XmlList(tmp_path / "kunden.xml")


class TestView(TestTextFile):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Export:
        return View(tmp_path / "kunden.sqlite")


class TestSeveralFiles(TestTextFile):
    ids = ("nord.csv/000017", "süd.csv/Müller GmbH", "west.csv/9")

    @pytest.fixture
    def source(self, tmp_path: Path) -> Export:
        (tmp_path / "branches").mkdir()
        return SeveralFiles(tmp_path / "branches")
