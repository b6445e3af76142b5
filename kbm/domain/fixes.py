"""What can be done about what agents find: a closed, typed list of fixes. Each has one way into effect.

- **release**: it goes into the next candidate, and through build, gate and publish like any change;
- **task**: work on what is stored, done once and safe to repeat;
- **request**: only somebody else can do it, and is asked to;
- **record**: it is written down, and counts from then on.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from typing import Literal

from kbm.domain.identity import ChunkId, Digest, DocumentId, digest


class FixKind(StrEnum):
    """What can be done about something."""

    ADD_OVERLAY = "add_overlay"  # write a document here, with owner and expiry
    ATTACH_SOURCE = "attach_source"  # let the GPT answer from a source it does not have
    REFRESH_SOURCE = "refresh_source"  # list it whole, and read what changed
    REPARSE = "reparse"  # read documents again, by another strategy
    RETIRE_DOCUMENT = "retire_document"  # no longer answer from it
    PREFER_DOCUMENT = "prefer_document"  # where both answer as well, this one comes first
    ADD_SYNONYMS = "add_synonyms"  # words that stand for each other
    CHANGE_INDEX_SPEC = "change_index_spec"  # another embedder or chunker
    GRANT_READERS_REQUEST = "grant_readers_request"  # ask the steward to let more people read
    ADD_GOLDEN_QUESTIONS = "add_golden_questions"
    ADJUST_THRESHOLD = "adjust_threshold"  # answer at less, or only at more confidence
    REBUILD_INDEX = "rebuild_index"  # from what is stored
    OUT_OF_SCOPE = "out_of_scope"  # such questions are not this GPT's business


class Route(StrEnum):
    """How an approved fix comes into effect."""

    RELEASE = "release"
    TASK = "task"
    REQUEST = "request"
    RECORD = "record"


class Risk(StrEnum):
    """How much an approved fix can change what people are told."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


ROUTES: dict[FixKind, Route] = {
    FixKind.ADD_OVERLAY: Route.RELEASE,
    FixKind.ATTACH_SOURCE: Route.RELEASE,
    FixKind.REFRESH_SOURCE: Route.TASK,
    FixKind.REPARSE: Route.TASK,
    FixKind.RETIRE_DOCUMENT: Route.RELEASE,
    FixKind.PREFER_DOCUMENT: Route.RELEASE,
    FixKind.ADD_SYNONYMS: Route.RELEASE,
    FixKind.CHANGE_INDEX_SPEC: Route.REQUEST,
    FixKind.GRANT_READERS_REQUEST: Route.REQUEST,
    FixKind.ADD_GOLDEN_QUESTIONS: Route.RECORD,
    FixKind.ADJUST_THRESHOLD: Route.RELEASE,
    FixKind.REBUILD_INDEX: Route.TASK,
    FixKind.OUT_OF_SCOPE: Route.RECORD,
}

RISKS: dict[FixKind, Risk] = {
    FixKind.ADD_OVERLAY: Risk.MEDIUM,
    FixKind.ATTACH_SOURCE: Risk.HIGH,
    FixKind.REFRESH_SOURCE: Risk.LOW,
    FixKind.REPARSE: Risk.LOW,
    FixKind.RETIRE_DOCUMENT: Risk.HIGH,
    FixKind.PREFER_DOCUMENT: Risk.MEDIUM,
    FixKind.ADD_SYNONYMS: Risk.MEDIUM,
    FixKind.CHANGE_INDEX_SPEC: Risk.HIGH,
    FixKind.GRANT_READERS_REQUEST: Risk.HIGH,
    FixKind.ADD_GOLDEN_QUESTIONS: Risk.LOW,
    FixKind.ADJUST_THRESHOLD: Risk.MEDIUM,
    FixKind.REBUILD_INDEX: Risk.LOW,
    FixKind.OUT_OF_SCOPE: Risk.LOW,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A place in a stored text: ``start`` and ``end`` span the text of the document version that the chunk is of."""

    chunk_id: ChunkId
    document_id: DocumentId
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOverlay:
    """Write a document. ``text`` is Markdown; ``asks`` are the holes in it, as questions to an expert.

    Who may read it follows from its evidence: those who may read all of it.
    """

    title: str
    text: str
    language: str
    evidence: tuple[Evidence, ...]
    expires_on: date
    asks: tuple[str, ...] = ()
    kind: Literal[FixKind.ADD_OVERLAY] = FixKind.ADD_OVERLAY


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachSource:
    """Let the GPT answer from ``source`` too."""

    source: str
    kind: Literal[FixKind.ATTACH_SOURCE] = FixKind.ATTACH_SOURCE


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshSource:
    """List ``source`` whole instead of asking for news."""

    source: str
    kind: Literal[FixKind.REFRESH_SOURCE] = FixKind.REFRESH_SOURCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Reparse:
    """Read ``items`` (``source:item_id``) again."""

    items: tuple[str, ...]
    kind: Literal[FixKind.REPARSE] = FixKind.REPARSE


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireDocument:
    """Leave ``item`` (``source:item_id``) out of this GPT; ``in_favour_of`` is what says it now, if anything does."""

    item: str
    in_favour_of: str = ""
    kind: Literal[FixKind.RETIRE_DOCUMENT] = FixKind.RETIRE_DOCUMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferDocument:
    """Put ``item`` first where it answers as well as ``over``; both are ``source:item_id``."""

    item: str
    over: str = ""
    kind: Literal[FixKind.PREFER_DOCUMENT] = FixKind.PREFER_DOCUMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class AddSynonyms:
    """Let ``words``, at least two, stand for each other."""

    words: tuple[str, ...]
    kind: Literal[FixKind.ADD_SYNONYMS] = FixKind.ADD_SYNONYMS


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeIndexSpec:
    """Ask IT to set ``setting`` of kbm.toml to ``value``: passages or vectors are then made by other rules."""

    setting: str
    value: str
    kind: Literal[FixKind.CHANGE_INDEX_SPEC] = FixKind.CHANGE_INDEX_SPEC


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantReadersRequest:
    """Ask the steward of ``source`` whether ``readers`` may read ``items`` (``source:item_id``)."""

    source: str
    items: tuple[str, ...]
    readers: tuple[str, ...]
    kind: Literal[FixKind.GRANT_READERS_REQUEST] = FixKind.GRANT_READERS_REQUEST


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftGolden:
    """A golden question as proposed; ``expected`` are items, ``must_contain`` facts of the answer."""

    question: str
    language: str = ""
    expected: tuple[str, ...] = ()
    must_contain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AddGoldenQuestions:
    """Test each release with these from then on."""

    questions: tuple[DraftGolden, ...]
    kind: Literal[FixKind.ADD_GOLDEN_QUESTIONS] = FixKind.ADD_GOLDEN_QUESTIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustThreshold:
    """Let ``lose`` percent of the questions with an answer go without one."""

    lose: Literal[2, 5, 10]
    kind: Literal[FixKind.ADJUST_THRESHOLD] = FixKind.ADJUST_THRESHOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildIndex:
    """Make the index of the live release anew from what is stored."""

    kind: Literal[FixKind.REBUILD_INDEX] = FixKind.REBUILD_INDEX


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfScope:
    """Such questions are not this GPT's business: the gap is dismissed until it doubles."""

    kind: Literal[FixKind.OUT_OF_SCOPE] = FixKind.OUT_OF_SCOPE


Fix = (
    AddOverlay
    | AttachSource
    | RefreshSource
    | Reparse
    | RetireDocument
    | PreferDocument
    | AddSynonyms
    | ChangeIndexSpec
    | GrantReadersRequest
    | AddGoldenQuestions
    | AdjustThreshold
    | RebuildIndex
    | OutOfScope
)


def sources_of(fix: Fix) -> frozenset[str]:
    """Name the sources that a fix is about."""
    match fix:
        case AttachSource() | RefreshSource():
            return frozenset({fix.source})
        case Reparse(items=items):
            named = [*items]
        case RetireDocument():
            named = [fix.item, fix.in_favour_of]
        case PreferDocument():
            named = [fix.item, fix.over]
        case GrantReadersRequest():
            return frozenset({fix.source, *(one.partition(":")[0] for one in fix.items)})
        case _:
            named = []
    return frozenset(one.partition(":")[0] for one in named if one)


def open_questions(fix: Fix) -> tuple[str, ...]:
    """Give what an expert still has to say before a fix means anything; only drafts of overlays have such holes."""
    return fix.asks if isinstance(fix, AddOverlay) else ()


def fix_digest(fix: Fix) -> Digest:
    """Name what a fix would do, to the letter."""
    return digest("fix", json.dumps(asdict(fix), sort_keys=True, default=str))
