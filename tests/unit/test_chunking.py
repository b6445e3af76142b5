"""Where PassageChunker cuts, and what it writes in front."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from kbm_indexes.chunking import HEADING_CHARS, PassageChunker

from kbm.domain.documents import Chunk, Element, ElementKind
from kbm.domain.sentences import split_sentences
from kbm.testing.contracts.chunker import VERSION, element


def title(text: str, *headings: str, page: int | None = None) -> Element:
    return element(text, *headings, kind=ElementKind.TITLE, page=page)


def words(n: int, word: str = "Wort") -> str:
    return " ".join([word] * n)


def sentences(n: int) -> str:
    return " ".join(f"Der Satz Nummer {i} hat acht kurze Wörter." for i in range(n))


def chunk(*elements: Element, name: str = "", max_words: int = 180) -> list[Chunk]:
    return PassageChunker(max_words).chunk(VERSION, name, elements)


def test_a_section_that_fits_is_one_passage() -> None:
    (only,) = chunk(element(words(60), "A"), element(words(60), "A"), element(words(60), "A"))

    assert len(only.text.split()) == 180


def test_a_longer_section_is_cut_at_its_paragraphs() -> None:
    chunks = chunk(*(element(words(100, f"Absatz{n}"), "A") for n in range(3)))

    assert [len(set(c.text.split())) for c in chunks] == [1, 1, 1]


def test_short_paragraphs_are_joined_under_one_heading_only() -> None:
    chunks = chunk(*(element(words(20), heading) for heading in "AAAAAAAAAABB"))

    assert [(c.section, len(c.text.split())) for c in chunks] == [(("A",), 180), (("A",), 20), (("B",), 40)]


def test_an_introduction_stays_with_its_list() -> None:
    items = [element(words(30, f"Punkt{n}"), "A", kind=ElementKind.LIST_ITEM) for n in range(6)]
    chunks = chunk(element(words(160), "A"), element("Mitzubringen sind:", "A"), *items)

    assert chunks[1].text.startswith("Mitzubringen sind:\n\nPunkt0")


def test_a_long_paragraph_is_cut_between_sentences_and_shares_one() -> None:
    chunks = chunk(element(sentences(60), "A"))
    parts = [[c.text[s.start : s.end] for s in split_sentences(c.text)] for c in chunks]

    assert len(chunks) > 2
    assert all(before[-1] == after[0] for before, after in pairwise(parts))
    assert all(len(c.text.split()) <= 180 for c in chunks)


def test_the_pieces_of_a_long_paragraph_are_of_similar_size() -> None:
    sizes = [len(c.text.split()) for c in chunk(element(sentences(25), "A"))]

    assert min(sizes) > 60


def test_a_long_table_is_cut_between_rows_and_shares_none() -> None:
    rows = [f"Teil: {n} | Preis: {n},50 | Lager: {n}" for n in range(200)]
    chunks = chunk(element("\n".join(rows), "A", kind=ElementKind.TABLE))

    assert [line for c in chunks for line in c.text.split("\n")] == rows


def test_an_endless_sentence_is_cut_between_words() -> None:
    chunks = chunk(element(" ".join(f"wort{n}" for n in range(1000)), "A"))

    assert [word for c in chunks for word in c.text.split()] == [f"wort{n}" for n in range(1000)]
    assert max(len(c.text.split()) for c in chunks) <= 180


def test_text_without_spaces_is_cut_by_characters() -> None:
    chunks = chunk(element("漢" * 10_000, "A"))

    assert "".join(c.text for c in chunks) == "漢" * 10_000
    assert max(len(c.text) for c in chunks) <= 180 * 12


def test_the_prefix_is_title_and_headings_without_repeats() -> None:
    text = element("Text.", "Handbuch", "Wartung", "wartung", "Öl")
    (only,) = chunk(title("Handbuch"), title("Wartung", "Handbuch"), text, name=" Handbuch")

    assert only.prefix == "Handbuch › Wartung › Öl"
    assert only.section == ("Handbuch", "Wartung", "wartung", "Öl")
    assert only.text == "Text."
    assert only.indexed_text == "Handbuch › Wartung › Öl\nText."


def test_without_title_and_headings_there_is_no_prefix() -> None:
    assert chunk(element("Text."))[0].prefix == ""


def test_a_monstrous_heading_does_not_swallow_the_prefix() -> None:
    (only,) = chunk(element("Text.", "x" * 5000), name="T")

    assert len(only.prefix) == len("T › ") + HEADING_CHARS


def test_a_heading_is_no_passage_and_no_text_of_one() -> None:
    chunks = chunk(title("A"), element(words(50), "A"), title("B"), element(words(50), "B"))

    assert [(c.section, c.text.split()[0]) for c in chunks] == [(("A",), "Wort"), (("B",), "Wort")]


def test_a_heading_with_nothing_below_lies_in_the_passage_that_follows() -> None:
    (only,) = chunk(title("Leer"), title("B"), element(words(50), "B"))

    assert only.text.startswith("Leer\n\nB\n\nWort")


def test_a_last_heading_with_nothing_below_ends_the_last_passage() -> None:
    (only,) = chunk(title("A"), element(words(178), "A"), title("Ende"))

    assert only.text.endswith("Wort\n\nEnde")


def test_a_paragraph_taken_for_a_heading_can_be_quoted() -> None:
    chunks = chunk(title(words(60, "fett")), element(words(50), "Kapitel"))

    assert chunks[0].text == words(60, "fett")


def test_a_document_of_headings_only_has_a_passage() -> None:
    assert [c.text for c in chunk(title("Eins"), title("Zwei"))] == ["Eins\n\nZwei"]


def test_tiny_sub_sections_become_one_passage_that_holds_their_headings() -> None:
    form = [
        part
        for name in ("Version", "Datum", "Autor")
        for part in (title(name, "Deckblatt"), element(f"{name} 1", "Deckblatt", name))
    ]
    (only,) = chunk(title("Deckblatt"), *form)

    assert only.text == "Version\n\nVersion 1\n\nDatum\n\nDatum 1\n\nAutor\n\nAutor 1"
    assert only.section == ("Deckblatt",)


def test_sections_under_different_top_headings_are_never_joined() -> None:
    chunks = chunk(element("Kurz.", "A"), element("Auch.", "B"))

    assert [c.section for c in chunks] == [("A",), ("B",)]


def test_a_top_heading_that_repeats_the_title_is_not_the_top() -> None:
    tiny = (element("Kurz.", "Handbuch", "A"), element("Auch.", "Handbuch", "B"))

    assert len(chunk(*tiny, name="Handbuch")) == 2
    assert len(chunk(*tiny, name="Ordner")) == 1


def test_the_page_is_that_of_the_first_element() -> None:
    chunks = chunk(
        element(words(100), "A", page=3), element(words(100), "A", page=4), element("kurz", "A", page=5)
    )

    assert [c.page for c in chunks] == [3, 4]


def test_the_limit_is_part_of_the_digest() -> None:
    assert PassageChunker().digest == PassageChunker(180).digest != PassageChunker(90).digest


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        PassageChunker(0)


def test_ten_times_the_document_takes_about_ten_times_as_long() -> None:
    def seconds(n: int) -> float:
        elements = [element(sentences(6), "A", f"B{i // 7}") for i in range(n)]
        long = element(sentences(n * 2), "A", "lang")
        start = time.process_time()
        chunk(*elements, long)
        return time.process_time() - start

    seconds(100)
    small = min(seconds(400) for _ in range(3))

    assert min(seconds(4000) for _ in range(2)) < 40 * small
