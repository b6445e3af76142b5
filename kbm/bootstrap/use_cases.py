"""The composition root: parts become use cases.

Everything is made on first use, so that a command pays only for what it needs. Tests build the same thing with a
clock of their own.
"""

from __future__ import annotations

from functools import cached_property, partial

import structlog

from kbm.bootstrap.journaling import Journaling
from kbm.bootstrap.keeping import Keeping
from kbm.bootstrap.reviewing import Reviewing
from kbm.config import settings_from
from kbm.domain.documents import EVERYONE
from kbm.errors import KbmError
from kbm.services.access import Access, Limits
from kbm.services.access_needs import Tokens
from kbm.services.ask import Ask
from kbm.services.build import Build
from kbm.services.calibrate import Calibrate
from kbm.services.canary import RunCanary
from kbm.services.canary_watch import CanaryWatch
from kbm.services.connect import Connect
from kbm.services.diff import Diff
from kbm.services.document import ShowDocument
from kbm.services.evaluate import Evaluate
from kbm.services.fetch import Fetch
from kbm.services.filtering import Filtering
from kbm.services.generate import Generate
from kbm.services.keys import ManageKeys
from kbm.services.links import Links
from kbm.services.nightly import Nightly
from kbm.services.pack import MakePack
from kbm.services.publish import GatedPublish, Publish
from kbm.services.question_vectors import QuestionVectors
from kbm.services.receipt import ShowReceipt
from kbm.services.replay import Replay
from kbm.services.report import MorningReport, ReportedGpt, ReportedSource
from kbm.services.report_knowledge import KnowledgeReport
from kbm.services.rerank import Reranking
from kbm.services.retrieve import Caller, Retrieve, ServedGpt
from kbm.services.show_passage import ShowPassage
from kbm.services.sync import Sync
from kbm.store.packs import PackFolders

log = structlog.get_logger()


class Kbm(Journaling, Keeping):
    """Everything the entry points call. Close it when done."""

    @cached_property
    def reviewing(self) -> Reviewing:
        """Review GPTs, and let people decide about what agents propose."""
        return Reviewing(self)

    @cached_property
    def sync(self) -> Sync:
        """Bring stored documents up to date."""
        return Sync(
            documents=self.catalogue.documents,
            sources=self.catalogue.sources,
            texts=self.catalogue.texts,
            plans=self.catalogue.plans,
            erasures=self.catalogue.erasures,
            raw=self.raw,
            parsing=self.parsing,
            room=self.room,
        )

    @cached_property
    def connect(self) -> Connect:
        """Recognise a source, try it, and write it into kbm.toml."""
        return Connect(
            kinds=self.connector_kinds,
            parsing=self.parsing,
            known={
                name: {"kind": section.kind, **section.settings}
                for name, section in self.settings.sources.items()
            },
            config=self.settings.path,
            reread=partial(settings_from, path=self.settings.path),
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
            room=self.room,
            chunker=self.chunker,
            calibrate=self.calibrate,
            clock=self.clock,
        )

    @cached_property
    def calibrate(self) -> Calibrate:
        """Measure from which confidence on a release answers."""
        return Calibrate(
            documents=self.catalogue.documents,
            texts=self.catalogue.texts,
            golden=self.catalogue.golden,
            judged=self.journal.questions,
            embedder=self.embedder,
            clock=self.clock,
        )

    @cached_property
    def diff(self) -> Diff:
        """Tell what differs between releases."""
        return Diff(
            documents=self.catalogue.documents,
            texts=self.catalogue.texts,
            releases=self.catalogue.releases,
            golden=self.catalogue.golden,
            evaluate=self.evaluate,
        )

    @cached_property
    def gated_publish(self) -> GatedPublish:
        """Let a release answer if its gate, or a person, lets it."""
        return GatedPublish(
            releases=self.catalogue.releases,
            evaluate=self.evaluate,
            publish=self.publish,
            clock=self.clock,
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
            canary=self.canary,
            releases=self.catalogue.releases,
            canaries=self.catalogue.canaries,
            rebuild=self.rebuild,
            compact=self.compact,
            forget=self.forget_questions,
            erase=self.erase,
            clock=self.clock,
            review=self.reviewing.review_one,
            tend=lambda gpt: self.reviewing.tend.run(gpt),
            heal=lambda gpt, progress: self.reviewing.heal.run(gpt, progress),
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
            show_document=self.show_document,
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
            vectors=QuestionVectors(self.embedder, self.no_embedder),
            links=self.links,
            canaries=self.canary_watch,
            reranking=Reranking(self.reranker),
            filtering=Filtering(self.catalogue.releases),
            clock=self.clock,
        )

    @cached_property
    def ask(self) -> Ask:
        """Answer questions."""
        made = Ask(
            retrieve=self.retrieve,
            journal=self.journal,
            canaries=self.canary_watch,
            clock=self.clock,
            generate=self.generate,
        )
        made.log.listeners = self.listeners
        return made

    @property
    def n_unwritten(self) -> int:
        """Count the answers that were given and are not in the journal yet."""
        return self.ask.log.n_waiting if "ask" in self.__dict__ else 0

    @cached_property
    def generate(self) -> Generate:
        """Let a chat model word answers."""
        return self.chat_models.generate(self.journal)

    def warm_up(self) -> None:
        """Open both databases, the embedder, the chat model, and the live release of each GPT that has one."""
        if self.chat_models.problem:
            log.warning("chat_model_missing", why=self.chat_models.problem)
        self.catalogue.documents.epoch()
        for gpt in self.settings.gpts:
            self.journal.questions.on_canary(gpt, self.clock.now())
            live = self.catalogue.releases.live(gpt)
            if live is None:
                continue
            try:
                self.retrieve.run(gpt, "Was ist neu? What is new? Quoi de neuf ?", Caller())
            except KbmError as error:
                log.warning("gpt_not_warm", gpt=gpt, release=str(live.version), why=error.code)

    @cached_property
    def canary_watch(self) -> CanaryWatch:
        """Watch canaries while they answer."""
        return CanaryWatch(canaries=self.catalogue.canaries, questions=self.journal.questions)

    @cached_property
    def canary(self) -> RunCanary:
        """Start, stop and promote canaries."""
        return RunCanary(
            releases=self.catalogue.releases,
            canaries=self.catalogue.canaries,
            indexes=self.indexes,
            build=self.build,
            evaluate=self.evaluate,
            replay=Replay(
                questions=self.journal.questions, retrieve=self.retrieve, ask=self.ask, clock=self.clock
            ),
            publish=self.publish,
        )

    @cached_property
    def report(self) -> MorningReport:
        """Tell people what a night did."""
        return MorningReport(
            company=self.settings.kbm.name,
            language=self.settings.kbm.languages[0],
            sources={
                name: ReportedSource(
                    steward=one.steward,
                    open_to_all=EVERYONE in one.readers,
                    max_age_hours=one.max_age_hours,
                )
                for name, one in self.settings.sources.items()
            },
            gpts={
                name: ReportedGpt(title=one.title, owner=one.people.owner, sources=one.sources)
                for name, one in self.settings.gpts.items()
            },
            documents=self.catalogue.documents,
            plans=self.catalogue.plans,
            ages=self.catalogue.ages,
            knowledge=KnowledgeReport(
                gpts={name: one.title for name, one in self.settings.gpts.items()},
                gaps=self.journal.gaps,
                suggestions=self.catalogue.suggestions,
                overlays=self.reviewing.tend,
                documents=self.catalogue.documents,
                clock=self.clock,
            ),
            kept=self.reports,
            notifiers=self.notifiers,
            clock=self.clock,
        )

    @cached_property
    def receipt(self) -> ShowReceipt:
        """Show receipts of answers, and verify them."""
        return ShowReceipt(
            journal=self.journal,
            secret=self.secret,
            documents=self.catalogue.documents,
            texts=self.catalogue.texts,
            releases=self.catalogue.releases,
            retrieve=self.retrieve,
            ask=self.ask,
        )

    @cached_property
    def access(self) -> Access:
        """Say who asks, and let them act."""
        section = self.settings.access
        tokens: Tokens | None = None
        if section.oidc:
            from kbm.providers.oidc import OidcTokens

            tokens = OidcTokens(section.oidc.issuer, section.oidc.audience, self.clock)
        return Access(
            keys=self.catalogue.keys,
            uses=self.journal.key_uses,
            tokens=tokens,
            groups_claim=section.oidc.groups_claim if section.oidc else "",
            secret=self.secret,
            gpts=tuple(self.settings.gpts),
            public=tuple(name for name, one in self.settings.gpts.items() if one.public),
            limits=Limits(per_minute=section.per_minute, per_day=section.per_day),
            clock=self.clock,
            deciders=lambda gpt: self.people_of(gpt).deciders,
        )

    @cached_property
    def keys(self) -> ManageKeys:
        """Make and revoke API keys."""
        return ManageKeys(
            keys=self.catalogue.keys,
            uses=self.journal.key_uses,
            gpts=tuple(self.settings.gpts),
            clock=self.clock,
        )

    @cached_property
    def fetch(self) -> Fetch:
        """Fetch by its id what a search gave."""
        return Fetch(
            texts=self.catalogue.texts,
            releases=self.catalogue.releases,
            retrieve=self.retrieve,
            canaries=self.canary_watch,
            show_document=self.show_document,
        )

    @cached_property
    def links(self) -> Links:
        """Make links to passages."""
        needs_key = self.settings.access.oidc is not None
        return Links(
            public_url=self.settings.kbm.public_url,
            secret=lambda: self.secret,
            documents=self.catalogue.documents,
            signed=lambda: needs_key or self.catalogue.keys.any(),
            clock=self.clock,
        )

    @cached_property
    def make_pack(self) -> MakePack:
        """Write releases as files for upload."""
        return MakePack(
            documents=self.catalogue.documents,
            texts=self.catalogue.texts,
            releases=self.catalogue.releases,
            retrieve=self.retrieve,
            folders=PackFolders(),
            audit=self.catalogue.audit,
        )

    @cached_property
    def show_passage(self) -> ShowPassage:
        """Show the passages behind citations."""
        return ShowPassage(
            documents=self.catalogue.documents,
            show_document=self.show_document,
            retrieve=self.retrieve,
            links=self.links,
            clock=self.clock,
        )

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
