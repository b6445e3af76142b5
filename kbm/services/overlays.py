"""Documents written here: drafts of agents, which nobody is answered from, and overlays, which people approved."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from kbm.domain.catalogue import StoredItem
from kbm.domain.documents import EVERYONE, Blob
from kbm.domain.fixes import AddOverlay, Evidence
from kbm.domain.identity import content_hash
from kbm.domain.internal import drafts_of, overlays_of
from kbm.errors import DecisionConflict
from kbm.services.needs import Documents
from kbm.services.read_items import ItemReader

MARKDOWN = "text/markdown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlays:
    """Writes and withdraws them. An item is named by its suggestion, so that writing it again replaces it."""

    reader: ItemReader
    documents: Documents

    def draft(self, gpt: str, id: str, fix: AddOverlay) -> None:
        """Store a draft, so that its effect can be proved. It belongs to no GPT."""
        self._store(drafts_of(gpt), id, fix)

    def drop_draft(self, gpt: str, id: str) -> None:
        """Withdraw a draft."""
        self.documents.remove(drafts_of(gpt), [id])

    def write(self, gpt: str, id: str, fix: AddOverlay) -> None:
        """Store an overlay: the next candidate of the GPT takes it."""
        self._store(overlays_of(gpt), id, fix)

    def withdraw(self, gpt: str, ids: Collection[str]) -> None:
        """Hide overlays on every release at once, and leave them out of the next one."""
        self.documents.remove(overlays_of(gpt), ids)

    def keep_overlays(self, gpt: str, ids: Collection[str]) -> None:
        """Withdraw the overlays that nobody stands for: whoever decided against them may have been cut short."""
        self._withdraw(overlays_of(gpt), lambda id: id not in ids)

    def keep_drafts(self, gpt: str, ids: Collection[str]) -> None:
        """Withdraw the drafts that no suggestion waits with."""
        self._withdraw(drafts_of(gpt), lambda id: id not in ids)

    def drop_drafts(self, gpt: str, ids: Collection[str]) -> None:
        """Withdraw drafts, those that are there."""
        self._withdraw(drafts_of(gpt), lambda id: id in ids)

    def _withdraw(self, source: str, is_gone: Callable[[str], bool]) -> None:
        gone = [id for id in self.documents.known(source) if is_gone(id)]
        if gone:
            self.documents.remove(source, gone)

    def readers_of(self, evidence: Collection[Evidence]) -> frozenset[str]:
        """Say who may read what is drawn from some evidence: who may read all of it.

        Raises:
            DecisionConflict: a document of it is withdrawn or gone, or nobody may read all of it.
        """
        allowed: frozenset[str] | None = None
        for id in sorted({one.document_id for one in evidence}):
            record = self.documents.document(id)
            if record is None or not record.present:
                raise DecisionConflict(
                    "a document that the draft rests on is withdrawn", hint="look at it again"
                )
            if EVERYONE not in record.readers:
                allowed = record.readers if allowed is None else allowed & record.readers
        if allowed is not None and not allowed:
            raise DecisionConflict("nobody may read all documents that the draft rests on")
        return frozenset({EVERYONE}) if allowed is None else allowed

    def _store(self, source: str, id: str, fix: AddOverlay) -> None:
        text = f"# {fix.title}\n\n{fix.text.strip()}\n"
        item = StoredItem(
            source=source,
            item_id=id,
            ref_version=content_hash(text.encode()),
            readers=self.readers_of(fix.evidence),
            title=fix.title,
            media_type=MARKDOWN,
        )
        blob = Blob(data=text.encode(), name=f"{id}.md", media_type=MARKDOWN)
        read = self.reader.parse_into(item, blob, title_given=True)
        if read.reason is not None:
            raise DecisionConflict(f"the draft cannot be read as Markdown: {read.reason_text}")
        self.documents.store([replace(read, attachments=())])
