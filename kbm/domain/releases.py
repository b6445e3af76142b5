"""Releases: immutable, numbered contents of a GPT."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import total_ordering
from typing import Literal

from kbm.domain.calibration import Calibration
from kbm.domain.evaluation import Override
from kbm.domain.identity import ContentHash, Digest, DocumentId, VersionId, digest

_SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-rc\.([1-9]\d*))?")


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """A release number by Semantic Versioning 2.0 (https://semver.org); ``rc`` is set for a canary, 2.0.0-rc.1."""

    major: int
    minor: int
    patch: int
    rc: int | None = None

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read ``1.2.3`` or ``1.2.3-rc.4``.

        Raises:
            ValueError: it is not of that form.
        """
        found = _SEMVER.fullmatch(text)
        if not found:
            raise ValueError(f"{text!r} is not a release number like 1.2.3")
        major, minor, patch, rc = (int(part) if part is not None else None for part in found.groups())
        return cls(major or 0, minor or 0, patch or 0, rc)

    def next_patch(self) -> Version:
        """Give the number of a release with refreshed or corrected content."""
        return Version(self.major, self.minor, self.patch + 1)

    def next_minor(self) -> Version:
        """Give the number of a release with new topics or sources."""
        return Version(self.major, self.minor + 1, 0)

    def next_major(self) -> Version:
        """Give the number of a release that answers by other rules."""
        return Version(self.major + 1, 0, 0)

    def __lt__(self, other: Version) -> bool:
        return self._order() < other._order()

    def _order(self) -> tuple[int, int, int, bool, int]:
        return self.major, self.minor, self.patch, self.rc is None, self.rc or 0

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}" + (f"-rc.{self.rc}" if self.rc is not None else "")


FIRST_RELEASE = Version(1, 0, 0)

ExpectedLive = Digest | Literal["any"] | None
"""The digest of the release that must still be live for a pointer to move; None: nothing may be live."""


def is_patch(live: Version, candidate: Version) -> bool:
    """Tell whether a candidate differs from live in its last number only, upwards."""
    return (
        candidate.rc is None
        and (live.major, live.minor) == (candidate.major, candidate.minor)
        and candidate > live
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSpec:
    """How documents become rows of an index. Digests change when the output would."""

    chunker: str
    chunker_digest: Digest
    embedder: str
    embedder_digest: Digest
    dimensions: int
    lexical_digest: Digest

    @property
    def digest(self) -> Digest:
        """Name the spec; rows are shared between releases of equal specs only."""
        return digest("index-spec", json.dumps(asdict(self), sort_keys=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSpec:
    """How answers are made from hits: part of the release, versioned with it."""

    instructions: str = ""
    languages: tuple[str, ...] = ()
    chat: str = "extractive"
    prompt: str = ""  # digest of the chat model's rules; empty without one
    threshold: float = 0.4
    uncertain_below: float = 0.6
    lose: int = 5  # percent of the questions with an answer that may go without one
    synonyms: tuple[tuple[str, ...], ...] = ()
    prefer: tuple[str, ...] = ()  # items, source:item_id
    reranker: str = ""  # name and digest

    @property
    def digest(self) -> Digest:
        """Name the spec."""
        return digest("answer-spec", json.dumps(asdict(self), sort_keys=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """What people approved of what agents proposed, beyond what kbm.toml says; part of the release.

    ``suggestions`` are the ids of the approved ones. ``without`` are items that are left out, ``sources`` those that
    the GPT answers from as well. ``lose`` takes the place of ``lose_was``.
    """

    suggestions: tuple[str, ...] = ()
    synonyms: tuple[tuple[str, ...], ...] = ()
    prefer: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    lose: int | None = None
    lose_was: int = 0

    def rules(self, configured: AnswerSpec) -> AnswerSpec:
        """Give the rules of answering with what was approved."""
        return replace(
            configured,
            synonyms=(*configured.synonyms, *self.synonyms),
            prefer=(*configured.prefer, *self.prefer),
            lose=configured.lose if self.lose is None else self.lose,
        )

    def configured(self, rules: AnswerSpec) -> AnswerSpec:
        """Give the rules as kbm.toml had them: the inverse of :meth:`rules`."""
        return replace(
            rules,
            synonyms=tuple(one for one in rules.synonyms if one not in self.synonyms),
            prefer=tuple(one for one in rules.prefer if one not in self.prefer),
            lose=rules.lose if self.lose is None else self.lose_was,
        )


NOTHING_APPROVED = Approved()


class ReleaseState(StrEnum):
    """Where a release stands."""

    CANDIDATE = "candidate"  # sealed and probed, not answering
    LIVE = "live"
    RETIRED = "retired"  # was live
    FAILED = "failed"  # did not pass its probe


class ReleaseContent(StrEnum):
    """What is still there of a release."""

    INDEXED = "indexed"  # can be asked
    EVICTED = "evicted"  # its index was put away; it comes back from the catalogue to the same digest
    PURGED = "purged"  # its documents' texts are gone; only what it was is known


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedDocument:
    """One line of a manifest."""

    document_id: DocumentId
    version_id: VersionId
    source: str
    item_id: str
    title: str
    url: str
    content: ContentHash


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A sealed content of a GPT.

    ``seq`` counts builds in order; membership intervals are told in it. ``epoch`` is that of visibility when it
    was built; ``sources`` are those it holds documents of. An erasure sets ``redacted_at`` and gives it a new
    digest; ``first_digest`` is the one before.
    """

    gpt: str
    version: Version
    seq: int
    state: ReleaseState
    digest: Digest
    index_digest: Digest
    index_spec: IndexSpec
    answer_spec: AnswerSpec
    sources: tuple[str, ...]
    epoch: int
    n_documents: int
    n_chunks: int
    created_at: datetime
    published_at: datetime | None = None
    gate: str = "unproved"
    override: Override | None = None
    label: str = ""
    content: ReleaseContent = ReleaseContent.INDEXED
    content_at: datetime | None = None
    redacted_at: datetime | None = None
    first_digest: Digest | None = None
    calibration: Calibration | None = None
    approved: Approved = NOTHING_APPROVED
    tools: Mapping[str, str] = field(default_factory=dict)

    def thresholds(self, *, dense: bool) -> tuple[float, float]:
        """Say below which confidence there is no answer, and below which a warning: as measured, else as shipped."""
        found = self.calibration.curve(dense=dense) if self.calibration else None
        rule = found or self.answer_spec
        return rule.threshold, rule.uncertain_below


def release_digest(
    index_digest: Digest,
    answer_spec: AnswerSpec,
    documents: Iterable[ReleasedDocument],
    calibration: Calibration | None,
) -> Digest:
    """Hash all that a release is; equal whatever the order in which it came about.

    Readers and withdrawals are left out on purpose: they change at once, on every release.
    """
    lines = sorted(f"{document.version_id} {document.content}" for document in documents)
    measured = (calibration.digest,) if calibration else ()
    return digest("release", index_digest, answer_spec.digest, "\n".join(lines), *measured)
