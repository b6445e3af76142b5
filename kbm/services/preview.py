"""Prove what a fix would change: ask the same questions of the next release without it and with it.

Both are shadows over the company index, so nothing is built and the comparison is exact: the same documents, readers
and rules but for the fix. Replayed are the questions it is for, the nearest of those that are answered well, and all
golden questions. Nothing of it is logged as asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from kbm.domain.answers import Answer
from kbm.domain.catalogue import CurrentVersion
from kbm.domain.documents import EVERYONE
from kbm.domain.evaluation import GoldenQuestion, GoldenState, judge
from kbm.domain.fixes import AddOverlay, AdjustThreshold, AttachSource, Evidence, Fix, Route, fix_digest
from kbm.domain.identity import Digest, digest, document_id
from kbm.domain.internal import drafts_of, overlays_of
from kbm.domain.question_log import Logged
from kbm.domain.releases import Release
from kbm.domain.replay import of_gap, of_golden, of_healthy
from kbm.domain.suggestions import AnswerNote, Asked, Change, Preview, Replayed, Suggestion
from kbm.errors import DecisionConflict, NothingLive
from kbm.ports import Clock, Embedder, Vectors
from kbm.services.approvals import replaced_by, targets_of, with_fix
from kbm.services.ask import Ask
from kbm.services.build import Build, GptToBuild
from kbm.services.company_index import CompanyIndex
from kbm.services.needs import Documents, Golden, Releases
from kbm.services.retrieve import Caller, Retrieve, Retrieved
from kbm.services.shadow import Shadow, holds

GAP_QUESTIONS = 40
HEALTHY_NEAR = 60
HEALTHY_READ = 500
"""Questions of a gap that are replayed at most; healthy ones replayed, and looked through for the nearest."""

HITS = 10


@dataclass(slots=True, kw_only=True)
class Basis:
    """What the previews of one review share: the questions, and what is answered without any fix."""

    gpt: GptToBuild
    live: Release
    company: Release
    base: Digest
    numbers: frozenset[int]
    asked: Mapping[str, Logged]
    healthy: Sequence[Logged]
    vectors: Vectors
    golden: Sequence[GoldenQuestion]
    before: dict[tuple[str, frozenset[str]], tuple[AnswerNote, Answer, Retrieved]] = field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewFix:
    """The use case with what it needs."""

    company: CompanyIndex
    documents: Documents
    releases: Releases
    golden: Golden
    build: Build
    retrieve: Retrieve
    ask: Ask
    embedder: Embedder | None
    clock: Clock

    def basis(self, gpt: GptToBuild, log: Sequence[Logged]) -> Basis:
        """Prepare what a GPT's previews share; *log* are its questions that are still readable.

        Raises:
            NothingLive: nothing of the GPT is live, so there is nothing to compare with.
        """
        live = self.releases.live(gpt.name)
        if live is None:
            raise NothingLive(
                f"nothing of {gpt.name} is live, so nothing can be compared with it",
                hint=f"kbm nightly {gpt.name}",
            )
        healthy = _distinct([one for one in log if not one.failed and one.confidence is not None])
        vectors = np.zeros((len(healthy), 0), dtype=np.float32)
        if self.embedder is not None and healthy:
            vectors = self.embedder.embed([one.question for one in healthy], "question")
        return Basis(
            gpt=gpt,
            live=live,
            company=self.company.newest(),
            base=self.base(gpt, live),
            numbers=frozenset(self._numbers(gpt, live)),
            asked={one.id: one for one in log},
            healthy=healthy,
            vectors=vectors,
            golden=[
                one
                for one in self.golden.all(gpt.name)
                if one.state is GoldenState.CONFIRMED and one.answerable
            ],
        )

    def base(self, gpt: GptToBuild, live: Release) -> Digest:
        """Name what a proof is made over: the documents of the next release, who may read them, and its rules.

        Of what was approved only that counts which is live: each approval is proved for itself, and the gate
        proves all of them together.
        """
        readers = self.documents.visibility().readers
        held = self._held(gpt, live)
        lines = sorted(f"{one.version_id} {sorted(readers.get(one.document_no, ()))}" for one in held)
        rules = live.approved.rules(gpt.answer_spec)
        return digest("preview-base", json.dumps(lines), rules.digest, gpt.index_spec.digest)

    def run(self, basis: Basis, one: Suggestion) -> Preview | None:
        """Prove a fix that goes into a release; None for one that does not.

        Raises:
            DecisionConflict: a draft that it needs is not stored.
        """
        if one.route is not Route.RELEASE:
            return None
        before, after = self._shadow(basis, None, one), self._shadow(basis, one.fix, one)
        draft = f"{drafts_of(one.gpt)}:{one.id}"
        targets, replaced = targets_of(one.fix, draft), replaced_by(one.fix)
        replayed = []
        mine = [basis.asked[id] for id in one.proposal.questions if id in basis.asked][:GAP_QUESTIONS]
        for each in mine:
            was, now = self._pair(basis, before, after, each.question, _readers(each))
            replayed.append(_replayed(each.id, Asked.GAP, was, now, of_gap(was, now, targets)))
        for each in self._nearest(basis, mine):
            was, now = self._pair(basis, before, after, each.question, _readers(each))
            replayed.append(_replayed(each.id, Asked.HEALTHY, was, now, of_healthy(was, now, replaced)))
        replayed += [self._golden(basis, before, after, golden, replaced) for golden in basis.golden]
        return Preview(
            base=basis.base, fix=fix_digest(one.fix), made_at=self.clock.now(), replayed=tuple(replayed)
        )

    def _golden(
        self,
        basis: Basis,
        before: Shadow,
        after: Shadow,
        golden: GoldenQuestion,
        replaced: Sequence[str],
    ) -> Replayed:
        readers = frozenset({EVERYONE, *golden.readers})
        was, said, found = self._before(basis, before, golden.question, readers)
        now, says, finds = self._asked(after, golden.question, readers)
        # What takes the place of an expected document counts as that document.
        expected = replace(golden, expected=(*golden.expected, *_stand_in(golden, replaced, now)))
        passed = [_passed(expected, answer, hits) for answer, hits in ((said, found), (says, finds))]
        return _replayed(golden.id, Asked.GOLDEN, was, now, of_golden(*passed))

    def _shadow(self, basis: Basis, fix: Fix | None, one: Suggestion) -> Shadow:
        gpt, live = basis.gpt, basis.live
        approved, numbers, calibration = live.approved, set(basis.numbers), live.calibration
        if fix is not None:
            approved = with_fix(approved, fix, gpt.answer_spec, gpt.sources)
            numbers = self._with(numbers, fix, one, approved.without)
            if isinstance(fix, AdjustThreshold) and calibration is not None:
                calibration = calibration.losing(fix.lose)
        rules = replace(
            basis.company,
            gpt=gpt.name,
            version=live.version,
            answer_spec=approved.rules(gpt.answer_spec),
            calibration=calibration,
        )
        return Shadow(company=basis.company, rules=rules, holds=holds(numbers))

    def _with(self, numbers: set[int], fix: Fix, one: Suggestion, without: Sequence[str]) -> set[int]:
        match fix:
            case AddOverlay():
                draft = self.documents.document(document_id(drafts_of(one.gpt), one.id))
                if draft is None or not draft.present:
                    raise DecisionConflict(f"the draft of suggestion {one.id} is gone", hint="kbm review")
                return numbers | {draft.no}
            case AttachSource(source=source):
                return numbers | {each.document_no for each in self.documents.current_versions([source])}
        gone = set()
        for item in without:
            source, _, item_id = item.partition(":")
            record = self.documents.document(document_id(source, item_id))
            if record is not None:
                gone.add(record.no)
        return numbers - gone

    def _numbers(self, gpt: GptToBuild, live: Release) -> set[int]:
        return {one.document_no for one in self._held(gpt, live)}

    def _held(self, gpt: GptToBuild, live: Release) -> list[CurrentVersion]:
        as_live = replace(gpt, approved=live.approved)
        written = overlays_of(gpt.name)
        return [
            one
            for one in self.build.current(as_live)
            if one.source != written or one.item_id in live.approved.suggestions
        ]

    def _pair(
        self, basis: Basis, before: Shadow, after: Shadow, question: str, readers: frozenset[str]
    ) -> tuple[AnswerNote, AnswerNote]:
        return self._before(basis, before, question, readers)[0], self._asked(after, question, readers)[0]

    def _before(
        self, basis: Basis, shadow: Shadow, question: str, readers: frozenset[str]
    ) -> tuple[AnswerNote, Answer, Retrieved]:
        key = question, readers
        if key not in basis.before:
            basis.before[key] = self._asked(shadow, question, readers)
        return basis.before[key]

    def _asked(
        self, shadow: Shadow, question: str, readers: frozenset[str]
    ) -> tuple[AnswerNote, Answer, Retrieved]:
        found = self.retrieve.shadow(shadow, question, Caller(readers=readers), k=HITS)
        made = self.ask.answer(found)
        return _note(made), made, found

    def _nearest(self, basis: Basis, mine: Sequence[Logged]) -> list[Logged]:
        """Give the healthy questions most like those of the gap, nearest first; without an embedder the newest."""
        if self.embedder is None or not mine or not len(basis.healthy):
            return list(basis.healthy[:HEALTHY_NEAR])
        middle = self.embedder.embed([one.question for one in mine[:10]], "question").mean(axis=0)
        order = np.argsort(-(basis.vectors @ middle), kind="stable")[:HEALTHY_NEAR]
        return [basis.healthy[at] for at in order]


def _distinct(log: Sequence[Logged]) -> list[Logged]:
    """Keep one of those asked in the same words by the same readers, at most so many."""
    found: dict[tuple[str, frozenset[str]], Logged] = {}
    for one in log:
        found.setdefault((one.question, one.readers), one)
    return list(found.values())[:HEALTHY_READ]


def _readers(one: Logged) -> frozenset[str]:
    return one.readers or frozenset({EVERYONE})


def _replayed(id: str, asked: Asked, before: AnswerNote, after: AnswerNote, change: Change) -> Replayed:
    return Replayed(question=id, asked=asked, before=before, after=after, change=change)


def _note(made: Answer) -> AnswerNote:
    """Keep of an answer what it rests on, and no text."""
    return AnswerNote(
        outcome=made.outcome,
        confidence=made.confidence,
        quotes=tuple(
            Evidence(
                chunk_id=one.passage.chunk_id,
                document_id=one.passage.document_id,
                start=one.passage.start + one.start,
                end=one.passage.start + one.end,
            )
            for one in made.citations
        ),
        items=tuple(dict.fromkeys(f"{one.passage.source}:{one.passage.item_id}" for one in made.citations)),
    )


def _stand_in(golden: GoldenQuestion, replaced: Sequence[str], now: AnswerNote) -> tuple[str, ...]:
    return now.items[:1] if any(item in golden.expected for item in replaced) else ()


def _passed(golden: GoldenQuestion, made: Answer, found: Retrieved) -> bool:
    items = list(dict.fromkeys(f"{one.source}:{one.item_id}" for one in found.passages))
    return judge(
        golden,
        items,
        made.text,
        answered=made.outcome.shown,
        cited=all(one.citations for one in made.sentences),
    ).passed
