"""Programs of the system that some parsers start: where they are, and what changes when they change.

A document is parsed again when its parser changes, and LibreOffice or Tesseract are part of the parser that starts
them: another version reads other words. Asking a program for its version at every sync would cost seconds, so its
files are looked at instead: a package of the system keeps the size and the time of build of what it installs.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

LANGUAGES_VARIABLE = "KBM_PARSING_LANGUAGES"
SECONDS_VARIABLE = "KBM_PARSING_SECONDS"
"""How a worker tells a parser, which is made without arguments, what the pool knows."""

ABSENT = "absent"
_TRAINED = {"de": "deu", "en": "eng", "fr": "fra"}
_DATA_FOLDERS = (
    "/usr/share/tesseract-ocr/*/tessdata",
    "/usr/share/tessdata",
    "/usr/local/share/tessdata",
    "/opt/homebrew/share/tessdata",
)


@runtime_checkable
class CallsTools(Protocol):
    """What a parser has besides the port when it starts other programs."""

    def tools(self, media_type: str, languages: Sequence[str]) -> str:
        """Name the version of all it would start, without starting anything; ``absent`` where there is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """An installed LibreOffice."""

    command: Path
    mark: str
    """Changes with its version."""

    def reads(self, library: str) -> bool:
        """Tell whether the part of it is installed that reads a kind of document."""
        folder = self.command.resolve().parent
        return not (folder / "soffice.bin").exists() or (folder / library).exists()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recogniser:
    """An installed Tesseract with at least one language."""

    command: Path
    data: Path
    languages: tuple[str, ...]
    """Names of its trained data, in the order to try them."""
    mark: str


def office() -> Office | None:
    """Find LibreOffice."""
    found = shutil.which("soffice") or shutil.which("libreoffice")
    if found is None:
        return None
    command = Path(found)
    folder = command.resolve().parent
    return Office(
        command=command, mark=_mark(command.resolve(), folder / "soffice.bin", folder / "versionrc")
    )


def recogniser(languages: Sequence[str]) -> Recogniser | None:
    """Find Tesseract with the data of *languages* (``de``, ``en``, ``fr``), or of English where it has none."""
    found = shutil.which("tesseract")
    if found is None:
        return None
    command = Path(found)
    wanted = [_TRAINED.get(language, language) for language in languages]
    for data in _data_folders():
        there = tuple(name for name in wanted if (data / f"{name}.traineddata").is_file())
        if not there and (data / "eng.traineddata").is_file():
            there = ("eng",)
        if there:
            files = [data / f"{name}.traineddata" for name in there]
            mark = " ".join((_mark(command.resolve(), *files), *there))
            return Recogniser(command=command, data=data, languages=there, mark=mark)
    return None


def languages() -> tuple[str, ...]:
    """Give the languages the pool was opened with; for parsers, in a worker."""
    return tuple(filter(None, os.environ.get(LANGUAGES_VARIABLE, "de,en,fr").split(",")))


def seconds() -> float:
    """Give the time a document may take; for parsers, in a worker."""
    return float(os.environ.get(SECONDS_VARIABLE, "600"))


def _data_folders() -> list[Path]:
    own = os.environ.get("TESSDATA_PREFIX")
    stated = [Path(own), Path(own) / "tessdata"] if own else []
    # The newest version first, as the program itself looks for the data of its own.
    listed = [
        found
        for pattern in _DATA_FOLDERS
        for found in sorted(Path("/").glob(pattern.removeprefix("/")), reverse=True)
    ]
    return [folder for folder in (*stated, *listed) if folder.is_dir()]


def _mark(*paths: Path) -> str:
    marks = []
    for path in paths:
        try:
            found = path.stat()
        except OSError:
            continue
        marks.append(f"{path.name}:{found.st_size}:{int(found.st_mtime)}")
    return " ".join(marks)
