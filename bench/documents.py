"""Files to parse: the sample company's, which ship with kbm, and those beside the checkout if they are there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from bench.corpora import SHARED
from kbm import registry
from kbm.domain.documents import Blob, ParsedDocument
from kbm.errors import ParseFailed
from kbm.parsing.pool import ParsingPool

FORMATS = ("docx", "pptx", "xlsx", "html", "eml", "md", "pdf", "csv", "txt")


@dataclass(frozen=True, slots=True)
class File:
    """A file with its bytes, so that no disk is measured."""

    path: Path
    format: str
    blob: Blob


@contextmanager
def documents() -> Iterator[list[File]]:
    """Give all files of the formats measured."""
    with as_file(files("kbm.demo") / "company") as company:
        folders = [company / "dms", company / "wiki", company / "golden", SHARED / "documents" / "formats"]
        paths = [path for folder in folders if folder.is_dir() for path in sorted(folder.rglob("*"))]
        yield [
            File(path, path.suffix[1:], Blob(data=path.read_bytes(), name=path.name))
            for path in paths
            if path.suffix[1:] in FORMATS
        ]


@contextmanager
def one_worker() -> Iterator[ParsingPool]:
    """Open kbm's parsers as `kbm sync` does, in one process."""
    parsers = {name: registry.load("kbm.parsers", name)() for name in registry.names("kbm.parsers")}
    with ParsingPool(parsers, workers=1) as pool:
        yield pool


def parse(pool: ParsingPool, file: File) -> ParsedDocument | None:
    """Parse a file; None if kbm would put it into quarantine."""
    try:
        return pool.parse(file.blob)
    except ParseFailed:
        return None
