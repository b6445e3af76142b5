"""The access token of an application at Microsoft's identity platform (OAuth 2.0, client credentials).

It is kept in memory alone and asked for anew a little before it ends, or when Graph does not take it. What the
platform says about a refusal may repeat ids of the tenant: only its error code and its number are told.
"""

from __future__ import annotations

import json
import re
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote

from kbm_connectors.http import HttpClient
from kbm_connectors.secret_refs import HIDDEN, SecretRef

EARLY_S = 300.0
_NUMBER = re.compile(r"AADSTS\d+")
_REFUSED = frozenset({400, 401, 403, 404})


@dataclass(slots=True)
class GraphToken:
    """A token that is renewed by itself; shows nothing of itself."""

    http: HttpClient = field(repr=False)
    tenant: str
    client_id: str
    secret: SecretRef
    scope: str
    clock: Callable[[], float] = time.monotonic
    _token: str = field(default="", repr=False)
    _ends: float = 0.0

    def read(self) -> str:
        """Give a token that holds for a while.

        Raises:
            ConnectorUnavailable: the platform does not answer.
            ConnectorRefused: it does not take the application or its secret.
        """
        if not self._token or self.clock() >= self._ends:
            self._renew()
        return self._token

    def hide_in(self, text: str) -> str:
        """Give *text* without token and secret."""
        text = text.replace(self._token, HIDDEN) if self._token else text
        return self.secret.hide_in(text)

    def forget(self) -> None:
        """Ask for another token next time."""
        self._token = ""

    @property
    def roles(self) -> frozenset[str]:
        """Name the permissions the token carries; none where it does not say so in the usual form."""
        parts = self._token.split(".")
        if len(parts) != 3:
            return frozenset()
        try:
            claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        except (ValueError, RecursionError):
            return frozenset()
        roles = claims.get("roles") if isinstance(claims, dict) else None
        return (
            frozenset(one for one in roles if isinstance(one, str))
            if isinstance(roles, list)
            else frozenset()
        )

    def _renew(self) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.secret.read(),
            "scope": self.scope,
        }
        url = f"{self.http.url}/{quote(self.tenant, safe='')}/oauth2/v2.0/token"
        reply = self.http.post(url, form=form, also=_REFUSED)
        answer = self.http.json(reply)
        if not isinstance(answer, dict):
            raise self.http.unavailable("the answer is no token")
        if reply.status in _REFUSED:
            number = _NUMBER.search(str(answer.get("error_description", "")))
            code = re.sub(r"\W", "", str(answer.get("error", "")))[:40]
            raise self.http.refused(
                f"the application is not let in: {' '.join([code, number[0] if number else '']).strip()}",
                hint="check tenant, client_id and client_secret; a secret ends on the day it was given",
            )
        token, lasts = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not token or not isinstance(lasts, (int, str)):
            raise self.http.unavailable("the answer is no token")
        self._token = token
        self._ends = self.clock() + max(0.0, float(lasts) - EARLY_S)
