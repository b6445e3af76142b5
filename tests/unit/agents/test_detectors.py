"""What the smaller agents find in a window, and what they leave alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from kbm_agents.conflicts import ConflictsDetector, DuplicatesDetector
from kbm_agents.coverage import CoverageDetector
from kbm_agents.drift import DriftDetector
from kbm_agents.freshness import FreshnessDetector
from kbm_agents.health import HealthDetector
from kbm_agents.passages import newer_first

from kbm.domain.answers import Outcome
from kbm.domain.documents import Span
from kbm.domain.fixes import AddGoldenQuestions, PreferDocument, RefreshSource, Reparse
from kbm.domain.identity import ChunkId, DocumentId
from kbm.domain.review import (
    Near,
    Pair,
    ReviewedDocument,
    ReviewedQuestion,
    ReviewedSource,
    ReviewWindow,
)
from kbm.ports import Vectors

NOW = datetime(2026, 11, 2, tzinfo=UTC)


class Lookup:
    """Gives the pairs it was made with, and nothing else."""

    def __init__(self, pairs: Sequence[Pair] = ()) -> None:
        self._pairs = list(pairs)

    def nearest(self, questions: Sequence[str], k: int) -> list[list[Near]]:
        return [[] for _ in questions]

    def pairs(self, cosine: float) -> list[Pair]:
        return self._pairs

    def vectors(self, chunks: Sequence[ChunkId]) -> Vectors:
        return np.zeros((len(chunks), 0), dtype=np.float32)

    def embed(self, texts: Sequence[str], purpose: str) -> Vectors:
        return np.zeros((len(texts), 0), dtype=np.float32)

    def weights(self, words: Sequence[str]) -> list[float]:
        return [1.0 for _ in words]

    def complete(self, prompt: str, *, max_tokens: int) -> str | None:
        return None


def document(name: str, **more: object) -> ReviewedDocument:
    made = {"id": DocumentId(name), "source": "docs", "item_id": name, "title": name, "attached": True}
    return ReviewedDocument(**{**made, **more})  # type: ignore[arg-type]


def question(
    id: str, *, failed: bool = False, cited: str = "", days: int = 1, **more: object
) -> ReviewedQuestion:
    made: dict[str, object] = {
        "id": id,
        "text": f"how heavy is the press {id}",
        "asked_at": NOW - timedelta(days=days),
        "failed": failed,
        "outcome": Outcome.UNANSWERED if failed else Outcome.ANSWERED,
        "confidence": 0.2 if failed else 0.95,
        "cited": (DocumentId(cited),) if cited else (),
        "hits": (DocumentId(cited),) if cited else (),
    }
    return ReviewedQuestion(**{**made, **more})  # type: ignore[arg-type]


def window(**more: object) -> ReviewWindow:
    made = {
        "gpt": "helper",
        "title": "Helper",
        "now": NOW,
        "days": 90,
        "languages": ("en",),
        "readers": frozenset({"everyone"}),
        "release": "1.0.0",
    }
    return ReviewWindow(**{**made, **more})  # type: ignore[arg-type]


def near(item: str, text: str, *, days: int | None = 0) -> Near:
    return Near(
        chunk_id=ChunkId(item),
        document_id=DocumentId(item),
        item=item,
        title=item,
        span=Span(0, len(text)),
        text=text,
        score=1.0,
        attached=True,
        readers=frozenset({"everyone"}),
        modified=None if days is None else NOW - timedelta(days=days),
    )


def test_a_document_past_its_limit_counts_only_where_answers_rest_on_it() -> None:
    old = {"modified": NOW - timedelta(days=400), "max_age_h": 24 * 365}
    documents = (document("cited", n_cited=3, **old), document("forgotten", source="archive", **old))
    found = FreshnessDetector().review(
        window(documents=documents, questions=(question("a", cited="cited"),)), Lookup()
    )

    assert [one.fix for one in found.proposals] == [RefreshSource(source="docs")]
    assert found.proposals[0].questions == ("a",)


def test_a_source_that_failed_is_to_be_read_anew_and_what_crashed_is_tried_again() -> None:
    sources = (ReviewedSource(name="docs", kind="files", attached=True, last_error="no answer"),)
    documents = (
        document("crashed", reason="crashed"),
        document("locked", reason="encrypted"),
        document("holes", poorly_read=True),
    )
    found = HealthDetector().review(window(sources=sources, documents=documents), Lookup())

    assert [one.fix for one in found.proposals] == [
        RefreshSource(source="docs"),
        Reparse(items=("docs:holes",)),
        Reparse(items=("docs:crashed",)),
    ]


def test_a_source_without_golden_questions_gets_those_that_were_answered_surely() -> None:
    documents = (document("press", n_cited=2),)
    questions = (question("a", cited="press"), question("b", cited="press", failed=True))
    found = CoverageDetector().review(window(documents=documents, questions=questions), Lookup())
    fixes = [one.fix for one in found.proposals]

    assert len(fixes) == 1
    assert isinstance(fixes[0], AddGoldenQuestions)
    assert [(one.question, one.expected) for one in fixes[0].questions][:1] == [
        ("how heavy is the press a", ("docs:press",))
    ]


def test_more_failures_than_before_raise_an_alarm_and_as_many_do_not() -> None:
    before = [question(f"b{n}", days=20, failed=n % 10 == 0) for n in range(60)]
    worse = [question(f"w{n}", failed=n % 2 == 0) for n in range(40)]
    same = [question(f"s{n}", failed=n % 10 == 0) for n in range(40)]

    assert DriftDetector().review(window(questions=(*before, *worse)), Lookup()).figures["alarm_failed"] == 1
    assert DriftDetector().review(window(questions=(*before, *same)), Lookup()).figures["alarm_failed"] == 0


def test_the_newer_of_two_contradicting_documents_is_to_come_first() -> None:
    new = near("docs:rule_v4", "The warranty of the press lasts 24 months after delivery.")
    old = near("docs:rule_v3", "The warranty of the press lasts 12 months after delivery.")
    questions = (question("a", cited="docs:rule_v3"),)
    found = ConflictsDetector().review(
        window(questions=questions), Lookup([Pair(newer=old, older=new, cosine=0.95)])
    )

    assert [one.fix for one in found.proposals] == [PreferDocument(item="docs:rule_v4", over="docs:rule_v3")]


def test_articles_of_a_list_do_not_contradict_each_other() -> None:
    pair = Pair(
        newer=near("parts:1", "Bolt M16 costs 2.40 euros and weighs 80 grams."),
        older=near("parts:2", "Bolt M16 costs 3.10 euros and weighs 90 grams.", days=9),
        cosine=0.97,
    )
    sources = (ReviewedSource(name="parts", kind="rows", attached=True),)
    found = ConflictsDetector().review(
        window(sources=sources, questions=(question("a", cited="parts:2"),)), Lookup([pair])
    )

    assert found.proposals == ()


def test_equal_documents_are_duplicates_where_answers_rest_on_the_older_one() -> None:
    text = "Leave is asked for four weeks ahead."
    pair = Pair(newer=near("docs:new", text), older=near("docs:old", text, days=30), cosine=1.0)
    found = DuplicatesDetector().review(
        window(documents=(document("docs:old", n_words=7),), questions=(question("a", cited="docs:old"),)),
        Lookup([pair]),
    )

    assert len(found.proposals) == 1
    assert found.proposals[0].about == ("docs:old", "docs:new")


def test_dates_of_a_copy_tell_nothing_and_a_version_in_the_name_does() -> None:
    first, second = near("docs:a", "x"), near("docs:b", "y")

    assert newer_first(first, second) is None
    assert newer_first(near("docs:list_2025", "x"), near("docs:list_2026", "y", days=50)) == (
        near("docs:list_2026", "y", days=50),
        near("docs:list_2025", "x"),
    )
    assert newer_first(near("docs:a", "x", days=None), second) is None
