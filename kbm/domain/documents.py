"""Documents, from the reference a source lists to the passage that is cited."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from kbm.domain.identity import ChunkId, ContentHash, Digest, DocumentId, VectorKey, VersionId, vector_key
from kbm.domain.parse_quality import NOT_MEASURED, Quality

EVERYONE = "everyone"

PARAGRAPH_BREAK = "\n\n"
"""What stands between two elements in the text of a document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Bytes as a source delivered them; ``modified`` where they bear a better date than the listing could tell."""

    data: bytes
    name: str
    media_type: str = ""
    modified: datetime | None = None


class ElementKind(StrEnum):
    """What an element is to its reader."""

    TITLE = "title"
    TEXT = "text"
    LIST_ITEM = "list_item"
    TABLE = "table"
    CODE = "code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """A piece of a parsed document, in reading order.

    ``text`` holds no soft line breaks: ``\\n`` separates rows of a table or lines of code. ``headings`` is the
    path of titles above the element, outermost first; for a title it ends *before* the title itself. ``page``
    counts from 1. ``cells`` are the rows of a table as read, header row included; their text is in ``text`` too.
    """

    kind: ElementKind
    text: str
    headings: tuple[str, ...] = ()
    page: int | None = None
    cells: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedDocument:
    """What a parser makes of a blob; ``title`` is empty when the document names none."""

    elements: tuple[Element, ...]
    title: str = ""
    author: str = ""
    modified: datetime | None = None
    attachments: tuple[Blob, ...] = ()
    warnings: tuple[str, ...] = ()
    quality: Quality = NOT_MEASURED


class Reason(StrEnum):
    """Why a document is in quarantine."""

    UNSUPPORTED = "unsupported"  # no parser for this kind of file
    EMPTY = "empty"  # no bytes
    NO_TEXT = "no_text"  # bytes, but no text in them: a scan, a picture
    ENCRYPTED = "encrypted"  # a password is needed
    DAMAGED = "damaged"  # the format is broken
    TOO_LARGE = "too_large"  # above the size limit
    BOMB = "bomb"  # unpacks to far more than it should
    TIMEOUT = "timeout"  # parsing took too long
    OUT_OF_MEMORY = "out_of_memory"  # parsing needed too much memory
    CRASHED = "crashed"  # the parser died
    NEEDS_LIBREOFFICE = "needs_libreoffice"  # an old office format, and nothing here converts it
    NEEDS_TESSERACT = "needs_tesseract"  # a scan or a picture, and nothing here recognises text
    UNREADABLE = "unreadable"  # the source lists it but does not hand it out


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentVersion:
    """One content of a document, as one parser reads it. ``text`` is what :func:`lay_out` makes of it."""

    id: VersionId
    document_id: DocumentId
    source: str
    item_id: str
    content: ContentHash
    parser_digest: Digest
    title: str
    url: str = ""
    author: str = ""
    modified: datetime | None = None
    elements: tuple[Element, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A passage of a document version.

    ``text`` is exactly ``document text[start:end]`` in characters; ``section`` is the heading path, and
    ``prefix`` what is searched and embedded in front of the text but never quoted.
    """

    id: ChunkId
    version_id: VersionId
    ordinal: int
    start: int
    end: int
    text: str
    prefix: str = ""
    section: tuple[str, ...] = ()
    page: int | None = None

    @property
    def indexed_text(self) -> str:
        """Give the text that is embedded and tokenised."""
        return f"{self.prefix}\n{self.text}" if self.prefix else self.text

    def vector_key(self, embedder_digest: Digest) -> VectorKey:
        """Name this chunk's vector under an embedder."""
        return vector_key(self.indexed_text, embedder_digest)


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of characters."""

    start: int
    end: int


def lay_out(elements: Sequence[Element]) -> tuple[str, tuple[Span, ...]]:
    """Join *elements* to the text of the document and tell where each one lies in it."""
    spans: list[Span] = []
    parts: list[str] = []
    at = 0
    for element in elements:
        if parts:
            at += len(PARAGRAPH_BREAK)
        spans.append(Span(at, at + len(element.text)))
        parts.append(element.text)
        at += len(element.text)
    return PARAGRAPH_BREAK.join(parts), tuple(spans)


def table_text(rows: Sequence[Sequence[str]], *, header: bool = True) -> str:
    """Write a table so that each row can be read, found and quoted by itself.

    Two columns become ``key: value``; more columns with a *header* row become ``Column: value | Column: value``,
    without one ``value | value``. One line a row; empty cells are left out of labelled rows.
    """
    clean = [[" ".join(cell.split()) for cell in row] for row in rows]
    clean = [row for row in clean if any(row)]
    if not clean:
        return ""
    if max(len(row) for row in clean) <= 2:
        return "\n".join(": ".join(cell for cell in row if cell) for row in clean)
    if not header or len(clean) == 1:
        return "\n".join(" | ".join(cell for cell in row if cell) for row in clean)
    names, *body = clean
    return "\n".join(_labelled(names, row) for row in body)


def _labelled(names: Sequence[str], row: Sequence[str]) -> str:
    padded = [*names, *([""] * (len(row) - len(names)))]
    return " | ".join(
        f"{name}: {cell}" if name else cell for name, cell in zip(padded, row, strict=False) if cell
    )


def looks_like_header(rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first row names the columns: all filled, all different, no bare numbers."""
    if len(rows) < 2:
        return False
    first = [cell.strip() for cell in rows[0]]
    return all(first) and len(set(first)) == len(first) and not any(_is_number(cell) for cell in first)


def _is_number(cell: str) -> bool:
    return cell.replace(".", "").replace(",", "").replace(" ", "").replace("-", "").isdigit()


def may_read(document_readers: Iterable[str], caller: frozenset[str]) -> bool:
    """Tell whether a caller with these reader names may read a document; no readers means nobody."""
    return any(reader == EVERYONE or reader in caller for reader in document_readers)


def narrowed(before: frozenset[str], after: frozenset[str]) -> frozenset[str]:
    """Give the readers who may read by both: what holds at once, while wider readers wait for a person."""
    if EVERYONE in after:
        return before
    return after if EVERYONE in before else before & after


def widens(before: frozenset[str], after: frozenset[str]) -> bool:
    """Tell whether *after* lets somebody read who could not before."""
    return EVERYONE not in before and not after <= before
