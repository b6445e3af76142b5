"""The composition root: parts become use cases.

Everything is made on first use, so that a command pays only for what it needs. Tests build the same thing with a
clock of their own.
"""

from __future__ import annotations

from functools import cached_property

from kbm.bootstrap.parts import Parts
from kbm.services.ask import Ask
from kbm.services.build import Build
from kbm.services.diff import Diff
from kbm.services.document import ShowDocument
from kbm.services.evaluate import Evaluate
from kbm.services.nightly import Nightly
from kbm.services.publish import Publish
from kbm.services.rebuild import Rebuild
from kbm.services.retrieve import Retrieve, ServedGpt
from kbm.services.rows import Rows
from kbm.services.sync import Sync


class Kbm(Parts):
    """Everything the entry points call. Close it when done."""

    @cached_property
    def sync(self) -> Sync:
        """Bring stored documents up to date."""
        return Sync(
            documents=self.catalogue.documents,
            texts=self.catalogue.texts,
            plans=self.catalogue.plans,
            raw=self.raw,
            parsing=self.parsing,
        )

    @cached_property
    def _rows(self) -> Rows:
        return Rows(
            texts=self.catalogue.texts,
            releases=self.catalogue.releases,
            embedder=self.embedder,
            open_vectors=lambda: self.vectors,
        )

    @cached_property
    def build(self) -> Build:
        """Build candidates."""
        return Build(
            documents=self.catalogue.documents,
            texts=self.catalogue.texts,
            releases=self.catalogue.releases,
            indexes=self.indexes,
            rows=self._rows,
            chunker=self.chunker,
            clock=self.clock,
        )

    @cached_property
    def rebuild(self) -> Rebuild:
        """Check indexes, and make damaged ones anew."""
        return Rebuild(
            texts=self.catalogue.texts,
            releases=self.catalogue.releases,
            indexes=self.indexes,
            rows=self._rows,
        )

    @cached_property
    def diff(self) -> Diff:
        """Tell what differs between releases."""
        return Diff(
            documents=self.catalogue.documents, texts=self.catalogue.texts, releases=self.catalogue.releases
        )

    @cached_property
    def publish(self) -> Publish:
        """Let a release answer."""
        return Publish(releases=self.catalogue.releases, indexes=self.indexes)

    @cached_property
    def nightly(self) -> Nightly:
        """Bring GPTs up to date."""
        return Nightly(
            sync=self.sync,
            build=self.build,
            evaluate=self.evaluate,
            publish=self.publish,
            releases=self.catalogue.releases,
        )

    @cached_property
    def evaluate(self) -> Evaluate:
        """Ask golden questions, and decide at the gate."""
        return Evaluate(
            golden=self.catalogue.golden,
            documents=self.catalogue.documents,
            texts=self.catalogue.texts,
            releases=self.catalogue.releases,
            retrieve=self.retrieve,
            ask=self.ask,
        )

    @cached_property
    def retrieve(self) -> Retrieve:
        """Find passages."""
        gpts = {
            name: ServedGpt(
                name=name,
                title=section.title,
                max_age_hours={one: self.settings.sources[one].max_age_hours for one in section.sources},
            )
            for name, section in self.settings.gpts.items()
        }
        return Retrieve(
            gpts=gpts,
            documents=self.catalogue.documents,
            texts=self.catalogue.texts,
            releases=self.catalogue.releases,
            indexes=self.indexes,
            embedder=self.embedder,
            no_embedder=self.no_embedder,
            public_url=self.settings.kbm.public_url,
            clock=self.clock,
        )

    @cached_property
    def ask(self) -> Ask:
        """Answer questions."""
        return Ask(retrieve=self.retrieve, journal=self.journal, clock=self.clock)

    @cached_property
    def show_document(self) -> ShowDocument:
        """Show documents."""
        return ShowDocument(
            documents=self.catalogue.documents,
            texts=self.catalogue.texts,
            releases=self.catalogue.releases,
            retrieve=self.retrieve,
            gpts=tuple(self.settings.gpts),
        )
