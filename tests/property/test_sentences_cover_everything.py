"""Any text: sentences in order, disjoint, with visible ends, nothing visible lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kbm.domain.sentences import split_sentences

parts = st.sampled_from(
    [
        "z. B.",
        "Nr.",
        "4",
        ".",
        "...",
        "!",
        "? ",
        " ",
        "\n",
        "\r\n",
        "\u2028",
        "Der",
        "der",
        "»",
        "« ",
        "(",
        ")",
        "[1]",
        "。",
        "iOS",
        "3.",
        "März",
        "U.S.",
        "…",
        '"',
        "\u00a0",
    ]
)
texts = st.one_of(st.text(), st.lists(parts, max_size=40).map("".join))


@given(text=texts)
def test_spans_are_ordered_disjoint_trimmed_and_complete(text: str) -> None:
    at, seen = 0, []
    for span in split_sentences(text):
        sentence = text[span.start : span.end]
        assert at <= span.start < span.end
        assert sentence == sentence.strip()
        assert "\n" not in sentence
        assert not text[at : span.start].strip()
        at = span.end
        seen.append(sentence)

    assert not text[at:].strip()


@given(text=texts)
def test_a_sentence_of_several_lines_of_text_never_crosses_a_line(text: str) -> None:
    lines = [line for line in text.splitlines() if line.strip()]

    assert len(split_sentences(text)) >= len(lines)
