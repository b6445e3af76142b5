"""The connector ``rows`` over a database: SQLite here, PostgreSQL in ``tests/live``."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any  # settings and cells under test

import pytest
from kbm_connectors.rows import RowsConnector
from kbm_connectors.rows_database import Database
from kbm_connectors.rows_settings import RowsSettings
from kbm_connectors.sql_text import fault_in, has_order

from kbm.domain.documents import Blob
from kbm.domain.sync import Ref
from kbm.errors import ConfigError, ConnectorRefused, ConnectorUnavailable
from kbm.parsing.rows import RowsParser


@pytest.fixture
def erp(tmp_path: Path) -> Path:
    (tmp_path / "erp").mkdir()
    with closing(sqlite3.connect(tmp_path / "erp" / "kb 1.sqlite")) as database:
        database.executescript(
            """
            CREATE TABLE article (list TEXT, nr TEXT, price REAL, stock INTEGER, note TEXT, iban TEXT, photo BLOB);
            INSERT INTO article VALUES ('Händler', '000124', 0.1, 7, NULL, 'DE89', NULL);
            INSERT INTO article VALUES ('Händler', '000123', 1234.5, 9007199254740993, '', 'DE89', NULL);
            INSERT INTO article VALUES ('Endkunde', '000123', 1e21, -1, 'x', 'DE89', x'00ff');
            CREATE VIEW "prices 2026" AS SELECT list, nr, price, stock, note, iban FROM article;
            """
        )
    return tmp_path


def database(root: Path, profile: dict[str, Any] | None = None, **settings: Any) -> RowsConnector:
    given = {"url": "sqlite:///erp/kb 1.sqlite", "profile": {"key": ["list"], **(profile or {})}, **settings}
    return RowsConnector("erp", given, root)


def rows(one: RowsConnector) -> dict[str, list[list[str | None]]]:
    refs = [event for event in one.scan(None) if isinstance(event, Ref)]
    return {ref.id: json.loads(one.fetch(ref).data)["rows"] for ref in refs}


def test_a_view_is_read_as_text_and_null_is_not_the_empty_text(erp: Path) -> None:
    read = rows(database(erp, {"mask": "iban"}, view="prices 2026"))

    assert read["Händler"] == [
        ["Händler", "000123", "1234.5", "9007199254740993", "", "•••"],
        ["Händler", "000124", "0.1", "7", None, "•••"],
    ]
    assert read["Endkunde"] == [["Endkunde", "000123", "1e+21", "-1", "x", "•••"]]


def test_a_value_that_is_missing_can_be_parsed(erp: Path) -> None:
    one = database(erp, view="prices 2026")
    ref = next(event for event in one.scan(None) if isinstance(event, Ref))
    parsed = RowsParser().parse(one.fetch(ref), ref.media_type)

    assert parsed.elements[0].cells[0][:2] == ("list", "nr")
    assert "None" not in parsed.elements[0].text
    assert isinstance(one.fetch(ref), Blob)


def test_rows_in_another_order_change_nothing_unless_the_query_gives_one(erp: Path) -> None:
    def versions(**settings: Any) -> dict[str, str]:
        found = database(erp, {"title": "{list} {nr}"}, **settings).scan(None)
        return {event.id: event.version for event in found if isinstance(event, Ref)}

    plain = "SELECT list, nr, price FROM article"
    tidied = f"SELECT * FROM ({plain} ORDER BY nr DESC)"

    assert versions(query=plain) == versions(query=tidied)
    assert versions(query=plain) != versions(query=f"{plain} ORDER BY nr DESC")


def test_nothing_is_written_even_by_a_view_that_would(erp: Path) -> None:
    path = erp / "erp" / "kb 1.sqlite"
    before = path.read_bytes()
    for query in (
        "SELECT list FROM article; DELETE FROM article",
        "DELETE FROM article RETURNING list",
        "WITH x AS (SELECT 1) DELETE FROM article",
        "PRAGMA user_version = 7",
    ):
        with pytest.raises(ConfigError, match="query"):
            database(erp, query=query)
    rows(database(erp, view="prices 2026"))

    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("settings", "profile", "told", "hint"),
    [
        ({"view": "prices"}, {}, "no such table: prices", "prices 2026"),
        ({"query": "SELECT nosuch FROM article"}, {}, "no such column: nosuch", ""),
        ({"query": "SELECT list FROM"}, {}, "incomplete input", ""),
        ({"view": "article"}, {}, "column 'photo' holds bytes", "query"),
        ({"view": "article"}, {"mask": "photo"}, "a column holds bytes", ""),
        ({"query": "SELECT list, list FROM article"}, {}, "columns of the same name", ""),
        ({"query": "SELECT '' AS list, nr FROM article"}, {}, "row 1: the key list is empty", ""),
        (
            {"view": "prices 2026"},
            {"columns": ["list", "nr"]},
            "'price'",
            "columns",
        ),
        ({"query": "SELECT CAST(x'e4' AS TEXT) AS list"}, {}, "no text in UTF-8", ""),
    ],
)
def test_what_does_not_fit_is_told(
    erp: Path, settings: dict[str, Any], profile: dict[str, Any], told: str, hint: str
) -> None:
    one = database(erp, profile, **settings)
    with pytest.raises(ConnectorRefused) as refused:
        list(one.scan(None))

    assert str(refused.value).startswith("source erp: kb 1.sqlite")
    assert told in str(refused.value)
    assert hint in refused.value.hint
    assert told in one.check()[0]


def test_what_is_no_database_and_what_is_not_there_are_told(erp: Path) -> None:
    (erp / "x.db").write_text("no database, but long enough to look at" * 20)

    with pytest.raises(ConnectorRefused, match="cannot be read"):
        list(database(erp, url="sqlite:///x.db", view="v").scan(None))
    with pytest.raises(ConnectorUnavailable, match="no file"):
        list(database(erp, url="sqlite:///gone.db", view="v").scan(None))
    assert not (erp / "gone.db").exists()


def test_a_database_that_is_locked_is_an_outage(erp: Path) -> None:
    given = {"url": "sqlite:///erp/kb 1.sqlite", "view": "article", "profile": {"key": "list"}}
    one = Database("erp", RowsSettings.model_validate(given), erp, grace_s=0.1)
    with closing(sqlite3.connect(erp / "erp" / "kb 1.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")

        with pytest.raises(ConnectorUnavailable, match="busy"):
            list(one.lines())


def test_a_query_that_does_not_end_is_ended(erp: Path) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) AS list FROM n"
    started = time.monotonic()

    with pytest.raises(ConnectorUnavailable, match=r"not finished within 0\.2 s"):
        list(database(erp, query=endless, timeout_s=0.2).scan(None))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"url": "postgresql://kbm:pa55word@erp/kb", "view": "v"}, "url holds a password"),
        ({"url": "postgresql://erp/kb", "view": "v", "password": "pa55word"}, "a secret is named"),
        ({"url": "postgresql://erp/kb"}, "one of them"),
        ({"url": "postgresql://erp/kb", "view": "v", "query": "SELECT 1"}, "one of them"),
        ({"url": "postgresql://erp", "view": "v"}, "postgresql://HOST/DATABASE"),
        ({"url": "postgresql://erp:x/kb", "view": "v"}, "the port is no number"),
        ({"url": "postgresql://erp/kb", "view": "v", "encryption": "none"}, "for anybody to see"),
        ({"url": "sqlite://host/kb", "view": "v"}, "sqlite:///PATH"),
        (
            {"url": "sqlite:///kb", "view": "v", "profile": {"key": "k", "delimiter": ";"}},
            "profile.delimiter",
        ),
        ({"url": "sqlite:///kb", "view": "v", "files": "all"}, "only for files"),
        ({"url": "a.csv", "view": "v"}, "only for a database"),
        ({"url": "sqlite:///kb", "query": "SELECT 'a"}, "does not end"),
        ({"url": "mysql://erp/kb", "view": "v"}, "only for a database"),
    ],
)
def test_wrong_settings_are_told_without_a_password(
    tmp_path: Path, settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        database(tmp_path, **settings)

    assert told in str(refused.value)
    assert "pa55word" not in f"{refused.value} {refused.value.hint}"


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("SELECT 1", ""),
        ("  -- why\n/* a /* nested */ one */ SELECT ';' AS a, \"x;y\" FROM t;  ", ""),
        ("with a as (select 1) select * from a", ""),
        ("(SELECT 1) UNION (SELECT 2)", ""),
        ("SELECT 'delete from x', \"into\", $$insert into x; $$, E'it\\'s; x' FROM t", ""),
        ("SELECT last_update, updated FROM t WHERE insert_date > now()", ""),
        ("SELECT 1; SELECT 2", "one statement"),
        ("SELECT 'a' /* x", "does not end"),
        ("SELECT 'a", "does not end"),
        ("EXPLAIN ANALYZE DELETE FROM t", "only a query"),
        ("CREATE TABLE t (a)", "only a query"),
        ("SELECT * INTO t2 FROM t", "INTO"),
        ("WITH x AS (UPDATE t SET a = 1 RETURNING a) SELECT * FROM x", "UPDATE"),
        ("SELECT 1 -- ;\n; DROP TABLE t", "one statement"),
        ("", "only a query"),
    ],
)
def test_one_query_is_told_from_what_is_none(statement: str, fault: str) -> None:
    assert (fault in fault_in(statement)) if fault else fault_in(statement) == ""


def test_only_the_order_of_the_whole_counts() -> None:
    assert has_order("SELECT a FROM t ORDER BY a")
    assert not has_order(
        "SELECT row_number() OVER (ORDER BY a) FROM (SELECT a FROM t ORDER BY a) -- ORDER BY a"
    )
    assert not has_order("SELECT 'order by' FROM t")


def test_connect_proposes_a_view_and_its_profile(erp: Path) -> None:
    found = RowsConnector.recognises("erp/kb 1.sqlite", erp)
    with pytest.raises(ConfigError, match="There is: prices 2026, article"):
        RowsConnector.completes("erp", found or {}, erp)
    made = RowsConnector.completes("erp", {**(found or {}), "view": "prices 2026"}, erp)

    assert made["profile"]["columns"] == ["list", "nr", "price", "stock", "note", "iban"]
    assert list(rows(RowsConnector("erp", made, erp))) == ["Händler", "Endkunde"]


def test_a_password_in_an_address_is_not_proposed(tmp_path: Path) -> None:
    found = RowsConnector.recognises("postgresql://kbm:pa55word@erp.example:5433/kb", tmp_path)

    assert found == {"url": "postgresql://erp.example:5433/kb", "user": "kbm"}
