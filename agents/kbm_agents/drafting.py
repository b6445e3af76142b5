"""What may close a gap, by its cause: fixes in the order in which they are worth trying.

Only the preview tells which of them helps; the first that does is put before the owner. An overlay is drafted from
the evidence in its own words, each quote with the document it is from. What the evidence does not say is never made
up: it becomes a question to an expert, and the draft cannot be approved until somebody has answered it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from kbm.domain.documents import EVERYONE
from kbm.domain.fixes import (
    AddOverlay,
    AdjustThreshold,
    AttachSource,
    Evidence,
    Fix,
    GrantReadersRequest,
    OutOfScope,
    PreferDocument,
    RefreshSource,
    RetireDocument,
)
from kbm.domain.gaps import Cause, Window
from kbm.domain.identity import ChunkId
from kbm.domain.review import FoundGap, Near, ReviewedQuestion, ReviewWindow
from kbm.domain.suggestions import Proposal
from kbm_agents.passages import ROWS, newer_first

OVERLAY_FOR = timedelta(days=180)
QUOTED = 3
"""Passages an overlay quotes at most."""

ANSWERS, BELONGS = 0.575, 0.4
"""Score of a window from which on it answers, and from which on it belongs to the subject."""

_FROM = {"de": "Aus: {title}", "en": "From: {title}", "fr": "Source : {title}"}


class Drafting:
    """Drafts fixes over one window; *passages* are those that evidence was found in."""

    def __init__(self, window: ReviewWindow, passages: Mapping[ChunkId, Near]) -> None:
        self._window, self._passages = window, passages
        self._rows = {one.name for one in window.sources if one.kind == ROWS}

    def proposals(self, gap: FoundGap, asked: Sequence[ReviewedQuestion]) -> list[Proposal]:
        """Give what may close a gap, the likeliest first; nothing where only people can say."""
        evidence = tuple(
            Evidence(
                chunk_id=one.chunk_id, document_id=one.document_id, start=one.span.start, end=one.span.end
            )
            for one in gap.diagnosis.evidence
            if one.chunk_id in self._passages
        )
        about = tuple(
            dict.fromkeys(
                self._passages[one.chunk_id].item
                for one in gap.diagnosis.evidence
                if one.chunk_id in self._passages
            )
        )
        return [
            Proposal(
                fix=fix,
                why=str(gap.diagnosis.cause),
                about=about,
                cause=gap.diagnosis.cause,
                gap=gap.id,
                questions=tuple(one.id for one in asked),
                evidence=evidence,
                n_questions=gap.n_asked,
            )
            for fix in self._fixes(gap, asked)
        ]

    def _fixes(self, gap: FoundGap, asked: Sequence[ReviewedQuestion]) -> list[Fix]:
        match gap.diagnosis.cause:
            case Cause.WRONG_SCOPE:
                return [*self._attached(gap), *self._overlay(gap)]
            case Cause.RETRIEVAL_MISS:
                return self._overlay(gap)
            case Cause.THIN if gap.diagnosis.covered:
                return [*self._overlay(gap), AdjustThreshold(lose=2)]
            case Cause.CONFLICT | Cause.STALE:
                return [*self._newer_first(gap), *self._refreshed(gap)]
            case Cause.BLOCKED:
                return self._asked_for(gap, asked)
            case Cause.OFF_TOPIC:
                return [OutOfScope()]
            case _:
                return self._hole(gap)

    def _attached(self, gap: FoundGap) -> list[Fix]:
        """Attach the source that most of the evidence elsewhere is from."""
        found = Counter(
            self._source(one) for one in gap.diagnosis.evidence if not one.attached and self._knows(one)
        )
        if not found:
            return []
        n = max(found.values())
        return [AttachSource(source=min(name for name, count in found.items() if count == n))]

    def _overlay(self, gap: FoundGap) -> list[Fix]:
        """Put the passages that answer under the words in which it is asked for."""
        quoted = self._quoted(gap, ANSWERS)
        return [self._draft(gap, quoted, ())] if quoted else []

    def _hole(self, gap: FoundGap) -> list[Fix]:
        """Draft what is known beside it, with the question itself left open."""
        return [self._draft(gap, self._quoted(gap, BELONGS), (gap.name.title,))]

    def _draft(self, gap: FoundGap, quoted: Sequence[Window], asks: tuple[str, ...]) -> AddOverlay:
        language = gap.language or self._window.languages[0]
        told = _FROM.get(language, _FROM["en"])
        parts = [
            f"{one.text.strip()}\n\n*{told.format(title=self._passages[one.chunk_id].title)}*"
            for one in quoted
        ]
        return AddOverlay(
            title=gap.name.title,
            text="\n\n".join(parts) or "…",
            language=language,
            evidence=tuple(
                Evidence(
                    chunk_id=one.chunk_id,
                    document_id=one.document_id,
                    start=one.span.start,
                    end=one.span.end,
                )
                for one in quoted
            ),
            expires_on=self._expires(),
            asks=asks,
        )

    def _quoted(self, gap: FoundGap, least: float) -> list[Window]:
        """Choose what to quote: windows of some score, each text once."""
        found: dict[str, Window] = {}
        for one in gap.diagnosis.evidence:
            if one.score >= least and self._knows(one) and not one.blocked:
                found.setdefault(" ".join(one.text.split()), one)
        return list(found.values())[:QUOTED]

    def _newer_first(self, gap: FoundGap) -> list[Fix]:
        """Let the newer of two contradicting documents come first, or leave the older one out."""
        pair = [one for one in gap.diagnosis.evidence[:2] if self._knows(one)]
        if len(pair) < 2:
            return []
        sources = {self._source(one) for one in pair}
        if len(sources) == 1 and sources <= self._rows:
            return []  # two articles of a list are alike and differ in numbers, as they should
        ordered = newer_first(*(self._passages[one.chunk_id] for one in pair))
        if ordered is None:
            return []
        newer, older = ordered
        return [
            PreferDocument(item=newer.item, over=older.item),
            RetireDocument(item=older.item, in_favour_of=newer.item),
        ]

    def _refreshed(self, gap: FoundGap) -> list[Fix]:
        sources = [self._source(one) for one in gap.diagnosis.evidence if one.attached and self._knows(one)]
        return [RefreshSource(source=sources[0])] if sources else []

    def _asked_for(self, gap: FoundGap, asked: Sequence[ReviewedQuestion]) -> list[Fix]:
        """Ask the steward of the source that holds it, for those who asked in vain."""
        hidden = [one for one in gap.diagnosis.evidence if one.blocked and self._knows(one)]
        if not hidden:
            return []
        source = self._source(hidden[0])
        items = dict.fromkeys(
            self._passages[one.chunk_id].item for one in hidden if self._source(one) == source
        )
        names = {name for one in asked for name in one.readers} - {EVERYONE}
        return [
            GrantReadersRequest(
                source=source, items=tuple(items), readers=tuple(sorted(names)) or (EVERYONE,)
            )
        ]

    def _knows(self, one: Window) -> bool:
        return one.chunk_id in self._passages

    def _source(self, one: Window) -> str:
        return self._passages[one.chunk_id].item.partition(":")[0]

    def _expires(self) -> date:
        return (self._window.now + OVERLAY_FOR).date()
