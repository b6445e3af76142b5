"""Paperless-ngx's REST interface: logging in once, and pages that count only when they are whole.

**Logging in.** ``/api/token/`` is throttled after a few calls, and asks to come back in half a minute. So a token
that was asked for with user and password is kept for the life of this process, for all sources of that account, and
asked for again only when the server does not take it any more. It is written nowhere.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from kbm.domain.identity import digest
from kbm.errors import ConfigError
from kbm_connectors.http import HttpClient, Reply
from kbm_connectors.paperless_settings import PaperlessSettings
from kbm_connectors.secret_refs import HIDDEN, SecretRef

NAMES_PER_PAGE = 500

_NO_RIGHT = 403

Record = dict[str, Any]
"""A record as the interface gives it; Any because every kind has its own fields."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a listing. ``count`` is the number of records that match, ``is_last`` that no page follows."""

    count: int
    is_last: bool
    records: list[Record]


class PaperlessApi:
    """Asks one Paperless; safe to make without it."""

    _tokens: ClassVar[dict[str, str]] = {}  # of this process, by address, user and password's digest
    _login: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self, name: str, settings: PaperlessSettings, root: Path, pause: Callable[[float], None] = time.sleep
    ) -> None:
        if bool(settings.token) == bool(settings.user):
            raise ConfigError(
                f"sources.{name}: give token, or user and password",
                hint="a token is made in Paperless under 'My Profile'; token = \"env:PAPERLESS_TOKEN\" names it",
            )
        self._settings = settings
        self._token = SecretRef(key=f"sources.{name}.token", reference=settings.token, root=root)
        self.http = _Http(name, settings, root, pause=pause)
        self.http.hidden = self._known_token

    def get(self, path: str, params: Mapping[str, str], *, also: frozenset[int] = frozenset()) -> Reply:
        """Ask for *path* as the account.

        Raises:
            ConnectorUnavailable: no whole answer.
            ConnectorRefused: a person must act.
        """
        for is_new in (False, True):
            token = self._token.read() if self._settings.token else self._token_of_account()
            reply = self.http.get(
                self._settings.url + path,
                params,
                headers={"Authorization": f"Token {token}", "Accept": "application/json, */*;q=0.5"},
                also=also | {401},
            )
            if reply.status != 401:
                return reply
            if self._settings.token:
                raise self.http.refused(
                    "HTTP 401: the token is not taken", hint="make a new one in Paperless under 'My Profile'"
                )
            with self._login:
                if self._tokens.get(self._account()) == token:
                    del self._tokens[self._account()]
            if is_new:
                break
        raise self.http.refused(
            "HTTP 401: a token that was just made is not taken", hint="is the account active?"
        )

    def page(
        self, path: str, params: Mapping[str, str], *, also: frozenset[int] = frozenset()
    ) -> Page | None:
        """Ask for one page of a listing; None when the status is one of *also*.

        Raises:
            ConnectorUnavailable: it is no listing, or holds fewer records than it says.
        """
        reply = self.get(path, params, also=also)
        if reply.status in also:
            return None
        answer = self.http.json(reply)
        match answer:
            case {"count": int(count), "next": (str() | None) as following, "results": list(records)}:
                pass
            case _:
                raise self.http.unavailable(f"the answer to {path} is no listing")
        whole = [one for one in records if isinstance(one, dict) and isinstance(one.get("id"), int)]
        if len(whole) < len(records) or (following and not records) or count < len(records):
            raise self.http.unavailable(f"the answer to {path} is no listing")
        number = int(params.get("page", "1"))
        if following is None and number == 1 and len(whole) < count:
            raise self.http.unavailable(f"{path} says {count} records and gave {len(whole)}")
        return Page(count, following is None, whole)

    def pages(self, path: str, per_page: int) -> Iterator[Page] | None:
        """Give all pages of a small listing; None when the account may not read it, or there is no such thing."""
        first = self.page(path, {"page": "1", "page_size": str(per_page)}, also=frozenset({_NO_RIGHT, 404}))
        return None if first is None else self._following(path, per_page, first)

    def names(self, path: str, key: str) -> dict[int, str] | None:
        """Give the names of users, groups and the like, by id; None when the account may not list them."""
        pages = self.pages(path, NAMES_PER_PAGE)
        if pages is None:
            return None
        named: dict[int, str] = {}
        count = 0
        for page in pages:
            count = page.count
            named |= {one["id"]: one[key] for one in page.records if isinstance(one.get(key), str)}
        if len(named) < count:
            raise self.http.unavailable(f"{path} says {count} names and gave {len(named)}")
        return named

    def _following(self, path: str, per_page: int, page: Page) -> Iterator[Page]:
        number = 1
        yield page
        while not page.is_last:
            number += 1
            following = self.page(
                path, {"page": str(number), "page_size": str(per_page)}, also=frozenset({404})
            )
            if following is None:
                raise self.http.unavailable(f"{path} changed while it was listed")
            page = following
            yield page

    # --- logging in

    def _account(self) -> str:
        return digest("paperless", self._settings.url, self._settings.user, self.http.password.read())

    def _known_token(self) -> str:
        if self._settings.token:
            return self._token.read()
        return self._tokens.get(self._account(), "")

    def _token_of_account(self) -> str:
        with self._login:
            account = self._account()
            if account not in self._tokens:
                self._tokens[account] = self._log_in()
            return self._tokens[account]

    def _log_in(self) -> str:
        form = {"username": self._settings.user, "password": self.http.password.read()}
        reply = self.http.post(f"{self._settings.url}/api/token/", form=form, also=frozenset({400, 401}))
        if reply.status >= 400:
            raise self.http.refused(
                f"it does not log {self._settings.user} in",
                hint="check user and password; an account with a second factor needs a token instead",
            )
        match self.http.json(reply):
            case {"token": str(token)} if token:
                return token
        raise self.http.unavailable("it gave no token")


class _Http(HttpClient):
    """Takes the token out of what a server said, too."""

    hidden: Callable[[], str]

    def hide(self, text: str) -> str:
        try:
            token = self.hidden()
        except ConfigError:
            token = ""
        return super().hide(text.replace(token, HIDDEN) if token else text)
