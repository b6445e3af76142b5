"""The public address of kbm as somebody outside meets it."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

TIMEOUT_S = 50.0
_CONNECT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A response; ``body`` is its JSON, None where it is none. Any: JSON."""

    status: int
    body: Any
    headers: dict[str, str]
    n_chars: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What the TLS handshake gave."""

    protocol: str
    ends: datetime


class PublicDoor:
    """Calls the public address. Failures come back as text: telling them is what this is for."""

    def __init__(self, url: str, *, trust: ssl.SSLContext | None = None) -> None:
        """*trust* holds the authorities that count; those of the system if left out."""
        self.url = url.rstrip("/")
        self._trust = trust or ssl.create_default_context()

    def certificate(self) -> Certificate | str:
        """Shake hands; says why not in words."""
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        try:
            with (
                socket.create_connection((host, parts.port or 443), timeout=_CONNECT_S) as plain,
                self._trust.wrap_socket(plain, server_hostname=host) as made,
            ):
                ends = float(ssl.cert_time_to_seconds(str((made.getpeercert() or {})["notAfter"])))
                return Certificate(protocol=made.version() or "", ends=datetime.fromtimestamp(ends, tz=UTC))
        except ssl.SSLCertVerificationError as error:
            return error.verify_message or str(error)
        except (OSError, KeyError) as error:
            return str(error) or type(error).__name__

    def call(
        self, method: str, path: str, *, key: str = "", body: Any = None, accept: str = "application/json"
    ) -> Seen | str:
        """Send a request; says why there was no response in words. Any: JSON."""
        headers = {"Accept": accept} | ({"Authorization": f"Bearer {key}"} if key else {})
        started = time.monotonic()
        try:
            with httpx.Client(
                verify=self._trust, timeout=httpx.Timeout(TIMEOUT_S, connect=_CONNECT_S)
            ) as http:
                response = http.request(method, self.url + path, json=body, headers=headers)
        except httpx.HTTPError as error:
            return str(error) or type(error).__name__
        try:
            said = response.json()
        except ValueError:
            said = None
        return Seen(
            status=response.status_code,
            body=said,
            headers=dict(response.headers),
            n_chars=len(response.text),
            seconds=time.monotonic() - started,
        )
