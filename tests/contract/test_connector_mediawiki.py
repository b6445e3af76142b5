"""The connector ``mediawiki`` keeps the promises of every connector, against a wiki and against a dump."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
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


@dataclass
class Dump:
    """A dump that is made anew after each change; revisions count up."""

    root: Path
    texts: dict[str, tuple[int, str]] = field(default_factory=dict)

    def connect(self) -> MediaWikiConnector:
        return MediaWikiConnector("wiki", {"url": "wiki.xml"}, self.root)

    def make(self, id: str, text: str) -> None:
        revision = 1 + max((n for n, _ in self.texts.values()), default=0)
        self.texts[id] = revision, text
        self._write()

    edit = make

    def remove(self, id: str) -> None:
        del self.texts[id]
        self._write()

    def break_root(self) -> None:
        path = self.root / "wiki.xml"
        path.write_bytes(path.read_bytes()[:-30])

    def _write(self) -> None:
        pages = "".join(
            f"<page><title>Seite {id}</title><ns>0</ns><id>{id}</id>"
            f"<revision><id>{n}</id><text>{text}</text></revision></page>"
            for id, (n, text) in self.texts.items()
        )
        (self.root / "wiki.xml").write_text(f"<mediawiki>{pages}</mediawiki>")


class TestMediaWikiDump(ConnectorContract):
    ids = ("11", "12", "13")

    @pytest.fixture
    def source(self, tmp_path: Path) -> Dump:
        return Dump(tmp_path)


class TestMediaWiki(ConnectorContract):
    ids = ("11", "12", "13")
    secrets = (PASSWORD,)

    @pytest.fixture
    def source(self, tmp_path: Path) -> Iterator[Wiki]:
        wiki = Wiki(FakeMediaWiki(tmp_path))
        yield wiki
        wiki.fake.close()
