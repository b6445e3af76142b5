"""What every chunker must keep. Needs the fixture ``chunker``."""

from __future__ import annotations

from collections.abc import Sequence

from kbm.domain.documents import Chunk, Element, ElementKind, lay_out
from kbm.domain.identity import VersionId, chunk_id
from kbm.ports import Chunker

VERSION = VersionId("0123456789abcdef0123456789abcdef")


def element(
    text: str, *headings: str, kind: ElementKind = ElementKind.TEXT, page: int | None = None
) -> Element:
    """Make an element under *headings*."""
    return Element(kind=kind, text=text, headings=headings, page=page)


def manual() -> list[Element]:
    """Make a document with each kind of element, a long paragraph and a heading with nothing below it."""
    long = " ".join(f"Satz {n} beschreibt die Wartung der Pumpe im Werk Nr. {n} genau." for n in range(80))
    return [
        element("Betriebsanleitung", kind=ElementKind.TITLE, page=1),
        element("Diese Anleitung gilt für alle Pumpen.", "Betriebsanleitung", page=1),
        element("Wartung", "Betriebsanleitung", kind=ElementKind.TITLE, page=2),
        element(long, "Betriebsanleitung", "Wartung", page=2),
        element("Öl prüfen", "Betriebsanleitung", "Wartung", kind=ElementKind.LIST_ITEM, page=3),
        element("Anhang", "Betriebsanleitung", kind=ElementKind.TITLE, page=4),
        element("Daten", "Betriebsanleitung", kind=ElementKind.TITLE, page=4),
        element(
            "\n".join(f"Teil: {n} | Preis: {n},50 € | Lager: {n * 3}" for n in range(120)),
            "Betriebsanleitung",
            "Daten",
            kind=ElementKind.TABLE,
            page=4,
        ),
        element("for x in y:\n    print(x)\n", "Betriebsanleitung", "Daten", kind=ElementKind.CODE, page=5),
        element("   ", "Betriebsanleitung", "Daten", page=5),
    ]


def assert_sound(
    chunks: Sequence[Chunk], chunker: Chunker, version: VersionId, elements: Sequence[Element]
) -> None:
    """Check everything that holds for the chunks of any document."""
    text, spans = lay_out(elements)
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))
    assert len({chunk.id for chunk in chunks}) == len(chunks), "two chunks with one id"
    for chunk in chunks:
        assert chunk.text == text[chunk.start : chunk.end], "the text is not its span"
        assert chunk.text.strip(), "a chunk without visible text"
        assert chunk.version_id == version
        assert chunk.id == chunk_id(version, chunker.digest, chunk.start, chunk.end)
    starts = [chunk.start for chunk in chunks]
    assert starts == sorted(starts), "not in reading order"
    covered = bytearray(len(text))
    for chunk in chunks:
        covered[chunk.start : chunk.end] = b"\1" * (chunk.end - chunk.start)
    for item, span in zip(elements, spans, strict=True):
        if item.kind is not ElementKind.TITLE:
            missed = [at for at in range(span.start, span.end) if not covered[at] and not text[at].isspace()]
            assert not missed, f"{text[missed[0] : missed[0] + 40]!r} lies in no chunk"


class ChunkerContract:
    """Inherit it and define the fixture ``chunker``."""

    def test_spans_ids_and_order_are_exact_and_every_word_is_in_a_chunk(self, chunker: Chunker) -> None:
        elements = manual()

        assert_sound(chunker.chunk(VERSION, "Betriebsanleitung", elements), chunker, VERSION, elements)

    def test_a_document_without_text_gives_no_chunks(self, chunker: Chunker) -> None:
        assert chunker.chunk(VERSION, "Empty", []) == []
        assert chunker.chunk(VERSION, "Empty", [element(" \n ")]) == []

    def test_a_document_of_headings_only_can_be_found_too(self, chunker: Chunker) -> None:
        chunks = chunker.chunk(VERSION, "", [element("Notausgang hinten links", kind=ElementKind.TITLE)])

        assert [chunk.text for chunk in chunks] == ["Notausgang hinten links"]

    def test_the_same_document_is_cut_the_same_way(self, chunker: Chunker) -> None:
        assert chunker.chunk(VERSION, "T", manual()) == chunker.chunk(VERSION, "T", manual())

    def test_another_version_gets_other_ids_and_the_same_spans(self, chunker: Chunker) -> None:
        one = chunker.chunk(VERSION, "T", manual())
        other = chunker.chunk(VersionId("f" * 32), "T", manual())

        assert not {chunk.id for chunk in one} & {chunk.id for chunk in other}
        assert [(c.start, c.end) for c in one] == [(c.start, c.end) for c in other]

    def test_headings_above_a_passage_are_its_section(self, chunker: Chunker) -> None:
        chunks = chunker.chunk(VERSION, "Betriebsanleitung", manual())
        oil = next(chunk for chunk in chunks if "Öl prüfen" in chunk.text)

        assert oil.section == ("Betriebsanleitung", "Wartung")
        assert "Wartung" in oil.prefix

    def test_the_digest_is_64_hex_digits(self, chunker: Chunker) -> None:
        assert len(chunker.digest) == 64
        assert int(chunker.digest, 16) >= 0

    def test_it_says_its_name(self, chunker: Chunker) -> None:
        assert chunker.name


__all__ = ["ChunkerContract", "assert_sound", "element", "manual"]
