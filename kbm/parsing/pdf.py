"""The PDF parser, thin: pdfium itself is loaded with the first document, and so only in a worker."""

from __future__ import annotations

from typing import ClassVar

from kbm.domain.documents import Blob, ParsedDocument
from kbm.parsing import media_types


class PdfParser:
    """Reads pdf."""

    name: ClassVar[str] = "pdf"
    version: ClassVar[str] = "2"
    media_types: ClassVar[frozenset[str]] = frozenset({media_types.PDF})

    def parse(self, blob: Blob, media_type: str) -> ParsedDocument:
        """Read *blob*; pages without text are counted in a warning."""
        from kbm.parsing.pdf_structure import read

        return read(blob.data)

    def warm_up(self) -> None:
        """Load pdfium before the clock of a document starts."""
        import kbm.parsing.pdf_structure  # noqa: F401 - loading it is the purpose
