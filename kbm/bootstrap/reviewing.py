"""Use cases of the manager agents, and of the people who decide about what they propose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from kbm import registry
from kbm.detecting.run import detect
from kbm.domain.chat import EXTRACTIVE
from kbm.domain.question_log import Logged
from kbm.domain.releases import Release
from kbm.domain.review import ReviewWindow
from kbm.ports import Lookup, Progress
from kbm.prompts import paraphrase_prompt
from kbm.sections import hours
from kbm.services.ask_variants import AskVariants
from kbm.services.carry_out import CarryOut
from kbm.services.company_index import CompanyIndex
from kbm.services.decide import Decide
from kbm.services.heal import Heal
from kbm.services.look_up import look_up
from kbm.services.overlays import Overlays
from kbm.services.preview import PreviewFix
from kbm.services.prove import Prove
from kbm.services.read_items import ItemReader
from kbm.services.review import Detected, Review, Reviewed
from kbm.services.review_window import GptToReview, Windows
from kbm.services.shadow import holds
from kbm.services.show_suggestion import ShowSuggestion
from kbm.services.tend_overlays import TendOverlays
from kbm.services.verify import Verify
from kbm.services.write_for_agents import WriteForAgents

if TYPE_CHECKING:
    from kbm.bootstrap.use_cases import Kbm

DETECTORS = "kbm.detectors"


class Reviewing:
    """What ``Kbm`` has for reviewing and deciding."""

    def __init__(self, kbm: Kbm) -> None:
        self._kbm = kbm

    @property
    def detectors(self) -> Mapping[str, str]:
        """The installed detectors, ``module:Class`` by name. They are loaded in a process of their own alone."""
        return {name: registry.find(DETECTORS, name).value for name in registry.names(DETECTORS)}

    @property
    def days(self) -> int:
        """How far back agents look: as long as questions are kept."""
        return max(1, hours(self._kbm.settings.kbm.question_retention) // 24)

    def gpt_to_review(self, name: str) -> GptToReview:
        """Say what the review of a GPT looks at.

        Raises:
            NotFound: kbm.toml has no such GPT.
        """
        settings = self._kbm.settings
        return GptToReview(
            gpt=self._kbm.gpt_to_build(name),
            title=self._kbm.gpt_settings(name).title,
            languages=settings.kbm.languages,
            readers=self._kbm.people_of(name).readers,
            max_age_h={source: one.max_age_hours for source, one in settings.sources.items()},
            days=self.days,
        )

    def log(self, gpt: str) -> list[Logged]:
        """Give a GPT's questions that are still readable, newest first."""
        return self.windows.log(gpt, self.days)

    def review_one(self, gpt: str, progress: Progress) -> Reviewed:
        """Review a GPT: bring decisions into effect, tell which gaps are closed, and look for more.

        Raises:
            NotFound: kbm.toml has no such GPT.
            NothingLive: nothing of it answers yet.
        """
        self.tend.run(gpt)
        self.decide.settle(gpt, progress)
        closed = self.verify.run(gpt, self.log(gpt), progress)
        return replace(self.review.run(self.gpt_to_review(gpt), progress), closed=tuple(closed))

    @cached_property
    def windows(self) -> Windows:
        """Put together what agents look at."""
        kbm = self._kbm
        return Windows(
            documents=kbm.catalogue.documents,
            overview=kbm.catalogue.overview,
            questions=kbm.journal.questions,
            gaps=kbm.journal.gaps,
            golden=kbm.catalogue.golden,
            releases=kbm.catalogue.releases,
            evaluate=kbm.evaluate,
            clock=kbm.clock,
        )

    @cached_property
    def company(self) -> CompanyIndex:
        """Index all documents of the company."""
        kbm = self._kbm
        return CompanyIndex(
            build=kbm.build,
            releases=kbm.catalogue.releases,
            sources=tuple(kbm.settings.sources),
            gpts=tuple(kbm.settings.gpts),
            index_spec=kbm.index_spec,
        )

    @cached_property
    def overlays(self) -> Overlays:
        """Write documents here."""
        kbm = self._kbm
        reader = ItemReader(texts=kbm.catalogue.texts, raw=kbm.raw, parsing=kbm.parsing)
        return Overlays(reader=reader, documents=kbm.catalogue.documents)

    @cached_property
    def preview(self) -> PreviewFix:
        """Prove what a fix would change."""
        kbm = self._kbm
        return PreviewFix(
            company=self.company,
            documents=kbm.catalogue.documents,
            releases=kbm.catalogue.releases,
            golden=kbm.catalogue.golden,
            build=kbm.build,
            retrieve=kbm.retrieve,
            ask=kbm.ask,
            embedder=kbm.embedder,
            clock=kbm.clock,
        )

    @cached_property
    def prove(self) -> Prove:
        """Make previews anew."""
        kbm = self._kbm
        return Prove(
            suggestions=kbm.catalogue.suggestions,
            releases=kbm.catalogue.releases,
            company=self.company,
            overlays=self.overlays,
            preview=self.preview,
            gpt_to_build=kbm.gpt_to_build,
            log=self.log,
        )

    @cached_property
    def decide(self) -> Decide:
        """Let people decide."""
        kbm = self._kbm
        return Decide(
            suggestions=kbm.catalogue.suggestions,
            gaps=kbm.journal.gaps,
            golden=kbm.catalogue.golden,
            releases=kbm.catalogue.releases,
            overlays=self.overlays,
            prove=self.prove,
            carry_out=self.carry_out,
            people=kbm.people_of,
            clock=kbm.clock,
        )

    @cached_property
    def show(self) -> ShowSuggestion:
        """Show suggestions and gaps to people."""
        kbm = self._kbm
        return ShowSuggestion(
            suggestions=kbm.catalogue.suggestions,
            gaps=kbm.journal.gaps,
            golden=kbm.catalogue.golden,
            texts=kbm.catalogue.texts,
            documents=kbm.catalogue.documents,
            log=self.log,
            proof_holds=self.prove.holds,
            stewards={name: one.steward for name, one in kbm.settings.sources.items()},
        )

    @cached_property
    def carry_out(self) -> CarryOut:
        """Do what is done once."""
        kbm = self._kbm
        return CarryOut(
            sync=kbm.sync,
            rebuild=kbm.rebuild,
            source_to_sync=kbm.source_to_sync,
            forget_cursor=kbm.catalogue.sources.forget_cursor,
            read_again=kbm.catalogue.documents.read_again,
            forget_failures=kbm.catalogue.texts.forget_failures,
        )

    @cached_property
    def tend(self) -> TendOverlays:
        """Look after what was written here."""
        kbm = self._kbm
        return TendOverlays(
            suggestions=kbm.catalogue.suggestions,
            gaps=kbm.journal.gaps,
            overlays=self.overlays,
            documents=kbm.catalogue.documents,
            clock=kbm.clock,
        )

    @cached_property
    def heal(self) -> Heal:
        """Mend by itself what owners allowed."""
        kbm = self._kbm
        return Heal(
            suggestions=kbm.catalogue.suggestions,
            healing=kbm.catalogue.healing,
            carry_out=self.carry_out,
            allowed=lambda gpt: kbm.gpt_settings(gpt).review.heal,
            clock=kbm.clock,
        )

    @cached_property
    def verify(self) -> Verify:
        """Tell by evidence what applied fixes do."""
        kbm = self._kbm
        return Verify(
            suggestions=kbm.catalogue.suggestions,
            gaps=kbm.journal.gaps,
            golden=kbm.catalogue.golden,
            releases=kbm.catalogue.releases,
            evaluate=kbm.evaluate,
            retrieve=kbm.retrieve,
            ask=kbm.ask,
        )

    @cached_property
    def review(self) -> Review:
        """Review a GPT."""
        kbm = self._kbm
        return Review(
            windows=self.windows,
            company=self.company,
            suggestions=kbm.catalogue.suggestions,
            gaps=kbm.journal.gaps,
            releases=kbm.catalogue.releases,
            overlays=self.overlays,
            preview=self.preview,
            look_up=self._look_up,
            detect=self._detect,
            clock=kbm.clock,
            golden=kbm.catalogue.golden,
            variants=AskVariants(retrieve=kbm.retrieve, prompt=paraphrase_prompt, writer=self._writer),
            rests=self.heal.rests,
        )

    def _detect(self, window: ReviewWindow, lookup: Lookup, progress: Progress) -> Detected:
        detectors = self.detectors
        with progress.stage(f"agents look at {window.gpt}", len(detectors)) as stage:
            findings, problems = detect(detectors, window, lookup, stage)
        return Detected(findings=findings, problems=problems)

    def _look_up(self, to_review: GptToReview, company: Release) -> Lookup:
        kbm = self._kbm
        own = {one.document_no for one in kbm.build.current(to_review.gpt)}
        stored = {one.document_no for one in kbm.catalogue.documents.current_versions(kbm.settings.sources)}
        readers = dict(kbm.catalogue.documents.visibility().readers)
        return look_up(
            company=company,
            indexes=kbm.indexes,
            texts=kbm.catalogue.texts,
            own=holds(own),
            others=holds(stored - own),  # no drafts: they are what agents wrote
            readers=readers,
            embedder=kbm.embedder,
            write=self._writer(to_review.gpt.name),
        )

    def _writer(self, gpt: str) -> WriteForAgents | None:
        """Let the chat model of kbm.toml write for agents, as much as the GPT may spend."""
        kbm = self._kbm
        chat = kbm.settings.kbm.chat
        if chat == EXTRACTIVE:
            return None
        return WriteForAgents(
            gpt=gpt,
            calls=lambda: kbm.chat_models.calls(chat),
            budget=kbm.chat_models.budget(kbm.journal),
            spend=kbm.journal.add_agent_tokens,
            clock=kbm.clock,
        )
