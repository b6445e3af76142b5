"""A Confluence for the tests, as the contract of connectors wants it."""

from __future__ import annotations

from dataclasses import dataclass

from kbm_connectors.confluence import ConfluenceConnector

from tests.contract.confluence_stub import ConfluenceStub
from tests.unit.connectors.fake_web import Answer, Asked, FakeWeb


@dataclass
class Wiki:
    stub: ConfluenceStub

    def connect(self) -> ConfluenceConnector:
        return self.stub.connect(spaces=["HB"])

    def make(self, id: str, text: str) -> None:
        self.stub.save(id, f"<p>{text}</p>")

    edit = make

    def remove(self, id: str) -> None:
        self.stub.trash(id)

    def break_root(self) -> None:
        self.stub.close()


class Media(FakeWeb):
    """Another host that keeps files."""

    def answer(self, asked: Asked) -> Answer:
        return Answer(b"%PDF-1.4 elsewhere", "application/pdf")
