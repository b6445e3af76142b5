"""Failed questions as gaps: grouped, named, matched to those of earlier nights, diagnosed, with what may help."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from kbm.domain.documents import EVERYONE
from kbm.domain.gaps import Cause, Diagnosis, EvidenceChunk, FailedQuestion, Group, QuestionEvidence
from kbm.domain.identity import ChunkId, DocumentId
from kbm.domain.language import guess_language
from kbm.domain.review import Findings, FoundGap, Near, ReviewedQuestion, ReviewWindow
from kbm.ports import Lookup, Vectors
from kbm_agents.asking_a_model import answers_it, title
from kbm_agents.clustering import group_questions
from kbm_agents.diagnosis import diagnose
from kbm_agents.drafting import Drafting
from kbm_agents.evidence import find_evidence
from kbm_agents.freshness import is_old
from kbm_agents.identity import match_gaps
from kbm_agents.naming import name_groups

PROBES = 12
"""Questions of a gap that evidence is looked for: the most central ones, which speak for all."""

NEAR = 12
"""Passages looked into per question, of the GPT's own and of others."""


ASKED_ABOUT = 20
"""Groups that a chat model is asked about, the largest first."""

JUDGED, NEAR_ENOUGH = 3, 0.3
"""Questions of a group whose best passage it judges, and the score from which on that is worth asking."""

CENTRAL, OTHERS = 8, 6
"""Questions of a group, and groups beside it, that it words a title from."""

_DOUBTFUL = frozenset({Cause.MISSING, Cause.THIN, Cause.RETRIEVAL_MISS})


class GapsDetector:
    """Groups what failed and says why; the only detector that gives gaps."""

    name: ClassVar[str] = "gaps"

    def review(self, window: ReviewWindow, lookup: Lookup) -> Findings:
        """Find gaps, and for each what may close it, the likeliest first."""
        asked = {one.id: one for one in window.failed}
        failed = [FailedQuestion(id=one.id, text=one.text, n_asked=one.n_asked) for one in asked.values()]
        vectors = lookup.embed([one.text for one in failed], "question") if window.dense and failed else None
        grouping = group_questions(failed, vectors)
        matches = {one.group: one for one in match_gaps(grouping.groups, window.known_gaps)}
        names = name_groups(grouping.groups, {one.id: one.text for one in failed})
        gap_of = {group: one.gap for group, one in matches.items()}
        looking = _Looking.into(grouping.groups, failed, vectors, asked, window, lookup)
        found, proposals = [], []
        drafting = Drafting(window, looking.passages)
        diagnoses = _diagnosed(grouping.groups, looking.evidence, asked, window, lookup)
        for group in grouping.groups:
            match = matches[group.id]
            gap = FoundGap(
                id=match.gap,
                name=names[group.id],
                theme=group.theme,
                diagnosis=diagnoses[group.id],
                members=group.members,
                central=group.central,
                n_asked=group.n_asked,
                language=guess_language(" ".join(asked[id].text for id in group.central)) or "",
                parents=match.parents,
                dismissed_at=match.dismissed_at,
                centroid=group.centroid,
            )
            found.append(_titled(gap, grouping.groups, asked, lookup))
            if gap.dismissed_at is None:
                proposals += drafting.proposals(gap, [asked[id] for id in gap.members])
        themes = [
            type(one)(id=one.id, groups=tuple(gap_of[id] for id in one.groups), n_asked=one.n_asked)
            for one in grouping.themes
        ]
        figures = {"gaps": float(len(found)), "in_gaps": _share(grouping.groups, failed)}
        return Findings(
            proposals=tuple(proposals),
            gaps=tuple(found),
            themes=tuple(themes),
            rare=grouping.rare,
            figures=figures,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looking:
    """What there is on the probes of each group, and the passages that were looked into."""

    evidence: Mapping[str, Sequence[QuestionEvidence]]
    passages: Mapping[ChunkId, Near] = field(repr=False)

    @classmethod
    def into(
        cls,
        groups: Sequence[Group],
        failed: Sequence[FailedQuestion],
        vectors: Vectors | None,
        asked: Mapping[str, ReviewedQuestion],
        window: ReviewWindow,
        lookup: Lookup,
    ) -> _Looking:
        """Look up passages for all probes at once: words are then as rare as they are over many topics."""
        place = {one.id: at for at, one in enumerate(failed)}
        probes = {group.id: _probes(group) for group in groups}
        ids = [id for of_group in probes.values() for id in of_group]
        near = (
            dict(zip(ids, lookup.nearest([asked[id].text for id in ids], NEAR), strict=True)) if ids else {}
        )
        passages = {one.chunk_id: one for some in near.values() for one in some}
        documents = {one.id: one for one in window.documents}
        chunks = [
            EvidenceChunk(
                chunk_id=one.chunk_id,
                document_id=one.document_id,
                text=one.text,
                start=one.span.start,
                heading=one.title,
                attached=one.attached,
                outdated=one.document_id in documents and is_old(documents[one.document_id], window.now),
                n_words=documents[one.document_id].n_words if one.document_id in documents else 0,
            )
            for _, one in sorted(passages.items())
        ]
        readers = {one.document_id: one.readers for one in passages.values()}

        def may_read(question: str, document: DocumentId) -> bool:
            names = asked[question].readers or frozenset({EVERYONE})
            return bool(readers[document] & (names | {EVERYONE}))

        def ranked(question: str) -> list[DocumentId]:
            own = [one for one in near[question] if one.attached and may_read(question, one.document_id)]
            return list(dict.fromkeys(one.document_id for one in own))

        evidence = find_evidence(
            [failed[place[id]] for id in ids],
            None if vectors is None else vectors[[place[id] for id in ids]],
            chunks,
            None if vectors is None or not chunks else lookup.vectors([one.chunk_id for one in chunks]),
            (lambda texts: lookup.embed(texts, "passage")) if vectors is not None else None,
            may_read=may_read,
            ranked=ranked,
        )
        of_question = dict(zip(ids, evidence, strict=True))
        return cls(
            evidence={group: [of_question[id] for id in some] for group, some in probes.items()},
            passages=passages,
        )


def _diagnosed(
    groups: Sequence[Group],
    evidence: Mapping[str, Sequence[QuestionEvidence]],
    asked: Mapping[str, ReviewedQuestion],
    window: ReviewWindow,
    lookup: Lookup,
) -> dict[str, Diagnosis]:
    """Find the cause of each group, and let a chat model, if there is one, look at the doubtful ones."""
    found = {group.id: diagnose(evidence[group.id], embedded=window.dense) for group in groups}
    for group in groups[:ASKED_ABOUT]:
        if found[group.id].cause not in _DOUBTFUL:
            continue
        told = list(_told(evidence[group.id], asked, lookup))
        if any(one.answers is not None for one in told):
            found[group.id] = diagnose(told, embedded=window.dense)
    return found


def _told(
    evidence: Sequence[QuestionEvidence], asked: Mapping[str, ReviewedQuestion], lookup: Lookup
) -> Iterator[QuestionEvidence]:
    """Have the best window of the first few questions judged, of those that this GPT answers from."""
    n = 0
    for one in evidence:
        best = next((each for each in one.windows if each.attached and not each.blocked), None)
        if best is None or best.score < NEAR_ENOUGH or n == JUDGED:
            yield one
            continue
        n += 1
        yield replace(one, answers=answers_it(lookup, asked[one.question].text, best.text))


def _titled(
    gap: FoundGap, groups: Sequence[Group], asked: Mapping[str, ReviewedQuestion], lookup: Lookup
) -> FoundGap:
    """Name a gap by a chat model, if there is one; what is drafted for it keeps the words of those who asked."""
    place = next(at for at, one in enumerate(groups) if one.members == gap.members)
    if place >= ASKED_ABOUT:
        return gap
    central = [asked[id].text for id in gap.central[:CENTRAL]]
    others = [asked[one.central[0]].text for one in groups[:OTHERS] if one.members != gap.members]
    named = title(lookup, central, others, gap.language)
    return gap if named is None else replace(gap, name=replace(gap.name, title=named))


def _probes(group: Group) -> list[str]:
    return list(dict.fromkeys((*group.central, *group.members)))[:PROBES]


def _share(groups: Sequence[Group], failed: Sequence[FailedQuestion]) -> float:
    total = sum(one.n_asked for one in failed)
    return round(sum(one.n_asked for one in groups) / total, 4) if total else 0.0
