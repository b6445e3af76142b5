"""Addresses of cited passages, for readers whose browser has no key.

Where keys are needed, a link carries a token: its last day, the span of the passage, and for each reader name that
let the caller read the document a keyed hash over document, GPT, release, name, day and span. The page compares them
with the names that may read the document *now*. So a link shows what its answer's caller could read, around this one
passage as this release of this GPT has it, and a withdrawn document or a narrowed one is gone at once. It names no
reader, it is the same the whole day, and nothing is stored for it. Whoever is handed the link reads as its first
owner did until it runs out, as with the answer itself, which they could be handed too.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlencode

from kbm.domain.answers import Passage
from kbm.domain.catalogue import DocumentRecord
from kbm.domain.documents import EVERYONE, Span
from kbm.domain.identity import DocumentId
from kbm.ports import Clock
from kbm.services.needs import Documents, Keyed

VALID_DAYS = 7
"""Days after the one it was made on that a link still opens its page."""
MOST_NAMES = 8
"""Reader names a token holds hashes for; any one of them opens the page."""
_MAC_CHARS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What a token opens: the passage at *span*, None for a document's beginning, as *readers* may see it."""

    readers: frozenset[str]
    span: Span | None


class Links:
    """Makes links to passages, and tells what a link lets its bearer read."""

    def __init__(
        self,
        *,
        public_url: str,
        secret: Callable[[], Keyed],
        documents: Documents,
        signed: Callable[[], bool],
        clock: Clock,
    ) -> None:
        """*signed* tells whether a link needs a token because its page is not open to all."""
        self._public_url, self._secret, self._documents = public_url.rstrip("/"), secret, documents
        self._signed, self._clock = signed, clock
        self._always = False

    def signed(self) -> bool:
        """Tell whether links carry a token: from the first key on, for good."""
        if not self._always:
            self._always = self._signed()
        return self._always

    def to(
        self,
        document_id: str,
        gpt: str,
        release: str,
        readers: frozenset[str],
        *,
        span: Span | None = None,
        signed: bool | None = None,
        names: Mapping[DocumentId, frozenset[str]] | None = None,
    ) -> str:
        """Give the address of a document's page, at a span of its text, for somebody with these reader names."""
        query = {"gpt": gpt, "release": release}
        if span is not None:
            query |= {"start": str(span.start), "end": str(span.end)}
        if self.signed() if signed is None else signed:
            may = (names or {}).get(DocumentId(document_id))
            if may is None:
                record = self._documents.document(document_id)
                may = record.readers if record else frozenset()
            query["t"] = self._token(document_id, may, gpt, release, readers, span)
        end = "#quote" if span is not None else ""
        return f"{self._public_url}/documents/{document_id}?{urlencode(query)}{end}"

    def to_passage(
        self,
        passage: Passage,
        gpt: str,
        release: str,
        readers: frozenset[str],
        *,
        signed: bool | None = None,
        names: Mapping[DocumentId, frozenset[str]] | None = None,
    ) -> str:
        """Give the address of a passage; *names* are the readers of documents, where they are at hand."""
        span = Span(passage.start, passage.end)
        return self.to(passage.document_id, gpt, release, readers, span=span, signed=signed, names=names)

    def opened(self, token: str, record: DocumentRecord, gpt: str, release: str) -> Opened | None:
        """Say what a token opens now; None where it does not hold, or no present reader stands behind it."""
        last, _, rest = token.partition(".")
        place, *macs = rest.split(".")
        start, _, end = place.partition("-")
        try:
            ends = date.fromisoformat(last)
            span = Span(int(start), int(end))
        except ValueError:
            return None
        today = self._clock.now().date()
        if not today <= ends <= today + timedelta(days=VALID_DAYS) or len(macs) > MOST_NAMES:
            return None
        readers = frozenset(
            name
            for name in record.readers
            for mac in macs
            if hmac.compare_digest(
                mac.encode(), self._mac(record.id, gpt, release, name, last, place).encode()
            )
        )
        return Opened(readers=readers, span=span if span.end else None) if readers else None

    def _token(
        self,
        document_id: str,
        may_read: frozenset[str],
        gpt: str,
        release: str,
        readers: frozenset[str],
        span: Span | None,
    ) -> str:
        names = {EVERYONE} if EVERYONE in may_read else may_read & readers
        last = (self._clock.now().date() + timedelta(days=VALID_DAYS)).isoformat()
        place = f"{span.start}-{span.end}" if span else "0-0"
        macs = [
            self._mac(document_id, gpt, release, name, last, place) for name in sorted(names)[:MOST_NAMES]
        ]
        return ".".join([last, place, *macs])

    def _mac(self, document_id: str, gpt: str, release: str, reader: str, last: str, place: str) -> str:
        said = "\0".join((document_id, gpt, release, reader, last, place))
        return self._secret().mac("document-link", said)[:_MAC_CHARS]
