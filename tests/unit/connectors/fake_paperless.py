"""Paperless-ngx's REST interface, as its documentation and its own tests show it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kbm_connectors.paperless import PaperlessConnector

from tests.unit.connectors.fake_web import Answer, Asked, FakeWeb

PASSWORD = "s3cret-of-the-dms"
BEGIN = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
MAX_PER_PAGE = 100_000


@dataclass
class Stored:
    """A document of the DMS; ``versions`` are the numbers of its files."""

    text: str
    title: str
    modified: datetime
    owner: int | None = None
    users: list[int] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    tags: list[int] = field(default_factory=list)
    document_type: int | None = None
    correspondent: int | None = None
    media_type: str = "text/plain"
    versions: list[int] = field(default_factory=list)


@dataclass
class FakePaperless(FakeWeb):
    """A DMS with documents by number. ``forbidden`` are paths that answer 403, ``waited`` the client's pauses."""

    root: Path
    documents: dict[int, Stored] = field(default_factory=dict)
    trash: dict[int, Stored] = field(default_factory=dict)
    users: dict[int, str] = field(default_factory=lambda: {1: "admin", 2: "bert", 3: "carla"})
    groups: dict[int, str] = field(default_factory=lambda: {7: "hr", 8: "Technischer Dienst"})
    named: dict[str, dict[int, str]] = field(
        default_factory=lambda: {
            "correspondents": {4: "Stadtwerke"},
            "tags": {5: "Handbuch", 6: "Privat"},
            "document_types": {9: "Anleitung"},
        }
    )
    forbidden: set[str] = field(default_factory=set)
    tokens: list[str] = field(default_factory=list)
    throttled: int = 0
    now: datetime = BEGIN
    waited: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        (self.root / "password").write_text(PASSWORD)

    def connect(self, **settings: object) -> PaperlessConnector:
        all_settings = {
            "url": f"{self.url}/dms",
            "user": "bert",
            "password": "file:password",
            "allow_private": True,
            "max_requests_per_second": 10_000,
            "timeout_s": 5,
            **settings,
        }
        return PaperlessConnector(
            "dms", all_settings, self.root, pause=self.waited.append, now=lambda: self.now
        )

    # --- what people do in it

    def tick(self, seconds: float = 60) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now

    def add(self, number: int, text: str, **fields: Any) -> None:
        self.documents[number] = Stored(text, f"Dokument {number}", self.tick(), **fields)

    def edit(self, number: int, text: str) -> None:
        stored = self.documents[number]
        stored.text, stored.modified = text, self.tick()

    def delete(self, number: int, *, for_good: bool = False) -> None:
        stored = self.documents.pop(number)
        if not for_good:
            self.trash[number] = stored

    # --- what it answers

    def answer(self, asked: Asked) -> Answer:
        path = asked.path.removeprefix("/dms")
        if path == "/api/token/":
            return self._token(asked)
        sent = {name.lower(): value for name, value in asked.headers.items()}
        if sent.get("authorization") not in [f"Token {one}" for one in self.tokens]:
            return _json({"detail": f"Invalid token {PASSWORD}."}, 401)
        if path in self.forbidden:
            return _json({"detail": "You do not have permission to perform this action."}, 403)
        match path.strip("/").split("/"):
            case ["api", "documents"]:
                return self._list(asked)
            case ["api", "documents", number, "download"]:
                stored = self.documents.get(int(number))
                if stored is None:
                    return Answer(b"<html><body>Not found</body></html>", "text/html", 404)
                return Answer(stored.text.encode(), stored.media_type)
            case ["api", "trash"]:
                return _page(asked, [self._record(number, one, asked) for number, one in self.trash.items()])
            case ["api", "users"]:
                return _page(asked, [{"id": n, "username": name} for n, name in self.users.items()])
            case ["api", "groups"]:
                return _page(asked, [{"id": n, "name": name} for n, name in self.groups.items()])
            case ["api", kind] if kind in self.named:
                return _page(asked, [{"id": n, "name": name} for n, name in self.named[kind].items()])
        return Answer(b"<!doctype html><html><head><title>Paperless</title></head></html>", "text/html")

    def _token(self, asked: Asked) -> Answer:
        if self.throttled:
            self.throttled -= 1
            return Answer(b'{"detail": "Request was throttled."}', status=429, headers={"Retry-After": "22"})
        if (asked.params.get("username"), asked.params.get("password")) != ("bert", PASSWORD):
            return _json({"non_field_errors": ["Unable to log in with provided credentials."]}, 400)
        self.tokens.append(f"token-{len(self.tokens)}-of-{id(self)}")
        return _json({"token": self.tokens[-1]})

    def _list(self, asked: Asked) -> Answer:
        found = sorted(self.documents.items(), key=lambda one: (one[1].modified, one[0]))
        after = asked.params.get("modified__gt")
        if after:
            found = [one for one in found if one[1].modified > datetime.fromisoformat(after)]
        return _page(asked, [self._record(number, one, asked) for number, one in found])

    def _record(self, number: int, stored: Stored, asked: Asked) -> dict[str, Any]:
        zone = stored.modified + timedelta(hours=1)  # as a server in Berlin writes it
        record: dict[str, Any] = {
            "id": number,
            "correspondent": stored.correspondent,
            "document_type": stored.document_type,
            "title": stored.title,
            "content": stored.text[:550],
            "tags": stored.tags,
            "modified": zone.replace(tzinfo=None).isoformat(timespec="microseconds") + "+01:00",
            "owner": stored.owner,
            "mime_type": stored.media_type,
            "versions": [{"id": one} for one in stored.versions],
        }
        if asked.params.get("full_perms") == "true":
            view = {"users": stored.users, "groups": stored.groups}
            record["permissions"] = {"view": view, "change": {"users": [], "groups": []}}
        wanted = asked.params.get("fields", "").split(",")
        return {key: value for key, value in record.items() if wanted == [""] or key in wanted}


def _json(answer: object, status: int = 200) -> Answer:
    return Answer(json.dumps(answer).encode(), status=status)


def _page(asked: Asked, records: list[dict[str, Any]]) -> Answer:
    size = min(int(asked.params.get("page_size", "25")), MAX_PER_PAGE)
    number = int(asked.params.get("page", "1"))
    part = records[(number - 1) * size : number * size]
    if not part and number > 1:
        return _json({"detail": "Invalid page."}, 404)
    following = f"http://elsewhere/?page={number + 1}" if len(records) > number * size else None
    ids = [record["id"] for record in records]
    return _json({"count": len(records), "next": following, "previous": None, "all": ids, "results": part})
