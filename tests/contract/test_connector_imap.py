"""The connector ``imap`` keeps the promises of every connector."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kbm_connectors.imap import ImapConnector

from kbm.testing.contracts.connector import ConnectorContract
from tests.unit.connectors.fake_imap import PASSWORD, FakeImap


@dataclass
class Mailbox:
    """A folder in which a mail is edited as clients do it: the new one takes the place of the old one."""

    fake: FakeImap

    def connect(self) -> ImapConnector:
        return self.fake.connect(folders=["*"])

    def make(self, id: str, text: str) -> None:
        self.fake.put(_folder(id), id, text)

    def edit(self, id: str, text: str) -> None:
        self.remove(id)
        self.make(id, text)

    def remove(self, id: str) -> None:
        self.fake.take(_folder(id), id)

    def break_part(self, id: str) -> None:
        self.fake.closed = frozenset({_folder(id)})

    def break_root(self) -> None:
        self.fake.close()


def _folder(id: str) -> str:
    return "Wissen" if id.startswith("b") else "INBOX"


class TestImap(ConnectorContract):
    ids = ("a@example.com", "b@example.com", "c@example.com")
    secrets = (PASSWORD,)

    @pytest.fixture
    def source(self, tmp_path: Path) -> Iterator[Mailbox]:
        box = Mailbox(FakeImap(tmp_path))
        yield box
        box.fake.close()
