"""A tenant's sign-in and Graph as far as the connector asks them, made from Microsoft's published samples.

Libraries tell changes by tokens, two items an answer; a folder's change does not list what is in it; permissions are
inherited and listed without saying so, as SharePoint does.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from kbm_connectors.sharepoint import SharePointConnector

from tests.unit.connectors.fake_web import Answer, Asked, FakeWeb

SECRET = "s3cret~of.the.application"
CLIENT = "2f1e7a34-0000-4000-8000-00000000abcd"
SITE = "/sites/qualität"
PER_ANSWER = 2
DRIVE = "b!-RIj2DuyvEyV1T4NlOaMHk8XkS"
ROOT = "01ROOT"
TOP = "root"

Permission = dict[str, Any]


def people(*mails: str, role: str = "read") -> list[Permission]:
    return [
        {
            "id": mail,
            "roles": [role],
            "grantedToV2": {"user": {"id": f"id-{mail}", "email": mail, "displayName": mail}},
        }
        for mail in mails
    ]


def site_group(name: str) -> Permission:
    group = {"siteGroup": {"id": "4", "displayName": name, "loginName": name}}
    return {"id": name, "roles": ["read"], "grantedToV2": group}


def link(scope: str, *mails: str) -> Permission:
    identities = [{"user": {"id": mail, "email": mail}} for mail in mails]
    return {
        "id": f"link-{scope}",
        "roles": ["read"],
        "link": {"scope": scope, "type": "view", "webUrl": "https://keller.sharepoint.com/:w:/s/x"},
        "grantedToIdentitiesV2": identities,
        "expirationDateTime": "0001-01-01T00:00:00Z",
    }


def preferred(asked: Asked) -> str:
    """Give the header ``Prefer`` in whichever spelling it came."""
    return {name.lower(): value for name, value in asked.headers.items()}.get("prefer", "")


@dataclass
class StubItem:
    id: str
    name: str
    parent: str = ROOT
    data: bytes | None = None  # None: a folder
    permissions: list[Permission] | None = None  # None: those of the folder
    is_deleted: bool = False
    changed: int = 0
    shared: int = 0
    modified: datetime = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)


@dataclass
class SharePointStub(FakeWeb):
    """A site with the library ``Documents``; its clock stands still unless it is moved."""

    root: Path
    items: dict[str, dict[str, StubItem]] = field(default_factory=dict)  # by library
    names: dict[str, str] = field(default_factory=dict)  # of libraries
    roles: tuple[str, ...] = ("Sites.FullControl.All",)
    now: datetime = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
    oldest: int = 0  # tokens below are not known any more
    lost_status: int = 410
    tokens: list[str] = field(default_factory=list)
    token_fails: int = 0
    batch_status: int = 200
    hidden: set[str] = field(default_factory=set)  # libraries that are answered with 403
    storage: FakeWeb | None = None
    _n: int = 0

    def __post_init__(self) -> None:
        super().__init__()
        self.add_library(DRIVE, "Documents")

    # --- what people do

    def add_library(self, id: str, name: str) -> None:
        self.names[id] = name
        everybody = [site_group("Qualität Members")]
        self.items[id] = {ROOT: StubItem(ROOT, "root", "", permissions=everybody, changed=self._next())}

    def put(self, id: str, text: str | None, drive: str = DRIVE, **changes: Any) -> StubItem:
        """Edit or create a file, or a folder without text."""
        item = self.items[drive].setdefault(id, StubItem(id, f"Datei {id}.txt" if text is not None else id))
        item.data, item.is_deleted = None if text is None else text.encode(), False
        item.changed, item.modified = self._next(), self.now
        for name, value in changes.items():
            setattr(item, name, value)
        return item

    def delete(self, id: str, drive: str = DRIVE) -> None:
        item = self.items[drive][id]
        item.is_deleted, item.changed = True, self._next()

    def share(self, id: str, permissions: list[Permission] | None, drive: str = DRIVE) -> None:
        """Give an item permissions of its own, or those of its folder."""
        item = self.items[drive][id]
        item.permissions, item.shared = permissions, self._next()

    def connect(self, **settings: object) -> SharePointConnector:
        (self.root / "secret").write_text(SECRET)
        all_settings = {
            "url": f"https://keller.sharepoint.com{SITE}",
            "tenant": "keller.onmicrosoft.com",
            "client_id": CLIENT,
            "client_secret": "file:secret",
            "graph_url": self.url,
            "login_url": f"{self.url}/login",
            "allow_private": True,
            "max_requests_per_second": 10_000,
            "timeout_s": 5,
            **settings,
        }
        return SharePointConnector("dms", all_settings, self.root, pause=lambda _: None, now=lambda: self.now)

    # --- what the interface says

    def answer(self, asked: Asked) -> Answer:
        path = unquote(asked.path)
        if path == "/login/keller.onmicrosoft.com/oauth2/v2.0/token":
            return self._sign_in(asked)
        if asked.headers.get("Authorization", "") not in {f"Bearer {token}" for token in self.tokens}:
            return _said({"error": {"code": "InvalidAuthenticationToken"}}, 401)
        return self._graph(path.removeprefix("/v1.0"), asked)

    def _sign_in(self, asked: Asked) -> Answer:
        if asked.params.get("client_secret") != SECRET or self.token_fails:
            told = {
                "error": "invalid_client",
                "error_description": f"AADSTS7000215: Invalid client secret {SECRET}.",
            }
            return _said(told, 401)
        claims = urlsafe_b64encode(json.dumps({"roles": self.roles}).encode()).decode().rstrip("=")
        self.tokens.append(f"eyJ0.{claims}.{self._next()}-signature")
        return _said({"token_type": "Bearer", "expires_in": 3599, "access_token": self.tokens[-1]})

    def _graph(self, path: str, asked: Asked) -> Answer:
        if path == f"/sites/keller.sharepoint.com:{SITE}":
            return _said({"id": "keller.sharepoint.com,site-guid,web-guid", "displayName": "Qualität"})
        if path == "/sites/keller.sharepoint.com,site-guid,web-guid/drives":
            drives = [
                {"id": id, "name": name, "driveType": "documentLibrary"} for id, name in self.names.items()
            ]
            return self._cut(drives, path, asked.params)
        if path == "/$batch":
            return self._batch(json.loads(asked.body))
        found = re.fullmatch(r"/drives/([^/]+)(?:/(.*))?", path)
        if not found or found[1] not in self.names:
            return _said({"error": {"code": "itemNotFound"}}, 404)
        drive, rest = found[1], found[2] or ""
        if drive in self.hidden:
            return _said({"error": {"code": "accessDenied"}}, 403)
        if rest == "root/delta":
            return self._delta(drive, asked)
        if found := re.fullmatch(r"items/([^/]+)(?:/(permissions|content))?", rest):
            return self._item(drive, found[1], found[2], asked)
        return _said({"id": drive, "name": self.names[drive]})

    def _delta(self, drive: str, asked: Asked) -> Answer:
        since = int(asked.params.get("token", 0))
        if since and since < self.oldest:
            return Answer(
                b'{"error":{"code":"resyncRequired"}}',
                status=self.lost_status,
                headers={"Location": f"{self.url}/v1.0/x?token=0"},
            )
        sees_sharing = "deltashowsharingchanges" in preferred(asked) and self.roles == (
            "Sites.FullControl.All",
        )
        items = self.items[drive]
        told: dict[str, dict[str, Any]] = {}
        for item in items.values():
            is_shared = item.shared > since and sees_sharing
            if (item.is_deleted and not since) or not (item.changed > since or is_shared):
                continue
            for up in self._above(items, item):
                told.setdefault(up.id, self._shown(drive, up))
            told[item.id] = self._shown(drive, item)
            if is_shared and since:
                told[item.id]["@microsoft.graph.sharedChanged"] = "True"
        at, last = int(asked.params.get("at", 0)), asked.params.get("upto") or str(self._n)
        said: dict[str, Any] = {"value": list(told.values())[at : at + PER_ANSWER]}
        here = f"{self.url}/v1.0/drives/{drive}/{TOP}/delta"
        if at + PER_ANSWER < len(told):
            said["@odata.nextLink"] = f"{here}?token={since}&at={at + PER_ANSWER}&upto={last}"
        else:
            said["@odata.deltaLink"] = f"{here}?token={last}"
        return _said(said)

    def _item(self, drive: str, id: str, part: str | None, asked: Asked) -> Answer:
        item = self.items[drive].get(id)
        if item is None or item.is_deleted:
            return _said({"error": {"code": "itemNotFound"}}, 404)
        if part == "permissions":
            return self._cut(
                self._permissions(drive, item), f"/drives/{drive}/items/{id}/permissions", asked.params
            )
        if part == "content":
            if self.storage is not None:
                return Answer(
                    b"", "text/plain", 302, {"Location": f"{self.storage.url}/download?tempauth=pre"}
                )
            return Answer(item.data or b"", "application/octet-stream")
        above = [up.name for up in self._above(self.items[drive], item) if up.id != ROOT]
        place = {"path": "/".join((f"/drives/{drive}/root:", *above)), "id": item.parent, "driveId": drive}
        return _said({**self._shown(drive, item), **({"parentReference": place} if item.parent else {})})

    def _batch(self, asked: dict[str, Any]) -> Answer:
        responses: list[dict[str, Any]] = []
        for one in asked["requests"]:
            found = re.fullmatch(r"/drives/([^/]+)/items/([^/]+)/permissions", unquote(one["url"]))
            assert found
            item = self.items[found[1]].get(found[2])
            status = self.batch_status if item and not item.is_deleted else 404
            body: dict[str, Any] = {"error": {"code": "other"}}
            if item and status == 200:
                body = {"value": self._permissions(found[1], item)}
            responses.insert(
                0, {"id": one["id"], "status": status, "headers": {"Retry-After": "9"}, "body": body}
            )
        return _said({"responses": responses})

    def _permissions(self, drive: str, item: StubItem) -> list[Permission]:
        while item.permissions is None:
            item = self.items[drive][item.parent]
        return item.permissions

    def _above(self, items: dict[str, StubItem], item: StubItem) -> list[StubItem]:
        up: list[StubItem] = []
        while item.parent:
            item = items[item.parent]
            up.insert(0, item)
        return up

    def _shown(self, drive: str, item: StubItem) -> dict[str, Any]:
        if item.is_deleted:
            kind = "folder" if item.data is None else "file"
            return {
                "id": item.id,
                kind: {},
                "deleted": {"state": "deleted"},
                "parentReference": {"id": item.parent},
            }
        shown: dict[str, Any] = {
            "id": item.id,
            "name": item.name,
            "eTag": f'"{{{item.id}}},{item.changed}"',
            "lastModifiedDateTime": item.modified.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "lastModifiedBy": {"user": {"displayName": "Megan Bowen", "email": "megan@keller.example"}},
            "webUrl": f"https://keller.sharepoint.com{SITE}/{self.names[drive]}/{item.name}",
            "parentReference": {"driveId": drive, "driveType": "documentLibrary", "id": item.parent},
        }
        if item.id == ROOT:
            return {"id": ROOT, "name": "root", "root": {}, "folder": {"childCount": 1}}
        if item.data is None:
            return {**shown, "folder": {"childCount": 1}}
        made = hashlib.sha256(item.data).hexdigest()
        return {
            **shown,
            "size": len(item.data),
            "file": {"mimeType": "text/plain", "hashes": {"quickXorHash": made}},
        }

    def _cut(self, value: list[Any], path: str, params: dict[str, str]) -> Answer:
        at = int(params.get("$skiptoken", 0))
        said: dict[str, Any] = {"value": value[at : at + PER_ANSWER]}
        if at + PER_ANSWER < len(value):
            said["@odata.nextLink"] = f"{self.url}/v1.0{path}?$skiptoken={at + PER_ANSWER}"
        return _said(said)

    def _next(self) -> int:
        self._n += 1
        return self._n


def _said(said: dict[str, Any], status: int = 200) -> Answer:
    return Answer(json.dumps(said).encode(), "application/json;odata.metadata=minimal", status)


def shift(stub: SharePointStub, **delta: float) -> None:
    """Move the clock."""
    stub.now += timedelta(**delta)
