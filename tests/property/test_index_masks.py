"""Whatever is hidden, and however rows came about, the visible rows score the same to the last bit."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from kbm_indexes.lexical import tokenise
from kbm_indexes.question import tokenise_question
from kbm_indexes.release_index import IndexFolder, ReleaseIndex, SharedSegments

from kbm.domain.retrieval import Retrieval
from tests.unit.indexes.rows import DIMENSIONS, SPEC, chunk, index_row, text, vectors

N = 36
VECTORS = vectors(N)

orders = st.permutations(range(N))
cuts = st.lists(st.integers(1, N - 1), max_size=3, unique=True)
questions = st.one_of(st.builds(text, st.integers(0, 999), st.integers(1, 8)), st.text(max_size=30))


def sealed(folder: Path, order: list[int], cut: list[int], members: set[int]) -> ReleaseIndex:
    """Append rows in *order*, one segment between each two cuts, and seal the *members*."""
    with IndexFolder(folder, SPEC, [], DIMENSIONS) as index:
        for part in np.split(np.array(order), sorted(cut)):
            index.append([index_row(int(at), document_no=int(at)) for at in part], VECTORS[part])
        index.seal(1, [chunk(at) for at in members])
    return ReleaseIndex.open(folder, 1, SharedSegments())


def only(documents: set[int]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    found = np.zeros(N, dtype=np.bool_)
    found[list(documents)] = True
    return found


@settings(max_examples=40, deadline=None)
@given(
    orders, cuts, orders, cuts, st.sets(st.integers(0, N - 1), min_size=1), questions, st.integers(0, N - 1)
)
def test_a_masked_index_answers_like_one_that_holds_only_the_visible_rows(
    order: list[int],
    cut: list[int],
    other_order: list[int],
    other_cut: list[int],
    visible: set[int],
    question: str,
    near: int,
) -> None:
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        masked = sealed(Path(first), order, cut, set(range(N)))
        alone = sealed(Path(second), other_order, other_cut, visible)

        under_mask = masked.search(question, VECTORS[near], readable=only(visible), k=N)

        assert bits(under_mask) == bits(alone.search(question, VECTORS[near], readable=None, k=N))
        assert masked.overlap(question, [text(1), question], readable=only(visible)) == alone.overlap(
            question, [text(1), question], readable=None
        )


@settings(max_examples=25, deadline=None)
@given(orders, cuts, orders, cuts, st.sets(st.integers(0, N - 1)))
def test_the_digest_is_that_of_the_set_of_rows(
    order: list[int], cut: list[int], other_order: list[int], other_cut: list[int], members: set[int]
) -> None:
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        one = sealed(Path(first), order, cut, members).verify()
        other = sealed(Path(second), other_order, other_cut, members).verify()
        fewer = sealed(Path(second), order, cut, members ^ {0}).verify()

    assert one == other
    assert one != fewer


@given(st.text())
def test_any_text_can_be_tokenised_and_asked(words: str) -> None:
    counts = tokenise([words, words])
    question = tokenise_question(words)

    for view in (counts.stems, counts.grams):
        assert view.ptr[1] * 2 == view.ptr[2]
        assert (view.tf > 0).all()
    held = set(counts.stems.term.tolist())
    assert all(held & {int(question.stems[at]) for at in word.stems} for word in question.words)


def bits(found: Retrieval) -> tuple[object, ...]:
    """Give everything of a search, floats as they are in memory."""
    return tuple((hit.chunk_id, hit.score.hex()) for hit in found.hits), repr(found.signals)
