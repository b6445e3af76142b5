"""A Paperless-ngx for the tests, as the contract of connectors wants it."""

from __future__ import annotations

from dataclasses import dataclass

from kbm_connectors.paperless import PaperlessConnector

from tests.unit.connectors.fake_paperless import FakePaperless


@dataclass
class Dms:
    fake: FakePaperless

    def connect(self) -> PaperlessConnector:
        return self.fake.connect()

    def make(self, id: str, text: str) -> None:
        self.fake.trash.pop(int(id), None)
        self.fake.add(int(id), text)

    def edit(self, id: str, text: str) -> None:
        self.fake.edit(int(id), text)

    def remove(self, id: str) -> None:
        self.fake.delete(int(id))

    def break_root(self) -> None:
        self.fake.close()
