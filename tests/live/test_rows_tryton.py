"""The connector ``rows`` against the database of Tryton, a real ERP.

The ERP writes through its own client, kbm reads beside
it: two programs at one SQLite file.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # settings under test

import pytest
from kbm_connectors.rows import RowsConnector

from kbm.domain.sync import Ref
from kbm.errors import ConfigError, ConnectorRefused
from tests.live.packages import VENV
from tests.live.servers import needs
from tests.unit.connectors.core import Core

pytestmark = pytest.mark.live
N_PARTIES = 40
CLIENT = """
import sys
from decimal import Decimal
from proteus import Model, Wizard, config

erp = config.set_trytond("sqlite:///kb", config_file=sys.argv[1], user="admin")
Module, Party = Model.get("ir.module"), None
if sys.argv[2] == "seed":
    for module in Module.find([("name", "in", ["company", "product"])]):
        module.click("activate")
    Wizard("ir.module.activate_upgrade").execute("upgrade")
Party = Model.get("party.party")

def company():
    Currency, Company = Model.get("currency.currency"), Model.get("company.company")
    found = Company.find([])
    if not found:
        euro = Currency(name="Euro", code="EUR", symbol="€", numeric_code="978", rounding=Decimal("0.01"), digits=2)
        euro.save()
        owner = Party(name="Keller Maschinenbau")
        owner.save()
        one = Company(party=owner, currency=euro)
        one.save()
        found = [one]
    erp._context = {**erp.context, "company": found[0].id, "companies": [found[0].id]}

company()
Template = Model.get("product.template")
if sys.argv[2] == "seed":
    for n in range(int(sys.argv[3])):
        party = Party(name=f"Müller {n} GmbH", code=f"{n:05d}")
        party.addresses[0].city, party.addresses[0].postal_code = "Köln", f"0{n:04d}"
        party.save()
    [unit] = Model.get("product.uom").find([("name", "=", "Unit")])
    for code, name, price in (("000123", 'Rohr 3/4"', "1234.50"), ("000124", "Größe L; rot", "0.05")):
        one = Template(name=name, code=code, default_uom=unit, list_price=Decimal(price))
        one.save()
elif sys.argv[2] == "edit":
    [party] = Party.find([("code", "=", sys.argv[3])])
    party.name = "Maier GmbH"
    party.save()
elif sys.argv[2] == "delete":
    [party] = Party.find([("code", "=", sys.argv[3])])
    party.delete()
elif sys.argv[2] == "price":
    [one] = Template.find([("code", "=", sys.argv[3])])
    one.list_price = Decimal("1299.99")
    one.save()
"""
PARTIES = """
SELECT p.code AS "Nummer", p.name AS "Name", a.postal_code AS "PLZ", a.city AS "Ort", a.street_name AS "Straße"
FROM party_party AS p LEFT JOIN party_address AS a ON a.party = p.id
WHERE p.active AND p.code IS NOT NULL
"""
PRICES = """
SELECT t.code AS "Artikel", t.name AS "Bezeichnung", printf('%.2f', l.list_price) AS "Preis"
FROM product_template AS t JOIN product_list_price AS l ON l.template = t.id ORDER BY t.code
"""


@dataclass
class Tryton:
    root: Path
    python: Path

    @property
    def database(self) -> Path:
        return self.root / "db" / "kb.sqlite"

    def client(self, *what: str) -> None:
        command = [str(self.python), str(self.root / "client.py"), str(self.root / "trytond.conf"), *what]
        done = subprocess.run(command, capture_output=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]

    def connector(self, query: str, **profile: Any) -> RowsConnector:
        settings = {"url": "sqlite:///db/kb.sqlite", "query": query, "profile": profile}
        return RowsConnector("erp", settings, self.root)


@pytest.fixture(scope="module")
def erp(tmp_path_factory: pytest.TempPathFactory) -> Tryton:
    needs("tryton")
    root, python = tmp_path_factory.mktemp("tryton"), VENV / "bin" / "python"
    (root / "db").mkdir()
    (root / "db" / "kb.sqlite").touch()  # the server makes tables, but no file
    (root / "trytond.conf").write_text(f"[database]\nuri = sqlite://\npath = {root / 'db'}\n")
    (root / "pass").write_text("admin-Pass-123\n")
    (root / "client.py").write_text(CLIENT)
    made = subprocess.run(
        [
            *(str(python.with_name("trytond-admin")), "-c", str(root / "trytond.conf"), "-d", "kb", "--all"),
            *("--email", "admin@example.com"),
        ],
        env={**os.environ, "TRYTONPASSFILE": str(root / "pass")},
        capture_output=True,
        check=False,
        timeout=300,
    )
    if made.returncode:
        pytest.skip(f"Tryton made no database: {made.stderr.decode(errors='replace')[-300:]}")
    one = Tryton(root, python)
    one.client("seed", str(N_PARTIES))
    return one


def test_edits_and_deletions_of_the_erp_arrive(erp: Tryton) -> None:
    core = Core()
    profile = {"key": ["Nummer"], "title": "{Name}"}
    first = core.sync(erp.connector(PARTIES, **profile))
    again = core.sync(erp.connector(PARTIES, **profile))
    erp.client("edit", "00007")
    erp.client("delete", "00008")

    after = core.sync(erp.connector(PARTIES, **profile))

    assert len([id for id in first.added if id.startswith("000")]) == N_PARTIES
    assert again.does_nothing
    assert (after.added, after.changed, after.removed) == ((), ("00007",), ("00008",))
    assert json.loads(core.blobs["00007"].data)["rows"] == [["00007", "Maier GmbH", "00007", "Köln", None]]


def test_a_changed_price_changes_one_document(erp: Tryton) -> None:
    core = Core()
    profile = {"key": ["Artikel"], "numbers": ["Preis"], "columns": ["Artikel", "Bezeichnung", "Preis"]}
    core.sync(erp.connector(PRICES, **profile))
    before = {id: json.loads(blob.data) for id, blob in core.blobs.items()}
    erp.client("price", "000123")

    plan = core.sync(erp.connector(PRICES, **profile))

    assert before["000123"]["rows"] == [["000123", 'Rohr 3/4"', "1234.50"]]
    assert before["000124"]["rows"] == [["000124", "Größe L; rot", "0.05"]]
    assert before["000124"]["values"] == {"Preis": ["0.05"]}
    assert (plan.added, plan.changed, plan.removed) == ((), ("000123",), ())


def test_the_database_of_the_erp_is_never_written_to(erp: Tryton) -> None:
    before = hashlib.sha256(erp.database.read_bytes()).hexdigest()
    beside = sorted(path.name for path in erp.database.parent.iterdir())
    list(erp.connector(PARTIES, key="Nummer").scan(None))
    with pytest.raises(ConfigError, match="only a query"):
        erp.connector("DELETE FROM party_party", key="Nummer")

    assert hashlib.sha256(erp.database.read_bytes()).hexdigest() == before
    assert sorted(path.name for path in erp.database.parent.iterdir()) == beside


def test_what_the_erp_has_not_finished_is_not_seen(erp: Tryton) -> None:
    core = Core()
    core.sync(erp.connector(PARTIES, key="Nummer"))
    with closing(sqlite3.connect(erp.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM party_address")

        plan = core.sync(erp.connector(PARTIES, key="Nummer"))

    assert plan.does_nothing


def test_a_table_that_an_update_of_the_erp_renamed_is_told(erp: Tryton) -> None:
    with pytest.raises(ConnectorRefused, match="no such table: party_partei"):
        list(erp.connector("SELECT * FROM party_partei", key="code").scan(None))


def test_connect_finds_the_database_by_its_file(erp: Tryton) -> None:
    found = RowsConnector.recognises("db/kb.sqlite", erp.root)
    made = RowsConnector.completes("erp", {**(found or {}), "query": PARTIES}, erp.root)

    assert found == {"url": "sqlite:///db/kb.sqlite"}
    assert made["profile"]["columns"] == ["Nummer", "Name", "PLZ", "Ort", "Straße"]
    assert made["profile"]["key"] == ["Nummer"]
    listed = [event for event in RowsConnector("erp", made, erp.root).scan(None) if isinstance(event, Ref)]
    assert len(listed) >= N_PARTIES - 1
