"""An S3 store for the tests, as the contract of connectors wants it."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from kbm_connectors.files import FilesConnector

from kbm.domain.sync import Brake, Event, Failed, Known, Mark, Ref, plan_sync
from tests.unit.connectors.fake_web import Answer, Asked, FakeWeb

SECRET = "wJalrXUtnFEMI/K7MDENG"


EVERYONE = frozenset({"everyone"})


_SKIPPED = frozenset({"content-length", "content-type", "transfer-encoding", "connection", "date", "server"})


def error(status: int, code: str) -> Answer:
    said = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{SECRET}</Message></Error>"
    return Answer(said.encode(), "application/xml", status)


class Front(FakeWeb):
    """Stands before the store, as a proxy does."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    def answer(self, asked: Asked) -> Answer:
        raise AssertionError("it is asked with its query")

    def reply(self, asked: Asked) -> Answer:
        query = "&".join(f"{key}={quote(value, safe='')}" for key, value in asked.params.items())
        store = http.client.HTTPConnection("127.0.0.1", self._port)
        store.request(asked.method, f"{asked.path}?{query}" if query else asked.path, headers=asked.headers)
        said = store.getresponse()
        headers = {name: value for name, value in said.getheaders() if name.lower() not in _SKIPPED}
        answer = Answer(said.read(), said.getheader("Content-Type") or "", said.status, headers)
        store.close()
        n = len(self.asked)
        self.asked.append(asked)
        return self.fault(answer) if self.fault is not None and n >= self.fault_from else answer


@dataclass
class Bucket:
    """A folder in a bucket of its own."""

    s3: Any  # boto3's client
    front: Front
    root: Path
    folder: str = "dms/"
    name: str = field(default_factory=lambda: f"b{uuid4().hex}")

    def __post_init__(self) -> None:
        self.s3.create_bucket(Bucket=self.name)
        (self.root / "key").write_text("AKIAIOSFODNN7EXAMPLE")
        (self.root / "secret").write_text(SECRET)

    def settings(self, **more: object) -> dict[str, object]:
        return {
            "url": f"s3://{self.name}/{self.folder}".rstrip("/"),
            "endpoint_url": self.front.url,
            "key_id": "file:key",
            "secret_key": "file:secret",
            "allow_private": True,
            "max_requests_per_second": 10_000,
            **more,
        }

    def connect(self, **more: object) -> FilesConnector:
        return FilesConnector("bucket", self.settings(**more), self.root, pause=lambda _: None)

    def make(self, id: str, text: str, **more: object) -> None:
        self.s3.put_object(Bucket=self.name, Key=f"{self.folder}{id}", Body=text.encode(), **more)

    edit = make

    def remove(self, id: str) -> None:
        self.s3.delete_object(Bucket=self.name, Key=f"{self.folder}{id}")

    def break_root(self) -> None:
        self.front.close()


def known_of(source: Bucket) -> dict[str, Known]:
    for id in ("a.txt", "hr/b.txt", "hr/secret/c.txt"):
        source.make(id, f"text of {id}")
    return {
        event.id: Known(version=event.version, readers=EVERYONE, scope=event.scope)
        for event in source.connect().scan(None)
        if isinstance(event, Ref)
    }


def removed(events: list[Event], known: Mapping[str, Known]) -> tuple[str, ...]:
    return plan_sync("bucket", events, known, default_readers=EVERYONE, brake=Brake()).removed


def told(source: Bucket, known: Mapping[str, Known]) -> str:
    """Scan, see that everything is kept, and give what was told of the root."""
    connector = source.connect()
    events = list(connector.scan(None))
    failed = [event for event in events if isinstance(event, Failed)]
    assert [(event.scope, event.id) for event in failed] == [("", None)]
    assert not any(isinstance(event, Mark) for event in events)
    assert removed(events, known) == ()
    assert SECRET not in repr(events)
    problems = connector.check()
    assert problems
    assert SECRET not in str(problems)
    return failed[0].why
