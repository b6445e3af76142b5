"""Show a document as a release holds it, to a caller who may read it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kbm.domain.catalogue import DocumentRecord, ParsedRecord
from kbm.domain.documents import lay_out
from kbm.domain.releases import Release
from kbm.errors import NotFound
from kbm.services.needs import Documents, Releases, Texts
from kbm.services.retrieve import Caller, Retrieve


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDocument:
    """A document with its stored text, and the releases it is live in, by GPT."""

    record: DocumentRecord
    content: ParsedRecord
    text: str
    releases: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowDocument:
    """The use case with what it needs."""

    documents: Documents
    texts: Texts
    releases: Releases
    retrieve: Retrieve
    gpts: tuple[str, ...]

    def run(self, document_id: str, caller: Caller) -> ShownDocument:
        """Give a document that some live release holds.

        Raises:
            NotFound: there is none of that id that this caller may read; whether it exists is not told.
        """
        record = self.documents.document(document_id)
        if record is None or not record.present or not self.retrieve.may_read(record.no, caller):
            raise NotFound("document", document_id)
        found: dict[str, tuple[Release, ParsedRecord]] = {}
        for gpt in self.gpts:
            live = self.releases.live(gpt)
            held = self.texts.text_of(gpt, live.seq, record.no) if live else None
            if live is not None and held is not None:
                found[gpt] = live, held[1]
        if not found:
            raise NotFound("document", document_id)
        content = next(iter(found.values()))[1]
        text, _ = lay_out(content.elements)
        return ShownDocument(
            record=replace(record, url=self.retrieve.link(record.id, record.url)),
            content=content,
            text=text,
            releases={gpt: str(release.version) for gpt, (release, _) in found.items()},
        )
