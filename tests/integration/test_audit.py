"""The log of decisions: what a check of its chain finds, and what only an anchor shows."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kbm.bootstrap import Kbm
from kbm.domain.identity import Digest
from kbm.domain.people import FIRST_HASH, Entry
from kbm.entrypoints.cli.main import app
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector

TOML = """\
[kbm]
name = "Test company"
embedder = "none"

[sources.docs]
kind = "files"
url = "./docs"

[gpts.helper]
title = "Helper"
sources = ["docs"]
people = { owner = "owner@test.example" }
"""


def log(kbm: Kbm, n: int = 4) -> None:
    """Log decisions, every second one with a reason."""
    for number in range(1, n + 1):
        kbm.catalogue.audit.append(
            Entry(
                who="anna",
                action="publish",
                subject="helper",
                detail={"to": f"1.0.{number}"},
                reason=f"reason {number}" if number % 2 == 0 else "",
            )
        )


def change(folder: Path, *statements: str) -> None:
    """Change the database as somebody with a database tool would."""
    with sqlite3.connect(folder / ".kbm" / "catalogue.db") as connection:
        for one in statements:
            connection.execute(one)


def broken_at(kbm: Kbm, anchor: Digest | None = None) -> int | str | None:
    """Give the entry that is named, or ``whole``."""
    found = kbm.catalogue.audit.verify(anchor).broken
    return found.id if found else "whole"


def test_an_untouched_log_holds_and_its_head_is_the_anchor(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector()) as kbm:
        assert kbm.catalogue.audit.verify().head == FIRST_HASH
        log(kbm)

        check = kbm.catalogue.audit.verify()

        assert (check.broken, check.n_entries, check.n_reasons_erased) == (None, 4, 0)
        assert check.head == kbm.catalogue.audit.entries()[-1].hash


@pytest.mark.parametrize("row", [1, 2, 4])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", "9"),
        ("at", "'2026-11-02T08:00:01+00:00'"),
        ("at", "'2026-11-02T08:00:00Z'"),  # the same moment, written otherwise
        ("at", "''"),
        ("who", "'ben'"),
        ("who", "x'616e6e61'"),  # the same letters as bytes
        ("action", "'rollback'"),
        ("subject", "'other'"),
        ("detail", """'{"to": "9.9.9"}'"""),
        ("detail", "' ' || detail"),
        ("detail", "'no json'"),
        ("reason_hash", "replace(reason_hash, substr(reason_hash, 1, 8), '00000000')"),
        ("previous", "replace(previous, substr(previous, 1, 8), '12345678')"),
        ("hash", "replace(hash, substr(hash, 1, 8), '12345678')"),
    ],
)
def test_any_change_of_any_column_is_found(tmp_path: Path, row: int, column: str, value: str) -> None:
    with kbm_over(tmp_path, FakeConnector()) as kbm:
        log(kbm)
        change(tmp_path, f"UPDATE audit SET {column} = {value} WHERE id = {row}")

        # With another number, what is named is the first entry that does not stand where it should.
        named = {1: 2, 2: 3, 4: 9}[row] if column == "id" else row
        assert broken_at(kbm) == named


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE audit_reason SET text = 'a better one' WHERE audit_id = 2", 2),
        ("UPDATE audit_reason SET audit_id = 3 WHERE audit_id = 2", 3),
        ("UPDATE audit_reason SET audit_id = 77 WHERE audit_id = 2", 77),
        ("DELETE FROM audit WHERE id = 1", 2),
        ("DELETE FROM audit WHERE id = 3", 4),
        ("DELETE FROM audit WHERE id = 4", 4),
    ],
)
def test_changed_reasons_and_missing_entries_are_found(tmp_path: Path, statement: str, named: int) -> None:
    with kbm_over(tmp_path, FakeConnector()) as kbm:
        log(kbm)
        change(tmp_path, statement)

        assert broken_at(kbm) == named


def test_an_erased_reason_leaves_the_chain_whole_and_is_counted(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector()) as kbm:
        log(kbm)
        change(tmp_path, "DELETE FROM audit_reason WHERE audit_id = 2")

        check = kbm.catalogue.audit.verify()

        assert (check.broken, check.n_reasons_erased) == (None, 1)
        assert [one.erased for one in kbm.catalogue.audit.entries()] == [False, True, False, False]


CUT = (
    "DELETE FROM audit_reason WHERE audit_id = 4",
    "DELETE FROM audit WHERE id = 4",
    "UPDATE sqlite_sequence SET seq = 3 WHERE name = 'audit'",
)
"""Cut off the last entry and every trace of it."""


def test_a_log_cut_short_with_care_is_found_by_an_anchor_alone(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector()) as kbm:
        log(kbm)
        anchor = kbm.catalogue.audit.verify().head
        change(tmp_path, *CUT)

        assert broken_at(kbm) == "whole"
        assert broken_at(kbm, anchor) is None


def test_an_anchor_of_earlier_holds_while_the_log_grows(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector()) as kbm:
        log(kbm)
        anchor = kbm.catalogue.audit.verify().head
        log(kbm, 3)

        check = kbm.catalogue.audit.verify(anchor)

        assert (check.broken, check.anchor_id, check.n_entries) == (None, 4, 7)


def test_the_command_line_lists_verifies_and_names_the_first_broken_entry(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "kbm.toml").write_text(TOML)
    with kbm_over(tmp_path, FakeConnector()) as opened:
        log(opened)

    def kbm(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["--config", str(tmp_path / "kbm.toml"), *arguments])
        return result.exit_code, result.output

    listed = json.loads(kbm("audit", "--json", "--last", "2")[1])
    anchor = json.loads(kbm("audit", "verify", "--json")[1])["anchor"]
    kept = kbm("audit", "verify", "--expect", anchor)
    mistyped = kbm("audit", "verify", "--expect", "abc")
    change(tmp_path, "UPDATE audit SET who = 'ben' WHERE id = 3")
    broken = kbm("audit", "verify")

    assert [one["id"] for one in listed["entries"]] == [3, 4]
    assert listed["entries"][1]["reason"] == "reason 4"
    assert kept[0] == 0
    assert "the anchor is entry 4; 0 since then" in kept[1]
    assert mistyped[0] == 2
    assert broken[0] == 1
    assert "entry 3: it is not what was logged" in broken[1]
