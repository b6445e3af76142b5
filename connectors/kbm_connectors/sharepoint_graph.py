"""Microsoft Graph, as far as document libraries need it: sites, drives, changes, permissions, bytes.

An answer that goes on says where (``@odata.nextLink``); a listing of changes that ends says how to go on next time
(``@odata.deltaLink``). One that says neither is not whole. Links are stored and followed as they came, and only to
Graph itself: the application's token goes nowhere else, and bytes are fetched from wherever Graph sends for them
without it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from kbm.domain.sync import Json
from kbm.errors import ConnectorError
from kbm_connectors.http import HttpClient, Reply
from kbm_connectors.sharepoint_token import GraphToken

Item = dict[str, Any]
"""An object of Graph; Any because each kind has its own facets."""

VERSION = "/v1.0"
PER_ANSWER = 200
BATCH = 20
"""Requests one batch may hold."""
MAX_ROUNDS = 100_000
TOP = "root"
"""What Graph calls the library's own folder."""
GONE = 410
NOT_SHOWN = frozenset({403, 404})
_LOST = frozenset({400, 404, GONE})
"""How Graph refuses a link it gave once; if the library itself is at fault, listing it tells so."""

_SHARING = {"Prefer": "deltashowremovedasdeleted, deltatraversepermissiongaps, deltashowsharingchanges"}
"""Items whose permissions changed are listed too, with ``@microsoft.graph.sharedChanged``."""


class TokenTooOld(Exception):  # what changed since then cannot be told any more: list everything
    pass


@dataclass(frozen=True, slots=True)
class Graph:
    """One tenant's Graph, as one application."""

    http: HttpClient = field(repr=False)
    token: GraphToken

    def site(self, url: str) -> Item:
        """Find a site by its address."""
        parts = urlsplit(url)
        path = unquote(parts.path).rstrip("/")
        place = f"{parts.hostname}:{quote(path)}" if path else str(parts.hostname)
        return self._object(self._get(f"{VERSION}/sites/{place}"))

    def drives(self, site: str) -> list[Item]:
        """List the document libraries of a site."""
        url = self._url(f"{VERSION}/sites/{site}/drives?$select=id,name,driveType,webUrl")
        return [self._named(one) for one in self._values(url)]

    def is_gone(self, drive: str) -> bool:
        """Tell whether a library is not there any more, rather than hidden."""
        return self._get(f"{VERSION}/drives/{drive}", also=NOT_SHOWN).status == 404

    def changes(self, drive: str, link: str = "") -> tuple[list[Item], str]:
        """Give the items that changed since *link*, all without one, and the link to ask by next time.

        Raises:
            TokenTooOld: *link* does not work any more.
        """
        found: dict[str, Item] = {}
        asked: set[str] = set()
        url = link or self._url(f"{VERSION}/drives/{drive}/{TOP}/delta?$top={PER_ANSWER}")
        for _ in range(MAX_ROUNDS):
            reply = self._follow(url, headers=_SHARING, also=_LOST if link else frozenset({GONE}))
            if reply.status in _LOST:
                raise TokenTooOld
            answer = self._object(reply)
            for item in self._value(answer):
                # The last one counts: an item may be told more than once.
                found.pop(self._id(item), None)
                found[self._id(item)] = item
            asked.add(url)
            after, end = answer.get("@odata.nextLink"), answer.get("@odata.deltaLink")
            if not after:
                if not isinstance(end, str) or not end:
                    raise self.http.unavailable(
                        "the listing is not whole: neither its end nor its rest is named"
                    )
                return list(found.values()), self._checked(end)
            url = self._checked(str(after))
            if url in asked:
                raise self.http.unavailable("the listing does not advance")
        raise self.http.unavailable("the listing does not end")

    def item(self, drive: str, id: str) -> Item | None:
        """Give an item with its place; None when it is not shown."""
        reply = self._get(f"{VERSION}/drives/{drive}/items/{quote(id)}", also=NOT_SHOWN)
        return None if reply.status in NOT_SHOWN else self._object(reply)

    def permissions(self, drive: str, ids: Sequence[str]) -> Iterator[tuple[str, list[Item] | int]]:
        """Give for each item its permissions, inherited ones included, or the status in place of them."""
        todo = iter(ids)
        while part := list(islice(todo, BATCH)):
            told = self._batch(drive, part)
            for id in part:
                yield id, told[id] if id in told else self._permissions(drive, id)

    def content(self, drive: str, id: str) -> Reply | None:
        """Give the bytes of a file; None when it is gone."""
        for last in (False, True):
            url = self._url(f"{VERSION}/drives/{drive}/items/{quote(id)}/content")
            reply = self.http.download(url, also=frozenset({401, 404, GONE}))
            if reply.status != 401 or last:
                break
            self.token.forget()
        if reply.status == 401:
            raise self._not_let_in()
        return None if reply.status in (404, GONE) else reply

    # --- asking

    def _batch(self, drive: str, ids: Sequence[str]) -> dict[str, list[Item]]:
        """Ask for the permissions of up to 20 items at once; what does not come whole is left out."""
        requests: list[Json] = [
            {"id": str(n), "method": "GET", "url": f"/drives/{drive}/items/{quote(id)}/permissions"}
            for n, id in enumerate(ids)
        ]
        reply = self.http.post(
            self._url(f"{VERSION}/$batch"),
            content=json.dumps({"requests": requests}).encode(),
            media_type="application/json",
            also=frozenset({401}),
        )
        if reply.status == 401:
            self.token.forget()
            return {}
        told = self._object(reply).get("responses")
        if not isinstance(told, list):
            raise self.http.unavailable("the answer holds no responses")
        found: dict[str, list[Item]] = {}
        for one in told:
            body = one.get("body") if isinstance(one, dict) and one.get("status") == 200 else None
            value = body.get("value") if isinstance(body, dict) and "@odata.nextLink" not in body else None
            number = str(one.get("id", "")) if isinstance(one, dict) else ""
            is_asked = number.isdecimal() and int(number) < len(ids)
            if is_asked and isinstance(value, list) and all(isinstance(each, dict) for each in value):
                found[ids[int(number)]] = value
        return found

    def _permissions(self, drive: str, id: str) -> list[Item] | int:
        reply = self._get(f"{VERSION}/drives/{drive}/items/{quote(id)}/permissions", also=NOT_SHOWN)
        return reply.status if reply.status in NOT_SHOWN else list(self._from(self._object(reply)))

    def _values(self, url: str) -> Iterator[Item]:
        return self._from(self._object(self._follow(url)))

    def _from(self, answer: Item) -> Iterator[Item]:
        asked: set[str] = set()
        for _ in range(MAX_ROUNDS):
            yield from self._value(answer)
            after = answer.get("@odata.nextLink")
            if not after:
                return
            url = self._checked(str(after))
            if url in asked:
                raise self.http.unavailable("the listing does not advance")
            asked.add(url)
            answer = self._object(self._follow(url))
        raise self.http.unavailable("the listing does not end")

    def _get(self, path: str, *, also: frozenset[int] = frozenset()) -> Reply:
        return self._follow(self._url(path), also=also)

    def _follow(
        self, url: str, *, headers: Mapping[str, str] | None = None, also: frozenset[int] = frozenset()
    ) -> Reply:
        """Ask with a token, and once more with another one when it is not taken."""
        for last in (False, True):
            reply = self.http.get(self._checked(url), headers=headers, also=also | {401})
            if reply.status != 401:
                return reply
            if not last:
                self.token.forget()
        raise self._not_let_in()

    def _not_let_in(self) -> ConnectorError:
        return self.http.refused("HTTP 401: Graph does not take the application's token")

    # --- answers

    def _url(self, path: str) -> str:
        return f"{self.http.url}{path}"

    def _checked(self, url: str) -> str:
        if not url.startswith(f"{self.http.url}/"):
            raise self.http.unavailable("a link leads away from Graph")
        return url

    def _object(self, reply: Reply) -> Item:
        answer = self.http.json(reply)
        if not isinstance(answer, dict):
            raise self.http.unavailable("the answer is not Graph's")
        return answer

    def _value(self, answer: Item) -> list[Item]:
        value = answer.get("value")
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self.http.unavailable("the answer holds no value")
        return value

    def _id(self, item: Item) -> str:
        id = item.get("id")
        if not isinstance(id, str) or not id:
            raise self.http.unavailable("the answer holds an item without id")
        return id

    def _named(self, item: Item) -> Item:
        if not isinstance(item.get("name"), str) or not self._id(item):
            raise self.http.unavailable("the answer holds a library without name")
        return item
