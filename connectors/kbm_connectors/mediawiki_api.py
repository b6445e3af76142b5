"""MediaWiki's Action API: logging in, asking, and following ``continue`` until it is absent.

Every request that is made with an account says ``assert=user``: a session that has ended would otherwise go on as a
visitor, who may see fewer pages, and the difference would look like deletions. Every answer to a query must say
``batchcomplete`` or ``continue``: an answer without either is not the interface's, or not whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from kbm.errors import ConnectorError, ConnectorUnavailable
from kbm_connectors.http import HttpClient, HttpSettings

Page = dict[str, Any]
"""A page as the API shows it; Any because the parts asked for decide what is in it."""

BATCH = 50
"""Titles or ids one request may name without special rights."""
MAX_ROUNDS = 100_000

_LATER = frozenset({"maxlag", "ratelimited", "readonly", "cirrussearch-too-busy-error", "concurrency-limit"})
_SESSION = frozenset(
    {"assertuserfailed", "assertnameduserfailed", "notloggedin", "badtoken", "readapidenied"}
)


class MediaWikiApi:
    """One wiki's interface, as one account."""

    def __init__(self, name: str, settings: HttpSettings, root: Path, pause: Callable[[float], None]) -> None:
        self.http = HttpClient(name, settings, root, pause=pause)
        self._user = settings.user
        self._url = settings.url if settings.url.endswith(".php") else f"{settings.url}/api.php"
        self._logged_in = False

    def ask(self, params: Mapping[str, str], *, post: bool = False) -> Page:
        """Ask once, logged in where there is an account.

        Raises:
            ConnectorUnavailable: no whole answer, or the wiki asks to come later.
            ConnectorRefused: the wiki does not let the account in.
        """
        for last in (False, True):
            if self._user and not self._logged_in:
                self._log_in()
            asked = {**params, "assert": "user"} if self._user else params
            answer = self._send(asked, post=post)
            code = str(_part(answer, "error").get("code", ""))
            if not code:
                return answer
            if code in _SESSION and self._user and not last:
                self._logged_in = False
                self.http.forget_session()
                continue
            raise self._fault(answer, code)
        raise AssertionError("unreachable")

    def query(self, params: Mapping[str, str]) -> Iterator[Page]:
        """Give the ``query`` part of each answer, batch by batch; pages of one batch are merged.

        A batch ends where the wiki says so, so every page given is whole.
        """
        follow: dict[str, str] = {}
        batch: Page = {}
        for _ in range(MAX_ROUNDS):
            answer = self.ask({"action": "query", **params, **follow})
            _merge(batch, _part(answer, "query"))
            whole = bool(answer.get("batchcomplete"))
            more = {key: str(value) for key, value in _part(answer, "continue").items()}
            if not whole and not more:
                raise self.http.unavailable(
                    "the answer is not whole: neither its end nor its continuation is said"
                )
            if more and more == follow:
                raise self.http.unavailable("the listing does not advance")
            if whole:
                yield batch
                batch = {}
            if not more:
                return
            follow = more
        raise self.http.unavailable("the listing does not end")

    def pages(self, key: str, values: Iterable[str], params: Mapping[str, str]) -> Iterator[Page]:
        """Look pages up by *key* (``pageids``, ``titles``), in batches.

        Raises:
            ConnectorUnavailable: one was asked for and is not in the answer.
        """
        todo = iter(values)
        while names := list(islice(todo, BATCH)):
            found = [
                page
                for part in self.query({key: "|".join(names), **params})
                for page in part.get("pages", [])
            ]
            if len(found) < len(set(names)):
                raise self.http.unavailable(f"{len(names)} pages were asked for, {len(found)} came")
            yield from found

    def _log_in(self) -> None:
        asked = {"action": "query", "meta": "tokens", "type": "login"}
        token = _part(_part(self._send(asked), "query"), "tokens").get("logintoken")
        if not isinstance(token, str):
            raise self.http.unavailable("the wiki gave no token to log in with")
        form = {
            "action": "login",
            "lgname": self._user,
            "lgpassword": self.http.password.read(),
            "lgtoken": token,
        }
        login = _part(self._send(form, post=True), "login")
        if login.get("result") != "Success":
            why = self.http.hide(str(login.get("reason") or login.get("result") or "no reason given"))
            make = self.http.unavailable if "wait" in why.lower() else self.http.refused
            raise make(
                f"the wiki does not log {self._user} in: {why[:200]}",
                hint="make a bot password at Special:BotPasswords and give user = 'Name@botname'",
            )
        self._logged_in = True

    def _send(self, params: Mapping[str, str], *, post: bool = False) -> Page:
        sent = {**params, "format": "json", "formatversion": "2"}
        reply = self.http.post(self._url, form=sent) if post else self.http.get(self._url, sent)
        answer = self.http.json(reply)
        if not isinstance(answer, dict):
            raise self.http.unavailable("the answer is not that of a MediaWiki")
        return answer

    def _fault(self, answer: Page, code: str) -> ConnectorError:
        said = self.http.hide(" ".join(str(_part(answer, "error").get("info", "")).split()))[:200]
        if code in _LATER or code.startswith("internal_api_error"):
            return self.http.unavailable(f"{code}: {said}")
        if code in ("missingtitle", "nosuchpageid", "nosuchrevid"):
            return self.http.unavailable("the page is not there any more")
        hint = "the wiki is private: give user and password" if code == "readapidenied" else ""
        return self.http.refused(f"{code}: {said}", hint=hint)


def part_of(answer: Page, name: str) -> list[Page]:
    """Give a list out of an answer; one that is missing was asked for and is a fault.

    Raises:
        ConnectorUnavailable: it is not there.
    """
    part = answer.get(name)
    if not isinstance(part, list):
        raise ConnectorUnavailable(f"the wiki's answer holds no {name}")
    return part


def _part(answer: Page, name: str) -> Page:
    part = answer.get(name)
    return part if isinstance(part, dict) else {}


def _merge(batch: Page, part: Page) -> None:
    """Add an answer to its batch: pages by id, lists within them one after the other."""
    for key, value in part.items():
        if key != "pages":
            batch[key] = batch.get(key, []) + value if isinstance(value, list) else value
            continue
        known = {_name(page): page for page in batch.setdefault("pages", [])}
        for page in value:
            if _name(page) not in known:
                batch["pages"].append(dict(page))
                continue
            there = known[_name(page)]
            for name, more in page.items():
                there[name] = there.get(name, []) + more if isinstance(more, list) else more


def _name(page: Page) -> tuple[object, object]:
    return page.get("pageid"), page.get("title")
