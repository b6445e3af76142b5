"""What kbm.toml says about sources, assistants and nights, as use cases take it."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable
from datetime import timedelta
from functools import cached_property, partial
from typing import cast

from kbm import __version__, registry
from kbm.bootstrap.plugins import NO_EMBEDDER, Plugins
from kbm.domain.chat import EXTRACTIVE
from kbm.domain.decisions import GptPeople
from kbm.domain.documents import EVERYONE
from kbm.domain.identity import Digest, digest
from kbm.domain.internal import overlays_of
from kbm.domain.releases import AnswerSpec, IndexSpec
from kbm.domain.retention import Retention
from kbm.domain.suggestions import IN_RELEASES
from kbm.errors import KbmError, NotFound
from kbm.ports import (
    Connector,
)
from kbm.prompts import answer_prompt
from kbm.sections import GptSection, SourceSection, hours
from kbm.services.approvals import approved_of
from kbm.services.build import GptToBuild
from kbm.services.check_sources import CheckSources, ConfiguredSource
from kbm.services.nightly import NightPolicy
from kbm.services.rerank import reranker_id
from kbm.services.sync import SourceToSync


class Parts(Plugins):
    """Storage and plug-ins, and what is configured about them."""

    def gpt_settings(self, name: str) -> GptSection:
        """Give a GPT's section of kbm.toml.

        Raises:
            NotFound: there is none of that name.
        """
        if name not in self.settings.gpts:
            raise NotFound("GPT", name, self.settings.gpts)
        return self.settings.gpts[name]

    def source_to_sync(self, name: str) -> SourceToSync:
        """Make a source's connector.

        Raises:
            NotFound: kbm.toml has no such source.
            ConfigError: the connector refuses its settings.
            PluginNotFound: no connector of that kind is installed.
        """
        if name not in self.settings.sources:
            raise NotFound("source", name, self.settings.sources)
        section = self.settings.sources[name]
        return SourceToSync(
            name=name,
            kind=section.kind,
            connector=self._connector(name, section),
            readers=frozenset(section.readers),
            brake=section.brake_rule(),
            max_document_bytes=self.settings.kbm.max_document_mb * 1_000_000,
            root=_root_of(section),
        )

    @property
    def connector_kinds(self) -> dict[str, Callable[[], type[Connector]]]:
        """Kinds of sources that are installed, each loaded when it is asked for."""
        return {
            name: partial(registry.load, "kbm.connectors", name) for name in registry.names("kbm.connectors")
        }

    def is_proven_live(self, kind: str) -> bool:
        """Tell whether connectors of a kind ran against a real server; one that says nothing, or is broken, did."""
        try:
            made = registry.load("kbm.connectors", kind)
        except KbmError:  # what is wrong with it is told where its sources are read
            return True
        return bool(getattr(made, "proven_live", True))

    @cached_property
    def check_sources(self) -> CheckSources:
        """Say of each source what works and what a person must do."""
        gpts = self.settings.gpts
        return CheckSources(
            configured={
                name: ConfiguredSource(
                    kind=section.kind,
                    readers=frozenset(section.readers),
                    gpts=frozenset(gpt for gpt, of in gpts.items() if name in of.sources),
                )
                for name, section in self.settings.sources.items()
            },
            connector=lambda name: self.source_to_sync(name).connector,
            is_proven_live=self.is_proven_live,
            stored=self.catalogue.documents,
            plans=self.catalogue.plans,
        )

    def _connector(self, name: str, section: SourceSection) -> Connector:
        if name in self._connectors:
            return self._connectors[name]
        with self._named(f"sources.{name}.kind"):
            made = registry.load("kbm.connectors", section.kind)
        return cast(Connector, made(name, section.settings, self.settings.root))

    def index_spec(self) -> IndexSpec:
        """Say how documents become rows, with what is installed here."""
        from kbm_indexes.lexical import LEXICAL_DIGEST

        embedder = self.embedder
        return IndexSpec(
            chunker=self.chunker.name,
            chunker_digest=self.chunker.digest,
            embedder=embedder.name if embedder else NO_EMBEDDER,
            embedder_digest=embedder.digest if embedder else digest("embedder", NO_EMBEDDER),
            dimensions=embedder.dimensions if embedder else 0,
            lexical_digest=Digest(LEXICAL_DIGEST),
        )

    def night_policy(self, name: str) -> NightPolicy:
        """Say what a nightly run may do with a GPT by itself."""
        section = self.gpt_settings(name).release
        return NightPolicy(
            publish_patch=section.nightly == "patch",
            max_drop=section.max_drop,
            train=section.train,
            freeze=section.freeze,
        )

    def retention_of(self, name: str) -> Retention:
        """Say how long releases of a GPT are kept."""
        section = self.gpt_settings(name).release
        return Retention(keep=section.keep, purge_after=timedelta(hours=hours(section.purge_after)))

    def gpt_to_build(self, name: str) -> GptToBuild:
        """Say what a release of a GPT is made of.

        Raises:
            NotFound: kbm.toml has no such GPT.
        """
        section = self.gpt_settings(name)
        configured = AnswerSpec(
            instructions=section.instructions,
            languages=self.settings.kbm.languages,
            chat=self.settings.kbm.chat,
            prompt="" if self.settings.kbm.chat == EXTRACTIVE else answer_prompt().digest,
            lose=section.answers.lose,
            synonyms=section.answers.synonyms,
            prefer=section.answers.prefer,
            reranker=reranker_id(self.reranker) if self.reranker else "",
        )
        decided = self.catalogue.suggestions.all(name, IN_RELEASES)
        written = self.catalogue.documents.known(overlays_of(name))
        return GptToBuild(
            name=name,
            sources=section.sources,
            index_spec=self.index_spec(),
            answer_spec=configured,
            tools=_tools(),
            approved=approved_of(decided, configured, section.sources, written),
        )

    def people_of(self, name: str) -> GptPeople:
        """Say who decides about a GPT."""
        people = self.gpt_settings(name).people
        return GptPeople(
            owner=people.owner,
            deputies=people.deputies,
            sponsor=people.sponsor,
            readers=frozenset({EVERYONE, f"user:{people.owner}", *people.readers}),
        )


def _root_of(section: SourceSection) -> str:
    """Name what a source reads so that another place can be told from it; nothing of it is a secret."""
    address = str(section.settings.get("url", ""))
    # A bucket of one name is another one in another store.
    store = str(section.settings.get("endpoint_url", ""))
    shown = re.sub(r"(?<=//)[^/@]*@", "", address.partition("?")[0]) if "://" in address else address
    return re.sub(r"(?<=//)[^/@]*@", "", f"{shown} at {store.rstrip('/')}") if store else shown


def _tools() -> dict[str, str]:
    """Name the versions that shaped a release."""
    found = {"kbm": __version__}
    for package in ("unstructured", "pypdfium2", "onnxruntime", "tokenizers"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "absent"
    return found
