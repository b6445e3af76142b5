"""Golden questions drafted from documents of a source that nobody asked about."""

from __future__ import annotations

from collections.abc import Sequence

from kbm_agents.questions_of_documents import drafts_of

from kbm.domain.documents import EVERYONE, Span
from kbm.domain.fixes import DraftGolden
from kbm.domain.identity import ChunkId, DocumentId
from kbm.domain.review import Near, Pair, ReviewedDocument
from kbm.ports import Vectors


def document(item: str, title: str, n_words: int = 100) -> ReviewedDocument:
    return ReviewedDocument(
        id=DocumentId(item), source="docs", item_id=item, title=title, attached=True, n_words=n_words
    )


def passage(
    item: str, text: str, section: tuple[str, ...] = (), readers: tuple[str, ...] = (EVERYONE,)
) -> Near:
    return Near(
        chunk_id=ChunkId(f"{item}{len(text)}"),
        document_id=DocumentId(item),
        item=f"docs:{item}",
        title=item,
        span=Span(0, len(text)),
        text=text,
        score=1.0,
        attached=True,
        readers=frozenset(readers),
        section=section,
    )


class Library:
    """A lookup that finds all passages for everything but what is *lost*."""

    def __init__(self, *passages: Near, lost: str = "") -> None:
        self.passages, self.lost = list(passages), lost

    def nearest(self, questions: Sequence[str], k: int) -> list[list[Near]]:
        return [[] if one == self.lost else self.passages[:k] for one in questions]

    def pairs(self, cosine: float) -> list[Pair]:
        raise NotImplementedError

    def vectors(self, chunks: object) -> Vectors:
        raise NotImplementedError

    def embed(self, texts: object, purpose: object) -> Vectors:
        raise NotImplementedError

    def weights(self, words: object) -> list[float]:
        raise NotImplementedError

    def complete(self, prompt: str, *, max_tokens: int) -> str | None:
        raise NotImplementedError


POLICY = document("travel.md", "Travel policy")
HOTEL = passage("travel.md", "A hotel costs at most 120 euros.", ("Travel policy", "Overnight stays"))
ROWS = passage(
    "presses.md", "Article: KB 40 | Weight: 900 kg | Price: 40,000\nArticle: KB 65 | Weight: 1400 kg"
)
PRESSES = document("presses.md", "Presses")


def questions(*documents: ReviewedDocument, lookup: Library, taken: tuple[str, ...] = ()) -> list[str]:
    return [one.question for one in drafts_of(documents, taken, 3, lookup)]


def test_a_heading_is_asked_for_under_its_title() -> None:
    assert drafts_of([POLICY], (), 3, Library(HOTEL)) == (
        DraftGolden(question="Travel policy: Overnight stays", language="en", expected=("docs:travel.md",)),
    )


def test_a_row_is_asked_for_what_it_says_of_its_first_cell() -> None:
    assert questions(PRESSES, lookup=Library(ROWS)) == ["KB 40 Weight"]


def test_a_table_of_two_columns_is_asked_for_what_its_rows_are_named() -> None:
    table = passage("presses.md", "Part: Shelf\nOil seal: B 12\nFilter: C 4")
    prose = passage("presses.md", "Note: oil is poisonous.\nIt is changed every year.\nWear gloves.")

    assert questions(PRESSES, lookup=Library(table)) == ["Presses: Oil seal"]
    assert questions(PRESSES, lookup=Library(prose)) == []


def test_without_heading_or_row_the_title_is_asked_for_if_it_says_something() -> None:
    plain = passage("travel.md", "A hotel costs at most 120 euros.")

    assert questions(POLICY, lookup=Library(plain)) == ["Travel policy"]
    assert questions(document("travel.md", "Notes"), lookup=Library(plain)) == []


def test_what_the_search_does_not_find_again_is_not_proposed() -> None:
    assert questions(POLICY, lookup=Library(HOTEL, lost="Travel policy: Overnight stays")) == []


def test_what_not_everyone_may_read_suggests_nothing() -> None:
    secret = passage("travel.md", "Layoffs in May.", ("Travel policy", "Layoffs"), readers=("group:hr",))

    assert questions(POLICY, lookup=Library(secret)) == []


def test_what_is_a_golden_question_already_is_passed_over() -> None:
    assert questions(POLICY, lookup=Library(HOTEL), taken=("travel policy: overnight stays",)) == [
        "Travel policy"
    ]
    assert drafts_of([], (), 3, Library()) == ()
