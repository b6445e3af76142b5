"""Any table written in any dialect the connector ``rows`` knows reads back exactly."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any  # profiles and cells of any kind
from xml.sax.saxutils import escape, quoteattr

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kbm_connectors.rows import RowsConnector
from kbm_connectors.text_file import one_line

from kbm.domain.sync import Ref

Rows = list[list[str | None]]
NAMES = ["Schlüssel", "Größe", "Preis"]
ENCODINGS = ["utf-8-sig", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "cp850", "iso-8859-15"]
# What no text holds: a NUL, what a decoder writes for a fault, the end mark of DOS, a mark that is no character.
NEVER = "\0\ufffd\x1a\ufeff"
WORDS = st.sampled_from(
    ["000123", "1.234,50", '3/4"', "a;b|c,d\te", "Größe", "- 5", "", " x ", "zwei\nZeilen", "0,05"]
)


def written_in(encoding: str) -> st.SearchStrategy[str]:
    letters = st.characters(codec=encoding.removesuffix("-sig"), exclude_characters=NEVER)
    return st.one_of(WORDS, st.text(letters, max_size=12))


def tables(cells: st.SearchStrategy[str]) -> st.SearchStrategy[list[list[str]]]:
    key = cells.filter(lambda cell: bool(one_line(cell)) and not one_line(cell).startswith("Summe"))
    return st.lists(st.tuples(key, cells, cells).map(list), min_size=1, max_size=6)


def expected(rows: list[list[str]]) -> Rows:
    return [[one_line(cell) for cell in row] for row in rows]


def read(name: str, data: bytes, profile: dict[str, Any]) -> Rows:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(data)
        return rows_of(RowsConnector("x", {"url": name, "profile": profile}, Path(folder)))


def rows_of(one: RowsConnector) -> Rows:
    refs = [event for event in one.scan(None) if isinstance(event, Ref)]
    return [row for ref in refs for row in json.loads(one.fetch(ref).data)["rows"]]


def by_key(rows: Rows) -> Rows:
    """Put the rows of a key together, as the documents do."""
    first: dict[str | None, int] = {}
    for row in rows:
        first.setdefault(row[0], len(first))
    return sorted(rows, key=lambda row: first[row[0]])


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_separated_text(encoding: str, data: st.DataObject) -> None:
    rows = data.draw(tables(written_in(encoding)))
    delimiter = data.draw(st.sampled_from([";", ",", "\t", "|"]))
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    titles = data.draw(st.integers(min_value=0, max_value=3))
    total = data.draw(st.booleans())
    made = io.StringIO(newline="")
    writer = csv.writer(made, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([NAMES, *rows])
    text = f'Keller "Maschinenbau{end}' * titles + made.getvalue() + f"Summe: {len(rows)}{end}" * total
    profile = {
        "encoding": encoding,
        "delimiter": delimiter,
        "header_row": titles + 1,
        "columns": NAMES,
        "key": [NAMES[0]],
        **({"stop_at": "Summe"} if total else {}),
    }

    assert read("a.csv", text.encode(encoding), profile) == by_key(expected(rows))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "cp850"])
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_fixed_width(encoding: str, data: st.DataObject) -> None:
    letters = written_in(encoding).map(lambda cell: " ".join(one_line(cell.replace("\t", " ")).split("\r")))
    rows = data.draw(
        tables(letters.filter(lambda cell: cell == cell.strip() and not set(cell) <= set("-=_+|. ")))
    )
    aligned = data.draw(st.lists(st.sampled_from("<>"), min_size=3, max_size=3))
    table = [NAMES, *rows]
    widths = [max(len(row[at]) for row in table) for at in range(3)]
    gaps = [data.draw(st.integers(min_value=0, max_value=3)) for _ in range(3)]
    cut = data.draw(st.booleans())
    places, at = {}, 0
    for name, width, gap in zip(NAMES, widths, gaps, strict=True):
        places[name] = f"{at + 1}-{at + width}"
        at += width + gap
    lines = [
        "".join(
            (cell.ljust(width) if way == "<" else cell.rjust(width)) + " " * gap
            for cell, width, gap, way in zip(row, widths, gaps, aligned, strict=True)
        )
        for row in table
    ]
    text = "".join((line.rstrip() if cut else line) + "\r\n" for line in lines)
    profile = {"encoding": encoding, "fixed": places, "key": [NAMES[0]]}

    assert read("a.txt", text.encode(encoding), profile) == by_key(expected(rows))


WORD = st.text("abcäöüß019.,-", min_size=1, max_size=9).filter(lambda word: any(map(str.isalnum, word)))


@given(
    rows=st.lists(st.tuples(WORD, WORD, WORD).map(list), min_size=3, max_size=8),
    aligned=st.lists(st.sampled_from("<>"), min_size=3, max_size=3),
    titles=st.integers(min_value=0, max_value=2),
)
@settings(max_examples=30, deadline=None)
def test_what_connect_proposes_for_fixed_width_reads_the_table(
    rows: list[list[str]], aligned: list[str], titles: int
) -> None:
    lines = ["Bericht der Firma Keller"[: 7 * at] + "Z" for at in range(titles)]
    lines += [
        "  ".join(f"{cell:{way}12}" for cell, way in zip(row, aligned, strict=True)) for row in (NAMES, *rows)
    ]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.txt").write_bytes("".join(f"{line}\r\n" for line in lines).encode("cp1252"))
        made = RowsConnector.recognises("a.txt", Path(folder))
        read = rows_of(RowsConnector("x", made or {}, Path(folder)))

    assert read == by_key(expected(rows))


XML = st.one_of(
    WORDS,
    st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=12),
)


@given(
    rows=st.lists(
        st.tuples(XML.filter(one_line), st.none() | XML, st.none() | XML).map(list), min_size=1, max_size=6
    )
)
@settings(max_examples=40, deadline=None)
def test_xml(rows: Rows) -> None:
    text = "<e>"
    for key, size, price in rows:
        text += f"<r k={quoteattr(one_line(key or ''))}>"
        text += "" if size is None else f"<g>{escape(size)}</g>"
        text += "" if price is None else f"<p><netto>{escape(price)}</netto></p>"
        text += "</r>\n"
    profile = {"record": "r", "columns": ["@k", "g", "p/netto"], "key": ["@k"]}
    told: Rows = [[None if cell is None else one_line(cell) for cell in row] for row in rows]

    assert read("a.xml", f"{text}</e>".encode(), profile) == by_key(told)


SHEET = st.one_of(
    WORDS,
    st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=9),
)


@given(rows=tables(SHEET))
@settings(max_examples=10, deadline=None)
def test_texts_in_a_workbook(rows: list[list[str]]) -> None:
    book = openpyxl.Workbook()
    for at, row in enumerate([NAMES, *rows], 1):
        for column, value in enumerate(row, 1):
            cell = book.worksheets[0].cell(at, column)
            cell.value = value
            cell.data_type = "s"  # "=1" is a text here
    made = io.BytesIO()
    book.save(made)

    assert read("a.xlsx", made.getvalue(), {"key": [NAMES[0]]}) == by_key(expected(rows))


VALUE = (
    st.none()
    | st.integers(min_value=-(2**62), max_value=2**62)
    | written_in("utf-8")
    | st.floats(allow_nan=False)
)


@given(rows=st.lists(st.tuples(written_in("utf-8").filter(one_line), VALUE, VALUE), min_size=1, max_size=6))
@settings(max_examples=20, deadline=None)
def test_a_view_of_a_database(rows: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with closing(sqlite3.connect(Path(folder) / "a.db")) as database, database:
            database.execute("CREATE TABLE t (k, a, b)")
            database.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        query = "SELECT k, a, b FROM t ORDER BY rowid"
        given = {"url": "sqlite:///a.db", "query": query, "profile": {"key": ["k"]}}
        read = rows_of(RowsConnector("x", given, Path(folder)))

    assert read == by_key([[None if cell is None else one_line(str(cell)) for cell in row] for row in rows])
