"""A SharePoint for the tests, as the contract of connectors wants it."""

from __future__ import annotations

from dataclasses import dataclass

from kbm_connectors.sharepoint import SharePointConnector

from tests.contract.sharepoint_stub import (
    DRIVE,
    SharePointStub,
)

ALL_USERS = "c:0-.f|rolemanager|spo-grid-all-users"


MEMBERS = frozenset({"group:Qualität_Members"})


def of(id: str, drive: str = DRIVE) -> str:
    return f"{drive}/{id}"


@dataclass
class Site:
    stub: SharePointStub

    def connect(self) -> SharePointConnector:
        return self.stub.connect()

    def make(self, id: str, text: str) -> None:
        self.stub.put(id.partition("/")[2], text)

    edit = make

    def remove(self, id: str) -> None:
        self.stub.delete(id.partition("/")[2])

    def break_root(self) -> None:
        self.stub.close()
