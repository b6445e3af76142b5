"""What tests of the connector ``rows`` share: writing tables and reading them as documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any  # cells and settings under test: whatever a person may write

import openpyxl
import pytest
from kbm_connectors.rows import RowsConnector

from kbm.domain.sync import Ref
from kbm.errors import ConnectorRefused


def connector(root: Path, url: str = "a.csv", **profile: Any) -> RowsConnector:
    return RowsConnector("prices", {"url": url, "profile": {"key": ["K"], **profile}}, root)


def write(path: Path, text: str, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))


def book(
    path: Path, rows: list[list[Any]], formats: dict[str, str] | None = None, sheet: str = "Preise"
) -> None:
    made = openpyxl.Workbook()
    page = made.worksheets[0]
    page.title = sheet
    for row in rows:
        page.append(row)
    for cell, form in (formats or {}).items():
        page[cell].number_format = form
    made.save(path)


def refs(one: RowsConnector) -> dict[str, Ref]:
    return {event.id: event for event in one.scan(None) if isinstance(event, Ref)}


def documents(one: RowsConnector) -> dict[str, dict[str, Any]]:
    return {id: json.loads(one.fetch(ref).data) for id, ref in refs(one).items()}


def why(root: Path, **profile: Any) -> ConnectorRefused:
    with pytest.raises(ConnectorRefused) as refused:
        list(connector(root, **profile).scan(None))
    return refused.value
