"""What docs/api.md says of errors and programs is what the code does."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator

from kbm import errors
from tests.house.repository import ROOT, blocks
from tools import reference

PAGE = (ROOT / "docs/api.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(\w+)` \| ([\d, ]+) \| (yes|no) \| [^|]+ \|$", PAGE, re.MULTILINE)
NEVER_OVER_HTTP = {
    *("config", "plugin_not_found", "plugin_broken", "connector", "source_unavailable", "source_refused"),
    *("parse_failed", "notification_failed", "held", "audit_broken", "archive_refused", "database_newer"),
    *("error", "disk_full", "lease_lost", "journal_damaged"),
}


def _below(kind: type[errors.KbmError]) -> Iterator[type[errors.KbmError]]:
    yield kind
    for one in kind.__subclasses__():
        yield from _below(one)


def test_every_code_of_the_table_has_the_status_and_the_retry_of_its_type() -> None:
    kinds = {kind.code: kind for kind in _below(errors.KbmError)}
    wrong = [
        code
        for code, status, repeat in ROWS
        if code in kinds
        and (str(kinds[code].http_status) not in status or kinds[code].retryable is not (repeat == "yes"))
    ]

    assert len(ROWS) > 15
    assert wrong == []


def test_the_table_names_every_code_that_a_caller_over_http_may_meet() -> None:
    kinds = {kind.code for kind in _below(errors.KbmError)} - NEVER_OVER_HTTP
    http_only = {code for code, _, _ in reference.HTTP_ONLY} - {"http"}

    assert sorted((kinds | http_only) - {code for code, _, _ in ROWS}) == []


def test_python_that_the_page_shows_imports_what_there_is() -> None:
    shown = blocks(PAGE, "python")
    for block in shown:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(str(node.module))

                assert [one.name for one in node.names if not hasattr(module, one.name)] == []
    assert len(shown) >= 3
