"""Pictures of pages to text by Tesseract, which runs as a program of its own and is given one page at a time.

Its table of words is read, not its text: it tells lines, paragraphs and how sure it is of each word. Words it is not
sure of are kept, since a gap would be worse than a wrong letter; the document is marked by how sure it is of all.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from kbm.domain.documents import Reason
from kbm.errors import ParseFailed
from kbm.parsing import no_network, tools
from kbm.parsing.building import DocumentBuilder
from kbm.parsing.prose import write_block

PAGE_S = 60.0
"""Longest time for one page; it is left out then."""
_WORD_LEVEL = "5"
_LIGHT = bytes(range(144, 256))
_SPECKS = 0.0003
_NOTHING = 30.0
"""On a page of which no word is surer than this there is no text, but a drawing or a photograph."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Word:
    paragraph: tuple[str, str]
    line: str
    text: str
    certainty: float


class Recognition:
    """Recognises the pages of one document within its time."""

    def __init__(self) -> None:
        """Find the tool.

        Raises:
            ParseFailed: it is not installed.
        """
        found = tools.recogniser(tools.languages())
        if found is None:
            raise ParseFailed(
                Reason.NEEDS_TESSERACT,
                "The file holds pictures of text, which Tesseract would read, but it or its language data is not "
                "installed: install tesseract-ocr with tesseract-ocr-deu and tesseract-ocr-fra, or store a file "
                "with text; then run `kbm sync --retry`.",
            )
        if not no_network.holds_for_programs():
            raise ParseFailed(
                Reason.UNSUPPORTED,
                "This system cannot keep Tesseract from the network, so it is not started.",
            )
        self._tool = found
        # What is left goes to writing the document.
        self._until = time.monotonic() + 0.9 * tools.seconds()
        self._sure: list[float] = []
        self.pages: list[int] = []

    @property
    def certainty(self) -> float:
        """Give how sure the tool is of the words it gave, in [0, 1]."""
        return round(sum(self._sure) / len(self._sure) / 100, 3) if self._sure else 1.0

    @property
    def told(self) -> str:
        """Say in a warning what was recognised."""
        languages = "+".join(self._tool.languages)
        return (
            f"{len(self.pages)} pages were read by text recognition ({languages}, sure to {self.certainty:.0%});"
            " they may hold reading errors"
        )

    def has_time(self) -> bool:
        """Tell whether another page may be begun."""
        return time.monotonic() < self._until

    def write_page(self, picture: Path, number: int, builder: DocumentBuilder) -> bool:
        """Add the text of a picture of a page; tells whether it holds any, or nothing at all."""
        if is_blank(picture):
            return True
        words = list(self._words(picture))
        if not words or max(word.certainty for word in words) < _NOTHING:
            return False
        builder.page = number
        for _, paragraph in groupby(words, key=lambda word: word.paragraph):
            lines = [
                " ".join(word.text for word in line)
                for _, line in groupby(paragraph, key=lambda word: word.line)
            ]
            write_block(lines, builder)
        self._sure += [word.certainty for word in words]
        self.pages.append(number)
        return True

    def _words(self, picture: Path) -> Iterator[_Word]:
        with tempfile.TemporaryDirectory(prefix="recognise-") as folder:
            order = [
                *(str(self._tool.command), str(picture), str(Path(folder, "page"))),
                *("--tessdata-dir", str(self._tool.data), "-l", "+".join(self._tool.languages)),
                *("--psm", "3", "--dpi", "300", "tsv"),
            ]
            allowed = min(PAGE_S, max(1.0, self._until - time.monotonic()))
            try:
                subprocess.run(order, stdin=subprocess.DEVNULL, check=False, timeout=allowed)
                table = Path(folder, "page.tsv").read_text("utf-8", "replace")
            except (subprocess.TimeoutExpired, FileNotFoundError):
                return
        for line in table.split("\n")[1:]:
            fields = line.split("\t")
            if len(fields) == 12 and fields[0] == _WORD_LEVEL and fields[11].strip():
                yield _Word(
                    paragraph=(fields[2], fields[3]),
                    line=fields[4],
                    text=fields[11].strip(),
                    certainty=float(fields[10]),
                )


def is_blank(picture: Path) -> bool:
    """Tell whether hardly a pixel of a grey picture (PGM) is dark, as on the back of a scanned sheet."""
    sample = picture.read_bytes()[15::7]
    return len(sample.translate(None, _LIGHT)) <= _SPECKS * len(sample)
