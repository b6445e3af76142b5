"""Ask a kbm from a Python program, over HTTP.

::

    from kbm.client import KbmClient

    with KbmClient("https://kb.example", key="kbm_…") as kbm:
        answer = kbm.ask("offers", "How many days of leave do employees get?")
        for one in answer.citations:
            print(one.n, one.title, one.quote, one.url)

A request that was told to come back (429, 503) or did not get through is sent again after the time the service names.
Asking again is harmless: it makes another answer with an id of its own. Feedback is sent again only if it surely did
not arrive.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote

import httpx

RETRIES = 3
TIMEOUT_S = 45.0
MOST_WAIT_S = 30.0
"""A longer wait is left to the caller: the error says how long."""

Filters = Mapping[str, str | Collection[str]]
"""``sources``, ``modified_after``, ``modified_before``, as the service takes them."""


class ClientError(Exception):
    """The service refused, or could not be asked. ``code`` and ``hint`` are those of docs/errors.md.

    ``status`` is 0 where no answer came; ``retry_after_s`` is None where the service named no time.
    """

    def __init__(
        self, detail: str, *, code: str, hint: str = "", status: int = 0, retry_after_s: float | None = None
    ) -> None:
        self.code, self.hint, self.status, self.retry_after_s = code, hint, status, retry_after_s
        super().__init__(detail)


class Unreachable(ClientError):
    """No answer came, after all retries."""


class KeyRefused(ClientError):
    """No key, or one that does not hold or does not allow that (401, 403)."""


class NotFound(ClientError):
    """No such GPT, release, document or answer for this key (404)."""


class Refused(ClientError):
    """The request cannot be used as it stands (other 4xx)."""


class TryLater(ClientError):
    """A limit is reached, or something is not ready (429, 503), after all retries."""


class ServiceFault(ClientError):
    """A fault of the service (other 5xx), or an answer that is none of kbm's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A verbatim quote and where it stands; ``url`` shows it in its document."""

    n: int
    quote: str
    chunk_id: str
    document_id: str
    item_id: str
    title: str
    url: str
    source: str
    section: str
    page: int | None
    modified_at: datetime | None
    stale: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence of an answer and the numbers of its citations."""

    text: str
    citations: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer. Show ``notice`` with it; ``cause`` says why there is none when ``outcome`` is ``unanswered``."""

    answer_id: str
    gpt: str
    release: str
    outcome: Literal["answered", "uncertain", "unanswered"]
    cause: str | None
    confidence: float
    answer: str
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]
    notice: str
    degraded: tuple[str, ...]
    took_ms: int
    ai_generated: bool = True

    @property
    def is_answered(self) -> bool:
        """Tell whether there is something to show."""
        return self.outcome != "unanswered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A passage that was found; ``score`` orders the hits of one search."""

    chunk_id: str
    document_id: str
    item_id: str
    source: str
    title: str
    url: str
    section: str
    page: int | None
    text: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """Passages, best first."""

    release: str
    hits: tuple[Hit, ...]
    degraded: tuple[str, ...]


_Shape = TypeVar("_Shape")


class KbmClient:
    """Asks one kbm. Safe to share between threads; close it when done."""

    def __init__(
        self,
        url: str,
        key: str = "",
        *,
        timeout_s: float = TIMEOUT_S,
        retries: int = RETRIES,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """*key* is empty where none is needed; *transport* and *sleep* are for tests."""
        self._retries, self._sleep = retries, sleep
        self._http = httpx.Client(
            base_url=url.rstrip("/"),
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=timeout_s,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(
        self,
        gpt: str,
        question: str,
        *,
        user: str | None = None,
        release: str | None = None,
        k: int | None = None,
        filters: Filters | None = None,
    ) -> Answer:
        """Ask a question; an answer that the knowledge does not hold is no error but an outcome.

        Raises:
            ClientError: one of the types above.
        """
        body = {"question": question, "user": user, "release": release, "k": k, "filters": _plain(filters)}
        said = self._send("POST", f"/v1/gpts/{quote(gpt, safe='')}/ask", body)
        citations = tuple(_made(Citation, _dated(one)) for one in said["citations"])
        sentences = tuple(
            Sentence(text=one["text"], citations=tuple(one["citations"])) for one in said["sentences"]
        )
        degraded = tuple(said["degraded"])
        return _made(Answer, {**said, "citations": citations, "sentences": sentences, "degraded": degraded})

    def search(self, gpt: str, query: str, *, k: int = 10, filters: Filters | None = None) -> Hits:
        """Find passages.

        Raises:
            ClientError: one of the types above.
        """
        body = {"query": query, "k": k, "filters": _plain(filters)}
        said = self._send("POST", f"/v1/gpts/{quote(gpt, safe='')}/search", body)
        hits = tuple(_made(Hit, one) for one in said["hits"])
        return Hits(release=said["release"], hits=hits, degraded=tuple(said["degraded"]))

    def feedback(
        self, answer_id: str, verdict: Literal["helpful", "unhelpful", "problem"], comment: str | None = None
    ) -> None:
        """Say what somebody thought of an answer.

        Raises:
            ClientError: one of the types above.
        """
        path = f"/v1/answers/{quote(answer_id, safe='')}/feedback"
        self._send("POST", path, {"verdict": verdict, "comment": comment}, once=True)

    def receipt(self, answer_id: str, *, verify: bool = False) -> dict[str, Any]:
        """Give what an answer rested on, as the service says it (docs/api.md); Any: it is JSON.

        Raises:
            ClientError: one of the types above.
        """
        path = f"/v1/answers/{quote(answer_id, safe='')}/receipt"
        return self._send("GET", f"{path}?verify=true" if verify else path)

    def gpts(self) -> list[dict[str, Any]]:
        """List the GPTs that the key may ask, with title and live release; Any: it is JSON.

        Raises:
            ClientError: one of the types above.
        """
        listed: list[dict[str, Any]] = self._send("GET", "/v1/gpts")["gpts"]
        return listed

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, once: bool = False
    ) -> dict[str, Any]:
        """Send a request until it is answered; with *once* not again after it may have arrived. Any: it is JSON."""
        said = {name: value for name, value in body.items() if value is not None} if body else None
        for left in range(self._retries, -1, -1):
            try:
                response = self._http.request(method, path, json=said)
            except httpx.TransportError as error:
                arrived = once and not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                if not left or arrived:
                    raise Unreachable(
                        f"{self._http.base_url} did not answer: {error or type(error).__name__}",
                        code="unreachable",
                        hint="is it running, and is this its address?",
                    ) from error
                self._sleep(self._pause(left))
                continue
            error_said = _error(response)
            if error_said is None:
                return _object(response)
            wait = error_said.retry_after_s
            if not isinstance(error_said, TryLater) or not left or (wait or 0) > MOST_WAIT_S:
                raise error_said
            self._sleep(wait if wait is not None else self._pause(left))
        raise AssertionError("the loop above returns or raises")

    def _pause(self, left: int) -> float:
        """Wait longer each time, and not all clients at the same moment."""
        return float(2 ** (self._retries - left)) * random.uniform(0.5, 1)  # noqa: S311 - no secret


def _error(response: httpx.Response) -> ClientError | None:
    status = response.status_code
    if status < 400:
        return None
    try:
        said = response.json()
    except ValueError:
        said = None
    if not isinstance(said, dict):
        said = {}
    kinds: dict[int, type[ClientError]] = {
        401: KeyRefused,
        403: KeyRefused,
        404: NotFound,
        429: TryLater,
        503: TryLater,
    }
    made = kinds.get(status, Refused if status < 500 else ServiceFault)
    wait = response.headers.get("retry-after", "")
    return made(
        str(said.get("detail") or f"HTTP {status}"),
        code=str(said.get("code") or "http"),
        hint=str(said.get("hint") or ""),
        status=status,
        retry_after_s=float(wait) if wait.isdecimal() else None,
    )


def _object(response: httpx.Response) -> dict[str, Any]:
    try:
        said = response.json()
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise ServiceFault("what answered is no kbm", code="http", status=response.status_code)
    return said


def _made(shape: type[_Shape], said: Mapping[str, Any]) -> _Shape:
    """Make a shape of what is said; fields of a later version are left out."""
    names = {one.name for one in fields(shape)}  # type: ignore[arg-type]  # all shapes here are dataclasses
    return shape(**{name: value for name, value in said.items() if name in names})


def _dated(said: Mapping[str, Any]) -> dict[str, Any]:
    moment = said.get("modified_at")
    return {**said, "modified_at": datetime.fromisoformat(moment) if moment else None}


def _plain(filters: Filters | None) -> dict[str, Any] | None:
    if not filters:
        return None
    return {name: one if isinstance(one, str) else list(one) for name, one in filters.items()}


__all__ = [
    "Answer",
    "Citation",
    "ClientError",
    "Hit",
    "Hits",
    "KbmClient",
    "KeyRefused",
    "NotFound",
    "Refused",
    "Sentence",
    "ServiceFault",
    "TryLater",
    "Unreachable",
]
