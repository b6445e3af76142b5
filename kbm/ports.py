"""Every extension point of kbm. A plug-in author reads this file and the nouns it names.

A plug-in is a class registered under an entry-point group; kbm's own come in by the same door:

====================  =====================  ==========================================
group                 port                   made with
====================  =====================  ==========================================
``kbm.connectors``    :class:`Connector`     ``(name: str, settings: Mapping, root: Path)``
``kbm.parsers``       :class:`Parser`        no arguments
``kbm.chunkers``      :class:`Chunker`       no arguments
``kbm.embedders``     :class:`Embedder`      ``(argument: str, folder: Path)``
``kbm.chat_models``   :class:`ChatModel`     ``(argument: str, access: ChatAccess)``
``kbm.rerankers``     :class:`Reranker`      ``(argument: str, folder: Path)``
``kbm.vector_stores`` :class:`VectorStore`   ``(folder: Path, embedder_digest: str, dimensions: int)``
``kbm.detectors``     :class:`Detector`      no arguments
``kbm.notifiers``     :class:`Notifier`      ``(settings: Mapping, root: Path)``
====================  =====================  ==========================================

``kbm.testing.contracts`` holds one contract suite per port: inherit it in your tests.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from kbm.domain.chat import Message, Piece, Reply
from kbm.domain.documents import Blob, Chunk, Element, ParsedDocument
from kbm.domain.identity import ChunkId, Digest, VectorKey, VersionId
from kbm.domain.report import Report
from kbm.domain.review import Findings, Near, Pair, ReviewWindow
from kbm.domain.sync import Event, Json, Ref

Vectors = NDArray[np.float32]


class Connector(Protocol):
    """Reads one source. The core around it owns cursors, deletions, the brake, retries and readers.

    A class that was never run against a real system says ``proven_live = False``: ``kbm sources`` then tells so.
    """

    kind: ClassVar[str]
    url_is_path: ClassVar[bool]
    """Whether ``url`` may be a path, taken relative to the folder of ``kbm.toml``."""

    def check(self) -> list[str]:
        """Say in words what keeps the source from being read; empty means it works. Never raises for that."""
        ...

    def scan(self, cursor: Json) -> Iterator[Event]:
        """List what there is, or with a *cursor* what changed since.

        Yield ``Failed`` for whatever cannot be listed, with the empty scope when it is the root, and
        ``Mark(full=True)`` at the end only if everything was listed that the connector could reach.

        Raises:
            ConnectorUnavailable: the source does not answer; nothing listed so far counts as complete.
            ConnectorRefused: a person must act.
        """
        ...

    def fetch(self, ref: Ref) -> Blob:
        """Give the body of a listed item.

        Raises:
            ConnectorUnavailable: try again later.
            ConnectorRefused: the item exists but may not be read.
        """
        ...


class Recognises(Protocol):
    """What a connector's class may do besides, so that ``kbm connect`` finds it by an address."""

    @classmethod
    def recognises(cls, url: str, root: Path) -> Mapping[str, Any] | None:
        """Propose the connector's own keys for *url* (Any: each has its own), or ``None`` when it is not its kind.

        Told by the look of the address, and by what lies at a local path; no other system is asked. A path is
        relative to *root*.
        """
        ...

    @classmethod
    def completes(cls, name: str, settings: ConnectorSettings, root: Path) -> Mapping[str, Any]:
        """Propose what is still missing once a person added keys of theirs; may ask the other system. Optional.

        Raises:
            ConfigError: a key of theirs is needed; the text says which and what there is to choose from.
            ConnectorError: the system could not be asked.
        """
        ...


class Parser(Protocol):
    """Turns bytes of some formats into elements. Runs in a worker process with limits."""

    name: ClassVar[str]
    version: ClassVar[str]
    """Raised whenever the same bytes would give other elements: documents are then parsed again."""
    media_types: ClassVar[frozenset[str]]

    def parse(self, blob: Blob, media_type: str) -> ParsedDocument:
        """Read *blob*, which was recognised as *media_type*.

        Raises:
            ParseFailed: with a :class:`~kbm.domain.documents.Reason`.
        """
        ...


class Chunker(Protocol):
    """Cuts a parsed document into passages."""

    name: ClassVar[str]
    digest: Digest
    """Changes whenever the same document would be cut differently."""

    def chunk(self, version: VersionId, title: str, elements: Sequence[Element]) -> list[Chunk]:
        """Cut a document version; ids and spans refer to the text :func:`~kbm.domain.documents.lay_out` gives.

        A document without text gives an empty list. Every chunk's ``text`` equals its span.
        """
        ...


class Embedder(Protocol):
    """Turns text into vectors."""

    name: ClassVar[str]
    digest: Digest
    """Changes with model, precision or pooling: vectors of different digests are never compared."""
    dimensions: int

    def embed(self, texts: Sequence[str], purpose: Literal["passage", "question"]) -> Vectors:
        """Embed *texts* in order.

        Returns an array of shape ``(len(texts), dimensions)``, rows of unit length; an empty input gives shape
        ``(0, dimensions)``. A text gives the same bits whatever it is embedded together with.

        Raises:
            ProviderUnavailable: timed out, or asked to slow down; safe to repeat.
        """
        ...


class ChatModel(Protocol):
    """Writes text. The core around it owns tries, pauses, the circuit breaker, budgets and checks: try once.

    Made without reaching the provider; many threads may ask one at once.
    """

    name: ClassVar[str]

    def complete(self, messages: Sequence[Message], *, max_tokens: int, timeout_s: float) -> Reply:
        """Answer *messages* with at most *max_tokens*.

        Raises:
            ProviderUnavailable: no answer in *timeout_s* seconds, a broken one, or "later"; safe to repeat.
            ProviderRefused: a person must act. Neither text holds a key, or anything of the messages.
        """
        ...

    def stream(self, messages: Sequence[Message], *, max_tokens: int, timeout_s: float) -> Iterator[Piece]:
        """Do the same in pieces, each as soon as it is there. Closing the iterator ends the call.

        Raises:
            ProviderUnavailable: as above, also in the middle: a reply that breaks off never ends like a whole one.
            ProviderRefused: as above.
        """
        ...

    def close(self) -> None:
        """End all connections."""
        ...


class Reranker(Protocol):
    """Says how well passages answer a question, reading both together."""

    name: ClassVar[str]
    digest: Digest
    """Changes whenever the same texts would be ordered otherwise: releases name it."""

    def rerank(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        """Give each of *texts* (heading path, line break, passage) a finite score; higher is better, any scale.

        A text gets the same score whatever it is given together with. No texts give none. Many threads may ask.

        Raises:
            ProviderUnavailable: timed out, or asked to slow down; the hits then stay as they are.
        """
        ...


class VectorStore(Protocol):
    """Keeps every vector of the company once, by key, for one embedder. One process opens it at a time."""

    @classmethod
    def check(cls, folder: Path) -> str:
        """Say what is wrong with the vectors of a folder, or nothing; damage must not end this process.

        Raises:
            Busy: it is in use, so it was not looked at.
        """
        ...

    @classmethod
    def discard(cls, folder: Path) -> None:
        """Forget all vectors of a folder whose files are damaged: they are made again when they are asked for.

        Raises:
            Busy: it is in use.
        """
        ...

    def add(self, keys: Sequence[VectorKey], vectors: Vectors) -> None:
        """Store vectors; a key that is there already keeps its first vector. Shapes as in ``Embedder``."""
        ...

    def get(self, keys: Sequence[VectorKey]) -> dict[VectorKey, NDArray[np.float32]]:
        """Give the stored vectors, bit for bit; missing keys are left out, and those with other bits than stored.

        Raises:
            IndexDamaged: they cannot be read.
        """
        ...

    def query(self, vector: NDArray[np.float32], k: int) -> list[tuple[VectorKey, float]]:
        """Give up to *k* nearest keys with their cosine, nearest first. May be approximate."""
        ...

    def count(self) -> int:
        """Count the stored vectors."""
        ...

    def erase(self, keys: Collection[VectorKey]) -> None:
        """Take vectors out so that no byte of them stays on disk, those of other embedders under such a key too.

        All others stay, bit for bit. Keys that are not there are passed over; after a crash the same call ends it.
        """
        ...

    def retain(self, kept: Mapping[str, Collection[VectorKey]], *, waste: float) -> int:
        """Forget all vectors but *kept*, by embedder digest, if more than the share *waste* are others.

        What stays does so bit for bit. Returns how many went; after a crash some or none of them did.
        """
        ...

    def drop(self) -> None:
        """Delete the collection with all its vectors."""
        ...

    def close(self) -> None:
        """Give the folder free for another process."""
        ...


class Lookup(Protocol):
    """What a detector may ask while it looks: passages and vectors, of all documents of the company."""

    def nearest(self, questions: Sequence[str], k: int) -> list[list[Near]]:
        """Give for each question up to *k* passages that this GPT answers from, and up to *k* others.

        Each of the two stands best first, the GPT's own in the order in which its search gives them, read by no
        reader's mask: what who asked may not read is among them.
        """
        ...

    def pairs(self, cosine: float) -> list[Pair]:
        """Give pairs of passages of different documents of this GPT that are at least as near; nearest first.

        Without an embedder those that share nearly all their words. At most 1,000.
        """
        ...

    def vectors(self, chunks: Sequence[ChunkId]) -> Vectors:
        """Give the stored vectors of passages, in order; no columns where there is no embedder."""
        ...

    def embed(self, texts: Sequence[str], purpose: Literal["passage", "question"]) -> Vectors:
        """Embed texts as :class:`Embedder` does; shape ``(len(texts), 0)`` where there is none."""
        ...

    def weights(self, words: Sequence[str]) -> list[float]:
        """Give how much each word tells in this company's documents: its idf, 0 for words that stand in none."""
        ...

    def complete(self, prompt: str, *, max_tokens: int) -> str | None:
        """Let the configured chat model write; None without one, or where it does not answer."""
        ...


class Detector(Protocol):
    """Looks at a review window and says what could be better. It changes nothing: a person decides.

    Runs in a process of its own with a time limit; what it returns is checked and goes before the owner.
    """

    name: ClassVar[str]

    def review(self, window: ReviewWindow, lookup: Lookup) -> Findings:
        """Look at *window*. The same window gives the same findings.

        What it raises is noted and stops no other detector.
        """
        ...


class Notifier(Protocol):
    """Brings the morning report to people. Asked once per report; what it raises never changes a night's result."""

    name: ClassVar[str]

    def send(self, report: Report) -> None:
        """Send a report. Returns when it was taken; a receiver that was not reached may be tried again for a minute.

        Raises:
            ConfigError: a setting or a secret it refers to cannot be used.
            NotificationFailed: it was not taken, or not for everyone. The text holds no secret.
        """
        ...


class Clock(Protocol):
    """Tells the time; tests set it."""

    def now(self) -> datetime:
        """Give the present moment in UTC, time zone attached."""
        ...

    def monotonic(self) -> float:
        """Give seconds from some fixed point; never jumps."""
        ...


class Stage(Protocol):
    """One long piece of work that a person watches."""

    def advance(self, n: int = 1, note: str = "") -> None:
        """Say that *n* more are done, and on what the work is now."""
        ...

    def total(self, n: int) -> None:
        """Say how many there are, once it is known."""
        ...


class Progress(Protocol):
    """Shows long work to a person: bars in a terminal, plain lines elsewhere."""

    def stage(self, label: str, total: int | None = None) -> AbstractContextManager[Stage]:
        """Open a stage; it ends with the block."""
        ...

    def say(self, text: str) -> None:
        """Tell a fact that stays on the screen."""
        ...


ConnectorSettings = Mapping[str, Any]
"""The keys of a source in ``kbm.toml`` that are not the core's own; Any because each connector has its own."""

NotifierSettings = Mapping[str, Any]
"""The keys of ``[report.also.NAME]`` in ``kbm.toml``, for kbm's own those of ``[report]``; Any as above."""

__all__ = [
    "ChatModel",
    "Chunker",
    "Clock",
    "Connector",
    "ConnectorSettings",
    "Detector",
    "Embedder",
    "Lookup",
    "Notifier",
    "NotifierSettings",
    "Parser",
    "Progress",
    "Recognises",
    "Reranker",
    "Stage",
    "VectorStore",
    "Vectors",
]
