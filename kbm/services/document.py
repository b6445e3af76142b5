"""Show a document as a release holds it, to a caller who may read it."""

from __future__ import annotations

from dataclasses import dataclass

from kbm.domain.catalogue import DocumentRecord
from kbm.domain.documents import DocumentVersion, lay_out
from kbm.domain.releases import Release
from kbm.errors import NotFound, UsageError
from kbm.services.needs import Documents, Releases, Texts
from kbm.services.retrieve import Caller, Retrieve


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDocument:
    """A document as it was then: its stored text, its address for a reader, and the releases it is so in, by GPT.

    ``original_url`` is where its source shows it, empty if that is not on the web.
    """

    version: DocumentVersion
    url: str
    original_url: str
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

    def run(
        self, document_id: str, caller: Caller, *, gpt: str | None = None, release: str | None = None
    ) -> ShownDocument:
        """Give a document as the live releases hold it, or as the one named does.

        Raises:
            NotFound: there is none of that id that this caller may read; whether it exists is not told.
            UsageError: a release is named without its GPT.
        """
        if release is not None and gpt is None:
            raise UsageError("a release belongs to a GPT", hint="name both: ?gpt=…&release=…")
        record = self.documents.document(document_id)
        if record is None or not record.present or not self.retrieve.may_read(record.no, caller):
            raise NotFound("document", document_id)
        held = self.held(record, caller, gpt, release)
        if not held:
            raise NotFound("document", document_id)
        name, (shown, version) = next(iter(held.items()))
        text, _ = lay_out(version.elements)
        return ShownDocument(
            version=version,
            url=self.retrieve.links.to(record.id, name, str(shown.version), caller.readers),
            original_url=version.url if version.url.startswith(("https://", "http://")) else "",
            text=text,
            releases={name: str(one.version) for name, (one, _) in held.items()},
        )

    def held(
        self, record: DocumentRecord, caller: Caller, gpt: str | None, version: str | None
    ) -> dict[str, tuple[Release, DocumentVersion]]:
        """Find the live release of each GPT, or the one named, where it holds the document."""
        found: dict[str, tuple[Release, DocumentVersion]] = {}
        for name in self.gpts if gpt is None else (self.retrieve.served(gpt).name,):
            if not caller.may_ask(name):
                continue
            release = self.releases.get(name, version) if version else self.releases.live(name)
            held = self.texts.version_in(name, release.seq, record.no) if release else None
            if release is not None and held is not None:
                found[name] = release, held
        return found
