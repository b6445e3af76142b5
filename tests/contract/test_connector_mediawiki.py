"""The connector ``mediawiki`` keeps the promises of every connector, against a wiki that misbehaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kbm_connectors.mediawiki import MediaWikiConnector

from kbm.testing.contracts.connector import ConnectorContract
from tests.unit.connectors.fake_mediawiki import PASSWORD, FakeMediaWiki


@dataclass
class Wiki:
    """A wiki in which a page that is made again is one that was restored, and so keeps its id."""

    fake: FakeMediaWiki

    def connect(self) -> MediaWikiConnector:
        return self.fake.connect()

    def make(self, id: str, text: str) -> None:
        self.fake.save(f"Seite {id}", text, int(id))

    edit = make

    def remove(self, id: str) -> None:
        self.fake.delete(int(id))

    def break_root(self) -> None:
        self.fake.close()


class TestMediaWiki(ConnectorContract):
    ids = ("11", "12", "13")
    secrets = (PASSWORD,)

    @pytest.fixture
    def source(self, tmp_path: Path) -> Iterator[Wiki]:
        wiki = Wiki(FakeMediaWiki(tmp_path))
        yield wiki
        wiki.fake.close()
