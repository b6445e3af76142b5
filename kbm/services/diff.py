"""Tell what differs between two releases: documents, their words, sources, how answers are made, golden answers.

Readers and withdrawals are no part of a release: they hold on every release at once, so no diff has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

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
from kbm.domain.evaluation import GoldenQuestion
from kbm.domain.identity import DocumentId, VersionId
from kbm.domain.releases import Release, ReleaseContent, ReleaseState
from kbm.ports import Progress
from kbm.services.evaluate import Evaluate, GoldenAnswer
from kbm.services.needs import Documents, Golden, Releases, Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenChange:
    """A golden question that two releases answer differently."""

    question: GoldenQuestion
    before: GoldenAnswer
    after: GoldenAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDiff:
    """How *after* differs from *before*; without *before* it is the first release, and all of it is added.

    *texts* has the word diff of each changed document whose words may be shown: not of one that was withdrawn.
    *instructions* is the word diff of the GPT's own instructions, empty when they are the same. *n_golden* golden
    questions were asked of both; *golden_unasked* says why not, or is empty.
    """

    before: Release | None
    after: Release
    changes: Changes
    sources_added: tuple[str, ...] = ()
    sources_removed: tuple[str, ...] = ()
    specs: tuple[FieldChange, ...] = ()
    instructions: tuple[Part, ...] = ()
    texts: Mapping[DocumentId, tuple[Part, ...]] = field(default_factory=dict)
    golden: tuple[GoldenChange, ...] = ()
    n_golden: int = 0
    golden_unasked: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """The use case with what it needs."""

    documents: Documents
    texts: Texts
    releases: Releases
    golden: Golden
    evaluate: Evaluate

    def run(self, gpt: str, a: str, b: str, asking: Progress | None = None) -> ReleaseDiff:
        """Compare release *b* with release *a*, words of changed documents included.

        Golden questions are asked of both only when *asking* is given, which shows how far that is.

        Raises:
            NotFound: the GPT has no such release.
        """
        before, after = self.releases.get(gpt, a), self.releases.get(gpt, b)
        found = self._without_words(before, after, asking)
        texts = {one.after.document_id: self._words(one, before, after) for one in found.changes.changed}
        return replace(found, texts={id: parts for id, parts in texts.items() if parts is not None})

    def since_previous(self, gpt: str, version: str, asking: Progress | None = None) -> ReleaseDiff:
        """Compare a release with the sealed one built before it, without the words: what release notes tell.

        Golden questions are asked of both only when *asking* is given.

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
            return ReleaseDiff(
                before=None, after=after, changes=everything, golden_unasked="it is the first release"
            )
        return self._without_words(before, after, asking)

    def _without_words(self, before: Release, after: Release, asking: Progress | None) -> ReleaseDiff:
        was, now = before.answer_spec.instructions, after.answer_spec.instructions
        unasked = _why_unasked(before, after, asking)
        questions = [] if unasked else self.golden.all(after.gpt)
        return ReleaseDiff(
            before=before,
            after=after,
            changes=self._changes(before, after),
            sources_added=tuple(one for one in after.sources if one not in before.sources),
            sources_removed=tuple(one for one in before.sources if one not in after.sources),
            specs=_specs(before, after),
            instructions=word_diff(was, now) if was != now else (),
            golden=self._golden(before, after, questions, asking) if asking and questions else (),
            n_golden=len(questions),
            golden_unasked=unasked,
        )

    def _golden(
        self, before: Release, after: Release, questions: Sequence[GoldenQuestion], progress: Progress
    ) -> tuple[GoldenChange, ...]:
        """Name the golden questions answered differently; those to review are asked, too: they show what changed."""
        was = self.evaluate.answers(before.gpt, before, questions, progress)
        now = self.evaluate.answers(after.gpt, after, questions, progress)
        return tuple(
            GoldenChange(question=one, before=was[one.id], after=now[one.id])
            for one in questions
            if _said(was[one.id]) != _said(now[one.id])
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


def _said(answer: GoldenAnswer) -> tuple[object, ...]:
    return answer.outcome, answer.text, answer.cited, answer.result.passed


def _why_unasked(before: Release, after: Release, asking: Progress | None) -> str:
    """Say why golden questions cannot be asked of both releases; empty if they can."""
    if asking is None:
        return "not asked for"
    for one in (before, after):
        if one.state is ReleaseState.FAILED:
            return f"{one.version} did not pass its probe and cannot be asked"
        if one.content is not ReleaseContent.INDEXED:
            return f"the index of {one.version} was put away ({one.content})"
    return ""


def _specs(before: Release, after: Release) -> tuple[FieldChange, ...]:
    return (
        *spec_changes(before.index_spec, after.index_spec),
        *spec_changes(before.answer_spec, after.answer_spec),
    )
