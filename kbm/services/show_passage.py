"""Show the passage behind a citation in its context, for a page in a browser.

Whatever keeps a reader from it — erased, withdrawn, theirs no more, never there, a link that ran out — gives the same
nothing, so that none of these can be told from another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from kbm.domain.catalogue import DocumentRecord
from kbm.domain.documents import Element, ElementKind, Span, lay_out, looks_like_header
from kbm.domain.language import guess_language
from kbm.domain.releases import Release
from kbm.errors import NotFound
from kbm.ports import Clock
from kbm.services.document import ShowDocument
from kbm.services.links import Links
from kbm.services.needs import Documents
from kbm.services.retrieve import Caller, Retrieve, is_stale

CONTEXT_CHARS = 6_000
"""How much of the document is shown before and after the passage, in whole elements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A run of text, marked or not."""

    text: str
    marked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What is shown as one piece: a heading, a paragraph, a list, a table or code.

    ``lines`` are its paragraphs, items, or lines; ``rows`` the cells of a table, and ``marked_rows`` their numbers.
    ``page`` is told where it differs from that of the block before.
    """

    kind: ElementKind
    level: int
    lines: tuple[tuple[Piece, ...], ...]
    rows: tuple[tuple[str, ...], ...] = ()
    has_header: bool = False
    marked_rows: frozenset[int] = frozenset()
    page: int | None = None
    first_mark: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPassage:
    """A passage in its context. ``asked_release`` names the release of the link where another one had to do."""

    gpt: str
    gpt_title: str
    release: str
    is_live: bool
    asked_release: str
    source: str
    title: str
    author: str
    modified: datetime | None
    stale: bool
    section: tuple[str, ...]
    page: int | None
    original_url: str
    language: str
    blocks: tuple[Block, ...]
    is_cut_before: bool
    is_cut_after: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowPassage:
    """The use case with what it needs."""

    documents: Documents
    show_document: ShowDocument
    retrieve: Retrieve
    links: Links
    clock: Clock

    def run(
        self,
        document_id: str,
        caller: Caller | None,
        *,
        token: str = "",
        gpt: str | None = None,
        release: str | None = None,
        span: Span | None = None,
    ) -> ShownPassage | None:
        """Show a passage to a caller, or to whoever has the token of a link; None where they may not see it."""
        record = self.documents.document(document_id)
        if record is None or not record.present:
            return None
        around = span
        if token and gpt and release:
            opened = self.links.opened(token, record, gpt, release)
            if opened is not None:
                caller = Caller(readers=opened.readers, gpts=frozenset({gpt}))
                around = opened.span
                if span is None or around is None or not around.start <= span.start <= span.end <= around.end:
                    span = around  # a link shows its own passage, not all of the document bit by bit
        if caller is None or not self.retrieve.may_read(record.no, caller):
            return None
        try:
            return self._shown(record, caller, gpt, release, span, around)
        except NotFound:
            return None

    def _shown(
        self,
        record: DocumentRecord,
        caller: Caller,
        gpt: str | None,
        release: str | None,
        span: Span | None,
        around: Span | None,
    ) -> ShownPassage | None:
        """Show the document with *span* marked, as far as *around* and its context go."""
        held = self.show_document.held(record, caller, gpt, release if gpt else None)
        missed = release if gpt and release and not held else ""
        if missed:  # its content is no longer kept; the live release may still have the document
            held, span, around = self.show_document.held(record, caller, gpt, None), None, None
        if not held:
            return None
        name, (chosen, version) = next(iter(held.items()))
        text, spans = lay_out(version.elements)
        if span is not None and not 0 <= span.start < span.end <= len(text):
            span = around = None
        low, high = _window(spans, around, len(text))
        at = _first_inside(spans, span) if span else None
        served = self.retrieve.served(name)
        element = version.elements[at] if at is not None else None
        return ShownPassage(
            gpt=name,
            gpt_title=served.title,
            release=str(chosen.version),
            is_live=self._is_live(name, chosen),
            asked_release=missed,
            source=version.source,
            title=version.title,
            author=version.author,
            modified=version.modified,
            stale=is_stale(version.modified, served.max_age_hours.get(version.source), self.clock.now()),
            section=element.headings if element else (),
            page=element.page if element else None,
            original_url=version.url if version.url.startswith(("https://", "http://")) else "",
            language=guess_language(text[slice(span.start, span.end) if span else slice(400)]),
            blocks=tuple(_blocks(version.elements[low:high], spans[low:high], span)),
            is_cut_before=low > 0,
            is_cut_after=high < len(spans),
        )

    def _is_live(self, gpt: str, chosen: Release) -> bool:
        live = self.show_document.releases.live(gpt)
        return live is not None and live.seq == chosen.seq


def _first_inside(spans: Sequence[Span], span: Span) -> int | None:
    return next((at for at, one in enumerate(spans) if one.end > span.start and one.start < span.end), None)


def _window(spans: Sequence[Span], span: Span | None, length: int) -> tuple[int, int]:
    """Tell which elements are shown: those of the passage, and whole ones around it."""
    low = (span.start if span else 0) - CONTEXT_CHARS
    high = (span.end if span else CONTEXT_CHARS) + CONTEXT_CHARS
    inside = [at for at, one in enumerate(spans) if one.end >= low and one.start <= min(high, length)]
    return (inside[0], inside[-1] + 1) if inside else (0, 0)


def _blocks(elements: Sequence[Element], spans: Sequence[Span], span: Span | None) -> Iterator[Block]:
    page: int | None = None
    found = False
    waiting: Block | None = None
    for element, at in zip(elements, spans, strict=True):
        made = _block(element, at, span)
        if element.page is not None and element.page != page:
            page = element.page
            made = replace(made, page=page)
        is_marked = bool(made.marked_rows) or any(piece.marked for line in made.lines for piece in line)
        if is_marked and not found:
            found = True
            made = replace(made, first_mark=True)
        if waiting is not None:
            if made.kind is ElementKind.LIST_ITEM and made.page is None:
                first = waiting.first_mark or made.first_mark
                waiting = replace(waiting, lines=waiting.lines + made.lines, first_mark=first)
                continue
            yield waiting
            waiting = None
        if made.kind is ElementKind.LIST_ITEM:
            waiting = made
        else:
            yield made
    if waiting is not None:
        yield waiting


def _block(element: Element, at: Span, span: Span | None) -> Block:
    lines = _lines(element.text, at, span)
    level = min(6, len(element.headings) + 2)
    if element.kind is ElementKind.TABLE:
        rows = tuple(row for row in element.cells if any(cell.strip() for cell in row))
        has_header = looks_like_header(rows) and len(rows) - 1 == len(lines)
        if rows and (has_header or len(rows) == len(lines)):
            marked = {n + has_header for n, line in enumerate(lines) if any(piece.marked for piece in line)}
            return Block(
                kind=element.kind,
                level=level,
                lines=lines,
                rows=rows,
                has_header=has_header,
                marked_rows=frozenset(marked),
            )
    return Block(kind=element.kind, level=level, lines=lines)


def _lines(text: str, at: Span, span: Span | None) -> tuple[tuple[Piece, ...], ...]:
    """Cut an element's text into lines, and each line at the edges of the passage."""
    made: list[tuple[Piece, ...]] = []
    start = at.start
    for line in text.split("\n"):
        low, high = (max(span.start, start), min(span.end, start + len(line))) if span else (0, 0)
        if low < high:
            cut = (line[: low - start], line[low - start : high - start], line[high - start :])
            made.append(tuple(Piece(text=part, marked=n == 1) for n, part in enumerate(cut) if part))
        else:
            made.append((Piece(text=line),))
        start += len(line) + 1
    return tuple(made)
