"""A Confluence as far as the connector asks it, in both deployments.

Made from the published samples of the interfaces, not recorded: version 2 of the cloud links its pages by cursors
relative to the site, Data Center numbers them and links relative to its context path.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from kbm_connectors.confluence import ConfluenceConnector

from tests.unit.connectors.fake_web import Answer, Asked, FakeWeb

PASSWORD = "api-t0ken-of-kbm"
PER_ANSWER = 2
"""Entries one answer holds: few, so that every listing goes on."""


@dataclass
class StubPage:
    id: str
    title: str
    body: str
    version: int = 1
    space: str = "HB"
    parent: str = ""
    status: str = "current"
    modified: datetime = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    kind: str = "page"
    files: dict[str, tuple[str, bytes, int]] = field(default_factory=dict)  # id -> name, bytes, version


@dataclass
class ConfluenceStub(FakeWeb):
    """A site whose clock stands still unless it is moved."""

    root: Path
    is_cloud: bool = True
    pages: dict[str, StubPage] = field(default_factory=dict)
    spaces: dict[str, str] = field(default_factory=lambda: {"HB": "98306"})
    now: datetime = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
    time_zone: str = "Europe/Berlin"
    renders: bool = True
    has_draft_ancestor: bool = False  # CONFCLOUD-77618
    keeps_next: bool = True
    sees_no_restrictions_in_search: bool = False
    media: FakeWeb | None = None

    def __post_init__(self) -> None:
        super().__init__()

    @property
    def context(self) -> str:
        return "/wiki" if self.is_cloud else "/confluence"

    # --- what people do

    def save(self, id: str, text: str, **changes: Any) -> StubPage:
        """Edit or create a page."""
        page = self.pages.get(id)
        if page is None:
            page = self.pages[id] = StubPage(id, f"Seite {id}", text)
        else:
            page.version += 1
        page.body, page.status, page.modified = text, "current", self.now
        for name, value in changes.items():
            setattr(page, name, value)
        return page

    def trash(self, id: str) -> None:
        self.pages[id].status = "trashed"

    def connect(self, **settings: object) -> ConfluenceConnector:
        (self.root / "password").write_text(PASSWORD)
        all_settings = {
            "url": f"{self.url}{self.context}",
            "deployment": "cloud" if self.is_cloud else "server",
            "user": "kbm@keller.example",
            "password": "file:password",
            "allow_private": True,
            "max_requests_per_second": 10_000,
            "timeout_s": 5,
            **settings,
        }
        return ConfluenceConnector(
            "wiki", all_settings, self.root, pause=lambda _: None, now=lambda: self.now
        )

    # --- what the interface says

    def answer(self, asked: Asked) -> Answer:
        path = asked.path.removeprefix(self.context)
        if path == asked.path:
            return Answer(b"{}", status=404)
        if path.startswith("/download/"):
            return self._download(path)
        said = self._v2(path, asked.params) if self.is_cloud and path.startswith("/api/v2/") else None
        if path.startswith("/rest/api/"):
            said = self._v1(path.removeprefix("/rest/api"), asked.params)
        if said is None:
            return Answer(b'{"statusCode":404,"message":"No content found"}', status=404)
        return Answer(json.dumps(said).encode(), "application/json;charset=UTF-8")

    def _download(self, path: str) -> Answer:
        found = self._file(path.split("/")[3])
        if found is None:
            return Answer(b"", "text/plain", 404)
        if self.media is not None:
            return Answer(b"", "text/plain", 302, {"Location": f"{self.media.url}/file?token=presigned"})
        return Answer(found[1][1], "application/pdf")

    # --- version 2

    def _v2(self, path: str, params: dict[str, str]) -> Any:
        parts = path.strip("/").split("/")[2:]
        match parts:
            case ["spaces"]:
                keys = (
                    [one.upper() for one in params["keys"].split(",")]
                    if "keys" in params
                    else list(self.spaces)
                )
                shown = [
                    {
                        "id": id,
                        "key": key,
                        "name": key,
                        "type": "global",
                        "status": "current",
                        "_links": {"webui": f"/spaces/{key}"},
                    }
                    for key, id in self.spaces.items()
                    if key in keys
                ]
                return self._cut(shown, path, params)
            case ["spaces", id, "pages"]:
                pages = [
                    page
                    for page in self._all()
                    if self.spaces.get(page.space) == id
                    and page.status == params["status"]
                    and page.kind == "page"
                ]
                pages.sort(key=lambda page: int(page.id), reverse=params.get("sort") == "-id")
                return self._cut([self._v2_page(page) for page in pages], path, params)
            case ["pages", id]:
                page = self.pages.get(id)
                if page is None or page.kind != "page" or page.status == "draft":
                    return None
                form = params.get("body-format", "")
                value = self._rendered(page) if form == "export_view" else page.body
                body = {form: {"representation": form, "value": value}} if form else {}
                return {**self._v2_page(page), "body": body if form != "export_view" or self.renders else {}}
            case ["pages", id, "ancestors"]:
                up = self._ancestors(self.pages[id])
                return {"results": [{"id": one.id, "type": one.kind} for one in up], "_links": {}}
            case ["pages", id, "attachments"]:
                return self._cut([self._v2_file(id, one) for one in self.pages[id].files], path, params)
            case ["attachments", id]:
                found = self._file(id)
                return found and self._v2_file(found[0].id, id)
        return None

    def _v2_page(self, page: StubPage) -> dict[str, Any]:
        return {
            "id": page.id,
            "status": page.status,
            "title": page.title,
            "spaceId": self.spaces.get(page.space, "0"),
            "parentId": page.parent or None,
            "parentType": "page" if page.parent else None,
            "position": 1,
            "authorId": "5b10a2844c20165700ede21g",
            "createdAt": "2026-01-01T08:00:00.000Z",
            "version": {
                "createdAt": _iso(page.modified),
                "message": "",
                "number": page.version,
                "minorEdit": False,
            },
            "body": {},
            "_links": {"webui": f"/spaces/{page.space}/pages/{page.id}", "tinyui": "/x/AbC"},
        }

    def _v2_file(self, page: str, id: str) -> dict[str, Any]:
        name, data, version = self.pages[page].files[id]
        return {
            "id": id,
            "status": "current",
            "title": name,
            "pageId": page,
            "mediaType": "application/pdf",
            "fileSize": len(data),
            "downloadLink": f"/download/attachments/{id}/{name}?version={version}&api=v2",
            "version": {"createdAt": _iso(self.now), "number": version},
        }

    def _cut(self, results: list[Any], path: str, params: dict[str, str]) -> dict[str, Any]:
        at = int(params.get("cursor", 0))
        n = min(PER_ANSWER, int(params.get("limit", 25)))
        said: dict[str, Any] = {"results": results[at : at + n], "_links": {"base": f"{self.url}/wiki"}}
        if at + n < len(results) and self.keeps_next:
            kept = "&".join(f"{key}={value}" for key, value in params.items() if key != "cursor")
            said["_links"]["next"] = f"/wiki{path}?{kept}&cursor={at + n}"
        return said

    # --- version 1

    def _v1(self, path: str, params: dict[str, str]) -> Any:
        parts = path.strip("/").split("/")
        match parts:
            case ["user", "current"]:
                zone = {"timeZone": self.time_zone} if self.is_cloud else {}
                return {"type": "known", "accountId": "712020:kbm", "displayName": "kbm", **zone}
            case ["content", "search"]:
                found = self._found(params["cql"])
                if self.has_draft_ancestor and "ancestors" in params["expand"]:
                    return None
                return self._numbered([self._v1_any(one, params) for one in found], path, params)
            case ["content", id, "restriction", "byOperation", "read"]:
                page = self.pages.get(id)
                if page is None or page.status == "draft":
                    return None
                return {"operation": "read", **_restrictions(page), "_links": {}}
        if self.is_cloud:
            return None
        match parts:
            case ["space"]:
                return self._numbered([{"id": 1, "key": key} for key in self.spaces], path, params)
            case ["space", key]:
                known = {one.lower(): one for one in self.spaces}
                return {"id": 1, "key": known[key.lower()]} if key.lower() in known else None
            case ["content"]:
                if self.has_draft_ancestor and "ancestors" in params.get("expand", ""):
                    return None
                found = [
                    p for p in self._all() if p.space == params["spaceKey"] and p.status == params["status"]
                ]
                return self._numbered([self._v1_page(one, params) for one in found], path, params)
            case ["content", id] if id.startswith("att"):
                file = self._file(id)
                return file and self._v1_file(file[0], id)
            case ["content", id]:
                page = self.pages.get(id)
                return None if page is None or page.status == "draft" else self._v1_page(page, params)
            case ["content", id, "child", "attachment"]:
                page = self.pages[id]
                return self._numbered([self._v1_file(page, one) for one in page.files], path, params)
        return None

    def _found(self, cql: str) -> list[Any]:
        """Answer the few queries the connector asks."""
        ids = re.search(r"id in \(([\d, ]+)\)", cql)
        if ids:
            return [self.pages[one] for one in re.split(r", *", ids[1]) if one in self.pages]
        keys = re.findall(r'"(\w+)"', cql.partition(" and lastmodified")[0])
        since = re.search(r'lastmodified >= "([\d-]+ [\d:]+)"', cql)
        pages = [p for p in self._all() if p.space in keys and p.status == "current" and p.kind == "page"]
        if "type = attachment" in cql:
            return [(page, id) for page in pages for id in page.files]
        if not since:
            return [] if self.sees_no_restrictions_in_search else pages
        # The site reads the time in the zone of the account.
        moment = datetime.strptime(since[1], "%Y-%m-%d %H:%M").replace(tzinfo=ZoneInfo(self.time_zone))
        return [page for page in pages if page.modified >= moment]

    def _v1_any(self, one: Any, params: dict[str, str]) -> dict[str, Any]:
        return self._v1_page(one, params) if isinstance(one, StubPage) else self._v1_file(*one)

    def _v1_page(self, page: StubPage, params: dict[str, str]) -> dict[str, Any]:
        expand = params.get("expand", "")
        said: dict[str, Any] = {
            "id": page.id,
            "type": "page",
            "status": page.status,
            "title": page.title,
            "_links": {
                "webui": f"/display/{page.space}/{page.id}",
                "self": f"{self.url}{self.context}/rest/api/content/{page.id}",
            },
        }
        if "version" in expand:
            by = {"type": "known", "username": "berta", "displayName": "Berta Brand"}
            said["version"] = {
                "by": by,
                "when": _iso(page.modified),
                "number": page.version,
                "minorEdit": False,
            }
        if "space" in expand:
            said["space"] = {"id": 98306, "key": page.space, "name": page.space, "type": "global"}
        if re.search(r"(^|,)restrictions\.read", expand):
            said["restrictions"] = {"read": {"operation": "read", **_restrictions(page)}}
        if "ancestors" in expand:
            said["ancestors"] = [
                {
                    "id": up.id,
                    "type": up.kind,
                    "title": up.title,
                    **(
                        {"restrictions": {"read": _restrictions(up)}}
                        if "ancestors.restrictions" in expand
                        else {}
                    ),
                }
                for up in self._ancestors(page)
            ]
        if "body" in expand:
            said["body"] = {"storage": {"value": page.body, "representation": "storage"}}
            if self.renders:
                said["body"]["export_view"] = {"value": self._rendered(page), "representation": "export_view"}
        return said

    def _v1_file(self, page: StubPage, id: str) -> dict[str, Any]:
        name, data, version = page.files[id]
        return {
            "id": id,
            "type": "attachment",
            "status": "current",
            "title": name,
            "container": {"id": page.id, "type": "page"},
            "version": {"when": _iso(self.now), "number": version},
            "extensions": {"mediaType": "application/pdf", "fileSize": len(data)},
            "_links": {"download": f"/download/attachments/{id}/{name}?version={version}&api=v2"},
        }

    def _numbered(self, results: list[Any], path: str, params: dict[str, str]) -> dict[str, Any]:
        start, limit = int(params.get("start", 0)), min(PER_ANSWER, int(params.get("limit", 25)))
        part = results[start : start + limit]
        said: dict[str, Any] = {"results": part, "start": start, "limit": limit, "size": len(part)}
        said["_links"] = {"base": f"{self.url}{self.context}", "context": self.context}
        if start + limit < len(results) and self.keeps_next:
            asked = urlencode({**params, "start": str(start + limit)})
            said["_links"]["next"] = f"/rest/api{path}?{asked}"
        return said

    # --- parts

    def _all(self) -> list[StubPage]:
        return sorted(self.pages.values(), key=lambda page: int(page.id))

    def _ancestors(self, page: StubPage) -> list[StubPage]:
        up: list[StubPage] = []
        while page.parent:
            page = self.pages[page.parent]
            up.insert(0, page)
        return up

    def _file(self, id: str) -> tuple[StubPage, tuple[str, bytes, int]] | None:
        return next(
            ((p, p.files[id]) for p in self.pages.values() if id in p.files and p.status == "current"), None
        )

    def _rendered(self, page: StubPage) -> str:
        return f'<div class="export">{page.body}</div>'


def _restrictions(page: StubPage) -> dict[str, Any]:
    users = [
        {"type": "known", "accountId": f"id-{one}", "email": one, "displayName": one} for one in page.users
    ]
    groups = [{"type": "group", "name": one, "id": f"g-{one}"} for one in page.groups]
    return {
        "restrictions": {
            "user": {"results": users, "start": 0, "limit": 100, "size": len(users)},
            "group": {"results": groups, "start": 0, "limit": 100, "size": len(groups)},
        }
    }


def shift(stub: ConfluenceStub, **delta: float) -> None:
    """Move the site's clock."""
    stub.now += timedelta(**delta)


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
