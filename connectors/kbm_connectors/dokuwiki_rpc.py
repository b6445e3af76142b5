"""DokuWiki's remote interface: JSON-RPC where there is one (2024 and later), XML-RPC before.

The interface answers a visitor as well as an account, only with fewer pages, so who is asking must be certain. Basic
authentication is not: web servers drop its header, and DokuWiki lets a wrong password pass as a visitor. ``login``
says whether the password is right and gives a cookie; it is called anew before each listing.
"""

from __future__ import annotations

import json
import time
import xmlrpc.client
from collections.abc import Callable, Mapping
from pathlib import Path
from xml.parsers.expat import ExpatError

from kbm.domain.sync import Json
from kbm_connectors.http import HttpClient, HttpSettings, Reply

NO_PAGE = 121
DENIED = frozenset({111, 114, -32603, -32604})
"""No right to the page, to the table of rights, no such method or no account, no right to the method."""

_OFF = -32605
_FORBIDDEN = -32604
_SAID = frozenset({400, 401, 403, 404, 405})
"""Statuses under which the interface gives an answer of its own."""


class RpcError(Exception):
    """The interface answered with an error of its own."""

    def __init__(self, code: int, said: str) -> None:
        self.code, self.said = code, said
        super().__init__(said)


class DokuWikiRpc:
    """One wiki's interface, as one account."""

    def __init__(
        self, name: str, settings: HttpSettings, root: Path, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self.http = HttpClient(name, settings, root, pause=pause)
        self._base = settings.url
        self._user = settings.user
        self._json: bool | None = None
        self._logged_in = False

    @property
    def speaks_json(self) -> bool:
        """Tell which of the two interfaces the wiki has; asked once."""
        if self._json is None:
            reply = self._post_json("core.getAPIVersion", {}, also=_SAID)
            # A web server without that file answers 404, or with the wiki's start page.
            self._json = "json" in reply.media_type
        return self._json

    def log_in(self) -> None:
        """Begin a new session; without an account, go on as a visitor.

        Raises:
            ConnectorRefused: the account or its password is not taken.
        """
        self._logged_in = True
        if not self._user:
            return
        self.http.forget_session()
        password = self.http.password.read()
        try:
            if self.speaks_json:
                taken = self._call_json("core.login", {"user": self._user, "pass": password})
            else:
                taken = self._call_xml("dokuwiki.login", (self._user, password))
        except RpcError as error:
            raise self.http.unavailable(f"logging in failed: {error.said}") from None
        if not taken:
            raise self.http.refused(
                f"the wiki does not log {self._user} in",
                hint="check user and password; the wiki needs useacl",
            )

    def call(self, json_method: str, params: Mapping[str, Json], xml_method: str, *args: object) -> object:
        """Call a method by the name and arguments it has in the interface that is there.

        Raises:
            RpcError: the wiki says no.
            ConnectorUnavailable: no whole answer.
            ConnectorRefused: the interface is off, or a login page stands before it.
        """
        for again in (True, False):
            if not self._logged_in:
                self.log_in()
            try:
                if self.speaks_json:
                    return self._call_json(json_method, params)
                return self._call_xml(xml_method, args)
            except RpcError as error:
                # A session may have ended in between, which shows as a missing right.
                if not (again and self._user and error.code in DENIED):
                    raise
                self._logged_in = False
        raise AssertionError("unreachable")

    def _call_json(self, method: str, params: Mapping[str, Json]) -> object:
        answer = self.http.json(self._post_json(method, params, also=_SAID))
        match answer:
            case {"error": {"code": int(code), "message": message}} if code:
                raise self._error(code, str(message))
            case {"result": result}:
                return result
        raise self.http.unavailable("the answer is not that of a DokuWiki")

    def _error(self, code: int, said: str) -> Exception:
        if code == _OFF:
            return self.http.refused(
                "the wiki's remote interface is off",
                hint="switch `remote` on in its configuration and name the account under `remoteuser`",
            )
        return RpcError(code, self.http.hide(said)[:200])

    def _post_json(self, method: str, params: Mapping[str, Json], also: frozenset[int]) -> Reply:
        return self.http.post(
            f"{self._base}/lib/exe/jsonrpc.php/{method}",
            content=json.dumps(params).encode(),
            media_type="application/json",
            also=also,
        )

    def _call_xml(self, method: str, args: tuple[object, ...]) -> object:
        reply = self.http.post(
            f"{self._base}/lib/exe/xmlrpc.php",
            content=xmlrpc.client.dumps(args, method, encoding="utf-8").encode(),  # type: ignore[arg-type]
            media_type="text/xml",
            also=_SAID,
        )
        self.http.must_be(reply, "xml")
        if b"<!DOCTYPE" in reply.body or b"<!ENTITY" in reply.body:
            raise self.http.unavailable("the answer is not that of a DokuWiki")
        try:
            (result,), _ = xmlrpc.client.loads(reply.body, use_builtin_types=True)
        except xmlrpc.client.Fault as fault:
            raise self._error(fault.faultCode, fault.faultString) from None
        except (ExpatError, xmlrpc.client.Error, ValueError, TypeError, KeyError, IndexError):
            raise self.http.unavailable("the answer is no whole XML-RPC") from None
        if reply.status in (401, 403):
            raise RpcError(_FORBIDDEN, f"no right to call {method}")
        if result == {}:
            # How the versions of 2022 and 2023 write every error of their own: an object without its members.
            raise RpcError(NO_PAGE, f"{method} failed, and the wiki does not say why")
        return result
