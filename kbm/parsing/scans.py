"""Scanned PDFs and pictures: pages are rendered one at a time and their text is recognised.

A parser of its own beside :class:`kbm.parsing.pdf.PdfParser`, asked only for documents in which that one found pages
without text: so a new version of Tesseract makes new versions of scans, and of no other PDF.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kbm.domain.documents import Blob, Element, ElementKind, ParsedDocument, Reason
from kbm.errors import ParseFailed
from kbm.parsing import media_types, tools
from kbm.parsing.building import DocumentBuilder

if TYPE_CHECKING:
    from kbm.parsing.recognition import Recognition

SCANNED_PDF = media_types.AS_SCAN[media_types.PDF]
PAGES = 500
_DPI = 300
_PIXELS = 40_000_000
"""An A3 page at 300 dpi has 17 million; larger ones are rendered more coarsely."""
_SIDE = 6_300
_SMALL = 40_000
"""A picture of fewer pixels is an icon or a logo."""
_PICTURE_PIXELS = 100_000_000


class ScanParser:
    """Reads scanned pdf, png, jpeg, tiff, gif, bmp and webp where Tesseract is installed."""

    name: ClassVar[str] = "scan"
    version: ClassVar[str] = "1"
    media_types: ClassVar[frozenset[str]] = frozenset({SCANNED_PDF} | media_types.PICTURES)
    recognises_text: ClassVar[bool] = True

    def tools(self, media_type: str, languages: Sequence[str]) -> str:
        """Name the recogniser's version and languages, and the version of the parser it completes."""
        from kbm.parsing.pdf import PdfParser

        found = tools.recogniser(languages)
        return (
            f"{found.mark} {PdfParser.version if media_type == SCANNED_PDF else ''}"
            if found
            else tools.ABSENT
        )

    def parse(self, blob: Blob, media_type: str) -> ParsedDocument:
        """Recognise the pages of *blob* that hold no text."""
        from kbm.parsing.recognition import Recognition

        if media_type == SCANNED_PDF:
            return _scanned(blob.data, Recognition())
        return _pictures(blob, Recognition)


def _scanned(data: bytes, recognition: Recognition) -> ParsedDocument:
    from kbm.parsing.pdf_pages import PagePictures
    from kbm.parsing.pdf_structure import read, textless_pages

    usual = read(data)
    builder = DocumentBuilder()
    with tempfile.TemporaryDirectory(prefix="pages-") as folder, closing(PagePictures(data)) as pictures:
        todo, empty = textless_pages(data), 0
        for n, number in enumerate(todo):
            if n >= PAGES or not recognition.has_time():
                builder.truncated, empty = True, empty + len(todo) - n
                builder.warnings.append(f"{len(todo) - n} of {len(todo)} scanned pages were left out")
                break
            picture = Path(folder, "page.pgm")
            if pictures.write(number, picture, dpi=_DPI, pixels=_PIXELS):
                empty += not recognition.write_page(picture, number, builder)
    elements = sorted((*usual.elements, *builder.elements), key=_page)
    quality = replace(
        usual.quality,
        n_empty_pages=empty,
        recognised_pages=tuple(recognition.pages),
        certainty=recognition.certainty,
        truncated=usual.quality.truncated or builder.truncated,
        strategy="recognised",
    )
    return replace(
        usual,
        elements=tuple(elements),
        title=usual.title or _first_line(elements),
        warnings=(*_without_pages(usual.warnings), *builder.warnings, recognition.told),
        quality=quality,
    )


def _page(element: Element) -> int:
    return element.page or 0


def _without_pages(warnings: Sequence[str]) -> Iterator[str]:
    return (warning for warning in warnings if "hold no text" not in warning)


def _first_line(elements: Sequence[Element]) -> str:
    return next((one.text for one in elements if one.kind is ElementKind.TITLE), "")


def _pictures(blob: Blob, opened: type[Recognition]) -> ParsedDocument:
    from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # The size is looked at below, before a pixel is read.
    builder = DocumentBuilder()
    try:
        with tempfile.TemporaryDirectory(prefix="pages-") as folder, _open(blob.data) as image:
            if image.width * image.height > _PICTURE_PIXELS:
                raise ParseFailed(Reason.TOO_LARGE, "The picture has too many pixels: store a smaller one.")
            if image.width * image.height < _SMALL:
                raise ParseFailed(Reason.NO_TEXT, "The picture is too small to hold text.")
            recognition = opened()
            for number, frame in enumerate(ImageSequence.Iterator(image), 1):
                if number > PAGES or not recognition.has_time():
                    builder.truncated = True
                    builder.warnings.append("the last pages were left out for lack of time")
                    break
                builder.n_pages = number
                upright = ImageOps.exif_transpose(frame.convert("L"))
                page = Path(folder, "page.pgm")
                if upright.width * upright.height > _PIXELS:
                    upright.thumbnail((_SIDE, _SIDE))
                upright.save(page)
                if not recognition.write_page(page, number, builder):
                    builder.n_empty_pages += 1
                if image.format in ("GIF", "WEBP"):
                    # The further frames are a film.
                    break
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise ParseFailed(Reason.DAMAGED, f"The picture is damaged ({error}): store it again.") from error
    if not recognition.pages:
        raise ParseFailed(Reason.NO_TEXT, "No text was recognised in the picture.")
    quality = replace(
        builder.quality,
        recognised_pages=tuple(recognition.pages),
        certainty=recognition.certainty,
        strategy="recognised",
    )
    return ParsedDocument(
        elements=tuple(builder.elements),
        warnings=(*builder.warnings, recognition.told),
        quality=quality,
    )


def _open(data: bytes):  # type: ignore[no-untyped-def]  # the library's own type, loaded in a worker only
    import io

    from PIL import Image

    return Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP"))
