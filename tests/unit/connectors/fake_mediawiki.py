"""The parts of MediaWiki's interface that the connector uses, as version 1.39 answered them on loopback."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kbm_connectors.mediawiki import MediaWikiConnector

from tests.unit.connectors.fake_web import Answer, Asked, FakeWeb

PASSWORD = "s3cret-of-the-bot"
PER_ANSWER = 2
"""Pages one answer holds: few, so that every listing is continued."""


@dataclass
class Page:
    id: int
    title: str
    text: str
    revision: int
    ns: int = 0
    hidden: bool = False

    @property
    def included(self) -> list[str]:
        return [f"Vorlage:{name}" for name in re.findall(r"\{\{(\w+)\}\}", self.text)]

    @property
    def categories(self) -> list[str]:
        return re.findall(r"\[\[(Kategorie:[^\]]+)\]\]", self.text)

    @property
    def is_redirect(self) -> bool:
        return self.text.startswith("#WEITERLEITUNG")


@dataclass
class FakeMediaWiki(FakeWeb):
    """A wiki whose clock stands still unless it is moved."""

    root: Path
    pages: dict[int, Page] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)
    now: datetime = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
    sessions: set[str] = field(default_factory=set)
    keeps_continue: bool = True
    shown_to_visitors: int = 10**9  # pages a visitor sees
    said_at_login: str = "Incorrect username or password entered."
    _n: int = 100

    def __post_init__(self) -> None:
        super().__init__()

    # --- what people do

    def save(self, title: str, text: str, id: int = 0, ns: int = 0) -> int:
        """Edit or create a page; gives its id."""
        page = next((one for one in self.pages.values() if one.title == title), None)
        if page is None:
            page = Page(id or self._next(), title, text, 0, ns)
            self.pages[page.id] = page
        page.text, page.revision = text, self._next()
        self._changed(page, "edit")
        return page.id

    def delete(self, id: int) -> None:
        self._changed(self.pages.pop(id), "log")

    def move(self, id: int, title: str, ns: int = 0) -> None:
        page, old = self.pages[id], self.pages[id].title
        page.title, page.revision, page.ns = title, self._next(), ns
        self.changes.append(self._change(id, old, "log") | {"logparams": {"target_title": title}})

    def connect(self, **settings: object) -> MediaWikiConnector:
        (self.root / "password").write_text(PASSWORD)
        all_settings = {
            "url": f"{self.url}/w",
            "user": "Bert@kbm",
            "password": "file:password",
            "allow_private": True,
            "max_requests_per_second": 10_000,
            "timeout_s": 5,
            **settings,
        }
        return MediaWikiConnector("wiki", all_settings, self.root, pause=lambda _: None)

    def _next(self) -> int:
        self._n += 1
        return self._n

    def _changed(self, page: Page, kind: str) -> None:
        self.changes.append(self._change(page.id, page.title, kind))

    def _change(self, id: int, title: str, kind: str) -> dict[str, Any]:
        return {"type": kind, "rcid": self._next(), "pageid": id, "title": title, "timestamp": _iso(self.now)}

    # --- what the interface says

    def answer(self, asked: Asked) -> Answer:
        if asked.path != "/w/api.php":
            return Answer(b"<html><body>Seite</body></html>", "text/html", 404)
        headers = {}
        if asked.params["action"] == "login":
            if asked.params["lgpassword"] == PASSWORD and asked.params["lgtoken"] == "t+\\":
                session = f"s{self._next()}"
                self.sessions.add(session)
                headers["Set-Cookie"] = f"session={session}; path=/; HttpOnly"
                said = {"login": {"result": "Success"}}
            else:
                said = {"login": {"result": "Failed", "reason": self.said_at_login}}
        elif (
            "assert" in asked.params
            and asked.headers.get("Cookie", "").partition("=")[2] not in self.sessions
        ):
            said = {"error": {"code": "assertuserfailed", "info": "You are no longer logged in."}}
        else:
            is_visitor = asked.headers.get("Cookie", "").partition("=")[2] not in self.sessions
            said = self._said(asked.params, self.shown_to_visitors if is_visitor else 10**9)
        return Answer(json.dumps(said).encode(), headers=headers)

    def _said(self, params: dict[str, str], n_shown: int) -> dict[str, Any]:
        if params["action"] == "parse":
            return {"parse": {"text": self._rendered(params["text"])}}
        if "meta" in params:
            if params["meta"] == "tokens":
                return _whole({"tokens": {"logintoken": "t+\\"}})
            return _whole(
                {"namespaces": {"0": {"id": 0, "content": True}, "10": {"id": 10, "content": False}}}
            )
        if params.get("list") == "recentchanges":
            return self._recent(params)
        if "generator" in params or params.get("list") == "allpages":
            return self._all(params, n_shown)
        ids = [int(one) for one in params.get("pageids", "").split("|") if one]
        found = [
            self._shown(self.pages[id], params) if id in self.pages else _missing(pageid=id) for id in ids
        ]
        titles = {page.title: page for page in self.pages.values()}
        for title in (one for one in params.get("titles", "").split("|") if one):
            page = titles.get(title)
            shown = self._shown(page, params) if page else _missing(title=title)
            if "transcludedin" in params["prop"]:
                shown["transcludedin"] = [
                    {"pageid": p.id} for p in self.pages.values() if title in p.included
                ]
            found.append(shown)
        return _whole({"pages": found})

    def _all(self, params: dict[str, str], n_shown: int) -> dict[str, Any]:
        prefix = "gap" if "generator" in params else "ap"
        pages = sorted(
            (
                p
                for p in self.pages.values()
                if p.ns == int(params[f"{prefix}namespace"]) and not p.is_redirect
            ),
            key=lambda page: page.title,
        )[:n_shown]
        if params.get("apdir") == "descending":
            return _whole(
                {"allpages": [{"pageid": page.id, "title": page.title} for page in pages[::-1][:1]]}
            )
        rest = [page for page in pages if page.title >= params.get("gapcontinue", "")]
        said = _whole({"pages": [self._shown(page, params) for page in rest[:PER_ANSWER]]})
        if len(rest) > PER_ANSWER and self.keeps_continue:
            said["continue"] = {"gapcontinue": rest[PER_ANSWER].title, "continue": "gapcontinue||"}
        return said

    def _recent(self, params: dict[str, str]) -> dict[str, Any]:
        if "rcdir" not in params:
            return _whole({"recentchanges": self.changes[-1:]}) | {"curtimestamp": _iso(self.now)}
        since = [one for one in self.changes if one["timestamp"] >= params["rcstart"]]
        at = int(params.get("rccontinue", 0))
        said = _whole({"recentchanges": since[at : at + 3]})
        if at + 3 < len(since):
            said["continue"] = {"rccontinue": str(at + 3), "continue": "-||"}
        return said

    def _shown(self, page: Page, params: dict[str, str]) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "pageid": page.id,
            "ns": page.ns,
            "title": page.title,
            "lastrevid": page.revision,
        }
        if page.is_redirect:
            shown["redirect"] = True
        if "revisions" in params["prop"]:
            revision: dict[str, Any] = {
                "revid": page.revision,
                "timestamp": "2026-11-01T10:00:00Z",
                "user": "Berta",
                "size": len(page.text),
            }
            if "content" in params["rvprop"]:
                revision["slots"] = {"main": {"contentmodel": "wikitext", "content": page.text}}
            if page.hidden:
                revision["sha1hidden"] = True
            shown |= {"revisions": [revision], "fullurl": f"{self.url}/wiki/{page.id}"}
        if "templates" in params["prop"] and page.included:
            shown["templates"] = [{"ns": 10, "title": title} for title in page.included]
        if "categories" in params["prop"]:
            shown["categories"] = [{"ns": 14, "title": title} for title in page.categories]
        return shown

    def _rendered(self, text: str) -> str:
        titles = {page.title: page.text for page in self.pages.values()}
        return f"<p>{re.sub(r'{{([^}]+)}}', lambda m: titles.get(f'Vorlage:{m[1]}', ''), text)}</p>"


def _whole(query: dict[str, Any]) -> dict[str, Any]:
    return {"batchcomplete": True, "query": query}


def _missing(**named: object) -> dict[str, Any]:
    return {**named, "missing": True}


def shift(wiki: FakeMediaWiki, **delta: float) -> None:
    """Move the wiki's clock."""
    wiki.now += timedelta(**delta)


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
