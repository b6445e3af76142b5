"""Tell what differs between two releases: documents, their words, and how answers are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kbm.domain.changes import (
    ChangedDocument,
    Changes,
    FieldChange,
    Part,
    changes_between,
    spec_changes,
    word_diff,
)
from kbm.domain.documents import lay_out
from kbm.domain.identity import DocumentId, VersionId
from kbm.domain.releases import Release, ReleaseState
from kbm.services.needs import Documents, Releases, Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDiff:
    """How *after* differs from *before*; without *before* it is the first release, and all of it is added.

    *texts* has the word diff of each changed document whose words may be shown: not of one that was withdrawn.
    """

    before: Release | None
    after: Release
    changes: Changes
    specs: tuple[FieldChange, ...] = ()
    texts: Mapping[DocumentId, tuple[Part, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """The use case with what it needs."""

    documents: Documents
    texts: Texts
    releases: Releases

    def run(self, gpt: str, a: str, b: str) -> ReleaseDiff:
        """Compare release *b* with release *a*, words of changed documents included.

        Raises:
            NotFound: the GPT has no such release.
        """
        before, after = self.releases.get(gpt, a), self.releases.get(gpt, b)
        changes = self._changes(before, after)
        texts = {one.after.document_id: self._words(one, before, after) for one in changes.changed}
        return ReleaseDiff(
            before=before,
            after=after,
            changes=changes,
            specs=_specs(before, after),
            texts={id: parts for id, parts in texts.items() if parts is not None},
        )

    def since_previous(self, gpt: str, version: str) -> ReleaseDiff:
        """Compare a release with the sealed one built before it, without the words: what release notes tell.

        Raises:
            NotFound: the GPT has no such release.
        """
        after = self.releases.get(gpt, version)
        before = next(
            (
                one
                for one in self.releases.all(gpt)
                if one.seq < after.seq and one.state is not ReleaseState.FAILED
            ),
            None,
        )
        if before is None:
            everything = changes_between((), self.releases.manifest(gpt, after.seq))
            return ReleaseDiff(before=None, after=after, changes=everything)
        return ReleaseDiff(
            before=before, after=after, changes=self._changes(before, after), specs=_specs(before, after)
        )

    def _changes(self, before: Release, after: Release) -> Changes:
        return changes_between(
            self.releases.manifest(before.gpt, before.seq), self.releases.manifest(after.gpt, after.seq)
        )

    def _words(self, changed: ChangedDocument, before: Release, after: Release) -> tuple[Part, ...] | None:
        """Give the word diff; None if the document was withdrawn, which hides its text on every release."""
        record = self.documents.document(changed.after.document_id)
        if record is None or not record.present:
            return None
        old = self._text(before, record.no, changed.before.version_id)
        new = self._text(after, record.no, changed.after.version_id)
        return word_diff(old, new) if old is not None and new is not None else None

    def _text(self, release: Release, document_no: int, version: VersionId) -> str | None:
        held = self.texts.text_of(release.gpt, release.seq, document_no)
        if held is None or held[0] != version:
            return None
        return lay_out(held[1].elements)[0]


def _specs(before: Release, after: Release) -> tuple[FieldChange, ...]:
    return (
        *spec_changes(before.index_spec, after.index_spec),
        *spec_changes(before.answer_spec, after.answer_spec),
    )
