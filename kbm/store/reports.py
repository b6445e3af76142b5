"""Reports as files: whole or not there, and never sent twice."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from kbm.domain.report import KEPT_REPORTS, outdated
from kbm.faults import fault_point

_NAME = re.compile(r"(\d{4}-\d{2}-\d{2}-\d+)\.[a-z.]+")


class Reports:
    """The folder ``reports``: ``<date>-<job>.md``, ``.html`` and ``.json``, and an empty ``.sent`` beside them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, id: str, pages: Mapping[str, str]) -> Path:
        """Write a report's pages, by ending; earlier ones of the same id are replaced. Gives the Markdown's path.

        Raises:
            OSError: the folder cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with fault_point("report.write"):
            for ending, text in pages.items():
                self._write(self._folder / f"{id}.{ending}", text)
        return self._folder / f"{id}.md"

    def claim(self, id: str) -> bool:
        """Take the right to send a report; False when it was taken before, even by a process that died since.

        Raises:
            OSError: the folder cannot be written.
        """
        try:
            os.close(os.open(self._folder / f"{id}.sent", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        except FileExistsError:
            return False
        return True

    def prune(self, keep: int = KEPT_REPORTS) -> None:
        """Remove all but the newest *keep* reports, with what killed runs left of them."""
        files: dict[str, list[Path]] = {}
        for path in self._folder.iterdir():
            if found := _NAME.fullmatch(path.name.lstrip(".")):
                files.setdefault(found[1], []).append(path)
        for id in outdated(set(files), keep):
            for path in files[id]:
                path.unlink(missing_ok=True)

    def _write(self, path: Path, text: str) -> None:
        aside = path.with_name(f".{path.name}.part")
        with aside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
