"""The one way connectors speak HTTP.

**What answers is not always the system.** Single sign-on, a proxy or a maintenance page answer 200 with a web page;
an empty body or half of one is still a 200. Taken for a listing, each of these would delete documents. So an answer
counts only when it has the form that was asked for, and everything else is an error that says what came instead.

**Where credentials go.** To the host in ``url`` and nowhere else: redirects to another host, scheme or port are
refused with the new address named. Only a file's bytes may come from elsewhere (:meth:`HttpClient.download`), asked
for without account, cookies or headers. Nothing here is logged, and no error repeats a header or a body.

**Proxies** named by environment variables are not used: the guard of :mod:`kbm_connectors.reach` checks the address
that is connected to, and behind a proxy there is none to check.
"""

from __future__ import annotations

import json
import re
import ssl
import time
import weakref
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated, Protocol
from urllib.parse import urlsplit

import httpx
from pydantic import AfterValidator, Field, field_validator

from kbm.domain.sync import Json
from kbm.errors import ConfigError, ConnectorError, ConnectorRefused, ConnectorUnavailable
from kbm_connectors.reach import Pace, address_of
from kbm_connectors.secret_refs import SecretRef, check_reference
from kbm_connectors.settings import SourceSettings

TRIES = 4
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 60.0
"""A server that asks for a longer pause is left alone: the next run comes back."""
MAX_REDIRECTS = 5

_LATER = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 508, 509, 520, 521, 522, 523, 524})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HTML = re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)
_LOGIN = re.compile(rb"type\s*=\s*[\"']?password|saml|openid|oauth2", re.I)

Reference = Annotated[str, AfterValidator(check_reference)]


class HttpSettings(SourceSettings):
    """Keys of every source that is reached over HTTP."""

    url: str = Field(min_length=1, description="Address of the system, https:// or http://.")
    user: str = Field(default="", description="Account kbm reads with; empty: without an account.")
    password: Reference = Field(default="", description="Its password: 'env:NAME' or 'file:PATH'.")
    allow_private: bool = Field(default=False, description="The system stands inside this network.")
    ca_file: str = Field(default="", description="Certificates of a company's own authority, in PEM.")
    timeout_s: float = Field(
        default=60.0, gt=0, le=600, description="Longest wait for an answer, in seconds."
    )
    max_requests_per_second: float = Field(default=10.0, gt=0, le=10_000, description="To one host, at most.")
    max_answer_mb: int = Field(default=100, ge=1, le=2_000, description="Largest answer that is read.")

    @field_validator("url")
    @classmethod
    def _web_address(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise ValueError("this is no address") from None
        if parts.scheme not in ("http", "https") or not host:
            raise ValueError("write the full address, as in https://wiki.example.com")
        if parts.query or parts.fragment:
            raise ValueError("give the address without anything after ? or #")
        return url.rstrip("/")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered, whole."""

    status: int
    media_type: str
    body: bytes = field(repr=False)
    wait_s: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Bearer(Protocol):
    """A token that stands for the account; :class:`SecretRef` is one."""

    def read(self) -> str: ...
    def hide_in(self, text: str) -> str: ...


class HttpClient:
    """Asks one source's server; safe to make without the server."""

    def __init__(
        self,
        name: str,
        settings: HttpSettings,
        root: Path,
        *,
        basic: bool = False,
        bearer: Bearer | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.source = name
        self._settings, self._root = settings, root
        parts = urlsplit(settings.url)
        if "@" in parts.netloc:
            # Told here and not by the settings' own check, which repeats the value.
            raise ConfigError(
                f"sources.{name}.url: an address holds no account", hint="use user and password"
            )
        self.url, self.host = settings.url, parts.netloc
        self._origin = (parts.scheme, parts.netloc.lower())
        self.password = SecretRef(key=f"sources.{name}.password", reference=settings.password, root=root)
        if bool(settings.user) != bool(settings.password):
            raise ConfigError(f"sources.{name}: user and password are given together or not at all")
        self._basic, self._bearer, self._pause = basic and bool(settings.user), bearer, pause
        self._pace = Pace(self.host, settings.max_requests_per_second, pause)
        self._ca_file = str(root / settings.ca_file) if settings.ca_file else None
        self._client: httpx.Client | None = None

    def get(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        also: frozenset[int] = frozenset(),
    ) -> Reply:
        """Ask for *url*; statuses in *also* are given back like a success. Without *params* its query stays.

        Raises:
            ConnectorUnavailable: no whole answer after several tries.
            ConnectorRefused: a person must act.
        """
        return self._ask(httpx.Request("GET", url, params=params, headers=headers), also)

    def download(self, url: str, *, also: frozenset[int] = frozenset()) -> Reply:
        """Ask for a file, as :meth:`get`; a redirect to another host is followed as a stranger."""
        return self._ask(httpx.Request("GET", url), also, elsewhere=True)

    def post(
        self,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        content: bytes | None = None,
        media_type: str = "",
        also: frozenset[int] = frozenset(),
    ) -> Reply:
        """Send a form or *content*, as :meth:`get`. It is sent again after a fault, so it must only read."""
        headers = {"Content-Type": media_type} if media_type else {}
        return self._ask(httpx.Request("POST", url, data=form, content=content, headers=headers), also)

    def json(self, reply: Reply) -> Json:
        """Read an answer as JSON.

        Raises:
            ConnectorRefused: it is a login page.
            ConnectorUnavailable: it is anything else: a maintenance page, nothing, or half of it.
        """
        self.must_be(reply, "json")
        try:
            answer: Json = json.loads(reply.body)
        except (ValueError, RecursionError):
            raise self.unavailable("the answer is no whole JSON") from None
        return answer

    def must_be(self, reply: Reply, kind: str) -> None:
        """Refuse an answer that is not of *kind* (``json``, ``xml``): see :meth:`json`."""
        if _HTML.match(reply.body):
            title = re.search(rb"<title[^>]*>(.{0,80}?)</title", reply.body, re.I | re.S)
            named = f" ({' '.join(title[1].decode('utf-8', 'replace').split())!r})" if title else ""
            if _LOGIN.search(reply.body):
                raise self.refused(
                    f"a login page answered in place of the interface{self.hide(named)}",
                    hint="let the account through without single sign-on, or give the address of the interface",
                )
            raise self.unavailable(f"a web page answered in place of the interface{self.hide(named)}")
        if not reply.body.strip():
            raise self.unavailable("the answer is empty")
        if kind not in reply.media_type:
            raise self.unavailable(f"the answer is {reply.media_type or 'of no type'}, not {kind.upper()}")

    def hide(self, text: str) -> str:
        """Take the password out of what a server said."""
        text = self._bearer.hide_in(text) if self._bearer else text
        return self.password.hide_in(text) if self._settings.password else text

    def unavailable(self, why: str, hint: str = "") -> ConnectorUnavailable:
        """Make the error for a fault that may pass."""
        return ConnectorUnavailable(f"source {self.source}: {self.host}: {why}", hint=hint)

    def refused(self, why: str, hint: str = "") -> ConnectorRefused:
        """Make the error for what only a person can change."""
        return ConnectorRefused(f"source {self.source}: {self.host}: {why}", hint=hint)

    def forget_session(self) -> None:
        """Drop cookies and connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _ask(self, request: httpx.Request, also: frozenset[int], *, elsewhere: bool = False) -> Reply:
        failed: ConnectorError | None = None
        for turn in range(TRIES):
            try:
                reply = self._follow(request, elsewhere=elsewhere)
            except ConnectorUnavailable as error:
                failed, wait_s = error, None
            else:
                if reply.status < 300 or reply.status in also:
                    return reply
                failed, wait_s = self._fault(reply), reply.wait_s
                if reply.status not in _LATER:
                    raise failed
            wait_s = FIRST_PAUSE_S * 2**turn if wait_s is None else wait_s
            if wait_s > LONGEST_PAUSE_S:
                raise self.unavailable(f"it asks to come back in {wait_s:.0f} seconds")
            if turn + 1 < TRIES:
                self._pause(wait_s)
        assert failed is not None  # noqa: S101 - TRIES is at least one
        raise failed

    def _fault(self, reply: Reply) -> ConnectorError:
        told = f"HTTP {reply.status}"
        if reply.status in (401, 407):
            return self.refused(
                f"{told}: the account or its password is not taken", hint="check user and password"
            )
        if reply.status == 403:
            return self.refused(
                f"{told}: it does not let the account read that", hint="give the account the right"
            )
        if reply.status in (404, 410):
            return self.refused(f"{told}: there is nothing at that address", hint="check url")
        if reply.status in _LATER or reply.status >= 500:
            return self.unavailable(told)
        return self.refused(told)

    def _follow(self, request: httpx.Request, *, elsewhere: bool) -> Reply:
        """Send a request and follow redirects within the same host, or to another one as a stranger."""
        for _ in range(MAX_REDIRECTS):
            reply, target = self._send(request)
            if target is None:
                return reply
            parts = urlsplit(target)
            is_here = (parts.scheme, parts.netloc.lower()) == self._origin
            is_safe = (
                parts.scheme in ("https", self._origin[0]) and parts.hostname and "@" not in parts.netloc
            )
            if elsewhere and not is_here and is_safe:
                return self._stranger(f"{parts.scheme}://{parts.netloc}").get(target)
            if not is_here or request.method != "GET":
                raise self.refused(
                    f"it redirects to {parts.scheme}://{parts.hostname or ''}, where kbm's account does not go",
                    hint="if that is the system, give it as url; if it is a login page, let the account pass it",
                )
            request = httpx.Request("GET", target, headers=request.headers)
        raise self.unavailable("it redirects in circles")

    def _stranger(self, url: str) -> HttpClient:
        """Make a client for another host that nobody is logged in to."""
        theirs = self._settings.model_copy(update={"url": url, "user": "", "password": ""})
        return HttpClient(self.source, theirs, self._root, pause=self._pause)

    def _send(self, request: httpx.Request) -> tuple[Reply, str | None]:
        self._pace.wait()
        client = self._open()
        headers = {"Accept-Encoding": "gzip", "User-Agent": "kbm", **request.headers}
        if self._basic:
            account = f"{self._settings.user}:{self.password.read()}".encode()
            headers["Authorization"] = "Basic " + b64encode(account).decode("ascii")
        elif self._bearer:
            headers["Authorization"] = f"Bearer {self._bearer.read()}"
        end = time.monotonic() + self._settings.timeout_s
        try:
            with client.stream(
                request.method, request.url, headers=headers, content=request.read()
            ) as answer:
                if answer.status_code in _REDIRECTS and "Location" in answer.headers:
                    return Reply(answer.status_code, "", b""), str(
                        request.url.join(answer.headers["Location"])
                    )
                body = self._body(answer, end)
        except httpx.TimeoutException:
            raise self.unavailable(f"no answer within {self._settings.timeout_s:.0f} seconds") from None
        except httpx.InvalidURL:
            raise self.refused("it redirects to something that is no address") from None
        except httpx.DecodingError:
            raise self.unavailable("the answer is damaged") from None
        except (httpx.RemoteProtocolError, httpx.ReadError):
            raise self.unavailable("the answer broke off") from None
        except httpx.HTTPError as error:
            if isinstance(error.__cause__, ssl.SSLError) or "CERTIFICATE" in str(error):
                raise self.refused(
                    "its certificate is not trusted", hint="name the company's authority with ca_file"
                ) from None
            raise self.unavailable("no connection") from None
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        wait_s = _wait_s(answer.headers.get("Retry-After"))
        return Reply(answer.status_code, media_type, body, wait_s, dict(answer.headers)), None

    def _body(self, answer: httpx.Response, end: float) -> bytes:
        body, limit = bytearray(), self._settings.max_answer_mb * 1_000_000
        for part in answer.iter_bytes():
            body += part
            if len(body) > limit:
                raise self.refused(
                    f"the answer is larger than {self._settings.max_answer_mb} MB", hint="raise max_answer_mb"
                )
            if time.monotonic() > end:
                raise self.unavailable(f"no whole answer within {self._settings.timeout_s:.0f} seconds")
        return bytes(body)

    def _open(self) -> httpx.Client:
        if self._client is None:
            trust = self._trust() if self._origin[0] == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._client = httpx.Client(
                transport=_Guarded(self.source, allow_private=self._settings.allow_private, trust=trust),
                timeout=httpx.Timeout(self._settings.timeout_s, connect=min(10.0, self._settings.timeout_s)),
                trust_env=False,
                follow_redirects=False,
            )
            # Nobody tells a connector that it is not needed any more.
            weakref.finalize(self, self._client.close)
        return self._client

    def _trust(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._ca_file)
        except OSError as error:
            why = (error.strerror or "no PEM").lower()
            raise ConfigError(f"sources.{self.source}.ca_file cannot be read: {why}") from None


class _Guarded(httpx.BaseTransport):
    """Connects to the address that was checked; the certificate is still checked against the name."""

    def __init__(self, source: str, *, allow_private: bool, trust: ssl.SSLContext) -> None:
        self._source, self._allow_private = source, allow_private
        self._inner = httpx.HTTPTransport(verify=trust, trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        address = address_of(self._source, host, port, allow_private=self._allow_private)
        # A request of its own: cookies are kept under the name that the other one holds.
        return self._inner.handle_request(
            httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": host},
            )
        )

    def close(self) -> None:
        self._inner.close()


def _wait_s(header: str | None) -> float | None:
    """Read Retry-After, which is a number of seconds or a date."""
    if not header:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
