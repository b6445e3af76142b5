"""Groups of table rows as the ``rows`` connector writes them: columns are known, nothing has to be guessed."""

from __future__ import annotations

import json
from typing import ClassVar

from kbm.domain.documents import Blob, ParsedDocument, Reason
from kbm.errors import ParseFailed
from kbm.parsing import media_types
from kbm.parsing.building import DocumentBuilder


class RowsParser:
    """Reads ``{"title": str, "intro": str, "columns": [str…], "rows": [[str | null…]…]}`` in UTF-8."""

    name: ClassVar[str] = "rows"
    version: ClassVar[str] = "1"
    media_types: ClassVar[frozenset[str]] = frozenset({media_types.ROWS})

    def parse(self, blob: Blob, media_type: str) -> ParsedDocument:
        """Give the intro, if any, and one table."""
        title, intro, columns, rows = _read(blob.data)
        builder = DocumentBuilder()
        builder.text(intro)
        table = [columns, *rows] if any(cell.strip() for cell in columns) else rows
        builder.table(table, header=table is not rows)
        return ParsedDocument(elements=tuple(builder.elements), title=title)


def _read(data: bytes) -> tuple[str, str, list[str], list[list[str]]]:
    try:
        record = json.loads(data.decode("utf-8"))
        title, intro = record.get("title", ""), record.get("intro", "")
        columns, rows = record["columns"], record["rows"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ParseFailed(
            Reason.DAMAGED, "The rows are not as kbm writes them: read the source again."
        ) from error
    if not (
        isinstance(title, str) and isinstance(intro, str) and _are_cells(columns) and isinstance(rows, list)
    ):
        raise ParseFailed(Reason.DAMAGED, "The rows hold something else than text: read the source again.")
    # A value that is missing in a database reads as an empty one.
    told = [["" if cell is None else cell for cell in row] if isinstance(row, list) else row for row in rows]
    if not all(_are_cells(row) for row in told):
        raise ParseFailed(Reason.DAMAGED, "The rows hold something else than text: read the source again.")
    return title, intro, columns, told


def _are_cells(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(cell, str) for cell in value)
