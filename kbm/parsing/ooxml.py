"""What all three office formats share: a zip of XML parts, and who wrote the document when."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lxml import etree

from kbm.domain.documents import Reason
from kbm.errors import ParseFailed

_CORE = "docProps/core.xml"
_DC = "{http://purl.org/dc/elements/1.1/}"
_CP = "{http://schemas.openxmlformats.org/package/2006/metadata/core-properties}"
_TERMS = "{http://purl.org/dc/terms/}"
_NO_TITLES = frozenset(
    [
        "powerpoint presentation",
        "powerpoint-präsentation",
        "présentation powerpoint",
        "word document",
        "document",
        "dokument",
        "untitled",
        "presentation",
        "präsentation",
        "présentation",
        "slide 1",
        "folie 1",
        "title",
        "titel",
        "workbook",
        "mappe1",
        "book1",
    ]
)
"""What programs write when nobody gave a title."""
_NO_AUTHORS = frozenset(
    {"python-docx", "openpyxl", "unknown", "user", "admin", "administrator", "microsoft office user"}
)


@dataclass(frozen=True, slots=True)
class Properties:
    """The document's own account of itself; empty where it gives none."""

    title: str = ""
    author: str = ""
    modified: datetime | None = None


def safe_parser(*, recover: bool = False) -> Any:
    """Give an XML parser that follows nothing: no entities, no DTD, no network. Any: lxml has no types here."""
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=recover
    )


def parse_xml(data: bytes, part: str, *, recover: bool = False) -> Any:
    """Parse one part, with *recover* as far as it goes; Any: lxml has no types here.

    Raises:
        ParseFailed: it is not XML.
    """
    try:
        root = etree.fromstring(data, safe_parser(recover=recover))
    except etree.XMLSyntaxError as error:
        raise ParseFailed(
            Reason.DAMAGED, f"The part {part} is broken ({error}): open and save it again."
        ) from error
    if root is None:
        raise ParseFailed(Reason.DAMAGED, f"The part {part} is no XML: open and save it again.")
    return root


def properties(data: bytes) -> Properties:
    """Read title, author and time of the last change."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            core = parse_xml(archive.read(_CORE), _CORE)
    except (KeyError, zipfile.BadZipFile, OSError, ParseFailed):
        # A document without properties, or with broken ones, is still a document.
        return Properties()
    title = _text(core, f"{_DC}title")
    author = (
        _text(core, f"{_CP}lastModifiedBy")
        if not _text(core, f"{_DC}creator")
        else _text(core, f"{_DC}creator")
    )
    return Properties(
        title="" if title.lower() in _NO_TITLES else title,
        author="" if author.lower() in _NO_AUTHORS else author,
        modified=_moment(_text(core, f"{_TERMS}modified")),
    )


def _text(core: Any, tag: str) -> str:
    node = core.find(tag)
    return "" if node is None or node.text is None else " ".join(node.text.split())


def _moment(written: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
