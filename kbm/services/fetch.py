"""Fetch by its id what a search gave: one passage, or a whole document, as the GPT has it now.

An id is no permission: each time the caller, the GPT and the release that answers are checked anew, and whatever does
not hold is told in the same words as an id that never was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from kbm.domain.answers import Passage
from kbm.domain.identity import ChunkId, chunk_id
from kbm.domain.releases import Release
from kbm.errors import NotFound
from kbm.services.canary_watch import CanaryWatch
from kbm.services.document import ShowDocument
from kbm.services.needs import Releases, Texts
from kbm.services.retrieve import Caller, Retrieve

_SEARCH_AGAIN = "search again: the id of a passage changes when its document does"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A passage of a release with its link; one that spans its whole document has no chunk id."""

    id: str
    release: str
    passage: Passage


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """The use case with what it needs."""

    texts: Texts
    releases: Releases
    retrieve: Retrieve
    canaries: CanaryWatch
    show_document: ShowDocument

    def run(self, gpt: str, id: str, caller: Caller) -> Fetched:
        """Give the passage or the document of that id.

        Raises:
            NotFound: nothing of that id is there for this caller, in a release that answers; why is not told.
            NothingLive: no release of the GPT is published yet.
        """
        found = self.texts.passages([ChunkId(id)]).get(ChunkId(id))
        for release in self._answering(gpt, caller):
            passage = self._passage(release, *found, caller) if found else self._document(release, id, caller)
            if passage is not None:
                return Fetched(id=id, release=str(release.version), passage=passage)
        raise NotFound("passage or document", id, hint=_SEARCH_AGAIN)

    def _answering(self, gpt: str, caller: Caller) -> Iterator[Release]:
        """Give the live release, and a running canary: a share of the questions is answered from it."""
        self.retrieve.served(gpt)
        yield self.retrieve.release_of(gpt)
        canary = self.canaries.running(gpt)
        if canary is not None and (canary.audience.group is None or canary.audience.group in caller.readers):
            yield self.releases.at(gpt, canary.seq)

    def _passage(
        self, release: Release, document_no: int, passage: Passage, caller: Caller
    ) -> Passage | None:
        if not self.retrieve.may_read(document_no, caller):
            return None
        held = self.texts.text_of(release.gpt, release.seq, document_no)
        if held is None:
            return None
        version, _ = held
        same = chunk_id(version, release.index_spec.chunker_digest, passage.start, passage.end)
        if passage.chunk_id != same:
            return None
        return self.retrieve.shown(release, passage, readers=caller.readers)

    def _document(self, release: Release, id: str, caller: Caller) -> Passage | None:
        try:
            shown = self.show_document.run(id, caller, gpt=release.gpt, release=str(release.version))
        except NotFound:
            return None
        version = shown.version
        whole = Passage(
            chunk_id=ChunkId(""),
            document_id=version.document_id,
            source=version.source,
            item_id=version.item_id,
            title=version.title,
            url=version.url,
            text=shown.text,
            start=0,
            end=len(shown.text),
            section=(),
            page=None,
            modified=version.modified,
        )
        return replace(self.retrieve.shown(release, whole, readers=caller.readers), url=shown.url)
