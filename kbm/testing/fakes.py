"""Stand-ins for what is slow, remote or not installed. Deterministic, and they count what was asked of them."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from kbm.domain.chat import Message, Piece, Reply, Usage
from kbm.domain.documents import Blob
from kbm.domain.identity import Digest, digest
from kbm.domain.sync import Event, Failed, Json, Mark, Ref
from kbm.errors import ConnectorUnavailable, ProviderUnavailable
from kbm.ports import Stage, Vectors

_WORD = re.compile(r"\w+")


class FakeEmbedder:
    """Embeds as a hashed bag of words: texts that share words are near each other.

    ``n_embedded`` counts texts, ``n_passages`` those that are no questions, ``n_calls`` calls. With ``fail_after=N``
    the text after the first N is answered with ``ProviderUnavailable``, as all later ones; set it to ``None`` and
    the provider is back.
    """

    name: ClassVar[str] = "fake"

    def __init__(self, *, dimensions: int = 64, variant: str = "", fail_after: int | None = None) -> None:
        self.dimensions = dimensions
        self.digest: Digest = digest("embedder", self.name, str(dimensions), variant)
        self.fail_after = fail_after
        self.n_embedded = self.n_passages = 0
        self.n_calls = 0
        self._variant = variant

    def embed(self, texts: Sequence[str], purpose: Literal["passage", "question"]) -> Vectors:
        """Embed *texts*; the purpose makes no difference to the vectors."""
        self.n_calls += 1
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            if self.fail_after is not None and self.n_embedded >= self.fail_after:
                raise ProviderUnavailable("the fake embedder is down")
            self.n_embedded += 1
            self.n_passages += purpose == "passage"
            vectors[row] = self._vector(text)
        return vectors

    def _vector(self, text: str) -> Vectors:
        # Text without words is hashed whole, so that it has a direction, too.
        words = _WORD.findall(text.casefold()) or [text]
        vector = np.sum([_direction(f"{self._variant}:{word}", self.dimensions) for word in words], axis=0)
        unit: Vectors = (vector / np.linalg.norm(vector)).astype(np.float32)
        return unit


@functools.lru_cache(maxsize=50_000)
def _direction(word: str, dimensions: int) -> NDArray[np.float64]:
    """Give a word a direction of its own; with one axis each, words would collide all the time."""
    seed = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(seed)).standard_normal(dimensions)


class FakeChatModel:
    """Writes what it is told to: a text, or whatever a function makes of the messages.

    ``asked`` holds the messages of every call, ``timeouts_s`` their deadlines. *failing* are raised by the first
    calls, one each; with *breaks_after* a reply ends in ``ProviderUnavailable`` after so many characters.
    """

    name: ClassVar[str] = "fake"

    def __init__(
        self,
        reply: str | Callable[[Sequence[Message]], str] = "",
        *,
        failing: Sequence[Exception] = (),
        breaks_after: int | None = None,
        piece_chars: int = 7,
        counts: bool = True,
    ) -> None:
        self.reply, self.failing, self.breaks_after = reply, list(failing), breaks_after
        self.asked: list[list[Message]] = []
        self.timeouts_s: list[float] = []
        self.n_closed = 0
        self._piece_chars, self._counts = piece_chars, counts

    def complete(self, messages: Sequence[Message], *, max_tokens: int, timeout_s: float) -> Reply:
        """Give the whole reply."""
        pieces = list(self.stream(messages, max_tokens=max_tokens, timeout_s=timeout_s))
        return Reply(text="".join(one.text for one in pieces), usage=pieces[-1].usage)

    def stream(self, messages: Sequence[Message], *, max_tokens: int, timeout_s: float) -> Iterator[Piece]:
        """Give the reply in small pieces, and the counts with an empty last one."""
        self.asked.append(list(messages))
        self.timeouts_s.append(timeout_s)
        if self.failing:
            raise self.failing.pop(0)
        text = self.reply if isinstance(self.reply, str) else self.reply(messages)
        shown = text if self.breaks_after is None else text[: self.breaks_after]
        for at in range(0, len(shown), self._piece_chars):
            yield Piece(text=shown[at : at + self._piece_chars])
        if self.breaks_after is not None:
            raise ProviderUnavailable("the fake chat model broke off")
        n_in = sum(len(one.text) for one in messages)
        yield Piece(usage=Usage(n_in=n_in, n_out=len(text)) if self._counts else None)

    def close(self) -> None:
        """Count it."""
        self.n_closed += 1


class FakeReranker:
    """Scores a text by the words it shares with the question; ``down`` makes it unavailable, and it counts calls."""

    name: ClassVar[str] = "fake"

    def __init__(self) -> None:
        self.digest: Digest = digest("reranker", self.name)
        self.down = False
        self.n_calls = 0

    def rerank(self, question: str, texts: Sequence[str]) -> list[float]:
        """Count shared words."""
        self.n_calls += 1
        if self.down:
            raise ProviderUnavailable("the fake reranker is down")
        asked = set(_WORD.findall(question.casefold()))
        return [float(len(asked & set(_WORD.findall(text.casefold())))) for text in texts]


class FakeClock:
    """A clock that stands still until it is set."""

    def __init__(self, now: datetime = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)) -> None:
        self._now = now
        self._set_by = timedelta()

    def now(self) -> datetime:
        """Give the moment that was set."""
        return self._now

    def monotonic(self) -> float:
        """Give the same moment in seconds, as if nobody had ever set the clock."""
        return (self._now - self._set_by).timestamp()

    def advance(self, **parts: float) -> None:
        """Move on: ``advance(hours=3)``, as :class:`datetime.timedelta` takes it."""
        self._now += timedelta(**parts)

    def jump(self, **parts: float) -> None:
        """Set it forward or back, as a person or a time server does: no time goes by."""
        self._now += timedelta(**parts)
        self._set_by += timedelta(**parts)


@dataclass(slots=True)
class FakeConnector:
    """A source in memory: item id → text. Counts what is fetched, and fails where it is told to.

    ``readers``, ``modified`` and ``urls`` hold what the source says of single items; for the others it says nothing.
    ``down`` makes the whole source unavailable, ``failing`` holds items whose body cannot be had, ``complete`` set
    to False makes a listing that does not vouch for itself, and ``failed`` holds scopes that cannot be listed.
    """

    kind: ClassVar[str] = "fake"
    url_is_path: ClassVar[bool] = False

    items: dict[str, str] = field(default_factory=dict)
    readers: dict[str, frozenset[str]] = field(default_factory=dict)
    modified: dict[str, datetime] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    down: bool = False
    complete: bool = True

    def check(self) -> list[str]:
        """Say whether it is down."""
        return ["the fake source is down"] if self.down else []

    def scan(self, cursor: Json) -> Iterator[Event]:
        """List everything outside failed scopes; versions are hashes of the text."""
        del cursor
        if self.down:
            raise ConnectorUnavailable("the fake source is down")
        for scope in self.failed:
            yield Failed(scope=scope, why="the fake scope cannot be listed")
        for id, text in self.items.items():
            if not any(id.startswith(f"{scope}/") for scope in self.failed):
                version = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
                scope = id.rpartition("/")[0]
                yield Ref(
                    id=id,
                    version=version,
                    readers=self.readers.get(id),
                    scope=scope,
                    modified=self.modified.get(id),
                    url=self.urls.get(id, ""),
                )
        yield Mark(cursor=None, full=self.complete)

    def fetch(self, ref: Ref) -> Blob:
        """Give the text as a file named like the item."""
        self.fetched.append(ref.id)
        if ref.id in self.failing:
            raise ConnectorUnavailable("the fake item cannot be had now")
        return Blob(data=self.items[ref.id].encode(), name=ref.id.rpartition("/")[2])


class NoProgress:
    """Shows nothing."""

    @contextmanager
    def stage(self, label: str, total: int | None = None) -> Iterator[Stage]:
        """Open a stage that nobody sees."""
        del label, total
        yield _NoStage()

    def say(self, text: str) -> None:
        """Say nothing."""


class _NoStage:
    def advance(self, n: int = 1, note: str = "") -> None:
        """Show nothing."""

    def total(self, n: int) -> None:
        """Show nothing."""


__all__ = ["FakeChatModel", "FakeClock", "FakeConnector", "FakeEmbedder", "FakeReranker", "NoProgress"]
