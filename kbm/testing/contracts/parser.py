"""What every parser must keep. Needs the fixtures ``parser`` and ``samples``, blobs with the media type of each."""

from __future__ import annotations

import pickle
from collections.abc import Sequence

from kbm.domain.documents import Blob, ElementKind, ParsedDocument, Reason
from kbm.errors import ParseFailed
from kbm.ports import Parser

Sample = tuple[Blob, str]

KEEPS_LINES = frozenset({ElementKind.TABLE, ElementKind.CODE})


def assert_sound(parsed: ParsedDocument) -> None:
    """Check everything that holds for the elements of any document."""
    for element in parsed.elements:
        assert element.text.strip(), "an element without visible text"
        assert element.kind in KEEPS_LINES or "\n" not in element.text, f"a line break in {element.text!r}"
        assert element.page is None or element.page >= 1, "pages count from 1"
        assert element.cells == () or element.kind is ElementKind.TABLE, "cells outside of a table"
        assert all(heading.strip() for heading in element.headings), "an empty heading in the path"
    titles = {element.text for element in parsed.elements if element.kind is ElementKind.TITLE}
    named = {heading for element in parsed.elements for heading in element.headings}
    assert named <= titles, "a heading path names what is no title of the document"
    for attachment in parsed.attachments:
        assert attachment.name not in ("", ".", "..")
        assert not set("/\\\0") & set(attachment.name), f"{attachment.name!r} is no file name"


class ParserContract:
    """Inherit it and define the fixtures ``parser`` and ``samples``."""

    def test_it_names_itself_and_its_version(self, parser: Parser) -> None:
        assert parser.name
        assert parser.version

    def test_it_is_made_without_arguments_where_the_worker_finds_it(self, parser: Parser) -> None:
        kind = type(parser)

        assert pickle.loads(pickle.dumps(kind)) is kind  # noqa: S301 - bytes made in this line
        assert kind().name == parser.name

    def test_it_reads_the_media_types_of_its_samples(self, parser: Parser, samples: Sequence[Sample]) -> None:
        assert samples
        assert {media_type for _, media_type in samples} <= parser.media_types

    def test_its_elements_are_sound(self, parser: Parser, samples: Sequence[Sample]) -> None:
        for blob, media_type in samples:
            parsed = parser.parse(blob, media_type)

            assert parsed.elements, f"{blob.name} gave no elements"
            assert_sound(parsed)

    def test_the_same_bytes_give_the_same_document(self, parser: Parser, samples: Sequence[Sample]) -> None:
        for blob, media_type in samples:
            assert parser.parse(blob, media_type) == type(parser)().parse(blob, media_type)

    def test_damaged_bytes_give_elements_or_a_reason(self, parser: Parser, samples: Sequence[Sample]) -> None:
        """Other exceptions count as a crash of the parser, which a cut-off upload does not deserve."""
        for blob, media_type in samples:
            for cut in (len(blob.data) // 2, len(blob.data) - 1, 1):
                outcome = _outcome(parser, Blob(data=blob.data[:cut], name=blob.name), media_type)

                if isinstance(outcome, ParseFailed):
                    assert outcome.reason in set(Reason)
                    assert str(outcome)
                else:
                    assert_sound(outcome)


def _outcome(parser: Parser, blob: Blob, media_type: str) -> ParsedDocument | ParseFailed:
    try:
        return parser.parse(blob, media_type)
    except ParseFailed as failure:
        return failure
