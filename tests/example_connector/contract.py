"""The help desk keeps the promises of every connector. Run it where the package is installed."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from kbm_helpdesk import HelpdeskConnector  # type: ignore[import-not-found]

from kbm.testing.contracts.connector import ConnectorContract


@dataclass
class Export:
    path: Path
    texts: dict[str, str] = field(default_factory=dict)

    def connect(self) -> HelpdeskConnector:
        return HelpdeskConnector("desk", {"url": self.path.name}, self.path.parent)

    def make(self, id: str, text: str) -> None:
        self.texts[id] = text
        self.export()

    edit = make

    def remove(self, id: str) -> None:
        del self.texts[id]
        self.export()

    def export(self) -> None:
        fields = {"title": "T", "updated": "2026-11-24T08:00:00+00:00", "public": True}
        articles = [{"id": id, "text": text, **fields} for id, text in self.texts.items()]
        self.path.write_text(json.dumps({"articles": articles}))

    def break_root(self) -> None:
        self.path.write_text(self.path.read_text()[:-20])


class TestHelpdesk(ConnectorContract):
    ids = ("101", "102", "A-3")

    @pytest.fixture
    def source(self, tmp_path: Path) -> Export:
        return Export(tmp_path / "articles.helpdesk.json")
