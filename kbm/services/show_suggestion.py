"""Show a suggestion or a gap to a person: evidence in words, real questions, answers before and after.

What is shown follows who looks: evidence they may not read is named as such with the steward who may, and a question
asked about documents they may not read is shown only where enough people asked (:data:`SHOWN_FROM_PEOPLE`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from kbm.domain.answers import Outcome, Passage
from kbm.domain.documents import EVERYONE, may_read
from kbm.domain.fixes import Evidence, Fix
from kbm.domain.identity import ChunkId, DocumentId, document_id
from kbm.domain.known_gaps import SHOWN_FROM_PEOPLE, Gap
from kbm.domain.question_log import Logged
from kbm.domain.suggestions import Asked, Change, Replayed, Suggestion
from kbm.services.needs import Documents, Golden, Texts
from kbm.services.review_needs import Gaps, Suggestions
from kbm.services.shown_fix import HIDDEN, shown_fix


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
    """All that a person needs to decide. ``n_hidden`` counts questions that may not be shown.

    ``fix`` and ``about`` are those of the suggestion without what may not be shown.
    """

    suggestion: Suggestion
    fix: Fix
    about: tuple[str, ...]
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
            fix=self.fixes(found.gpt, [found], readers)[id],
            about=tuple(one if self._reads_item(one, readers) else HIDDEN for one in found.proposal.about),
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

    def fixes(self, gpt: str, some: Sequence[Suggestion], readers: frozenset[str]) -> dict[str, Fix]:
        """Give what suggestions of a GPT would do, by id, as somebody may see it."""
        gaps = {one.id: one for one in self.gaps.all(gpt)} if some else {}
        titles = self.titles([*gaps.values()], gpt, readers)

        def shown(one: Suggestion) -> Fix:
            gap = gaps.get(one.proposal.gap)

            def in_words(text: str) -> str:
                return titles[gap.id] if gap is not None and text == gap.name.title else text

            return shown_fix(
                one.fix,
                reads=lambda each: self._reads(each.document_id, readers),
                reads_item=lambda name: self._reads_item(name, readers),
                in_words=in_words,
            )

        return {one.id: shown(one) for one in some}

    def _reads_item(self, name: str, readers: frozenset[str]) -> bool:
        """Tell whether somebody may read an item; what is none is a name that may be said."""
        source, colon, item_id = name.partition(":")
        return not colon or self._reads(document_id(source, item_id), readers)

    def _reads(self, id: DocumentId, readers: frozenset[str]) -> bool:
        record = self.documents.document(id)
        return record is not None and record.present and may_read(record.readers, readers)

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
            or (gap is not None and one.id in gap.members and gap.n_people >= SHOWN_FROM_PEOPLE)
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
