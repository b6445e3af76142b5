"""Where a data folder's databases and files are, and what plug-ins kbm.toml names: each made on first use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Self, cast

from kbm import registry
from kbm.bootstrap.chat import ChatModels
from kbm.clock import SystemClock
from kbm.config import Settings
from kbm.domain.releases import IndexSpec
from kbm.errors import ConfigError, ModelMissing, PluginNotFound
from kbm.indexes import Indexes
from kbm.ports import (
    ChatModel,
    Chunker,
    Clock,
    Connector,
    Embedder,
    Notifier,
    NotifierSettings,
    Parser,
    Reranker,
    VectorStore,
)
from kbm.services.answer_log import Listener
from kbm.store.catalogue import Catalogue, open_catalogue, open_journal
from kbm.store.journal import Journal
from kbm.store.raw import RawStore
from kbm.store.reports import Reports
from kbm.store.room import Room
from kbm.store.secret import Secret

if TYPE_CHECKING:
    from kbm.parsing.pool import ParsingPool

CHUNKER = "passages"
VECTOR_STORE = "chroma"
NO_EMBEDDER = "none"
NO_RERANKER = "none"


class Plugins:
    """Storage and plug-ins by configuration. Close it when done.

    *connectors* (by source), *embedder* and *chat* take the place of what kbm.toml names: tests give fakes, programs
    give parts of their own. *indexes* are those of another folder, or looked at in another way.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        connectors: Mapping[str, Connector] | None = None,
        embedder: Embedder | None = None,
        chat: ChatModel | None = None,
        reranker: Reranker | None = None,
        indexes: Indexes | None = None,
    ) -> None:
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self._connectors = connectors or {}
        self._given_embedder = embedder
        self._given_reranker = reranker
        self._given_indexes = indexes
        self.chat_models = ChatModels(settings, self.clock, chat)
        self.listeners: list[Listener] = []  # are told of every answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End worker processes, wait for the journal, and close the databases."""
        for name in (
            "ask",
            "chat_models",
            "access",
            "parsing",
            "vectors",
            "_old_vectors",
            "catalogue",
            "journal",
        ):
            part = self.__dict__.get(name)
            if part is not None:
                part.close()

    # -- storage ---------------------------------------------------------------------------------------------

    @cached_property
    def catalogue(self) -> Catalogue:
        """What is known: documents, texts, releases, plans, jobs."""
        return open_catalogue(self.settings.data_dir, self.clock)

    @cached_property
    def journal(self) -> Journal:
        """Questions and answers."""
        return open_journal(self.settings.data_dir, self.clock)

    @cached_property
    def secret(self) -> Secret:
        """The key of the data folder."""
        return Secret(self.settings.data_dir)

    @cached_property
    def reports(self) -> Reports:
        """Morning reports as files."""
        return Reports(self.settings.data_dir / "reports")

    @cached_property
    def raw(self) -> RawStore:
        """Bytes by content hash."""
        return RawStore(self.settings.data_dir / "raw")

    @cached_property
    def room(self) -> Room:
        """What is free on the disk."""
        return Room(self.settings.data_dir, self.settings.kbm.reserve_mb)

    @contextmanager
    def working(self, kind: str, subject: str) -> Iterator[int]:
        """Hold the data folder for a piece of work and log how it ended; gives the job's number.

        Raises:
            Busy: another process holds it.
            LeaseLost: this one was stopped or hung, and another took over.
        """
        with self.catalogue.leases.hold(f"{kind} {subject}".strip()):
            job = self.catalogue.jobs.begin(kind, subject)
            try:
                yield job
            except BaseException as error:
                self.catalogue.jobs.end(job, "failed", str(error) or type(error).__name__)
                raise
            self.catalogue.jobs.end(job, "done")

    # -- plug-ins --------------------------------------------------------------------------------------------

    @cached_property
    def parsing(self) -> ParsingPool:
        """The parsers, in worker processes."""
        from kbm.parsing.limits import Limits
        from kbm.parsing.pool import ParsingPool

        parsers = {
            name: cast(Parser, registry.load("kbm.parsers", name)()) for name in registry.names("kbm.parsers")
        }
        kbm = self.settings.kbm
        limits = Limits(
            wall_s=kbm.parse_timeout_s,
            recognition_s=kbm.recognise_timeout_s,
            memory_bytes=kbm.parse_memory_mb * 1_000_000,
        )
        return ParsingPool(parsers, limits, workers=kbm.workers, languages=kbm.languages)

    @cached_property
    def chunker(self) -> Chunker:
        """The chunker."""
        return cast(Chunker, registry.load("kbm.chunkers", CHUNKER)())

    @cached_property
    def _embedder_or_why(self) -> tuple[Embedder | None, str]:
        if self._given_embedder is not None:
            return self._given_embedder, ""
        name, _, argument = self.settings.kbm.embedder.partition(":")
        if name == NO_EMBEDDER:
            return None, ""
        with self._named("kbm.embedder"):
            made = registry.load("kbm.embedders", name)
        try:
            return cast(Embedder, made(argument, self.settings.data_dir / "models")), ""
        except ModelMissing as error:
            return None, f"{error}; {error.hint}"

    @property
    def embedder(self) -> Embedder | None:
        """The embedder; None when none is configured or its weights are missing."""
        return self._embedder_or_why[0]

    @property
    def no_embedder(self) -> str:
        """Why there is no embedder although one is configured; else empty."""
        return self._embedder_or_why[1]

    @cached_property
    def reranker(self) -> Reranker | None:
        """The reranker; None when none is configured."""
        if self._given_reranker is not None:
            return self._given_reranker
        name, _, argument = self.settings.kbm.reranker.partition(":")
        if name == NO_RERANKER:
            return None
        with self._named("kbm.reranker"):
            made = registry.load("kbm.rerankers", name)
        return cast(Reranker, made(argument, self.settings.data_dir / "models"))

    @cached_property
    def vectors(self) -> VectorStore:
        """The side index of the whole company; only for the process that holds the work lock.

        Raises:
            ModelMissing: there is no embedder, hence no vectors.
        """
        if self.embedder is None:
            raise ModelMissing(self.no_embedder or "no embedder is configured")
        made = registry.load("kbm.vector_stores", VECTOR_STORE)
        folder = self.settings.data_dir / "chroma"
        return cast(VectorStore, made(folder, self.embedder.digest, self.embedder.dimensions))

    def vectors_problem(self) -> str:
        """Say what is wrong with the stored vectors, by a look from another process; empty: nothing.

        Raises:
            Busy: they are in use.
        """
        store: type[VectorStore] = registry.load("kbm.vector_stores", VECTOR_STORE)
        return store.check(self.settings.data_dir / "chroma")

    def discard_vectors(self) -> None:
        """Forget all stored vectors; only for who holds the lease."""
        store: type[VectorStore] = registry.load("kbm.vector_stores", VECTOR_STORE)
        store.discard(self.settings.data_dir / "chroma")

    @property
    def notifiers(self) -> dict[str, Callable[[], Notifier]]:
        """Ways to send a report that ``[report]`` asks for, each made when it is used."""
        section = self.settings.report
        own = section.model_dump(exclude={"also"})
        wanted = {"mail": bool(section.mail_to), "webhook": bool(section.webhook)}
        settings = {name: own for name, asked in wanted.items() if asked} | section.also
        return {name: partial(self._notifier, name, keys) for name, keys in settings.items()}

    def _notifier(self, name: str, settings: NotifierSettings) -> Notifier:
        with self._named(f"report.also.{name}"):
            made = registry.load("kbm.notifiers", name)
        return cast(Notifier, made(settings, self.settings.root))

    def vectors_of(self, spec: IndexSpec) -> VectorStore:
        """Open the side index for the embedder of an index spec; who asks closes it."""
        made = registry.load("kbm.vector_stores", VECTOR_STORE)
        folder = self.settings.data_dir / "chroma"
        return cast(VectorStore, made(folder, spec.embedder_digest, spec.dimensions))

    def stored_vectors(self) -> VectorStore | None:
        """Give the side index if there is one, whatever embedder is configured now; else None."""
        folder = self.settings.data_dir / "chroma"
        if not folder.exists() and not folder.with_name(f".{folder.name}.old").exists():
            return None
        return self.vectors if self.embedder else self._old_vectors

    @cached_property
    def _old_vectors(self) -> VectorStore | None:
        """The side index as an embedder that is no longer configured left it."""
        made = registry.load("kbm.vector_stores", VECTOR_STORE)
        for gpt in self.catalogue.erasures.gpts():
            for release in self.catalogue.releases.all(gpt):
                spec = release.index_spec
                if spec.dimensions:
                    folder = self.settings.data_dir / "chroma"
                    return cast(VectorStore, made(folder, spec.embedder_digest, spec.dimensions))
        return None

    @cached_property
    def indexes(self) -> Indexes:
        """Release indexes."""
        return self._given_indexes or Indexes(self.settings.data_dir / "index")

    @contextmanager
    def _named(self, key: str) -> Iterator[None]:
        """Let an error about a plug-in name the file and the key that asked for it."""
        try:
            yield
        except PluginNotFound as error:
            raise ConfigError(f"{self.settings.path}: {key}: {error}", hint=error.hint) from None
