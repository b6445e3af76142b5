"""The connector ``rows``: nothing of a hidden column gets out, and half a file is none."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any  # cells and settings under test: whatever a person may write

import pytest

from kbm.errors import ConnectorRefused, ConnectorUnavailable
from tests.unit.connectors.exports import connector, refs, why, write

# --- nothing of a hidden column gets out


def test_masked_and_dropped_values_appear_nowhere(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "K;IBAN;Lohn\na;DE89;4711\na;DE90;4712\n")
    one = connector(tmp_path, mask=["IBAN"], drop="Lohn", title="{K} {IBAN}")
    listed = refs(one)
    told = repr(listed) + repr(one.fetch(listed["a"])) + repr(vars(one))

    assert not [secret for secret in ("DE89", "DE90", "4711", "4712") if secret in told]
    assert json.loads(one.fetch(listed["a"]).data)["rows"] == [["a", "•••"], ["a", "•••"]]
    assert listed["a"].title == "a •••"


def test_a_version_does_not_depend_on_masked_values(tmp_path: Path) -> None:
    versions = set()
    for secret in ("DE89", "FR76", ""):
        write(tmp_path / "a.csv", f"K;IBAN;Lohn\na;{secret};{secret}\n")
        versions.add(refs(connector(tmp_path, mask=["IBAN"], drop=["Lohn"]))["a"].version)

    assert len(versions) == 1


@pytest.mark.parametrize(
    "body",
    [
        "K;IBAN\na;DE89;DE89\n",
        "K;IBAN\n;DE89\n",
        'K;IBAN\na;"DE89\n',
        'K;IBAN\na;"DE89"DE89\n',
        "DE89;DE89\nK;IBAN\n",
        "K;IBAN;IBAN\na;DE89;DE89\n",
        "K;DE89\n",
        "K;IBAN\na;DE89\0\n",
        "K;IBAN\na;DE89\ufffd\n",
    ],
)
def test_no_error_tells_a_masked_value(tmp_path: Path, body: str) -> None:
    write(tmp_path / "a.csv", body)
    one = connector(tmp_path, mask=["IBAN"])

    with pytest.raises(ConnectorRefused) as refused:
        list(one.scan(None))

    told = [str(refused.value), refused.value.hint, *one.check()]
    assert not [text for text in told if "DE89" in text]
    assert refused.value.__cause__ is None or "DE89" not in str(refused.value.__cause__)


# --- half a file is none


@pytest.mark.parametrize(
    ("body", "profile", "told", "hint"),
    [
        ("K;P\na;1\nb;2;3\n", {}, "line 3: 3 cells, but the header has 2", "delimiter"),
        ("K;P\na;1\nb\n", {}, "line 3: 1 cells", "stop_at"),
        ("K;P\na;1\n;2\n", {}, "line 3: the key K is empty", "stop_at"),
        ('K;P\n"a\nb";1\nc;"2\n', {}, "line 4: a quoted value", "doubled"),
        ("K;K\na;1\n", {}, "line 1: columns of the same name: K", ""),
        (
            "Kunde;Preis\na;1\n",
            {"key": "Kunden"},
            "line 1: no column 'Kunden' among",
            "did you mean 'Kunde'?",
        ),
        ("K;P\na;1\n", {"mask": ["Q"]}, "no column 'Q'", "header_row"),
        ("K,P\na,1\n", {}, "no column 'K'", "split by ','"),
        ("K;P\na;1\n", {"header_row": 9}, "line 9: ends before the header", "header_row"),
        ("", {}, "ends before the header", ""),
        ("K;P\na;1\n", {"stop_at": "Summe"}, "may be cut off", "export it again"),
        ("K;;P\na;x;1\n", {}, "line 2: a cell is filled in a column that has no name", ""),
        ("K;P\na;1\0\n", {}, "line 2: holds characters that are none", "utf-16"),
        ("K;P\na;1\nb;\ufffd\n", {}, "line 3: holds characters that are none", "export it again"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_its_line(
    tmp_path: Path, body: str, profile: dict[str, Any], told: str, hint: str
) -> None:
    write(tmp_path / "a.csv", body)
    error = why(tmp_path, **profile)

    assert str(error).startswith("source prices: a.csv")
    assert told in str(error)
    assert hint in error.hint
    assert told in connector(tmp_path, **profile).check()[0]


@pytest.mark.parametrize(
    ("written", "read", "line", "hint"),
    [
        ("cp1252", "utf-8-sig", 30_001, "'cp1252' or 'cp850'"),
        ("utf-16", "utf-8", 1, "'utf-16'"),
        ("utf-8", "cp1252", 30_001, "'utf-8-sig'"),
        ("utf-8-sig", "cp1252", 1, "'utf-8-sig'"),
    ],
)
def test_a_wrong_encoding_is_named_with_its_line(
    tmp_path: Path, written: str, read: str, line: int, hint: str
) -> None:
    write(tmp_path / "a.csv", "K;P\n" + "a;1\n" * 29_999 + "b;Größe\n" + "c;1\n" * 9, written)
    error = why(tmp_path, encoding=read)

    if written != "utf-8-sig":
        assert f"line {line}:" in str(error)
    assert hint in error.hint or "encoding" in error.hint


def test_the_total_line_ends_a_table_but_a_word_that_starts_like_it_does_not(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "K;P\nSummenzähler;1\nSumme: 2 Sätze\n")

    assert list(refs(connector(tmp_path, stop_at="Summe"))) == ["Summenzähler"]


def test_a_file_that_grows_meanwhile_is_read_later(tmp_path: Path) -> None:
    path, done = tmp_path / "a.csv", threading.Event()
    write(path, "K;P\n" + "a;1\n" * 50_000)

    def append() -> None:
        while not done.wait(0.001):
            with open(path, "a") as file:
                file.write("a;1\n")

    writer = threading.Thread(target=append)
    writer.start()
    try:
        with pytest.raises(ConnectorUnavailable, match="written to"):
            list(connector(tmp_path).scan(None))
    finally:
        done.set()
        writer.join()


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.csv")

    with pytest.raises(ConnectorRefused, match="regular"):
        list(connector(tmp_path).scan(None))
