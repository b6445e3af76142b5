"""DokuWiki's remote interface: JSON-RPC as its sources of 2025 have it, XML-RPC as version 2022-07-31 answered."""

from __future__ import annotations

import hashlib
import json
import xmlrpc.client
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kbm_connectors.dokuwiki import DokuWikiConnector

from tests.unit.connectors.fake_web import Answer, Asked, FakeWeb

PASSWORD = "s3cret-of-the-wiki"
START_PAGE = b"<!DOCTYPE html><html><head><title>Start</title></head><body>Willkommen</body></html>"


class Refusal(Exception):
    """An error of the interface's own."""

    def __init__(self, code: int, status: int) -> None:
        self.code, self.status = code, status


@dataclass
class FakeDokuWiki(FakeWeb):
    """A wiki with pages by id; ``is_old`` speaks XML-RPC only."""

    root: Path
    is_old: bool = False
    is_admin: bool = True
    has_acl: bool = True
    is_off: bool = False
    pages: dict[str, str] = field(default_factory=dict)
    acl: dict[str, dict[str, int]] = field(default_factory=lambda: {"*": {"@ALL": 1}})
    sessions: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def connect(self, **settings: object) -> DokuWikiConnector:
        (self.root / "password").write_text(PASSWORD)
        all_settings = {
            "url": f"{self.url}/wiki",
            "user": "bert",
            "password": "file:password",
            "allow_private": True,
            "max_requests_per_second": 10_000,
            "timeout_s": 5,
            **settings,
        }
        return DokuWikiConnector("wiki", all_settings, self.root, pause=lambda _: None)

    def answer(self, asked: Asked) -> Answer:
        known = asked.headers.get("Cookie", "").partition("=")[2] in self.sessions
        if asked.path.startswith("/wiki/lib/exe/jsonrpc.php/") and not self.is_old:
            return self._json(asked, known)
        if asked.path == "/wiki/lib/exe/xmlrpc.php":
            return self._xml(asked, known)
        return Answer(START_PAGE, "text/html")

    def _json(self, asked: Asked, known: bool) -> Answer:
        method, params = asked.path.rpartition("/")[2], json.loads(asked.body)
        try:
            result = self._call(method, tuple(params.values()), known)
        except Refusal as no:
            error = {"error": {"code": no.code, "message": f"no for {PASSWORD}"}}
            return Answer(json.dumps(error).encode(), status=no.status)
        said = {"result": result, "error": {"code": 0, "message": "success"}}
        return Answer(json.dumps(said).encode(), headers=self._cookie(method, result))

    def _xml(self, asked: Asked, known: bool) -> Answer:
        args, method = xmlrpc.client.loads(asked.body)
        assert method is not None
        try:
            result = self._call(method, args, known)
        except Refusal as no:
            # The old versions write their own errors as an object without members.
            result, status = {}, no.status if no.status in (401, 403) else 200
            return Answer(xmlrpc.client.dumps((result,), methodresponse=True).encode(), "text/xml", status)
        body = xmlrpc.client.dumps((result,), methodresponse=True, encoding="utf-8").encode()
        return Answer(body, "text/xml", headers=self._cookie(method, result))

    def _cookie(self, method: str, result: object) -> dict[str, str]:
        if not (method.endswith(".login") and result):
            return {}
        session = f"s{len(self.sessions)}"
        self.sessions.add(session)
        return {"Set-Cookie": f"DokuWiki={session}; path=/; HttpOnly"}

    def _call(self, method: str, args: tuple[Any, ...], known: bool) -> Any:
        if self.is_off:
            raise Refusal(-32605, 404)
        match method:
            case "core.getAPIVersion":
                return 14
            case "core.login" | "dokuwiki.login":
                return args == ("bert", PASSWORD)
            case "core.listPages":
                return [self._listed(id) for id in self._seen(args[0], known)]
            case "dokuwiki.getPagelist":
                assert args[1] == {"depth": 99, "hash": True}
                return [self._listed(id) for id in self._seen(args[0], known)]
            case "plugin.acl.listAcls":
                if not self.has_acl:
                    raise Refusal(-32603, 400)
                if not (known and self.is_admin):
                    raise Refusal(114, 403)
                return self.acl
            case "core.aclCheck" | "wiki.aclCheck":
                return 255 if known and self.is_admin else 1
            case "core.getPageHTML" | "wiki.getPageHTML":
                if args[0] in self.pages and args[0] not in self._seen("", known):
                    raise Refusal(111, 403)
                return f"<h1>Titel</h1><p>{self.pages[args[0]]}</p>" if args[0] in self.pages else ""
            case "core.getPageInfo" | "wiki.getPageInfo":
                if args[0] not in self.pages:
                    raise Refusal(121, 400)
                return {"id": args[0]}
        raise Refusal(-32603, 400)

    def _seen(self, namespace: str, known: bool) -> list[str]:
        secret = known and self.is_admin
        inside = f"{namespace}:" if namespace else ""
        return [id for id in self.pages if id.startswith(inside) and (secret or not id.startswith("secret:"))]

    def _listed(self, id: str) -> dict[str, Any]:
        text = self.pages[id].encode()
        listed = {"id": id, "size": len(text), "hash": hashlib.md5(text, usedforsecurity=False).hexdigest()}
        if self.is_old:
            return {**listed, "rev": 1_760_000_000, "mtime": 1_760_000_000}
        return {**listed, "revision": 1_760_000_000, "title": id, "author": "", "permission": 1}
