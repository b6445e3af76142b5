"""Pages of a PDF as pictures, for text recognition."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pypdfium2

Vendor = Any
"""pypdfium2 has no types of its own."""

_POINTS = 72


class PagePictures:
    """Renders pages of an open PDF; close it."""

    def __init__(self, data: bytes) -> None:
        self._pdf: Vendor = pypdfium2.PdfDocument(data)

    def close(self) -> None:
        """Free pdfium's memory."""
        self._pdf.close()

    def write(self, number: int, path: Path, *, dpi: int, pixels: int) -> bool:
        """Write a page, counted from 1, as a grey picture of at most *pixels*; tells whether it could be drawn."""
        try:
            with closing(self._pdf[number - 1]) as page:
                width, height = page.get_size()
                scale = min(dpi / _POINTS, (pixels / max(width * height, 1.0)) ** 0.5)
                drawn = closing(page.render(scale=scale, grayscale=True, may_draw_forms=False))
                with drawn as bitmap, path.open("wb") as file:
                    file.write(b"P5 %d %d 255\n" % (bitmap.width, bitmap.height))
                    rows = memoryview(bitmap.buffer).cast("B")
                    for row in range(bitmap.height):
                        file.write(rows[row * bitmap.stride : row * bitmap.stride + bitmap.width])
        except pypdfium2.PdfiumError:
            return False
        return True
