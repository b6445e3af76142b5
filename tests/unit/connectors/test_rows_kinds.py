"""The connector ``rows``: columns of fixed width, XML lists, several files, and a header that was confirmed."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any  # settings under test

import pytest
from kbm_connectors import xml_list
from kbm_connectors.exact_values import exact_date, exact_number
from kbm_connectors.rows import RowsConnector

from kbm.domain.sync import Failed, Mark, Ref
from kbm.errors import ConfigError, ConnectorRefused, ConnectorUnavailable
from tests.unit.connectors.core import Core
from tests.unit.connectors.exports import connector, documents, refs, why, write

FIXED: dict[str, Any] = {"fixed": {"K": "1-6", "Name": "8-15", "P": "17-24"}}
HEADER = "K      Name            P\n"


def refused(root: Path, text: str, name: str = "a.txt", **profile: Any) -> ConnectorRefused:
    write(root / name, text)
    with pytest.raises(ConnectorRefused) as error:
        list(connector(root, name, **profile).scan(None))
    return error.value


# --- a header that was confirmed


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("K;P;Lohn\na;1;2\n", "line 1: the header is not the confirmed one: 'Lohn' new"),
        ("K;Q\na;1\n", "line 1: the header is not the confirmed one: 'P' is gone; 'Q' new"),
        ("K\na\n", "'P' is gone"),
    ],
)
def test_another_header_than_the_confirmed_one_is_refused(tmp_path: Path, body: str, told: str) -> None:
    error = refused(tmp_path, body, columns=["K", "P"])

    assert told in str(error)
    assert "profile.columns" in error.hint


def test_the_order_of_confirmed_columns_may_change(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "P;K\n1;a\n")

    assert documents(connector(tmp_path, columns=["K", "P"]))["a"]["rows"] == [["1", "a"]]


def test_a_new_column_is_not_named_where_columns_are_hidden(tmp_path: Path) -> None:
    error = refused(tmp_path, "K;P;DE89\na;1;2\n", columns=["K", "P"], mask=["P"])

    assert "1 columns new" in str(error)
    assert "DE89" not in str(error)


def test_a_file_without_a_header_has_its_columns_named_by_place(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "Export\na;1\nb;2\n")

    made = documents(connector(tmp_path, header_row=0, first_row=2, columns=["K", "Preis"]))

    assert made["b"] | {"title": ""} == {
        "title": "",
        "intro": "",
        "columns": ["K", "Preis"],
        "rows": [["b", "2"]],
    }
    assert "line 2: 3 cells, but there are 2 columns" in str(
        refused(tmp_path, "x\na;1;2\n", header_row=0, first_row=2, columns=["K", "P"])
    )


def test_rows_may_begin_below_a_line_of_units(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "K;Preis\n;EUR\na;1\n")

    assert list(documents(connector(tmp_path, first_row=3))) == ["a"]


def test_the_end_mark_of_dos_ends_a_file(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "K;P\na;1\n\x1a\0\0")
    write(tmp_path / "b.csv", "K;P\na;1\x1a")

    assert documents(connector(tmp_path))["a"]["rows"] == [["a", "1"]]
    assert documents(connector(tmp_path, "b.csv"))["a"]["rows"] == [["a", "1"]]
    assert "line 2: an end mark" in str(refused(tmp_path, "K;P\na;1\x1ab;2\n"))


# --- exact values beside the spelling


def test_numbers_and_dates_are_kept_exactly_beside_their_spelling(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "K;P;Ab\na;1.234,50 €;01.02.2026\na;auf Anfrage;\n")

    made = documents(connector(tmp_path, decimal=",", numbers=["P"], dates="Ab"))["a"]

    assert made["rows"] == [["a", "1.234,50 €", "01.02.2026"], ["a", "auf Anfrage", ""]]
    assert made["values"] == {"P": ["1234.50", None], "Ab": ["2026-02-01", None]}


@pytest.mark.parametrize(
    ("text", "decimal", "number"),
    [
        ("1.234,50", ",", "1234.50"),
        ("1234,5", ",", "1234.5"),
        ("1.5", ",", None),
        ("1,234.50", ".", "1234.50"),
        ("1'234.50", ".", "1234.50"),
        ("1 234,50", ",", "1234.50"),
        ("12,00-", ",", "-12.00"),
        ("-0,05", ",", "-0.05"),
        ("EUR 3,00", ",", "3.00"),
        ("19 %", ",", "19"),
        (",5", ",", "0.5"),
        ("00012", ".", "12"),
        ("1.2.3", ".", None),
        ("12,", ",", None),
        ("1,2,3", ",", None),
        ("abc", ".", None),
        ("", ".", None),
        (None, ".", None),
        ("١٢", ".", None),
        ("--1", ".", None),
    ],
)
def test_a_number_is_read_exactly_or_not_at_all(text: str | None, decimal: str, number: str | None) -> None:
    assert exact_number(text, decimal) == number


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("24.11.2026", "2026-11-24"),
        ("1.2.2026 08:15", "2026-02-01"),
        ("2026-11-24 10:00:00+00", "2026-11-24"),
        ("31.02.2026", None),
        ("01/02/2026", None),
        ("2026-13-01", None),
        (None, None),
    ],
)
def test_a_date_is_read_exactly_or_not_at_all(text: str | None, day: str | None) -> None:
    assert exact_date(text) == day


# --- fixed width


def test_columns_of_fixed_width_keep_zeros_commas_and_letters(tmp_path: Path) -> None:
    rows = "000017 Größe L  1.234,50\r\n\r\nSumme 1 Satz    1.234,50\r\nSeite 1\r\n"
    text = f"Liste\r\n{HEADER}------ -------- --------\r\n{rows}"
    write(tmp_path / "a.txt", text, "cp850")

    made = documents(connector(tmp_path, "a.txt", encoding="cp850", header_row=2, stop_at="Summe", **FIXED))

    assert made["000017"]["columns"] == ["K", "Name", "P"]
    assert made["000017"]["rows"] == [["000017", "Größe L", "1.234,50"]]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("a      Rohr, gebogen 1,00\n", "line 2: text before column 'P'"),
        ("a      Rohr            1,00 x\n", "line 2: text behind the last column"),
        ("a\tRohr\t1,00\n", "line 2: a tab has no width"),
        ("a      Rohr            1 \nb      Rohr    \nc      Rohr\n", "ends before the last column"),
    ],
)
def test_a_line_that_does_not_fit_the_places_is_refused(tmp_path: Path, body: str, told: str) -> None:
    places = {"K": "1-6", "Name": "8-15", "P": "17-25" if "ends" in told else "17-24"}

    assert told in str(refused(tmp_path, HEADER + body, fixed=places))


def test_another_header_of_fixed_width_is_refused(tmp_path: Path) -> None:
    error = refused(tmp_path, "K      Preis       Name \na      1               x\n", **FIXED)

    assert "line 1: column 2 of the header is not the confirmed 'Name'" in str(error)


@pytest.mark.parametrize(
    "fixed", [{"K": "x"}, {"K": "5-2"}, {"K": "1-5", "P": "4-9"}, {"K": "0-5"}, {"K": "1-", "P": "9-"}]
)
def test_places_that_contradict_each_other_are_told(tmp_path: Path, fixed: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"sources\.prices\.profile\.fixed"):
        connector(tmp_path, "a.txt", fixed=fixed)


# --- XML

CATALOGUE = """<?xml version="1.0" encoding="cp1252"?>
<k:katalog xmlns:k="urn:k" stand="2026-11-23"><kopf><firma>Keller</firma></kopf><name>Händler</name>
<k:artikel nr="0001"><name>Rohr &amp; Bogen</name><preis w="EUR">1.234,50</preis><ean>1</ean><ean>2</ean>
<staffel><ab>10</ab><rabatt>5</rabatt></staffel><staffel><ab>100</ab></staffel></k:artikel>
<k:artikel nr="0002"><name/><preis w="EUR">2,00</preis><text>A <b>fett</b> c</text></k:artikel>
</k:katalog>"""


def test_nested_values_are_columns_by_their_path(tmp_path: Path) -> None:
    write(tmp_path / "a.xml", CATALOGUE, "cp1252")
    made = documents(connector(tmp_path, "a.xml", key=["@nr"], intro="Stand {../@stand}, {../name}"))
    rows = {id: dict(zip(one["columns"], one["rows"][0], strict=True)) for id, one in made.items()}

    assert made["0001"]["intro"] == "Stand 2026-11-23, Händler"
    assert rows["0001"] | {"text": None} == {
        "@nr": "0001",
        "name": "Rohr & Bogen",
        "preis": "1.234,50",
        "preis/@w": "EUR",
        "ean": "1; 2",
        "staffel/ab": "10; 100",
        "staffel/rabatt": "5; ",
        "text": None,
        "../@stand": "2026-11-23",
        "../name": "Händler",
    }
    assert (rows["0002"]["name"], rows["0002"]["ean"], rows["0002"]["text"]) == ("", None, "A fett c")


@pytest.mark.parametrize(
    ("text", "profile", "told"),
    [
        ('<!DOCTYPE e [<!ENTITY x "y">]><e><r k="1"/><r k="&x;"/></e>', {}, "line 1: a document type"),
        ('<!DOCTYPE e SYSTEM "file:///etc/passwd"><e><r k="1"/><r k="2"/></e>', {}, "a document type"),
        ('<e>\n<r K="1"/>\n<r K="2"/>\n', {}, "line 4: is no whole XML: no element found"),
        ('<e>\n<r K="1"/>\n<r K="ü"/>\n</e>', {"encoding": "utf-16"}, "is no whole XML"),
        ('<e><r K="1"/><r K="2"/><s K="1"/><s K="1"/><s K="1"/></e>', {}, "Repeating ones: s (3), r (2)"),
        ('<e><r K="1"/></e>', {}, "Repeating ones: none"),
        ('<e><r K="1"/><r K="2"/></e>', {"record": "row"}, "no element 'row' with values; repeating ones: r"),
        ('<e>\n<r K="1"/>\n<r K="2" L="3"/></e>', {"columns": ["@K"]}, "line 3: a row has a column '@L'"),
        ('<e><r K="1"/><r K="2"/></e>', {"mask": ["iban"]}, "no column 'iban'"),
        ('<e><r K="1"/>\n<r L="2"/></e>', {"record": "r"}, "line 2: the key @K is empty"),
        ("<e>" * 70 + "</e>" * 70, {"record": "r"}, "more than 60 deep"),
        ('<?xml version="1.0" encoding="klingon"?><e/>', {"record": "r"}, "encoding that cannot be read"),
    ],
)
def test_xml_that_does_not_fit_is_refused(
    tmp_path: Path, text: str, profile: dict[str, Any], told: str
) -> None:
    error = refused(tmp_path, text, "a.xml", **{"key": ["@K"], **profile})

    assert told in str(error)


def test_a_missing_element_differs_from_an_empty_one(tmp_path: Path) -> None:
    nil = 'xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true"'
    write(tmp_path / "a.xml", f'<e><r k="1"><p/></r><r k="2"/><r k="3"><p {nil}/></r></e>')

    made = documents(connector(tmp_path, "a.xml", key=["@k"]))

    assert [one["rows"][0][1] for one in made.values()] == ["", None, None]


def test_a_large_xml_file_is_streamed(tmp_path: Path) -> None:
    with open(tmp_path / "a.xml", "w") as file:
        file.write("<e><lager>" + '<ort id="1"><n>x</n></ort>' * 3_000 + "</lager><liste>")
        file.writelines(f'<r k="{n}"><t>{"y" * 200}</t></r>\n' for n in range(10_000))
        file.write("</liste></e>")
    rows = xml_list.rows(tmp_path / "a.xml", "liste/r")
    tracemalloc.start()
    n = sum(1 for _ in rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert n == 10_000
    assert peak < 2_000_000


# --- several files


def several(root: Path) -> RowsConnector:
    return RowsConnector("p", {"url": "p_*.csv", "files": "all", "profile": {"key": ["K"]}}, root)


def test_each_file_that_matches_is_read_for_itself(tmp_path: Path) -> None:
    write(tmp_path / "p_nord.csv", "K;P\na;1\n")
    write(tmp_path / "p_süd.csv", "K;P\na;2\nb;3\n")
    events = list(several(tmp_path).scan(None))

    assert [event.id for event in events if isinstance(event, Ref)] == [
        "p_nord.csv/a",
        "p_süd.csv/a",
        "p_süd.csv/b",
    ]
    assert events[-1] == Mark(cursor=["p_nord.csv", "p_süd.csv"], full=True)


def test_a_file_that_is_missing_keeps_its_documents_until_it_says_that_they_are_gone(tmp_path: Path) -> None:
    write(tmp_path / "p_nord.csv", "K;P\na;1\n")
    write(tmp_path / "p_süd.csv", "K;P\nb;2\nc;3\n")
    core = Core()
    core.sync(several(tmp_path))
    (tmp_path / "p_süd.csv").unlink()
    write(tmp_path / "p_nord.csv", "K;P\na;1,5\n")

    missing = core.sync(several(tmp_path))
    again = core.sync(several(tmp_path))
    write(tmp_path / "p_süd.csv", "K;P\n")
    gone = core.sync(several(tmp_path))

    assert (missing.changed, missing.removed, missing.failed_scopes) == (
        ("p_nord.csv/a",),
        (),
        ("p_süd.csv/",),
    )
    assert again.failed_scopes == ("p_süd.csv/",)
    assert gone.removed == ("p_süd.csv/b", "p_süd.csv/c")


def test_a_file_that_does_not_fit_keeps_its_documents_while_others_are_taken(tmp_path: Path) -> None:
    write(tmp_path / "p_a.csv", "K;P\na;1\n")
    write(tmp_path / "p_b.csv", "K;P\nb;2\n")
    core = Core()
    core.sync(several(tmp_path))
    write(tmp_path / "p_a.csv", "K;P\na;2\n")
    write(tmp_path / "p_b.csv", "K;P\nb;2;3\n")
    one = several(tmp_path)
    failed = [event for event in one.scan(core.cursor) if isinstance(event, Failed)]
    plan = core.sync(one)

    assert [(event.scope, event.why.partition(" (")[0]) for event in failed] == [
        ("p_b.csv/", "p_b.csv, line 2: 3 cells, but the header has 2")
    ]
    assert (plan.changed, plan.removed) == (("p_a.csv/a",), ())


def test_no_file_at_all_is_an_outage(tmp_path: Path) -> None:
    with pytest.raises(ConnectorUnavailable):
        list(several(tmp_path).scan(["p_a.csv"]))


def test_a_byte_order_mark_does_no_harm_in_any_encoding(tmp_path: Path) -> None:
    for n, encoding in enumerate(("utf-16-le", "utf-16-be", "utf-8")):
        (tmp_path / f"{n}.csv").write_bytes("\ufeffK;P\n007;ü\n".encode(encoding))

        assert list(refs(connector(tmp_path, f"{n}.csv", encoding=encoding))) == ["007"]


def test_the_other_order_of_bytes_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "K;P\n007;ü\n", "utf-16-le")

    assert "no column 'K'" in str(why(tmp_path, encoding="utf-16-be"))
