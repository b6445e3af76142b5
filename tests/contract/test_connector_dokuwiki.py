"""The connector ``dokuwiki`` keeps the promises of every connector, over both of the wiki's interfaces."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from kbm_connectors.dokuwiki import DokuWikiConnector

from kbm.testing.contracts.connector import ConnectorContract
from tests.unit.connectors.fake_dokuwiki import PASSWORD, FakeDokuWiki


@dataclass
class Wiki:
    fake: FakeDokuWiki

    def connect(self) -> DokuWikiConnector:
        return self.fake.connect()

    def make(self, id: str, text: str) -> None:
        self.fake.pages[id] = text

    edit = make

    def remove(self, id: str) -> None:
        del self.fake.pages[id]

    def break_root(self) -> None:
        self.fake.close()


class TestDokuWikiOverJson(ConnectorContract):
    ids = ("start", "handbuch:it", "handbuch:it:größe")
    secrets = (PASSWORD,)
    is_old = False

    @pytest.fixture
    def source(self, tmp_path: Path) -> Iterator[Wiki]:
        wiki = Wiki(FakeDokuWiki(tmp_path, is_old=self.is_old))
        yield wiki
        wiki.fake.close()


@dataclass
class Folder:
    """A wiki's data folder, with file names as the wiki writes them."""

    root: Path

    def connect(self) -> DokuWikiConnector:
        return DokuWikiConnector("wiki", {"url": "data"}, self.root)

    def make(self, id: str, text: str) -> None:
        path = self._path(id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    edit = make

    def remove(self, id: str) -> None:
        self._path(id).unlink()

    def break_root(self) -> None:
        shutil.rmtree(self.root / "data")

    def _path(self, id: str) -> Path:
        return self.root / "data" / "pages" / f"{quote(id, safe=':').replace(':', '/')}.txt"


class TestDokuWikiFolder(ConnectorContract):
    ids = ("start", "handbuch:it", "handbuch:it:größe")

    @pytest.fixture
    def source(self, tmp_path: Path) -> Folder:
        return Folder(tmp_path)


class TestDokuWikiOverXml(TestDokuWikiOverJson):
    is_old = True
