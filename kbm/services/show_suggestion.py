"""Show a suggestion or a gap to a person: evidence in words, real questions, answers before and after.

What is shown follows who looks: evidence they may not read is named as such with the steward who may, and a question
asked about documents they may not read is shown only where enough people asked (:data:`SHOWN_FROM_PEOPLE`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from kbm.domain.answers import Outcome, Passage
from kbm.domain.documents import EVERYONE, may_read
from kbm.domain.fixes import Evidence
from kbm.domain.identity import ChunkId
from kbm.domain.known_gaps import SHOWN_FROM_PEOPLE, Gap
from kbm.domain.question_log import Logged
from kbm.domain.suggestions import Asked, Change, Replayed, Suggestion
from kbm.services.needs import Documents, Golden, Texts
from kbm.services.review_needs import Gaps, Suggestions


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A piece of evidence. ``text`` is empty where the looker may not read it; ``steward`` then says whom to ask."""

    text: str
    title: str
    item: str
    page: int | None = None
    steward: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAnswer:
    """An answer of a preview; ``quotes`` are what it says, in order."""

    outcome: Outcome
    confidence: float
    quotes: tuple[Quote, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownReplay:
    """A question with its answers without and with the fix; ``question`` is empty where it may not be shown."""

    question: str
    asked: Asked
    change: Change
    before: ShownAnswer
    after: ShownAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSuggestion:
    """All that a person needs to decide. ``n_hidden`` counts questions that may not be shown."""

    suggestion: Suggestion
    gap: Gap | None
    questions: tuple[str, ...]
    n_hidden: int
    evidence: tuple[Quote, ...]
    replayed: tuple[ShownReplay, ...]
    proof_holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownGap:
    """A gap with the questions that may be shown and its evidence."""

    gap: Gap
    questions: tuple[str, ...]
    n_hidden: int
    evidence: tuple[Quote, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowSuggestion:
    """The use case with what it needs. ``stewards`` by source; ``log`` gives a GPT's readable questions."""

    suggestions: Suggestions
    gaps: Gaps
    golden: Golden
    texts: Texts
    documents: Documents
    log: Callable[[str], list[Logged]]
    proof_holds: Callable[[Suggestion], bool]
    stewards: Mapping[str, str]

    def run(self, id: str, readers: frozenset[str]) -> ShownSuggestion:
        """Show a suggestion to somebody for whom these reader names hold.

        Raises:
            NotFound: there is none of that id.
        """
        found = self.suggestions.get(id)
        gap = next((one for one in self.gaps.all(found.gpt) if one.id == found.proposal.gap), None)
        replayed = found.preview.replayed if found.preview else ()
        evidence = [
            *found.proposal.evidence,
            *(one for each in replayed for note in (each.before, each.after) for one in note.quotes),
        ]
        look = self._looker(evidence, readers)
        asked = {one.id: one for one in self.log(found.gpt)}
        shown, n_hidden = self._questions(found.proposal.questions, asked, readers, gap)
        golden = {one.id: one.question for one in self.golden.all(found.gpt)}
        words = {id: one.question for id, one in asked.items() if self._may_show(one, readers, gap)}
        return ShownSuggestion(
            suggestion=found,
            gap=gap,
            questions=shown,
            n_hidden=n_hidden,
            evidence=tuple(look(one) for one in found.proposal.evidence),
            replayed=tuple(_replay(one, {**words, **golden}, look) for one in replayed),
            proof_holds=self.proof_holds(found),
        )

    def gap(self, id: str, readers: frozenset[str]) -> ShownGap:
        """Show a gap.

        Raises:
            NotFound: there is none of that id.
        """
        found = self.gaps.get(id)
        asked = {one.id: one for one in self.log(found.gpt)}
        shown, n_hidden = self._questions(found.members, asked, readers, found)
        look = self._looker(found.evidence, readers)
        return ShownGap(
            gap=found, questions=shown, n_hidden=n_hidden, evidence=tuple(look(one) for one in found.evidence)
        )

    def titles(self, gaps: Sequence[Gap], gpt: str, readers: frozenset[str]) -> dict[str, str]:
        """Give the names of gaps as somebody may see them; keywords where the question may not be shown."""
        asked = {one.id: one for one in self.log(gpt)}
        named = {}
        for one in gaps:
            first = next((asked[id] for id in one.members if id in asked), None)
            hidden = first is None or not self._may_show(first, readers, one)
            named[one.id] = ", ".join(one.name.keywords) if hidden else one.name.title
        return named

    def _questions(
        self, ids: Iterable[str], asked: Mapping[str, Logged], readers: frozenset[str], gap: Gap | None
    ) -> tuple[tuple[str, ...], int]:
        mine = [asked[id] for id in ids if id in asked]
        shown = [one.question for one in mine if self._may_show(one, readers, gap)]
        return tuple(dict.fromkeys(shown)), len(mine) - len(shown)

    def _may_show(self, one: Logged, readers: frozenset[str], gap: Gap | None) -> bool:
        """Tell whether a question may be shown: who asked reads nothing else, or enough people asked."""
        return (
            one.vouched
            or (one.readers or frozenset({EVERYONE})) <= readers
            or (gap is not None and gap.n_people >= SHOWN_FROM_PEOPLE)
        )

    def _looker(self, evidence: Iterable[Evidence], readers: frozenset[str]) -> Callable[[Evidence], Quote]:
        loaded = self.texts.passages(list(dict.fromkeys(one.chunk_id for one in evidence)))
        names = self.documents.visibility().readers
        nothing = Quote(text="", title="", item="")

        def look(one: Evidence) -> Quote:
            found: tuple[int, Passage] | None = loaded.get(ChunkId(one.chunk_id))
            if found is None:
                return nothing
            no, passage = found
            if not may_read(names.get(no, frozenset()), readers):
                return Quote(text="", title="", item="", steward=self.stewards.get(passage.source, ""))
            return Quote(
                text=passage.text[max(0, one.start - passage.start) : max(0, one.end - passage.start)],
                title=passage.title,
                item=f"{passage.source}:{passage.item_id}",
                page=passage.page,
            )

        return look


def _replay(one: Replayed, words: Mapping[str, str], look: Callable[[Evidence], Quote]) -> ShownReplay:
    before, after = (
        ShownAnswer(
            outcome=note.outcome,
            confidence=note.confidence,
            quotes=tuple(look(each) for each in note.quotes),
        )
        for note in (one.before, one.after)
    )
    return ShownReplay(
        question=words.get(one.question, ""), asked=one.asked, change=one.change, before=before, after=after
    )
