"""Text without a format, and tables of delimited text. The standard library alone, so it starts at once.

``unstructured`` is not used here: its CSV reader fails on UTF-16 and ragged rows (2 of 10 sample files), and its
text reader needs 2 s of imports to do what blank lines tell.
"""

from __future__ import annotations

from typing import ClassVar

from kbm.domain.documents import Blob, ParsedDocument
from kbm.parsing import delimited, media_types
from kbm.parsing.building import DocumentBuilder
from kbm.parsing.prose import write_paragraphs
from kbm.parsing.text_decoding import decode

_CODE_LINES = 80
_CODE_CHARS = 4_000
_TITLE_ROWS = 12


class PlainParser:
    """Reads txt, log, rst, json, xml, csv and tsv."""

    name: ClassVar[str] = "plain"
    version: ClassVar[str] = "2"
    media_types: ClassVar[frozenset[str]] = frozenset(
        {media_types.TEXT, media_types.CSV, media_types.TSV, media_types.JSON, media_types.XML}
    )

    def parse(self, blob: Blob, media_type: str) -> ParsedDocument:
        """Read *blob* as text; the title is its first heading, if one is clear."""
        decoded = decode(blob.data)
        builder = DocumentBuilder()
        if decoded.lossy:
            builder.warnings.append(f"some bytes are not {decoded.encoding}; they are shown as �")
        if media_type in (media_types.CSV, media_types.TSV):
            _write_table(decoded.text, "\t" if media_type == media_types.TSV else None, builder)
        elif media_type in (media_types.JSON, media_types.XML) or media_types.suffix_of(blob.name) == ".log":
            _write_lines(decoded.text, builder)
        else:
            write_paragraphs(decoded.text, builder)
        return ParsedDocument(
            elements=tuple(builder.elements), title=builder.first_heading, warnings=tuple(builder.warnings)
        )


def _write_table(text: str, separator: str | None, builder: DocumentBuilder) -> None:
    first, _, rest = text.partition("\n")
    if first.lower().startswith("sep=") and len(first.strip()) == 5:
        # A hint to one spreadsheet program, not data.
        separator, text = first[4], rest
    rows = delimited.rows_of(text, separator or delimited.separator_of(text))
    if not rows:
        return
    rows, intro = _without_intro(rows)
    for line in intro:
        builder.text(line)
    rows, ragged = delimited.even(rows)
    if ragged:
        builder.warnings.append(f"{ragged} of {len(rows)} rows have another number of cells than the rest")
    builder.table(rows)


def _without_intro(rows: list[list[str]]) -> tuple[list[list[str]], list[str]]:
    """Take off report titles: rows with one filled cell above a table of several columns."""
    intro: list[str] = []
    while len(rows) > len(intro) + 2 and len(intro) < _TITLE_ROWS:
        filled = [cell for cell in rows[len(intro)] if cell.strip()]
        if (
            len(filled) != 1
            or max(len([c for c in row if c.strip()]) for row in rows[len(intro) + 1 :][:20]) < 2
        ):
            break
        intro.append(filled[0])
    return rows[len(intro) :], intro


def _write_lines(text: str, builder: DocumentBuilder) -> None:
    """Keep lines as they are, in blocks small enough to quote."""
    block: list[str] = []
    size = 0
    for raw in text.split("\n"):
        for line in _wrapped(raw):
            if block and (len(block) >= _CODE_LINES or size + len(line) > _CODE_CHARS):
                builder.code("\n".join(block))
                block, size = [], 0
            block.append(line)
            size += len(line) + 1
    if block:
        builder.code("\n".join(block))


def _wrapped(line: str) -> list[str]:
    # JSON without line breaks is one line of any length.
    if len(line) <= _CODE_CHARS:
        return [line]
    return [line[start : start + _CODE_CHARS] for start in range(0, len(line), _CODE_CHARS)]
