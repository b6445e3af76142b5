"""Failures planted into a question set, so that the true cause of every gap is known.

A gap is a passage with its questions. Passages are removed (alone, or with their whole topic), detached from the GPT,
hidden from who asks, aged, contradicted by a copy with other answers, cut down to their first sentence, or put at the
end of an oversized chunk that an embedder reads the start of; some stay as they are. What a GPT's search gives is
ranked by the vectors and the words of such chunks. A chunk that is found all the same is no failure, and a passage
that is missed although nothing was done to it is one: both are left out.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from kbm_agents.clustering import group_questions
from kbm_agents.diagnosis import FIRST_HITS, diagnose
from kbm_agents.evidence import find_evidence
from kbm_agents.words import word_vectors

from bench.corpora import Corpus
from bench.gap_mixes import made_up_pools, mix_pools
from kbm.domain.gaps import Cause, Diagnosis, EvidenceChunk, FailedQuestion, QuestionEvidence
from kbm.domain.identity import ChunkId, DocumentId
from kbm.domain.sentences import split_sentences
from kbm.ports import Embedder

CLASSES = (
    "answerable",
    "missing",
    "wrong_scope",
    "retrieval_miss",
    "stale",
    "conflict",
    "off_topic",
)
"""What the balanced accuracy is taken over; ``thin`` and ``blocked`` are told apart."""
APART = ("thin", "blocked")
ROLES = (
    "answerable", "missing", "wrong_scope", "retrieval_miss", "stale", "conflict", "thin", "blocked",
)  # fmt: skip
_GONE_TOPICS = 0.12
_FILLERS = 10
_RANKED = 20


@dataclass(slots=True, kw_only=True)
class Planted:
    """A knowledge base with faults: question ids by gap, the true class of each gap, and the evidence."""

    gaps: dict[str, list[str]]
    truth: dict[str, str]
    sisters: set[str]
    """Gaps whose passage is missing while others of its topic stay."""
    questions: list[FailedQuestion]
    evidence: dict[str, QuestionEvidence]
    vectors: np.ndarray | None


def said(found: Diagnosis) -> str:
    """Give the class that a diagnosis names."""
    return "answerable" if found.cause is Cause.THIN and found.covered else found.cause.value


def plant(corpus: Corpus, seed: int, embedder: Embedder | None) -> Planted:
    """Plant one cause per gap and collect the evidence, over real vectors or words alone."""
    chance = random.Random(f"{corpus.name}-{seed}")
    asked: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for question in corpus.questions:
        for name in question.gold:
            asked.setdefault(name, []).append((question.text, question.answers))
    topics = sorted({group for _, _, _, group in corpus.documents})
    gone = set(chance.sample(topics, max(1, round(_GONE_TOPICS * len(topics)))))
    documents = {name: (title, text, group) for name, title, text, group in corpus.documents}
    names = [name for name in sorted(documents) if len(asked.get(name, ())) >= 2]
    chance.shuffle(names)
    staying = [name for name in names if documents[name][2] not in gone]
    role = {name: ROLES[at % len(ROLES)] for at, name in enumerate(staying)}
    role |= {name: "missing" for name in names if documents[name][2] in gone}
    chunks: list[EvidenceChunk] = []
    gaps: dict[str, list[str]] = {}
    questions: list[FailedQuestion] = []
    everyone = [answer for rows in asked.values() for _, answers in rows for answer in answers[:1]]
    fillers = [name for name in staying if role[name] == "answerable"]
    for name, (title, text, group) in sorted(documents.items()):
        kept = asked.get(name, [])
        body, is_role = text, role.get(name, "")
        if group in gone or is_role == "missing":
            body = ""
        elif is_role == "thin":
            first = split_sentences(text)[0]
            body = text[first.start : first.end]
            kept = [(asks, answers) for asks, answers in kept if not any(one in body for one in answers)]
        elif is_role == "retrieval_miss":
            before = chance.sample(fillers, min(_FILLERS, len(fillers)))
            title = documents[before[0]][0]
            body = "\n".join([*(documents[one][1] for one in before), text])
        elif is_role == "conflict":
            other = _contradicted(text, kept, everyone, chance)
            chunks.append(_chunk(f"{name}-copy", title, other))
        if body:
            one = _chunk(name, title, body)
            chunks.append(replace(one, attached=is_role != "wrong_scope", outdated=is_role == "stale"))
        if name in role and kept:
            gaps[name] = [f"{name}#{at}" for at in range(len(kept))]
            questions += [FailedQuestion(id=f"{name}#{at}", text=asks) for at, (asks, _) in enumerate(kept)]
    for intent, texts in _off_topic(corpus.name, chance):
        gaps[intent] = [f"{intent}#{at}" for at in range(len(texts))]
        questions += [FailedQuestion(id=f"{intent}#{at}", text=text) for at, text in enumerate(texts)]
    hidden = {DocumentId(name) for name, found in role.items() if found == "blocked"}
    vectors, evidence = _collected(questions, chunks, hidden, embedder)
    truth = {gap: role.get(gap, "off_topic") for gap in gaps}
    if embedder is not None:
        missed = {gap: _is_missed(gap, ids, evidence) for gap, ids in gaps.items()}
        without_effect = {"retrieval_miss": False, "answerable": True}
        gaps = {gap: ids for gap, ids in gaps.items() if without_effect.get(truth[gap]) is not missed[gap]}
        truth = {gap: truth[gap] for gap in gaps}
        questions = [one for one in questions if one.id.rpartition("#")[0] in gaps]
    return Planted(
        gaps=gaps,
        truth=truth,
        sisters={gap for gap in gaps if truth[gap] == "missing" and documents[gap][2] not in gone},
        questions=questions,
        evidence=evidence,
        vectors=vectors,
    )


def _is_missed(gap: str, ids: Sequence[str], evidence: Mapping[str, QuestionEvidence]) -> bool:
    """Tell whether the search misses the passage for at least half of its questions."""
    found = [DocumentId(gap) in evidence[id].ranked[:FIRST_HITS] for id in ids]
    return sum(found) <= len(found) / 2


def _collected(
    questions: Sequence[FailedQuestion],
    chunks: Sequence[EvidenceChunk],
    hidden: set[DocumentId],
    embedder: Embedder | None,
) -> tuple[np.ndarray | None, dict[str, QuestionEvidence]]:
    if embedder is None:
        found = find_evidence(
            questions, None, chunks, None, None, may_read=lambda _, document: document not in hidden
        )
        return None, {one.question: one for one in found}
    asked = embedder.embed([one.text for one in questions], "question")
    passages = embedder.embed([f"{one.heading}\n{one.text}" for one in chunks], "passage")
    open_to_search = [at for at, one in enumerate(chunks) if one.attached and one.document_id not in hidden]
    by_words = word_vectors([one.text for one in questions] + [chunks[at].text for at in open_to_search])
    likeness = asked @ passages[open_to_search].T
    likeness += by_words[: len(questions)] @ by_words[len(questions) :].T
    order = np.argsort(-likeness, axis=1)[:, :_RANKED]
    ranked = {
        one.id: [chunks[open_to_search[at]].document_id for at in order[row]]
        for row, one in enumerate(questions)
    }
    found = find_evidence(
        questions,
        asked,
        chunks,
        passages,
        lambda texts: embedder.embed(texts, "passage"),
        may_read=lambda _, document: document not in hidden,
        ranked=lambda id: ranked[id],
    )
    return asked, {one.question: one for one in found}


def on_true_groups(planted: Planted, *, embedded: bool) -> list[tuple[str, str, str]]:
    """Diagnose the gaps as planted; gives (gap, true class, said class)."""
    found = []
    for gap, ids in planted.gaps.items():
        diagnosis = diagnose([planted.evidence[id] for id in ids], embedded=embedded)
        found.append((gap, planted.truth[gap], said(diagnosis)))
    return found


def on_found_groups(planted: Planted, *, embedded: bool) -> list[tuple[str, str, str]]:
    """Diagnose the gaps that clustering finds; a group's true class is that of most of its questions."""
    class_of = {id: planted.truth[gap] for gap, ids in planted.gaps.items() for id in ids}
    found = []
    for group in group_questions(planted.questions, planted.vectors).groups:
        classes = [class_of[id] for id in group.members]
        truth = max(sorted(set(classes)), key=classes.count)
        diagnosis = diagnose([planted.evidence[id] for id in group.members], embedded=embedded)
        found.append((group.id, truth, said(diagnosis)))
    return found


def balanced(found: Sequence[tuple[str, str, str]], classes: Sequence[str] = CLASSES) -> float:
    """Give the mean of the recalls of *classes* that occur."""
    recalls = [recall(found, name) for name in classes if any(truth == name for _, truth, _ in found)]
    return float(np.mean(recalls)) if recalls else 0.0


def recall(found: Sequence[tuple[str, str, str]], name: str) -> float:
    """Give the share of the gaps of a class that were named so."""
    own = [named == truth for _, truth, named in found if truth == name]
    return float(np.mean(own)) if own else 0.0


def _chunk(name: str, title: str, text: str) -> EvidenceChunk:
    return EvidenceChunk(
        chunk_id=ChunkId(name),
        document_id=DocumentId(name),
        text=text,
        heading=title,
        n_words=len(text.split()),
    )


def _contradicted(
    text: str, asked: Sequence[tuple[str, tuple[str, ...]]], others: Sequence[str], chance: random.Random
) -> str:
    """Give the passage with other answers: numbers changed, names and words exchanged."""
    for _, answers in asked:
        for answer in answers[:1]:
            if re.search(r"\d", answer):
                other = re.sub(r"\d", lambda found: str((int(found.group()) + 3) % 9 + 1), answer)
            else:
                other = chance.choice(others)
            text = text.replace(answer, other)
    return text


def _off_topic(language: str, chance: random.Random) -> list[tuple[str, list[str]]]:
    pools = {"en": mix_pools, "de": made_up_pools}.get(language)
    if pools is None:
        return []
    found = pools()
    chosen = chance.sample(sorted(found), min(10, len(found)))
    return [(name, chance.sample(found[name], min(4, len(found[name])))) for name in chosen]
