"""The connector ``files`` keeps the promises of every connector."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from kbm_connectors.files import FilesConnector

from kbm.testing.contracts.connector import ConnectorContract


@dataclass
class Folder:
    root: Path

    def connect(self) -> FilesConnector:
        return FilesConnector("quality", {"url": "dms"}, self.root)

    def make(self, id: str, text: str) -> None:
        path = self.root / "dms" / id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    edit = make

    def remove(self, id: str) -> None:
        (self.root / "dms" / id).unlink()

    def break_root(self) -> None:
        shutil.rmtree(self.root / "dms")


class TestFiles(ConnectorContract):
    ids = ("a.txt", "policies/b.txt", "policies/2026/ü c.txt")

    @pytest.fixture
    def source(self, tmp_path: Path) -> Folder:
        return Folder(tmp_path)
