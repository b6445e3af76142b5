"""Any document: exact spans, no lost word, bounded passages."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from kbm_indexes.chunking import CHARS_PER_WORD, HEADING_WORDS, PassageChunker

from kbm.domain.documents import Element, ElementKind
from kbm.testing.contracts.chunker import VERSION, assert_sound

words = st.one_of(
    st.sampled_from(
        ["Pumpe", "a", "z. B.", "Nr. 4", "Ende.", "Neu", "\n", " ", "\t", "x" * 200, "日本語。", "Wartung:"]
    ),
    st.text("aÄé \n\t\u00a0\u200b.!:日🙂\ud800", max_size=12),
)
texts = st.lists(words, max_size=80).map(" ".join)
headings = st.lists(st.sampled_from(["A", "B", "Wartung", " ", "x" * 300]), max_size=3).map(tuple)
elements = st.builds(
    Element,
    kind=st.sampled_from(list(ElementKind)),
    text=texts,
    headings=headings,
    page=st.none() | st.integers(1, 9),
)
documents = st.lists(elements, max_size=12)


@given(document=documents, max_words=st.integers(1, 60), title=st.sampled_from(["", "A", "Titel"]))
def test_every_document_is_cut_soundly(document: list[Element], max_words: int, title: str) -> None:
    chunker = PassageChunker(max_words=max_words)

    assert_sound(chunker.chunk(VERSION, title, document), chunker, VERSION, document)


@given(document=documents, max_words=st.integers(20, 60))
def test_no_passage_is_much_longer_than_the_limit(document: list[Element], max_words: int) -> None:
    # Headings below the prefix, and one that introduces a full passage, come on top.
    n_heading_words = sum(
        max(len(e.text.split()), math.ceil(len(e.text) / CHARS_PER_WORD)) + 1
        for e in document
        if e.kind is ElementKind.TITLE
    )
    for chunk in PassageChunker(max_words=max_words).chunk(VERSION, "", document):
        assert len(chunk.text.split()) <= max_words + max(n_heading_words, HEADING_WORDS)
